//! Writes the log as lines of JSON, on a thread of its own.
//!
//! The first line describes the file: `format`, and `unix_minus_monotonic_ns`, which added to any
//! time of the file gives the wall clock's, in nanoseconds since 1970. Every further line is one
//! request; times are of `CLOCK_MONOTONIC`, and `tokens`, `due_ns`, `before_write_ns` and
//! `after_write_ns` have one entry for each event that carried tokens.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::{Timestamp, WallAnchor};
use serde::Serialize;

use crate::log::{Served, SimLog, TokenWrite, Write};

/// What the first line calls the file's format.
pub const FORMAT: &str = "prony-sim-log/1";

/// How long a record waits at most before it is written and flushed.
const INTERVAL: Duration = Duration::from_millis(100);

/// A thread that takes records out of a log and writes them.
#[derive(Debug)]
pub struct LogWriter {
    thread: JoinHandle<io::Result<u64>>,
    stop: Arc<AtomicBool>,
}

impl LogWriter {
    /// Starts writing `log` to `output`, which needs no buffer of its own.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(log: Arc<SimLog>, output: impl io::Write + Send + 'static) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("sim-log".to_owned())
            .spawn(move || write_until(&told, &log, output))?;
        Ok(Self { thread, stop })
    }

    /// Writes what is left, ends the thread, and returns how many records were written.
    ///
    /// # Errors
    /// The first error of the output, at which writing ended; records that came after it are
    /// counted as lost once the log is full.
    pub fn finish(self) -> io::Result<u64> {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().map_err(|_| io::Error::other("the log's writer panicked"))?
    }
}

fn write_until(stop: &AtomicBool, log: &SimLog, output: impl io::Write) -> io::Result<u64> {
    let mut output = io::BufWriter::with_capacity(256 * 1024, output);
    let mut written = 0;
    write_header(log.anchor(), &mut output)?;
    loop {
        // Read before the records are taken: those of before the call to stop are among them.
        let last = stop.load(Ordering::Acquire);
        for record in log.take() {
            write_record(&record, log.anchor(), &mut output)?;
            written += 1;
        }
        output.flush()?;
        if last {
            return Ok(written);
        }
        std::thread::park_timeout(INTERVAL);
    }
}

/// Writes the line that describes the file.
///
/// # Errors
/// Those of `output`.
pub fn write_header(anchor: WallAnchor, output: &mut impl io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Header {
        format: &'static str,
        unix_minus_monotonic_ns: u64,
    }
    let unix_minus_monotonic_ns = anchor.unix_nanos(Timestamp::default());
    line(&Header { format: FORMAT, unix_minus_monotonic_ns }, output)
}

/// Writes one request's line.
///
/// # Errors
/// Those of `output`.
pub fn write_record(
    record: &Served,
    anchor: WallAnchor,
    output: &mut impl io::Write,
) -> io::Result<()> {
    let each = |pick: fn(&TokenWrite) -> Timestamp| -> Vec<u64> {
        record.tokens.iter().map(|token| pick(token).as_nanos()).collect()
    };
    let unix = |write: Option<Write>| write.map(|write| anchor.unix_nanos(write.after));
    let dto = Line {
        index: record.index,
        request_id: record.request_id.as_deref(),
        connection: record.connection,
        path: dialect::path(record.format),
        streamed: record.streamed,
        status: record.status,
        fault: record.fault.map(crate::Fault::as_str),
        fault_at_token: record.fault.and_then(crate::Fault::at),
        end: record.end.as_str(),
        prompt_tokens: record.prompt_tokens.count(),
        output_tokens: record.output_tokens.count(),
        received_unix_ns: anchor.unix_nanos(record.received),
        first_token_unix_ns: unix(record.first_token()),
        last_token_unix_ns: unix(record.last_token()),
        received_ns: record.received.as_nanos(),
        writes: record.writes,
        head_before_write_ns: record.head.map(|write| write.before.as_nanos()),
        head_after_write_ns: record.head.map(|write| write.after.as_nanos()),
        finished_ns: record.finished.as_nanos(),
        tokens: record.tokens.iter().map(|token| token.tokens).collect(),
        due_ns: each(|token| token.due),
        before_write_ns: each(|token| token.write.before),
        after_write_ns: each(|token| token.write.after),
    };
    line(&dto, output)
}

