//! Prompts of the user's own, from a JSONL file or a JSON array.
//!
//! Each record is an object in one of three forms, which may be mixed:
//!
//! ```text
//! {"prompt": "Name three rivers."}
//! {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}
//! {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
//! ```
//!
//! `max_tokens` beside any of them bounds that record's answer; other fields are for the file's
//! owner. What a message is made of never shows in an error: datasets may be confidential.

use std::sync::Arc;

use domain::{Message, Prompt, Role};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The prompts of a file, in its order.
#[derive(Clone, Debug)]
pub struct Dataset {
    name: Arc<str>,
    items: Vec<Item>,
    skipped: u64,
}

/// One record of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) prompt: Prompt,
    pub(crate) max_tokens: Option<u64>,
}

/// Why a file is no dataset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// A record is malformed.
    #[error("{file}:{line}: {problem}")]
    Record {
        /// What the caller calls the file.
        file: Arc<str>,
        /// The line the record starts at, from one; for broken JSON the line it breaks at.
        line: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// There is no prompt in the file.
    #[error(
        "{file}: no prompts; write one JSON object a line, such as {{\"prompt\": \"Hello\"}} or \
         {{\"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}"
    )]
    Empty {
        /// What the caller calls the file.
        file: Arc<str>,
    },
}

impl Dataset {
    /// Reads the bytes of a file, which `name` stands for in records and errors.
    ///
    /// A file whose first character is `[` is one JSON array of records; any other has a record a
    /// line, blank lines aside.
    ///
    /// # Errors
    /// At the first malformed record, or where there is none at all.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, DatasetError> {
        let file: Arc<str> = name.into();
        let at = |(line, problem)| DatasetError::Record { file: file.clone(), line, problem };
        let text = decode(bytes).map_err(at)?;
        let mut dataset = Self { name: file.clone(), items: Vec::new(), skipped: 0 };
        if text.trim_start().starts_with('[') {
            dataset.read_array(text).map_err(at)?;
        } else {
            dataset.read_lines(text).map_err(at)?;
        }
        if dataset.items.is_empty() {
            return Err(DatasetError::Empty { file });
        }
        Ok(dataset)
    }

    /// What the dataset is called.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many prompts there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an empty dataset is an error when read")]
    pub fn len(&self) -> u64 {
        self.items.len() as u64
    }

    /// How many conversations were left out because no human speaks in them, as happens in the
    /// ShareGPT files in circulation.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The record at `place`, below [`Dataset::len`].
    pub(crate) fn item(&self, place: u64) -> &Item {
        &self.items[place as usize]
    }

    fn read_lines(&mut self, text: &str) -> Result<(), (usize, String)> {
        for (position, line) in text.lines().enumerate() {
            if !line.trim().is_empty() {
                self.read_record(line).map_err(|problem| (position + 1, problem))?;
            }
        }
        Ok(())
    }

    fn read_array(&mut self, text: &str) -> Result<(), (usize, String)> {
        let records: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| (error.line(), no_json(&error)))?;
        let (mut line, mut counted) = (1, 0);
        for record in records {
            // Raw values borrow from the text, so their addresses give their places.
            let start = record.get().as_ptr() as usize - text.as_ptr() as usize;
            line += text.as_bytes()[counted..start].iter().filter(|byte| **byte == b'\n').count();
            counted = start;
            self.read_record(record.get()).map_err(|problem| (line, problem))?;
        }
        Ok(())
    }

    fn read_record(&mut self, json: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(json).map_err(|error| no_json(&error))?;
        let Value::Object(record) = value else {
            return Err(format!("{}, found {}", EXPECTED_RECORD, kind(&value)));
        };
        match parse_record(&record)? {
            Some(prompt) => {
                let max_tokens = parse_max_tokens(record.get("max_tokens"))?;
                self.items.push(Item { prompt, max_tokens });
            }
            None => self.skipped += 1,
        }
        Ok(())
    }
}

const EXPECTED_RECORD: &str =
    "expected an object with `prompt`, `messages` or `conversations` (ShareGPT)";

fn decode(bytes: &[u8]) -> Result<&str, (usize, String)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        (line, "not UTF-8 text; convert the file to UTF-8".to_owned())
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The prompt of a record, or `None` for a conversation in which no human speaks.
fn parse_record(record: &Map<String, Value>) -> Result<Option<Prompt>, String> {
    match (record.get("prompt"), record.get("messages"), record.get("conversations")) {
        (Some(prompt), None, None) => {
            text_of(prompt, "`prompt`").map(|text| Some(Prompt::Text(text)))
        }
        (None, Some(messages), None) => parse_messages(messages).map(Some),
        (None, None, Some(turns)) => parse_conversation(turns),
        (None, None, None) => {
            Err(format!("{EXPECTED_RECORD}, found none of them among its {} fields", record.len()))
        }
        _ => Err(format!("{EXPECTED_RECORD}, found more than one of them; keep one")),
    }
}

