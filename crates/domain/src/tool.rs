//! Tools that a model may call, the calls it made, and what came of them.
//!
//! Inputs and their descriptions are JSON texts here, as they came and as they go on: nobody between
//! client and model reads them, and a model may take the order of their members for meaning.

use std::sync::Arc;

/// A tool a model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// What calls name it by.
    pub name: Arc<str>,
    /// What it does and when to use it, for the model to read.
    pub description: Option<Arc<str>>,
    /// The JSON Schema of its input, the text of a JSON object; `None` where it takes none.
    pub parameters: Option<Arc<str>>,
    /// Whether every call must obey the schema; `None` leaves it to the server.
    pub strict: Option<bool>,
}

/// Whether the model shall call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// None, though it is told of them.
    None,
    /// At least one.
    Required,
    /// The tool of this name.
    Named(Arc<str>),
}

/// What a request says about tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// Those the model may call, at least one.
    pub offered: Arc<[Tool]>,
    /// Whether it shall.
    pub choice: ToolChoice,
    /// Whether it may call several in one answer; `None` leaves it to the server.
    pub parallel: Option<bool>,
}

/// A model's call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// What its result goes by.
    pub id: Arc<str>,
    /// The tool's name.
    pub name: Arc<str>,
    /// The tool's input, the text of a JSON object; empty is an empty object. A model may get it
    /// wrong, so that it is none.
    pub arguments: Arc<str>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// The id of the call.
    pub call_id: Arc<str>,
    /// What the tool gave.
    pub content: Arc<str>,
    /// Whether it failed.
    pub is_error: bool,
}
