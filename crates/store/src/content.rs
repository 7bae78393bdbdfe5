//! What a request asked and was answered: kept only where somebody asked for it, apart from records,
//! and in no other format than this one.

use std::fmt;

use domain::RequestId;
use serde::{Deserialize, Serialize};

/// The most bytes of a prompt that are kept, and of an answer.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// The texts of one request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The request.
    #[serde(rename = "request_id", with = "id_text")]
    pub id: RequestId,
    /// What it asked, message after message.
    pub prompt: Vec<Said>,
    /// The answer proper.
    pub answer: String,
    /// What the model thought before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// The tools the model called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Called>,
    /// Whether a part is missing, since it was too long or there was no room for it.
    pub is_cut: bool,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who says it; `None` where the prompt is a text to go on from.
    pub role: Option<String>,
    /// What.
    pub content: String,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The tool.
    pub name: String,
    /// What it is given, as the model wrote it.
    pub arguments: String,
}

impl Content {
    /// How many bytes of text it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let prompt: usize = self.prompt.iter().map(|said| said.content.len()).sum();
        let calls: usize =
            self.tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
        prompt + self.answer.len() + self.reasoning.len() + calls
    }

    /// As a line of JSON Lines.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("texts are plain data");
        line.push('\n');
        line
    }
}

/// Says nothing of the texts, which are to get into no log.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("id", &self.id)
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// A request's id in its own spelling.
mod id_text {
    use domain::RequestId;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &RequestId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RequestId, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}
