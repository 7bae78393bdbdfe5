//! A benchmark's requests one by one, page by page.
//!
//! Each page is found on one way through the records: as many as it holds are kept at a time,
//! whatever their number.

use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

use analysis::{Convention, Figures};
use domain::{Exchange, RequestId};
use serde_json::value::RawValue;
use store::durable::{DurableError, RecordFilter, StoredRecord};
use store::jsonl;

use super::History;

/// Which requests, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcomes {
    /// All.
    #[default]
    All,
    /// Those that succeeded.
    Succeeded,
    /// Those that failed.
    Failed,
}

impl Outcomes {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::All, Self::Succeeded, Self::Failed];

    /// The word used in questions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    const fn takes(self, exchange: &Exchange) -> bool {
        match self {
            Self::All => true,
            Self::Succeeded => exchange.outcome.is_success(),
            Self::Failed => !exchange.outcome.is_success(),
        }
    }
}

/// In which order requests are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they started.
    #[default]
    Started,
    /// By time to the first token, the longest first; those without one last.
    SlowestTtft,
    /// By end-to-end latency, the longest first; those that failed last.
    SlowestE2e,
}

impl Order {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Started, Self::SlowestTtft, Self::SlowestE2e];

    /// The word used in questions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::SlowestTtft => "-ttft",
            Self::SlowestE2e => "-e2e",
        }
    }

    /// What a record is listed by, the least first.
    fn rank(self, record: &StoredRecord) -> u64 {
        let exchange = &record.exchange;
        if self == Self::Started {
            return exchange.timeline.started.as_nanos();
        }
        let figures = || Figures::of(exchange, record.provenance.label.origin, Convention::Prony);
        let figures = exchange.outcome.is_success().then(figures);
        let ms = match self {
            Self::Started => None,
            Self::SlowestTtft => figures.and_then(|figures| figures.ttft_ms),
            Self::SlowestE2e => figures.map(|figures| figures.e2e_ms),
        };
        u64::MAX - ms.map_or(0, |ms| (ms * 1e6).round().max(0.0) as u64)
    }
}

/// The last record of a page, after which the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: Order,
    place: Place,
}

/// What records are listed by, and those of equal rank by id.
type Place = (u64, u64, u64);

/// In few characters that need no escape in an address.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rank, run, index) = self.place;
        write!(f, "{}_{rank:x}_{run:x}_{index:x}", self.order.as_str())
    }
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is none of this list's")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.split('_');
        let word = parts.next().unwrap_or_default();
        let order = Order::ALL.into_iter().find(|order| order.as_str() == word).ok_or(NoCursor)?;
        let mut number = || {
            let part = parts.next().ok_or(NoCursor)?;
            u64::from_str_radix(part, 16).map_err(|_| NoCursor)
        };
        let place = (number()?, number()?, number()?);
        if parts.next().is_some() { Err(NoCursor) } else { Ok(Self { order, place }) }
    }
}

/// Which records are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordQuestion {
    /// The benchmark.
    pub benchmark: String,
    /// Which of its runs; all of them where it is `None`.
    pub run: Option<u64>,
    /// By how they ended.
    pub outcomes: Outcomes,
    /// In which order.
    pub order: Order,
    /// Those after the page before. A cursor of another order is taken for none.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

/// A part of a list of records.
#[derive(Debug)]
pub struct RecordPage {
    /// Each as JSON Lines have it, without its lists of tries and chunks.
    pub items: Vec<Box<RawValue>>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// What a page has of a record, and where that stands. The one that is listed last is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry<T> {
    place: Place,
    pub(super) kept: T,
}

impl<T> Entry<T> {
    /// Goes on behind this one.
    pub(super) const fn cursor(&self, order: Order) -> Cursor {
        Cursor { order, place: self.place }
    }
}

impl History {
    /// A page of a benchmark's records.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn records(&self, question: &RecordQuestion) -> Result<RecordPage, DurableError> {
        let (entries, has_more) = self.page(question, |record| {
            let mut text = Vec::new();
            jsonl::append_head(&mut text, &record.record());
            text
        })?;
        let last = entries.last().map(|entry| entry.cursor(question.order));
        Ok(RecordPage {
            items: entries.into_iter().map(|entry| raw(entry.kept)).collect(),
            next: last.filter(|_| has_more),
        })
    }

    /// What `keep` makes of the records of a page, in their order, and whether there are more.
    pub(super) fn page<T: Ord>(
        &self,
        question: &RecordQuestion,
        keep: impl Fn(&StoredRecord) -> T,
    ) -> Result<(Vec<Entry<T>>, bool), DurableError> {
        let RecordQuestion { order, outcomes, limit, .. } = *question;
        let after = question.after.filter(|cursor| cursor.order == order);
        let filter =
            RecordFilter { run_index: question.run, ..RecordFilter::run(&question.benchmark) };
        // One more, to see whether there are more.
        let mut page: BinaryHeap<Entry<T>> = BinaryHeap::new();
        self.reader.pick(&filter, |record| {
            let id = record.exchange.id;
            let place = (order.rank(&record), id.run, id.index);
            let is_later = page.len() > limit && page.peek().is_some_and(|last| place > last.place);
            let is_before = after.is_some_and(|cursor| place <= cursor.place);
            if is_later || is_before || !outcomes.takes(&record.exchange) {
                return Ok(());
            }
            page.push(Entry { place, kept: keep(&record) });
            if page.len() > limit + 1 {
                page.pop();
            }
            Ok(())
        })?;
        let mut entries = page.into_sorted_vec();
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        Ok((entries, has_more))
    }

    /// One record of a benchmark with its tries and chunks, as a line of JSON Lines; `None` where
    /// there is none of that id.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn record(
        &self,
        benchmark: &str,
        request: RequestId,
    ) -> Result<Option<Box<RawValue>>, DurableError> {
        let filter = RecordFilter { request: Some(request), ..RecordFilter::run(benchmark) };
        let mut found = None;
        self.reader.pick(&filter, |record| {
            let mut line = Vec::new();
            jsonl::append_line(&mut line, &record.record());
            found = Some(raw(line));
            Ok(())
        })?;
        Ok(found)
    }
}

fn raw(json: Vec<u8>) -> Box<RawValue> {
    let text = String::from_utf8(json).expect("records are UTF-8");
    RawValue::from_string(text).expect("records are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        for order in Order::ALL {
            let cursor = Cursor { order, place: (u64::MAX, 0xabc, 7) };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "started", "started_1_2", "started_1_2_3_4", "e2e_1_2_3", "-e2e_1_x_3"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