fn parse_max_tokens(value: Option<&Value>) -> Result<Option<u64>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(0) | None => {
                Err(format!("`max_tokens` must be a whole number above 0, found {}", kind(value)))
            }
            Some(tokens) => Ok(Some(tokens)),
        },
    }
}

fn parse_messages(value: &Value) -> Result<Prompt, String> {
    let turns = array_of(value, "`messages`")?;
    if turns.is_empty() {
        return Err("`messages` is empty; it needs at least one message".to_owned());
    }
    let messages = turns.iter().enumerate().map(|(position, turn)| {
        let place = format!("`messages[{position}]`");
        let says = match turn.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => Message::System,
            Some("user") => Message::User,
            Some("assistant") => Message::assistant,
            Some("tool" | "function") => {
                return Err(format!("{place} is a tool's result, which cannot be sent on its own"));
            }
            _ => return Err(format!("{place} needs a `role`: system, user or assistant")),
        };
        let content = turn.get("content").unwrap_or(&Value::Null);
        Ok(says(content_of(content, &format!("{place} `content`"))?))
    });
    messages.collect::<Result<Vec<_>, _>>().map(|messages| Prompt::Messages(messages.into()))
}

/// A message's content: a string, or OpenAI's list of text parts, joined.
fn content_of(value: &Value, place: &str) -> Result<Arc<str>, String> {
    let Value::Array(parts) = value else { return text_of(value, place) };
    let mut content = String::new();
    for part in parts {
        match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(text)) => content.push_str(text),
            _ => return Err(format!("{place} has a part that is not text; only text can be sent")),
        }
    }
    if content.is_empty() { Err(format!("{place} is empty")) } else { Ok(content.into()) }
}

/// The start of a ShareGPT conversation: standing instructions and what the human says before the
/// first answer. An answer that comes before any question, where a longer conversation was cut, is
/// passed over.
fn parse_conversation(value: &Value) -> Result<Option<Prompt>, String> {
    let mut messages = Vec::new();
    let mut asked = false;
    for (position, turn) in array_of(value, "`conversations`")?.iter().enumerate() {
        let place = format!("`conversations[{position}]`");
        let says = match turn.get("from").and_then(Value::as_str) {
            Some("human" | "user") => Message::User,
            Some("system") => Message::System,
            Some("gpt" | "chatgpt" | "assistant" | "bing" | "bard") if asked => break,
            Some("gpt" | "chatgpt" | "assistant" | "bing" | "bard") => continue,
            _ => return Err(format!("{place} needs a `from`: system, human or gpt")),
        };
        let value = turn.get("value").unwrap_or(&Value::Null);
        // Files in circulation have turns without text; they say nothing.
        if value.as_str().is_some_and(str::is_empty) {
            continue;
        }
        let message = says(text_of(value, &format!("{place} `value`"))?);
        asked |= message.role() == Role::User;
        messages.push(message);
    }
    Ok(match (asked, &messages[..]) {
        (false, _) => None,
        (true, [only]) => Some(Prompt::Text(only.content().clone())),
        (true, _) => Some(Prompt::Messages(messages.into())),
    })
}

fn text_of(value: &Value, place: &str) -> Result<Arc<str>, String> {
    match value {
        Value::String(text) if text.is_empty() => Err(format!("{place} is empty")),
        Value::String(text) => Ok(text.as_str().into()),
        other => Err(format!("{place} must be a text, found {}", kind(other))),
    }
}

fn array_of<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], String> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(format!("{place} must be an array, found {}", kind(other))),
    }
}

