//! Brings what is put under load to the point where it can be sent requests.

use std::sync::Arc;

use domain::{Clock, FailureKind, Model, Tokenizer};
use engine::{Engine, PlainText};
use provider::probe::{self, ProbeError, Probed};
use provider::{HttpVersion, Provider, Target};

use super::check::{Bench, Subject};
use crate::engine_source::{self, EmbeddedSettings};
use crate::failure::{Exit, UserError, remedy_before_load};
use crate::{hosted, output};

/// A model that is ready.
pub(crate) struct Ready {
    pub(crate) model: Arc<dyn Model>,
    /// What requests call the models under load.
    pub(crate) names: Vec<String>,
    /// Who serves them, in records.
    pub(crate) provider: Arc<str>,
    /// The tokenizer of an embedded model.
    pub(crate) tokenizer: Option<Arc<dyn Tokenizer>>,
    /// What it is, for results.
    pub(crate) description: String,
    /// Whether it runs in this process, where nothing is stamped by a kernel.
    pub(crate) is_embedded: bool,
}

/// Opens the bench's subject: asks a server what it is, or loads a model file.
pub(crate) async fn open(
    bench: &Bench,
    embedded: &EmbeddedSettings,
    clock: Arc<dyn Clock>,
) -> Result<Ready, UserError> {
    match &bench.subject {
        Subject::Remote { target, is_guess } => open_remote(bench, target, *is_guess, clock).await,
        Subject::Embedded { model, plain_text } => {
            let engine = engine_source::start(model, embedded, *plain_text, clock)?;
            Ok(ready_engine(engine, bench.models.clone()))
        }
    }
}

pub(crate) fn ready_engine(engine: Engine, names: Vec<String>) -> Ready {
    let form = match engine.config().plain_text {
        PlainText::Said => "chat",
        PlainText::Continued => "completions",
    };
    let description = format!(
        "embedded engine, llama.cpp {} ({}), {}, {form}",
        engine.model().library().version(),
        engine.model().library().backends().join(", "),
        engine.model().description()
    );
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(engine.model().clone());
    let model: Arc<dyn Model> = Arc::new(engine);
    let provider = "engine".into();
    Ready { model, names, provider, tokenizer: Some(tokenizer), description, is_embedded: true }
}

async fn open_remote(
    bench: &Bench,
    target: &Target,
    is_guess: bool,
    clock: Arc<dyn Clock>,
) -> Result<Ready, UserError> {
    let probed = probe::probe(target, Arc::clone(&clock)).await;
    let probed = probed.map_err(|error| probe_error(error, target.http))?;
    let names = model_names(bench, target, &probed)?;
    let provider = Provider::new(target.clone(), clock)
        .map_err(|error| UserError::usage(error.to_string()))?;
    let endpoint = dialect::path(target.format);
    if is_guess {
        bench.notes.say(&format!("endpoint: {endpoint} (--endpoint-type chooses another)"));
    }
    if let Some(provider) = bench.lengths_left_to {
        output::talk(&format!(
            "warning: {provider} refuses requests with ignore_eos, so it is not sent: answers end \
             where the model ends them\n  help: leave --ignore-eos out, or compare token figures, \
             not latencies of whole answers"
        ));
    }
    let description = format!("{}{endpoint}", target.url);
    let model: Arc<dyn Model> = Arc::new(provider);
    let provider = hosted::label(&target.url.host).into();
    Ok(Ready { model, names, provider, tokenizer: None, description, is_embedded: false })
}

fn probe_error(error: ProbeError, http: HttpVersion) -> UserError {
    match error {
        ProbeError::Target(error) => UserError::usage(error.to_string()),
        ProbeError::Failure(failure) => {
            UserError::new(Exit::Requests(failure.kind), failure.message)
                .hint(remedy_before_load(failure.kind, Some(http)))
        }
    }
}

/// The models to ask for: those named, checked against the server's list where it has one, else its
/// only or first.
fn model_names(bench: &Bench, target: &Target, probed: &Probed) -> Result<Vec<String>, UserError> {
    // A name that would move the terminal's cursor is none to show, nor one to be told from others.
    let is_plain = |name: &&str| !name.contains(char::is_control);
    let names = probed.models.iter().flatten().map(|model| &*model.id);
    let listed: Vec<&str> = names.filter(is_plain).collect();
    if bench.models.is_empty() {
        return match listed.first() {
            Some(first) => {
                bench.notes.say(&format!("model: {first}, the first the server lists"));
                Ok(vec![(*first).to_owned()])
            }
            None => Err(UserError::usage(format!("{} does not list its models", target.url))
                .hint("name one with --model")),
        };
    }
    for name in bench.models.iter().filter(|_| !listed.is_empty()) {
        if !listed.contains(&name.as_str()) {
            let kind = FailureKind::Rejected;
            return Err(UserError::new(
                Exit::Requests(kind),
                format!("the server has no model `{name}`"),
            )
            .hint(format!("it lists {}", shortened(&listed))));
        }
    }
    Ok(bench.models.clone())
}

fn shortened(names: &[&str]) -> String {
    let shown = names.iter().take(8).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(8) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
