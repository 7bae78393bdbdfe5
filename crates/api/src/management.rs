//! The management API: benchmarks, what they may name, and what happens now, over HTTP.
//!
//! JSON in UTF-8 under [`BASE`]; errors are RFC 9457 problems; every path, body and answer stands in
//! the OpenAPI document at `/api/v1/openapi.json`, which is made from the code and has a reader's
//! page at `/docs`; the dashboard stands at `/`. [`key`] says who may do what, [`guard`] lets nobody else through and keeps
//! everyone within bounds, [`problem`] is what they are told; [`form`] is what one asks for,
//! [`benchmarks`], [`catalogue`], [`live`] and what was kept are what one gets; [`server`] listens.
//! Read the modules in this order.

pub mod key;
pub mod guard;
pub mod problem;

pub mod form;

mod entry;
mod extract;
mod moment;
mod query;

pub mod benchmarks;
pub mod catalogue;
mod availability;
mod rollups;
mod runs;
mod resources;
mod records;
mod contents;
mod alerts;
mod silences;
mod deliveries;
pub mod live;
mod status;

mod pages;

mod document;

pub mod server;

use std::sync::Arc;

use alert::SharedBook;
use archive::{AvailabilityBook, History};
use axum::Router;
use collect::metrics::Family;
use control::{Benchmarks, Catalogue, KeeperError};
use domain::Clock;

pub use key::{Key, KeyRing, Role};
pub use live::{LiveFeed, LiveWindow};
pub use problem::Problem;
pub use server::{Certificate, CertificateError, ManagementServer};
pub use status::StoreFacts;

use guard::Guard;

/// Where the API's paths begin.
pub const BASE: &str = "/api/v1";

/// What the management API manages.
#[derive(Clone)]
pub struct Management {
    /// The benchmarks.
    pub benchmarks: Arc<Benchmarks>,
    /// What they may name.
    pub catalogue: Arc<Catalogue>,
    /// What was.
    pub history: History,
    /// What canaries found.
    pub availability: AvailabilityBook,
    /// Alert rules and how they stand.
    pub alerts: SharedBook,
    /// Keeps the state of alerts after a change that was made here.
    pub keep_alerts: Arc<dyn Fn(alert::Saved) -> Result<(), KeeperError> + Send + Sync>,
    /// What happens now.
    pub live: Arc<LiveFeed>,
    /// Who may do what.
    pub keys: Arc<KeyRing>,
    /// Whether prompts and answers of benchmarks are kept where the benchmark does not say.
    pub store_content: bool,
    /// What `/metrics` answers with.
    pub metrics: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    /// What there is to tell of the store.
    pub store: Arc<dyn Fn() -> StoreFacts + Send + Sync>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What every handler is given.
#[derive(Clone)]
struct App {
    parts: Management,
    /// When the server was started, in nanoseconds since 1970.
    started_unix_nanos: u64,
}

impl Management {
    /// Every path of the API, with its document and the page to read it.
    pub fn router(self) -> Router {
        let guard = Arc::new(Guard::new(Arc::clone(&self.keys), Arc::clone(&self.clock)));
        let started_unix_nanos = self.clock.unix_nanos();
        document::router(guard).with_state(App { parts: self, started_unix_nanos })
    }
}
