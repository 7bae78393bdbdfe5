//! What an answer is made of, piece by piece.

/// A piece of generated text and what it belongs to, in the order models write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text of the answer proper; a refusal counts as answer.
    Content(&'a str),
    /// Text the model thought before it.
    Reasoning(&'a str),
    /// A tool call begins: a new one each time, also where `index` was there before, since servers
    /// that send their calls whole may leave the number out.
    ToolCall {
        /// The number by which later parts name the call.
        index: u32,
        /// What its result will be sent back under; empty where the server gives none.
        id: &'a str,
        /// The tool's name.
        name: &'a str,
    },
    /// More of the arguments of the tool call that was begun last under `index`.
    Arguments {
        /// The call's number.
        index: u32,
        /// Part of a JSON text.
        text: &'a str,
    },
}
