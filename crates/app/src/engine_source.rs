//! Where the embedded engine's library and model come from, and how it is set up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use domain::Clock;
use engine::{Batching, Engine, EngineConfig, PlainText};
use llama::{Library, ModelOptions};
// hf-hub leaves its TLS to the program: naming ureq here, with the feature in Cargo.toml, gives it one.
use ureq as _;

use crate::failure::{Exit, UserError};
use crate::output;
use crate::value::Span;

/// How the embedded engine forms batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BatchingKind {
    #[default]
    Continuous,
    Dynamic,
    Static,
}

/// Settings of the embedded engine.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Embedded engine")]
pub(crate) struct EmbeddedSettings {
    /// Folder of llama.cpp's libraries; a GPU build of them is chosen here [default: PRONY_LLAMA_DIR,
    /// or found beside the program]
    #[arg(long, value_name = "DIR")]
    pub(crate) llama_dir: Option<PathBuf>,
    /// Tokens the KV cache holds for all requests together [default: 8192]
    #[arg(long, value_name = "TOKENS", visible_alias = "ctx-size")]
    pub(crate) context: Option<u32>,
    /// Most tokens of one request, prompt and answer [default: what the model was trained for]
    #[arg(long, value_name = "TOKENS")]
    pub(crate) context_per_request: Option<u32>,
    /// Requests the engine runs at once [default: 32]
    #[arg(long, value_name = "N", visible_alias = "parallel")]
    pub(crate) batch_size: Option<u32>,
    /// continuous (requests join and leave at every step), dynamic (a batch starts when full or after
    /// --batch-delay and runs to its end) or static (it starts when full or when nothing else runs)
    /// [default: continuous]
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    pub(crate) batching: Option<BatchingKind>,
    /// Longest a batch waits to fill, with --batching dynamic [default: 50ms]
    #[arg(long, value_name = "TIME")]
    pub(crate) batch_delay: Option<Span>,
    /// Prompt tokens that join one step while answers are under way [default: 128]
    #[arg(long, value_name = "TOKENS")]
    pub(crate) prefill_chunk: Option<u32>,
    /// Requests that may wait for the engine [default: 1024]
    #[arg(long, value_name = "N")]
    pub(crate) queue: Option<usize>,
    /// Threads to compute with [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) threads: Option<u32>,
    /// Layers to put on a GPU, where the libraries have a backend for one (untested) [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) gpu_layers: Option<u32>,
}

impl EmbeddedSettings {
    /// Refuses what would do nothing.
    fn check(&self) -> Result<(), UserError> {
        let is_dynamic = self.batching == Some(BatchingKind::Dynamic);
        if self.batch_delay.is_some() && !is_dynamic {
            return Err(UserError::usage("--batch-delay is about dynamic batches")
                .hint("add --batching dynamic, or leave it out"));
        }
        Ok(())
    }

    /// The engine's configuration.
    pub(crate) fn config(&self) -> EngineConfig {
        let base = EngineConfig::default();
        let max_size = self.batch_size.unwrap_or_else(|| base.batching.size_max());
        let batching = match self.batching.unwrap_or_default() {
            BatchingKind::Continuous => Batching::Continuous { max_size },
            BatchingKind::Static => Batching::Static { size: max_size },
            BatchingKind::Dynamic => Batching::Dynamic {
                max_size,
                max_delay: self
                    .batch_delay
                    .map_or(std::time::Duration::from_millis(50), |Span(delay)| delay),
            },
        };
        EngineConfig {
            context: self.context.unwrap_or(base.context),
            context_per_request: self.context_per_request,
            batching,
            queue: self.queue.unwrap_or(base.queue),
            prefill_chunk: self.prefill_chunk.unwrap_or(base.prefill_chunk),
            threads: self.threads,
            threads_batch: self.threads,
            ..base
        }
    }
}

