//! What can go wrong before the first token, each with what to do about it.

use std::path::PathBuf;

/// Why llama.cpp's libraries could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The folder has no `libllama`.
    #[error(
        "no llama.cpp library (libllama) in {folder}: run `scripts/llama-library.sh {folder}` to \
         fetch one, or point PRONY_LLAMA_DIR at the folder of your own build"
    )]
    Missing {
        /// The folder searched.
        folder: PathBuf,
    },
    /// The system's loader refused the library.
    #[error(
        "cannot open {file}: {reason}. The folder must hold libllama with its own libggml beside \
         it, built for this machine"
    )]
    Open {
        /// The library.
        file: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// The library is of another version than this program can call safely.
    #[error(
        "{file} is not a llama.cpp this program can call ({found}; wanted {wanted}): run \
         `scripts/llama-library.sh` for a folder that fits"
    )]
    Mismatch {
        /// The library.
        file: PathBuf,
        /// What was found.
        found: String,
        /// What would fit.
        wanted: &'static str,
    },
    /// No backend could be loaded, not even for the CPU.
    #[error(
        "{folder} has libllama but no backend for this machine (libggml-cpu-*): run \
         `scripts/llama-library.sh {folder}` again"
    )]
    NoBackend {
        /// The folder searched.
        folder: PathBuf,
    },
    /// The process has opened llama.cpp from another folder; two cannot live side by side.
    #[error("llama.cpp is already open from {open}; one process cannot also open {wanted}")]
    AnotherOpen {
        /// The folder in use.
        open: PathBuf,
        /// The folder asked for.
        wanted: PathBuf,
    },
}

/// Why a model or a context over it could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read model {path}: {source}. Give the path of a GGUF file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error(
        "{path} is not a GGUF file (it does not begin with `GGUF`). Convert the model to GGUF \
         first; a git-lfs pointer or an HTML page saved under this name looks like this too"
    )]
    NotGguf {
        /// The file.
        path: PathBuf,
    },
    /// The file begins as GGUF but llama.cpp cannot load it.
    #[error(
        "llama.cpp cannot load {path}: {reason}. The file may be cut short or damaged (compare its \
         size and hash with its source), or of an architecture llama.cpp {version} does not know"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// llama.cpp's words.
        reason: String,
        /// The library's version.
        version: String,
    },
    /// The model loaded, but no context could be made over it.
    #[error(
        "llama.cpp cannot make a context of {context} tokens: {reason}. If memory is the limit, \
         ask for a smaller context"
    )]
    Context {
        /// The context asked for, in tokens.
        context: u32,
        /// llama.cpp's words.
        reason: String,
    },
}

/// Why a model file could not be written with other number formats.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The library quantizes by parameters this program does not know.
    #[error("llama.cpp {version} quantizes by other parameters than are known here; use {wanted}")]
    Mismatch {
        /// The library's version.
        version: String,
        /// The versions that are known.
        wanted: &'static str,
    },
    /// llama.cpp gave up.
    #[error(
        "llama.cpp cannot quantize {source_path} to {dest}: {reason}. Check that the first is a \
         GGUF model and that there is room for the second"
    )]
    Failed {
        /// The file that was read.
        source_path: PathBuf,
        /// The file to be written.
        dest: PathBuf,
        /// llama.cpp's words.
        reason: String,
    },
}

/// Why a conversation could not be put into the model's own form.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The model carries no chat template.
    #[error(
        "the model has no chat template, so it takes text only: send plain prompts (completions), \
         or use an instruction-tuned model"
    )]
    Missing,
    /// The template is not one this program understands.
    #[error("the model's chat template cannot be read: {0}")]
    Syntax(String),
    /// The template refuses the conversation.
    #[error("the model's chat template refuses the conversation: {0}")]
    Refused(String),
}
