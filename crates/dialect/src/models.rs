//! The models a server has, `GET /v1/models` and `GET /v1/models/{id}`.

use domain::Failure;
use serde::Deserialize;

use crate::{date, event, json};

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

/// The id of the one model that `path` is about, percent signs resolved; `None` where it is about
/// none. An id may hold slashes, as names of repositories do.
#[must_use]
pub fn id_in(path: &str) -> Option<String> {
    let id = path.strip_prefix(PATH)?.strip_prefix('/').filter(|id| !id.is_empty())?;
    let mut bytes = Vec::with_capacity(id.len());
    let mut rest = id.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?);
            rest = after;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
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

/// The body that lists the models a server has, with the members of OpenAI's form and Anthropic's,
/// so that either package reads it.
#[must_use]
pub fn encode_models(models: &[ModelEntry], created_unix_s: u64) -> Vec<u8> {
    let mut out = br#"{"object":"list","data":["#.to_vec();
    for (index, model) in models.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_model(model, created_unix_s, &mut out);
    }
    out.extend_from_slice(br#"],"has_more":false,"first_id":"#);
    json::value(&models.first().map(|model| &model.id), &mut out);
    out.extend_from_slice(br#","last_id":"#);
    json::value(&models.last().map(|model| &model.id), &mut out);
    out.push(b'}');
    out
}

/// The body that tells of one model, as it stands in the list.
#[must_use]
pub fn encode_model(model: &ModelEntry, created_unix_s: u64) -> Vec<u8> {
    let mut out = Vec::new();
    write_model(model, created_unix_s, &mut out);
    out
}

fn write_model(model: &ModelEntry, created_unix_s: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"id":"#);
    json::string(&model.id, out);
    json::raw(
        format_args!(
            r#","object":"model","type":"model","created":{created_unix_s},"created_at":"{}","#,
            date::to_rfc3339(created_unix_s)
        ),
        out,
    );
    out.extend_from_slice(br#""owned_by":"prony","lifecycle":"active","display_name":"#);
    json::string(&model.id, out);
    if let Some(tokens) = model.max_model_len {
        // vLLM's name for it, and Anthropic's.
        json::raw(format_args!(r#","max_model_len":{tokens},"max_input_tokens":{tokens}"#), out);
    }
    out.push(b'}');
}