/// Loads `model` and starts the engine on it. `plain_text` says what prompts of plain text are;
/// `None` is what the model is made for, conversations if it has a form for them.
pub(crate) fn start(
    model: &str,
    settings: &EmbeddedSettings,
    plain_text: Option<PlainText>,
    clock: Arc<dyn Clock>,
) -> Result<Engine, UserError> {
    settings.check()?;
    let path = locate(model)?;
    let library = open_library(settings.llama_dir.as_deref())?;
    let options = ModelOptions { gpu_layers: settings.gpu_layers, ..ModelOptions::default() };
    let loaded = llama::Model::load(&library, &path, options)
        .map_err(|error| UserError::new(Exit::Model, error.to_string()))?;
    let made_for = if loaded.has_template() { PlainText::Said } else { PlainText::Continued };
    let plain_text = plain_text.unwrap_or(made_for);
    Engine::start(loaded, EngineConfig { plain_text, ..settings.config() }, clock)
        .map_err(|error| UserError::new(Exit::Model, error.to_string()))
}

/// The name requests call an embedded model by: its file's, without the ending.
pub(crate) fn name_of(model: &str) -> String {
    let file = model.rsplit(['/', ':']).next().unwrap_or(model);
    file.strip_suffix(".gguf").unwrap_or(file).to_owned()
}

/// The file of a model given by path, or as `hf:OWNER/REPO/FILE`, which is fetched once and kept.
fn locate(model: &str) -> Result<PathBuf, UserError> {
    let Some(name) = model.strip_prefix("hf:") else { return Ok(PathBuf::from(model)) };
    let mut parts = name.splitn(3, '/');
    let (Some(owner), Some(repo), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(UserError::usage(format!("`{model}` does not name a file of a repository"))
            .hint("write hf:OWNER/REPO/FILE, such as hf:someone/some-model-GGUF/model.gguf"));
    };
    let failed = |error: hf_hub::api::sync::ApiError| {
        UserError::new(Exit::Model, format!("cannot fetch {model}: {error}")).hint(
            "check the name; HF_ENDPOINT names another hub, HF_HOME the cache, and a token is read \
             from the cache's `token` file",
        )
    };
    // The builder reads HF_ENDPOINT, HF_HOME and the token as every client of the hub does.
    let api = hf_hub::api::sync::ApiBuilder::from_env()
        .with_progress(output::is_watched())
        .build()
        .map_err(failed)?;
    api.model(format!("{owner}/{repo}")).get(file).map_err(failed)
}

/// Opens llama.cpp from the folder given, the one the environment names, or the usual places: a
/// `llama` or `lib/llama` folder beside the program or one level up, and `.prony/llama` in the
/// working directory or above the program.
fn open_library(given: Option<&Path>) -> Result<Library, UserError> {
    let failed = |error: llama::LibraryError| UserError::new(Exit::Model, error.to_string());
    if let Some(folder) = given {
        return Library::open(folder).map_err(failed);
    }
    if let Some(folder) = output::environment("PRONY_LLAMA_DIR") {
        return Library::open(Path::new(&folder)).map_err(failed);
    }
    let tried = usual_places();
    match tried.iter().find(|folder| folder.is_dir()) {
        Some(folder) => Library::open(folder).map_err(failed),
        None => Err(UserError::new(Exit::Model, "llama.cpp's libraries are not installed").hint(
            "install them with `scripts/llama-library.sh .prony/llama`, or name their folder with \
             --llama-dir or PRONY_LLAMA_DIR",
        )),
    }
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).ok();
    for folder in program.iter().flat_map(|program| program.ancestors().skip(1).take(4)) {
        places.extend(["llama", "lib/llama", ".prony/llama"].map(|below| folder.join(below)));
    }
    places.push(PathBuf::from(".prony/llama"));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_its_file() {
        assert_eq!(name_of("/models/Some-135M.Q4_1.gguf"), "Some-135M.Q4_1");
        assert_eq!(name_of("hf:owner/repo/model.gguf"), "model");
    }

    #[test]
    fn hub_names_need_owner_repository_and_file() {
        let error = locate("hf:owner/repo").expect_err("no file").to_string();
        assert!(error.contains("hf:OWNER/REPO/FILE"), "{error}");
    }
}
