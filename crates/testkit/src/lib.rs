//! What Prony's tests share: clocks that stand still, a model that plays a script, a sink that
//! keeps what it is told, a strict fake provider on a real socket, a stand-in of the model hub,
//! programs run in a clean environment, Prometheus and Alertmanager, the dashboards' queries, and
//! the way to data and models outside the repository.
//!
//! Only ever a dev-dependency, so what would be an error elsewhere is a panic here. Read the
//! modules in this order.

pub mod clock;
pub mod model;
pub mod sink;

pub mod answer;
pub mod reply;
pub mod server;

mod http1;
mod http2;
mod tls;

pub mod asset;
pub mod dashboard;
pub mod hub;
pub mod monitoring;
pub mod program;
pub mod transcript;

pub use asset::{llama_library, local_model, shared_data};
pub use clock::{ManualClock, VirtualClock};
pub use hub::FakeHub;
pub use model::{Asked, Script, ScriptedModel};
pub use program::Program;
pub use reply::{Ending, Framing, Gate, Piece, Reply};
pub use server::{FakeServer, FakeServerBuilder, Received};
pub use sink::{CollectingSink, OwnedPayload, Step};
pub use transcript::{Transcript, redact};
