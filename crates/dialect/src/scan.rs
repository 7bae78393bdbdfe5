//! Tells what an event carries without parsing its JSON into anything.
//!
//! The scanner walks the bytes once, checks that they are JSON, and looks only at the members that
//! matter. Whatever is out of the ordinary it leaves to the parser: escaped keys, members twice,
//! values of an unexpected type, lone surrogates, and every event that says more than its text (why
//! the answer ended, token counts, an error, a tool call). Where it does answer, the parser would
//! answer the same.
//!
//! The events of one stream differ in little but their text, so a [`Scanner`] also remembers one of
//! them and walks only where the next one may differ.

mod cursor;
mod template;

#[cfg(test)]
mod tests;

use std::ops::Range;

use domain::{ChunkKind, WireFormat};

use self::cursor::Cursor;
use self::template::Template;
use crate::event;

/// What the scanner makes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// It carries tokens of this kind, and nothing else of interest.
    Token(ChunkKind),
    /// It carries nothing of interest.
    NotToken,
    /// It must be parsed.
    Unsure,
}

impl From<ChunkKind> for Scan {
    fn from(kind: ChunkKind) -> Self {
        if kind.is_token() { Self::Token(kind) } else { Self::NotToken }
    }
}

/// Classifies the data of one event.
#[must_use]
pub fn scan(format: WireFormat, data: &[u8]) -> Scan {
    Outline::of(format, data).map_or(Scan::Unsure, |outline| outline.kind().into())
}

/// Classifies the data of one event by parsing it in full, which is what [`scan`] is held against:
/// `Unsure` here means that the event says more than its text, or cannot be read.
#[must_use]
pub fn parse(format: WireFormat, data: &[u8]) -> Scan {
    match event::parse(format, data) {
        Ok(facts) if !facts.says_more() => facts.kind.into(),
        Ok(_) | Err(_) => Scan::Unsure,
    }
}

/// Classifies the events of one stream, faster than [`scan`] by what they have in common. Between
/// events it holds one of them in memory, if that is of ordinary length.
#[derive(Clone, Debug)]
pub struct Scanner {
    format: WireFormat,
    template: Template,
}

impl Scanner {
    /// A scanner of one stream in `format`.
    #[must_use]
    pub const fn new(format: WireFormat) -> Self {
        Self { format, template: Template::new() }
    }

    /// Classifies the data of the stream's next event.
    pub fn scan(&mut self, data: &[u8]) -> Scan {
        if let Some(kind) = self.template.classify(data) {
            return kind.into();
        }
        let Some(outline) = Outline::of(self.format, data) else {
            return Scan::Unsure;
        };
        self.template.learn(data, &outline);
        outline.kind().into()
    }
}

/// What a walk over an event found.
#[derive(Debug, Default)]
struct Outline {
    content: bool,
    reasoning: bool,
    tool: bool,
    /// Where the text of the event stands, if it is in one place.
    text: Option<Range<usize>>,
    /// Where a string of no interest stands after the text, if there is one: OpenAI pads its
    /// events with one of random length.
    padding: Option<Range<usize>>,
}

impl Outline {
    /// Walks an event; `None` where the parser must.
    fn of(format: WireFormat, data: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data, 0);
        let outline = match format {
            WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => openai(&mut cursor)?,
            WireFormat::AnthropicMessages => anthropic(&mut cursor)?,
        };
        cursor.end()?;
        cursor.is_utf8().then_some(outline)
    }

    const fn kind(&self) -> ChunkKind {
        event::kind(self.content, self.reasoning, self.tool)
    }

    /// Reads a string or null that makes the event one of `kind` if it is not empty.
    fn take_text(&mut self, cursor: &mut Cursor<'_>, kind: ChunkKind) -> Option<()> {
        let span = cursor.nullable_string()?;
        if span.is_empty() {
            return Some(());
        }
        let is_first = !(self.content || self.reasoning || self.tool);
        match kind {
            ChunkKind::Content => self.content = true,
            ChunkKind::Reasoning => self.reasoning = true,
            ChunkKind::ToolCall => self.tool = true,
            ChunkKind::Other => {}
        }
        self.text = Some(span).filter(|_| is_first);
        Some(())
    }

    /// Passes a value of no interest.
    fn skip(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if self.text.is_some() && self.padding.is_none() && cursor.is_at_string() {
            self.padding = Some(cursor.string()?);
            return Some(());
        }
        cursor.skip_value()
    }
}

