//! JSON Lines: one object a request, holding everything its exchange does.
//!
//! Written by hand: a run of 10,000 users ends a thousand requests a second, and whatever the
//! client spends on records it cannot spend on reading answers in time.

use crate::column::{
    CHUNK_LAG_NS, CHUNK_NS, Column, Entry, FAILED_ATTEMPTS, LAYOUT, Read, Record, nanos,
};
use crate::number::{append_id, append_integer, append_integers, append_millis};

/// Appends the record's line, its end included, to `out`.
pub fn append_line(out: &mut Vec<u8>, record: &Record<'_>) {
    append_columns(out, record);
    out.push(b'"');
    out.extend_from_slice(FAILED_ATTEMPTS.as_bytes());
    out.extend_from_slice(b"\":");
    append_attempts(out, record);
    out.push(b',');
    append_list(out, CHUNK_NS, record.chunk_nanos().iter().copied());
    append_list(out, CHUNK_LAG_NS, record.chunk_lag_nanos().iter().map(|&lag| lag.into()));
    close(out, b'}');
    out.push(b'\n');
}

/// Appends the record as an object that has all of a line but its lists.
pub fn append_head(out: &mut Vec<u8>, record: &Record<'_>) {
    append_columns(out, record);
    close(out, b'}');
}

/// Appends the beginning of an object, and a comma after its last key.
fn append_columns(out: &mut Vec<u8>, record: &Record<'_>) {
    out.push(b'{');
    for entry in LAYOUT {
        match entry {
            Entry::Single(column) => append_column(out, column, record),
            Entry::Group { key, is_present, columns, .. } => {
                out.extend_from_slice(key.as_bytes());
                if is_present(record) {
                    out.push(b'{');
                    columns.iter().for_each(|column| append_column(out, column, record));
                    close(out, b'}');
                } else {
                    out.extend_from_slice(b"null");
                }
                out.push(b',');
            }
        }
    }
}

/// Appends a key and its value, and a comma whether or not another key follows: [`close`] takes the
/// last one back.
fn append_column(out: &mut Vec<u8>, column: &Column, record: &Record<'_>) {
    out.extend_from_slice(column.key.as_bytes());
    let is_present = match &column.read {
        Read::Id(read) => {
            out.push(b'"');
            append_id(out, read(record));
            out.push(b'"');
            Some(())
        }
        Read::Text(read) => read(record).map(|text| append_text(out, text)),
        Read::Count(read) => read(record).map(|count| append_integer(out, count)),
        Read::Flag(read) => read(record).map(|flag| {
            out.extend_from_slice(if flag { b"true" } else { b"false" });
        }),
        Read::Millis(read) => read(record).map(|nanos| append_millis(out, nanos)),
    };
    if is_present.is_none() {
        out.extend_from_slice(b"null");
    }
    out.push(b',');
}

/// The tries before the last one, as a line has them.
#[cfg(feature = "durable")]
pub(crate) fn attempts(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    append_attempts(&mut out, record);
    String::from_utf8(out).expect("JSON is text")
}

/// Appends the tries before the last one, an object each.
fn append_attempts(out: &mut Vec<u8>, record: &Record<'_>) {
    out.push(b'[');
    for attempt in record.failed_attempts() {
        out.extend_from_slice(b"{\"kind\":");
        append_text(out, attempt.kind.as_str());
        out.extend_from_slice(b",\"status\":");
        match attempt.status {
            Some(status) => append_integer(out, status.into()),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"failed_unix_ns\":");
        append_integer(out, record.unix_nanos(attempt.failed));
        out.extend_from_slice(b",\"pause_ms\":");
        append_millis(out, nanos(attempt.pause));
        out.extend_from_slice(b"},");
    }
    close(out, b']');
}

fn append_list(out: &mut Vec<u8>, name: &str, values: impl ExactSizeIterator<Item = u64>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":[");
    append_integers(out, values);
    close(out, b']');
    out.push(b',');
}

/// Turns the comma after the last item into `bracket`, or appends it where there is no item.
fn close(out: &mut Vec<u8>, bracket: u8) {
    match out.last_mut() {
        Some(last) if *last == b',' => *last = bracket,
        _ => out.push(bracket),
    }
}

/// Appends a JSON string: quotes, backslashes and control characters escaped, the rest as it is.
pub(crate) fn append_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    let needs_escape = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    while let Some(at) = rest.iter().position(needs_escape) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            mark @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', mark]),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
