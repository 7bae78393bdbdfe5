//! One event of a stream, kept to know the next ones by.

use std::ops::Range;

use domain::ChunkKind;

use super::Outline;
use super::cursor::Cursor;

/// Events longer than this are not kept.
const LENGTH_BYTES_MAX: usize = 2048;

/// An event whose text, and padding after it, may be exchanged for any other JSON strings without a
/// change to what else it says. An event that is the same everywhere else is thus known by a
/// comparison of bytes and a walk over these strings.
///
/// ```text
/// {"id":…,"choices":[{"delta":{"content":"TEXT"},…}],…,"obfuscation":"PADDING"}
/// └──────────── before ─────────────────┘    └──────── between ──────┘       └ after
/// ```
#[derive(Clone, Debug)]
pub(super) struct Template {
    event: Vec<u8>,
    text: Range<usize>,
    /// Empty at the event's end where it has none.
    padding: Range<usize>,
    kind: ChunkKind,
}

impl Template {
    /// A template that knows no event.
    pub(super) const fn new() -> Self {
        Self { event: Vec::new(), text: 0..0, padding: 0..0, kind: ChunkKind::Other }
    }

    /// What `data` carries if it differs from the event kept in no more than text and padding.
    pub(super) fn classify(&self, data: &[u8]) -> Option<ChunkKind> {
        if self.event.is_empty() {
            return None;
        }
        let before = &self.event[..self.text.start];
        let between = &self.event[self.text.end..self.padding.start];
        let after = &self.event[self.padding.end..];
        if !data.starts_with(before) {
            return None;
        }
        let mut cursor = Cursor::new(data, before.len());
        let text_end = cursor.string_content()?;
        let mut rest = data[text_end..].strip_prefix(between)?;
        if !self.padding.is_empty() {
            let mut padding = Cursor::new(data, text_end + between.len());
            rest = &data[padding.string_content()?..];
            if !padding.is_utf8() {
                return None;
            }
        }
        if rest != after || !cursor.is_utf8() {
            return None;
        }
        Some(if text_end > before.len() { self.kind } else { ChunkKind::Other })
    }

    /// Keeps `data`, an event with this outline, if others can be known by it.
    pub(super) fn learn(&mut self, data: &[u8], outline: &Outline) {
        let Some(text) = outline.text.clone() else { return };
        if data.len() > LENGTH_BYTES_MAX {
            return;
        }
        self.event.clear();
        self.event.reserve_exact(data.len());
        self.event.extend_from_slice(data);
        self.text = text;
        self.padding = outline.padding.clone().unwrap_or(data.len()..data.len());
        self.kind = outline.kind();
    }
}
