//! What a benchmark's requests asked and were answered, as far as that is kept.
//!
//! They are listed as their records are; the text of each is then found by its request, so that a
//! page takes no longer the more texts there are.

use std::io;

use domain::RequestId;
use store::Content;
use store::durable::DurableError;

use super::History;
use super::records::{Cursor, RecordQuestion};

/// How many bytes of text a page has at most, but for its last item.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// A part of a list of texts.
#[derive(Debug, Default)]
pub struct ContentPage {
    /// Those of the records of the page that are kept.
    pub items: Vec<Content>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl History {
    /// A page of what a benchmark's requests asked and were answered; `None` where nothing of the
    /// benchmark is kept. A page ends early where its texts are long.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn contents(&self, question: &RecordQuestion) -> Result<Option<ContentPage>, DurableError> {
        if !self.keeps_content(&question.benchmark)? {
            return Ok(None);
        }
        let (entries, mut has_more) = self.page(question, |record| record.exchange.id)?;
        let (mut page, mut bytes) = (ContentPage::default(), 0);
        for (place, entry) in entries.iter().enumerate() {
            let found = self.content(&question.benchmark, entry.kept)?;
            bytes += found.as_ref().map_or(0, Content::bytes);
            page.items.extend(found);
            page.next = Some(entry.cursor(question.order));
            if bytes >= PAGE_BYTES_MAX {
                has_more |= place + 1 < entries.len();
                break;
            }
        }
        page.next = page.next.filter(|_| has_more);
        Ok(Some(page))
    }

    /// What a request of a benchmark asked and was answered; `None` where that is not kept.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn content(
        &self,
        benchmark: &str,
        request: RequestId,
    ) -> Result<Option<Content>, DurableError> {
        let mut found = None;
        self.reader.contents(benchmark, Some(request), |content| {
            found = Some(content);
            Ok(())
        })?;
        Ok(found)
    }

    /// Whether any text of a benchmark is kept.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn keeps_content(&self, benchmark: &str) -> Result<bool, DurableError> {
        let mut is_kept = false;
        let read = self.reader.contents(benchmark, None, |_| {
            is_kept = true;
            // The first one says it, and the others need not be read.
            Err(DurableError::Output(io::ErrorKind::Interrupted.into()))
        });
        if is_kept { Ok(true) } else { read.map(|_| false) }
    }
}
