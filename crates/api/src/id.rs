//! Names for requests.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::{RequestId, WireFormat};

/// The longest id taken over from a client, in bytes.
const GIVEN_BYTES_MAX: usize = 128;

/// Names the requests of one server.
#[derive(Debug)]
pub(crate) struct IdSource {
    run: u64,
    next: AtomicU64,
}

/// What one request is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Its key in records: the client's, where the client is Prony too, so that both records of
    /// the request can be joined.
    pub(crate) id: RequestId,
    /// What the client calls it, sent back as it came; else the same as `id`.
    pub(crate) shown: String,
}

impl IdSource {
    pub(crate) const fn new(run: u64) -> Self {
        Self { run, next: AtomicU64::new(0) }
    }

    /// Names a request for which the client has `given` this id.
    pub(crate) fn name(&self, given: Option<&str>) -> Name {
        let given = given.filter(|given| (1..=GIVEN_BYTES_MAX).contains(&given.len()));
        let id = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| RequestId {
            run: self.run,
            index: self.next.fetch_add(1, Ordering::Relaxed),
        });
        Name { id, shown: given.map_or_else(|| id.to_string(), str::to_owned) }
    }
}

/// The id that the answer to a request carries in its body.
pub(crate) fn answer_id(format: WireFormat, id: RequestId) -> String {
    match format {
        WireFormat::OpenAiChat => format!("chatcmpl-{id}"),
        WireFormat::OpenAiCompletions => format!("cmpl-{id}"),
        WireFormat::AnthropicMessages => format!("msg_{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_its_name_and_gets_one_where_it_has_none() {
        let ids = IdSource::new(0xab);
        let check = |given: Option<&str>, id: (u64, u64), shown: &str| {
            let want = Name { id: RequestId { run: id.0, index: id.1 }, shown: shown.to_owned() };
            assert_eq!(ids.name(given), want);
        };
        check(None, (0xab, 0), "00000000000000ab-0");
        check(Some("00000000000000ff-12"), (0xff, 12), "00000000000000ff-12");
        check(Some("mine"), (0xab, 1), "mine");
        check(Some("ff-12"), (0xab, 2), "ff-12");
        check(Some("00000000000000ff-+1"), (0xab, 3), "00000000000000ff-+1");
        check(Some(""), (0xab, 4), "00000000000000ab-4");
        check(Some(&"x".repeat(129)), (0xab, 5), "00000000000000ab-5");
    }
}
