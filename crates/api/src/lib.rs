//! Serves any [`domain::Model`] over HTTP in the forms that the OpenAI and Anthropic packages
//! speak, streamed and not, with a list of models, a health check and metrics beside it; and the
//! [`management`] API.
//!
//! There is no channel and no task between a model and its client: the body of a streamed answer
//! *is* the model's future, polled as fast as the client reads, and dropped, which cancels the
//! request, when the client leaves. Read the modules in this order.

pub mod server;

mod accept;
mod front;
mod id;

mod answer;
mod refusal;

pub mod management;

pub use accept::Stopped;
pub use front::Served;
pub use management::{Management, ManagementServer};
pub use server::{BindError, ModelServer};