/// Reads an event in OpenAI form; `None` where the parser must.
fn openai(cursor: &mut Cursor<'_>) -> Option<Outline> {
    let mut outline = Outline::default();
    let mut members = Members::default();
    cursor.object(|cursor, key| match key {
        b"choices" => {
            members.first(0)?;
            if cursor.null() {
                return Some(());
            }
            cursor.array(|cursor| choice(cursor, &mut outline))
        }
        b"object" => {
            members.first(1)?;
            (cursor.null() || cursor.plain_string()? != b"error").then_some(())
        }
        b"usage" => members.first(2).filter(|()| cursor.null()),
        b"error" => members.first(3).filter(|()| cursor.null()),
        b"x_groq" => members.first(4).filter(|()| cursor.null()),
        _ => outline.skip(cursor),
    })?;
    Some(outline)
}

fn choice(cursor: &mut Cursor<'_>, outline: &mut Outline) -> Option<()> {
    let mut members = Members::default();
    cursor.object(|cursor, key| match key {
        b"delta" => {
            members.first(0)?;
            if cursor.null() {
                return Some(());
            }
            delta(cursor, outline)
        }
        b"text" => {
            members.first(1)?;
            outline.take_text(cursor, ChunkKind::Content)
        }
        b"message" => members.first(2).filter(|()| cursor.null()),
        b"finish_reason" => members.first(3).filter(|()| cursor.null()),
        b"usage" => members.first(4).filter(|()| cursor.null()),
        b"error" => members.first(5).filter(|()| cursor.null()),
        _ => cursor.skip_value(),
    })
}

fn delta(cursor: &mut Cursor<'_>, outline: &mut Outline) -> Option<()> {
    let mut members = Members::default();
    cursor.object(|cursor, key| match key {
        b"content" => {
            members.first(0)?;
            outline.take_text(cursor, ChunkKind::Content)
        }
        b"reasoning" => {
            members.first(1)?;
            outline.take_text(cursor, ChunkKind::Reasoning)
        }
        b"reasoning_content" => {
            members.first(2)?;
            outline.take_text(cursor, ChunkKind::Reasoning)
        }
        b"refusal" => members.first(3).filter(|()| cursor.null()),
        b"tool_calls" => members.first(4).filter(|()| cursor.null()),
        b"function_call" => members.first(5).filter(|()| cursor.null()),
        _ => cursor.skip_value(),
    })
}

/// Reads an event in Anthropic form; `None` where the parser must.
fn anthropic(cursor: &mut Cursor<'_>) -> Option<Outline> {
    let mut outline = Outline::default();
    let mut members = Members::default();
    let mut event: &[u8] = b"";
    cursor.object(|cursor, key| match key {
        b"type" => {
            members.first(0)?;
            event = cursor.plain_string()?;
            Some(())
        }
        b"delta" => {
            members.first(1)?;
            anthropic_delta(cursor, &mut outline)
        }
        b"error" => members.first(2).filter(|()| cursor.null()),
        b"message" => members.first(3).filter(|()| cursor.null()),
        b"content_block" => members.first(4).filter(|()| cursor.null()),
        b"usage" => members.first(5).filter(|()| cursor.null()),
        _ => cursor.skip_value(),
    })?;
    match event {
        b"content_block_delta" => Some(outline),
        b"ping" | b"content_block_stop" => Some(Outline::default()),
        _ => None,
    }
}

fn anthropic_delta(cursor: &mut Cursor<'_>, outline: &mut Outline) -> Option<()> {
    let mut members = Members::default();
    cursor.object(|cursor, key| match key {
        b"text" => {
            members.first(0)?;
            outline.take_text(cursor, ChunkKind::Content)
        }
        b"thinking" => {
            members.first(1)?;
            outline.take_text(cursor, ChunkKind::Reasoning)
        }
        b"partial_json" => {
            members.first(2)?;
            outline.take_text(cursor, ChunkKind::ToolCall)
        }
        b"stop_reason" => members.first(3).filter(|()| cursor.null()),
        _ => cursor.skip_value(),
    })
}

/// The members of an object that were met, since a second one is for the parser to judge.
#[derive(Default)]
struct Members(u8);

impl Members {
    fn first(&mut self, index: u32) -> Option<()> {
        let bit = 1 << index;
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first.then_some(())
    }
}
