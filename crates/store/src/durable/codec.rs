//! A batch of records as bytes, for the log: compact, exact, and quick to write.
//!
//! A version, the tables of what many records share (provenances, words), and the records one after
//! the other. Times are nanoseconds since 1970, each as its distance from one before it.

mod decode;
mod encode;

pub use decode::decode;
pub(crate) use encode::Encoder;

use analysis::Origin;
use domain::{CountSource, FinishReason, Vantage};

use super::provenance::Entry;

/// The first byte of every batch.
const VERSION: u8 = 1;

/// What a record has, a bit each.
mod has {
    pub(super) const WARMUP: u64 = 1 << 0;
    pub(super) const STREAMED: u64 = 1 << 1;
    pub(super) const SUCCESS: u64 = 1 << 2;
    pub(super) const SERVER_ID: u64 = 1 << 3;
    pub(super) const CONNECTION: u64 = 1 << 4;
    pub(super) const SECURE: u64 = 1 << 5;
    pub(super) const SENT: u64 = 1 << 6;
    pub(super) const HEADERS: u64 = 1 << 7;
    pub(super) const MAX_TOKENS: u64 = 1 << 8;
    pub(super) const REASONING: u64 = 1 << 9;
    pub(super) const STATUS: u64 = 1 << 10;
    pub(super) const RETRY_AFTER: u64 = 1 << 11;
    pub(super) const RETRYABLE: u64 = 1 << 12;
    pub(super) const HELD: u64 = 1 << 13;
    pub(super) const RETRIED: u64 = 1 << 14;
}

/// Records in bytes, as [`decode`] reads them.
#[must_use]
pub fn encode<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    let mut encoder = Encoder::default();
    entries.into_iter().for_each(|entry| encoder.push(entry));
    encoder.finish()
}

// A value's code is its place here: append only.
const ORIGINS: [Origin; 2] = [Origin::Planned, Origin::Started];
const VANTAGES: [Vantage; 3] = [Vantage::Client, Vantage::Gateway, Vantage::Engine];
const SOURCES: [CountSource; 3] =
    [CountSource::Server, CountSource::Tokenizer, CountSource::Estimate];
const FINISH_REASONS: [FinishReason; 5] = [
    FinishReason::Stop,
    FinishReason::Length,
    FinishReason::ToolCalls,
    FinishReason::ContentFilter,
    FinishReason::Other,
];
/// Failures go by their words instead, whose list may yet change its order.
fn code_of<T: PartialEq>(all: &[T], value: &T) -> u8 {
    let place = all.iter().position(|known| known == value).expect("the table has every value");
    u8::try_from(place).expect("tables are short")
}