/// What a value is, without saying what is in it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.as_u64() == Some(0) => "0",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What broke the JSON, without the reader's own line number, which counts within the record.
fn no_json(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or(&message);
    format!("not JSON at column {}: {problem}; {EXPECTED_RECORD}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Dataset, DatasetError> {
        Dataset::parse(text.as_bytes(), "mine.jsonl")
    }

    /// A prompt in short: `role: text | role: text`, or the bare text.
    fn shown(item: &Item) -> String {
        let prompt = match &item.prompt {
            Prompt::Text(text) => text.to_string(),
            Prompt::Messages(messages) => messages
                .iter()
                .map(|message| format!("{}: {}", message.role().as_str(), message.content()))
                .collect::<Vec<_>>()
                .join(" | "),
        };
        match item.max_tokens {
            Some(tokens) => format!("{prompt} (at most {tokens})"),
            None => prompt,
        }
    }

    fn check(text: &str, expected: &[&str]) {
        let dataset = parse(text).expect(text);
        assert_eq!(dataset.items.iter().map(shown).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn every_form_is_read() {
        check("{\"prompt\": \"one\"}\r\n\n  {\"prompt\":\"two\",\"id\":7}", &["one", "two"]);
        check("\u{feff}{\"prompt\": \"one\", \"max_tokens\": 9}\n", &["one (at most 9)"]);
        check(
            r#"{"messages": [{"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hi "},
                {"type": "text", "text": "there"}]}, {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "Go on"}], "max_tokens": null}"#
                .replace('\n', " ")
                .as_str(),
            &["system: Be brief. | user: Hi there | assistant: Yes? | user: Go on"],
        );
        check(
            r#"{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}, {"from": "human", "value": "Bye"}]}"#,
            &["Hi"],
        );
        check(
            r#"{"conversations": [{"from": "system", "value": "S"}, {"from": "gpt", "value": "cut"}, {"from": "human", "value": "a"}, {"from": "human", "value": "b"}, {"from": "gpt", "value": "c"}]}"#,
            &["system: S | user: a | user: b"],
        );
    }

    #[test]
    fn an_array_is_read_like_lines() {
        check("[{\"prompt\": \"one\"},\n {\"prompt\": \"two\"}]", &["one", "two"]);
        let text = r#"[
            {"id": "a", "conversations": []},
            {"id": "b", "conversations": [{"from": "gpt", "value": "alone"}]},
            {"id": "c", "conversations": [{"from": "human", "value": "Hi"}]}
        ]"#;
        check(text, &["Hi"]);
        assert_eq!(parse(text).unwrap().skipped(), 2);
    }

    #[test]
    fn malformed_records_are_named_by_line() {
        let record = "expected an object with `prompt`, `messages` or `conversations` (ShareGPT)";
        let cases = [
            (
                r#"{"prompt": "a"}"#.to_owned() + "\nprivate",
                format!("2: not JSON at column 1: expected value; {record}"),
            ),
            (
                "\n\n{\"prompt\": \"private".into(),
                format!("3: not JSON at column 19: EOF while parsing a string; {record}"),
            ),
            ("7".into(), format!("1: {record}, found a number")),
            (
                r#"{"text": "private"}"#.into(),
                format!("1: {record}, found none of them among its 1 fields"),
            ),
            (
                r#"{"prompt": "private", "messages": []}"#.into(),
                format!("1: {record}, found more than one of them; keep one"),
            ),
            (r#"{"prompt": 7}"#.into(), "1: `prompt` must be a text, found a number".into()),
            (r#"{"prompt": ""}"#.into(), "1: `prompt` is empty".into()),
            (
                r#"{"prompt": "private", "max_tokens": "private"}"#.into(),
                "1: `max_tokens` must be a whole number above 0, found a text".into(),
            ),
            (
                r#"{"prompt": "private", "max_tokens": 0}"#.into(),
                "1: `max_tokens` must be a whole number above 0, found 0".into(),
            ),
            (
                r#"{"messages": "private"}"#.into(),
                "1: `messages` must be an array, found a text".into(),
            ),
            (
                r#"{"messages": []}"#.into(),
                "1: `messages` is empty; it needs at least one message".into(),
            ),
            (
                r#"{"messages": [{"role": "private", "content": "private"}]}"#.into(),
                "1: `messages[0]` needs a `role`: system, user or assistant".into(),
            ),
            (
                r#"{"messages": [{"role": "tool", "content": "private"}]}"#.into(),
                "1: `messages[0]` is a tool's result, which cannot be sent on its own".into(),
            ),
            (
                r#"{"messages": [{"role": "user"}]}"#.into(),
                "1: `messages[0]` `content` must be a text, found nothing".into(),
            ),
            (
                r#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#.into(),
                "1: `messages[0]` `content` has a part that is not text; only text can be sent"
                    .into(),
            ),
            (
                r#"{"conversations": [{"role": "human", "value": "private"}]}"#.into(),
                "1: `conversations[0]` needs a `from`: system, human or gpt".into(),
            ),
            (
                r#"{"conversations": [{"from": "human"}]}"#.into(),
                "1: `conversations[0]` `value` must be a text, found nothing".into(),
            ),
            (
                "[{\"prompt\": \"a\"},\n\n{\"prompt\": 7}]".into(),
                "3: `prompt` must be a text, found a number".into(),
            ),
            (
                "[{\"prompt\": \"a\"},\n{\"prompt\"]".into(),
                format!("2: not JSON at column 10: expected `:`; {record}"),
            ),
        ];
        for (text, message) in cases {
            let error = parse(&text).expect_err(&text).to_string();
            assert_eq!(error, format!("mine.jsonl:{message}"), "{text}");
            assert!(!error.contains("private"), "a prompt shows in: {error}");
        }
        let error = Dataset::parse(b"{}\n\xff\xfe", "mine.jsonl").unwrap_err().to_string();
        assert_eq!(error, "mine.jsonl:2: not UTF-8 text; convert the file to UTF-8");
    }

    #[test]
    fn a_file_without_prompts_is_refused() {
        for text in ["", "\n \n", "[]", r#"{"conversations": []}"#] {
            assert_eq!(parse(text).unwrap_err(), DatasetError::Empty { file: "mine.jsonl".into() });
        }
    }
}
