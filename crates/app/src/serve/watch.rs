//! Evaluates alert rules again and again, and has told what is due.

use std::sync::Arc;

use alert::dispatch::Dispatch;
use alert::moment::Moment;
use alert::question::{Question, Reading};
use alert::{AlertBook, Saved, SharedBook, Watch};
use archive::{Archive, History};
use control::KeeperError;
use domain::{Clock, Seed};
use store::durable::Store;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, UserError};
use crate::output;
use crate::settings_file::AlertSettings;
use crate::stored::store_error;

/// Where the state of alerts is kept: the kind of document, and its id.
const DOCUMENT: (&str, &str) = ("alerts", "book");

/// Alert rules, watched.
pub(super) struct Watching {
    pub(super) book: SharedBook,
    watch: Watch,
    store: Arc<Store>,
    history: History,
}

impl Watching {
    /// Takes up where an earlier server left off. Called on the runtime that it will be watched on.
    pub(super) fn start(
        settings: AlertSettings,
        archive: &Archive,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UserError> {
        let AlertSettings { interval, rules, receivers, surroundings } = settings;
        let routes = receivers.iter().map(|receiver| receiver.route.clone()).collect();
        let mut book = AlertBook::new(rules, routes, Seed(clock.unix_nanos()));
        let store = Arc::clone(archive.store());
        let kept = store.reader().document(DOCUMENT.0, DOCUMENT.1);
        if let Some(document) = kept.map_err(|error| store_error(&error))? {
            restore(&mut book, &document.body)?;
        }
        let book = SharedBook::new(book);
        let dispatch = Dispatch::start(receivers, &Arc::new(surroundings), &clock);
        let watch = Watch { book: book.clone(), dispatch, clock, interval };
        Ok(Self { book, watch, store, history: History::new(archive.reader().clone()) })
    }

    /// Keeps the state of alerts after a change.
    pub(super) fn keeper(&self) -> impl Fn(Saved) -> Result<(), KeeperError> + Send + Sync + use<> {
        let store = Arc::clone(&self.store);
        move |saved| keep(&store, &saved)
    }

    /// Watches until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self { watch, store, history, .. } = self;
        let ask = move |questions: Vec<Question>, now: Moment| {
            let history = history.clone();
            async move {
                let answering =
                    tokio::task::spawn_blocking(move || answers(&history, &questions, now));
                answering.await.unwrap_or_else(|_| Err("answering broke off".to_owned()))
            }
        };
        // The same state is not written twice, since nothing changes on most evaluations.
        let mut last = None;
        let keep = move |saved: Saved| {
            let is_new = last.as_ref() != Some(&saved);
            let store = Arc::clone(&store);
            last = Some(saved.clone());
            async move {
                if !is_new {
                    return;
                }
                let keeping = tokio::task::spawn_blocking(move || keep(&store, &saved));
                if let Ok(Err(error)) = keeping.await {
                    output::talk(&format!(
                        "warning: alerts are not kept: {error}\n  help: {}",
                        error.hint
                    ));
                }
            }
        };
        watch.run(ask, keep, stop.cancelled()).await;
    }
}

fn answers(
    history: &History,
    questions: &[Question],
    now: Moment,
) -> Result<Vec<Vec<Reading>>, String> {
    let answer = |question| history.readings(question, now).map_err(|error| error.to_string());
    questions.iter().map(answer).collect()
}

fn restore(book: &mut AlertBook, body: &str) -> Result<(), UserError> {
    let unusable = |reason: String| {
        UserError::new(Exit::File, format!("the state of alerts cannot be read: {reason}"))
            .hint("use the version of Prony that wrote the store, or a newer one")
    };
    let saved: Saved = serde_json::from_str(body).map_err(|error| unusable(error.to_string()))?;
    book.restore(&saved).map_err(|error| unusable(error.to_string()))
}

fn keep(store: &Store, saved: &Saved) -> Result<(), KeeperError> {
    let body = serde_json::to_string(saved).expect("it is plain data");
    store
        .put_document(DOCUMENT.0, DOCUMENT.1, &body)
        .map_err(|error| KeeperError { problem: error.to_string(), hint: error.hint().to_owned() })
}