#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    request_id: Option<&'a str>,
    connection: u64,
    path: &'static str,
    streamed: bool,
    status: u16,
    fault: Option<&'static str>,
    fault_at_token: Option<u64>,
    end: &'static str,
    prompt_tokens: u64,
    output_tokens: u64,
    received_unix_ns: u64,
    first_token_unix_ns: Option<u64>,
    last_token_unix_ns: Option<u64>,
    received_ns: u64,
    writes: usize,
    head_before_write_ns: Option<u64>,
    head_after_write_ns: Option<u64>,
    finished_ns: u64,
    tokens: Vec<u32>,
    due_ns: Vec<u64>,
    before_write_ns: Vec<u64>,
    after_write_ns: Vec<u64>,
}

fn line(value: &impl Serialize, output: &mut impl io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BreakOff, End, Fault};
    use domain::{Tokens, WireFormat};
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record(index: u64) -> Served {
        let at = Timestamp::from_nanos;
        let token = |due, before, after| TokenWrite {
            due: at(due),
            tokens: 1,
            write: Write { before: at(before), after: at(after) },
        };
        Served {
            index,
            request_id: Some("00000000000000aa-3".into()),
            connection: 2,
            format: WireFormat::OpenAiChat,
            streamed: true,
            status: 200,
            prompt_tokens: Tokens(7),
            received: at(1_000),
            head: Some(Write { before: at(1_010), after: at(1_020) }),
            output_tokens: Tokens(2),
            writes: 4,
            tokens: vec![token(1_100, 1_110, 1_120), token(1_200, 1_210, 1_220)],
            fault: Some(Fault::BreakOff { at: 2, how: BreakOff::Truncate }),
            finished: at(1_300),
            end: End::Complete,
        }
    }

    #[test]
    fn every_record_becomes_a_line() {
        let log = Arc::new(SimLog::new(3, WallAnchor::new(Timestamp::default(), 1_000_000)));
        let output = Shared::default();
        log.push(record(0));
        let writer = LogWriter::start(Arc::clone(&log), output.clone()).unwrap();
        log.push(record(1));
        assert_eq!(writer.finish().unwrap(), 2);
        let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        insta::assert_snapshot!(lines[0], @r##"
        {"format":"prony-sim-log/1","unix_minus_monotonic_ns":1000000}
        "##);
        insta::assert_snapshot!(lines[1], @r##"
        {"index":0,"request_id":"00000000000000aa-3","connection":2,"path":"/v1/chat/completions","streamed":true,"status":200,"fault":"truncate","fault_at_token":2,"end":"complete","prompt_tokens":7,"output_tokens":2,"received_unix_ns":1001000,"first_token_unix_ns":1001120,"last_token_unix_ns":1001220,"received_ns":1000,"writes":4,"head_before_write_ns":1010,"head_after_write_ns":1020,"finished_ns":1300,"tokens":[1,1],"due_ns":[1100,1200],"before_write_ns":[1110,1210],"after_write_ns":[1120,1220]}
        "##);
        assert_eq!(lines[2], lines[1].replace("\"index\":0", "\"index\":1"));
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_full_log_counts_what_it_loses() {
        let log = SimLog::new(2, WallAnchor::new(Timestamp::default(), 0));
        (0..5).for_each(|index| log.push(record(index)));
        assert_eq!(log.lost(), 3);
        let kept: Vec<u64> = log.take().iter().map(|record| record.index).collect();
        assert_eq!(kept, [0, 1]);
        assert!(log.take().is_empty());
    }

    #[test]
    fn an_output_that_fails_is_reported() {
        struct Full;
        impl io::Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = Arc::new(SimLog::new(2, WallAnchor::new(Timestamp::default(), 0)));
        let writer = LogWriter::start(log, Full).unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
