//! The list of models a server has, `GET /v1/models`.

use domain::Failure;
use serde::Deserialize;

use crate::event;

/// The path under a server's base URL that lists its models, in OpenAI's form and Anthropic's.
pub const PATH: &str = "/v1/models";

/// One model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// What requests call it.
    pub id: String,
    /// The longest context it serves, in tokens, where the server says (vLLM, SGLang).
    pub max_model_len: Option<u64>,
}

/// Reads the list in OpenAI's form or Anthropic's.
///
/// # Errors
/// [`Malformed`](domain::FailureKind::Malformed) where the body is no such list.
pub fn parse_list(body: &[u8]) -> Result<Vec<ModelEntry>, Failure> {
    #[derive(Deserialize)]
    struct List {
        // Null where Ollama has no model, but never absent.
        #[serde(deserialize_with = "Option::deserialize")]
        data: Option<Vec<Entry>>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        max_model_len: Option<u64>,
    }
    let list: List = event::object(body)?;
    Ok(list
        .data
        .into_iter()
        .flatten()
        .map(|entry| ModelEntry { id: entry.id, max_model_len: entry.max_model_len })
        .collect())
}
