//! What was asked and answered, caught only where somebody keeps it.
//!
//! In flight an answer is kept as it came; it is read once it is off the load's threads. What is
//! caught is bounded: a text that finds no room is cut or missed, and the load goes on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use dialect::AnswerText;
use domain::{Payload, Prompt, Request, RequestId, WireFormat};

/// The most bytes of one answer, as they came.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The most bytes of all transcripts, those of requests in flight among them.
const BYTES_MAX: usize = 256 << 20;

/// How much room transcripts take.
#[derive(Debug)]
pub(crate) struct Room {
    taken: AtomicUsize,
    bound: usize,
    missed: AtomicU64,
}

impl Default for Room {
    fn default() -> Self {
        Self { taken: AtomicUsize::new(0), bound: BYTES_MAX, missed: AtomicU64::new(0) }
    }
}

impl Room {
    fn take(&self, bytes: usize) -> bool {
        let has_room = self.taken.fetch_add(bytes, Relaxed).saturating_add(bytes) <= self.bound;
        if !has_room {
            self.leave(bytes);
        }
        has_room
    }

    fn leave(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Relaxed);
    }

    /// How many requests found no room at all.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }
}

/// What one request asked, and what came back for it.
pub struct Transcript {
    /// The request.
    pub id: RequestId,
    /// What it asked.
    pub prompt: Prompt,
    /// Whether a part of the answer is missing, since it was too long or there was no room.
    pub is_cut: bool,
    answer: Vec<u8>,
    /// Where each piece of the answer ends, and what it is written in, if not plain text.
    pieces: Vec<(usize, Option<WireFormat>)>,
    prompt_bytes: usize,
    room: Arc<Room>,
}

impl Transcript {
    /// The transcript of a request that begins, if there is room.
    pub(crate) fn begin(request: &Request, room: &Arc<Room>) -> Option<Self> {
        let prompt_bytes = match &request.prompt {
            Prompt::Text(text) => text.len(),
            Prompt::Messages(messages) => messages.iter().map(|said| said.content().len()).sum(),
        };
        if !room.take(prompt_bytes) {
            room.missed.fetch_add(1, Relaxed);
            return None;
        }
        Some(Self {
            id: request.id,
            prompt: request.prompt.clone(),
            is_cut: false,
            answer: Vec::new(),
            pieces: Vec::new(),
            prompt_bytes,
            room: Arc::clone(room),
        })
    }

    /// Appends a piece of the answer as it came.
    pub(crate) fn push(&mut self, payload: Payload<'_>) {
        let (bytes, format) = match payload {
            Payload::Text(text) => (text.as_bytes(), None),
            Payload::Wire { format, data } => (data, Some(format)),
        };
        let fits = self.answer.len() + bytes.len() <= ANSWER_BYTES_MAX;
        if self.is_cut || !fits || !self.room.take(bytes.len()) {
            self.is_cut = true;
            return;
        }
        self.answer.extend_from_slice(bytes);
        self.pieces.push((self.answer.len(), format));
    }

    /// Forgets what was answered so far: the request is tried again.
    pub(crate) fn begin_again(&mut self) {
        self.room.leave(self.answer.len());
        self.answer.clear();
        self.pieces.clear();
        self.is_cut = false;
    }

    /// Reads what was answered.
    #[must_use]
    pub fn answer(&self) -> AnswerText {
        let mut text = AnswerText::default();
        let mut begin = 0;
        for &(end, format) in &self.pieces {
            let piece = &self.answer[begin..end];
            match format {
                // What cannot be read was reported by the decoder already.
                Some(format) => drop(dialect::decode_text(format, piece, &mut text)),
                None => text.content.push_str(&String::from_utf8_lossy(piece)),
            }
            begin = end;
        }
        text
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        self.room.leave(self.prompt_bytes + self.answer.len());
    }
}

/// Says nothing of the texts, which are to get into no log.
impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use domain::Sampling;

    use super::*;

    fn request(prompt: &str) -> Request {
        Request {
            id: RequestId { run: 1, index: 2 },
            model: "m".into(),
            prompt: Prompt::Text(prompt.into()),
            max_tokens: None,
            ignore_eos: false,
            stream: true,
            sampling: Sampling::default(),
            stop: Arc::default(),
            tools: None,
        }
    }

    #[test]
    fn room_is_given_back_with_the_transcript() {
        let room = Arc::new(Room { bound: 10, ..Room::default() });
        let mut first = Transcript::begin(&request("four"), &room).expect("there is room");
        first.push(Payload::Text("four"));
        first.push(Payload::Text("three"));
        assert!(first.is_cut, "13 bytes where 10 fit");
        assert_eq!(first.answer().content, "four");
        assert!(Transcript::begin(&request("three"), &room).is_none());
        assert_eq!(room.missed(), 1);
        first.begin_again();
        assert!(!first.is_cut && first.answer().content.is_empty());
        assert!(Transcript::begin(&request("three"), &room).is_some());
        drop(first);
        assert_eq!(room.taken.load(Relaxed), 0);
    }

    #[test]
    fn a_long_answer_is_cut_behind_a_whole_piece() {
        let room = Arc::new(Room::default());
        let mut transcript = Transcript::begin(&request(""), &room).expect("there is room");
        let half = "x".repeat(ANSWER_BYTES_MAX / 2 + 1);
        for piece in [&*half, &*half, "end"] {
            transcript.push(Payload::Text(piece));
        }
        assert!(transcript.is_cut);
        assert_eq!(transcript.answer().content.len(), half.len());
    }
}
