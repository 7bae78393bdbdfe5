//! What is looked at beside a target while it is under load: its server's metrics, and its process.

use std::path::PathBuf;
use std::sync::Arc;

use collect::scrape::{Scraper, TargetError};
use domain::{Clock, Secret, SystemClock};
use provider::{BaseUrl, Target};

use super::reader::Table;

/// What a target's table says of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Where metrics are read, each with the target's key where it is the target's own server.
    metrics: Vec<(String, Option<Secret>)>,
    /// The file that has the number of the server's process.
    pub(crate) pid_file: Option<PathBuf>,
}

impl Beside {
    /// Of a target whose own server is `target`, where that is known.
    pub(super) fn read(table: &mut Table<'_>, target: Option<&Target>) -> Self {
        let urls = table.words("metrics_url").unwrap_or_default();
        let pid_file = table.path("pid_file");
        let metrics: Vec<_> = urls
            .into_iter()
            .map(|url| {
                let key = target.filter(|target| is_own(&url, target));
                (url, key.and_then(|target| target.key.clone()))
            })
            .collect();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        for (url, key) in &metrics {
            if let Err(error) = Scraper::new(url, key.as_ref(), Arc::clone(&clock)) {
                // A URL may hold credentials, so it is not repeated.
                let (problem, hint) = match error {
                    TargetError::Invalid(_) => {
                        ("has no URL", "write it like http://127.0.0.1:8000/metrics")
                    }
                    TargetError::Scheme(_) => (
                        "is read over plain HTTP alone",
                        "write it like http://127.0.0.1:8000/metrics",
                    ),
                    TargetError::Key => {
                        ("is to be sent a key that no header may have", "look at the target's key")
                    }
                };
                table.refuse("metrics_url", problem, hint);
            }
        }
        Self { metrics, pid_file }
    }

    /// Whether anything is to be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.pid_file.is_none()
    }

    /// How many servers are asked.
    pub(crate) fn servers(&self) -> usize {
        self.metrics.len()
    }

    /// What asks them.
    pub(crate) fn scrapers(&self, clock: &Arc<dyn Clock>) -> Vec<Scraper> {
        let scraper = |(url, key): &(String, Option<Secret>)| {
            Scraper::new(url, key.as_ref(), Arc::clone(clock))
                .expect("it was checked when it was read")
        };
        self.metrics.iter().map(scraper).collect()
    }
}

/// Whether `url` leads to the server of `target`. A key is shown to nobody else.
fn is_own(url: &str, target: &Target) -> bool {
    BaseUrl::parse(url).is_ok_and(|base| {
        (base.host, base.port, base.secure)
            == (target.url.host.clone(), target.url.port, target.url.secure)
    })
}
