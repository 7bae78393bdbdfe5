//! CSV: a header, then one row a request, without the chunks.
//!
//! Quoted as RFC 4180 says, with plain line feeds, as Unix tools want. A missing value is an empty
//! field; an empty text is `""`.

use crate::column::{Read, Record, flat};
use crate::number::{append_id, append_integer, append_millis};

/// Appends the row of names.
pub fn append_header(out: &mut Vec<u8>) {
    for (group, column) in flat() {
        if let Some(group) = group {
            out.extend_from_slice(group.as_bytes());
            out.push(b'_');
        }
        out.extend_from_slice(column.name.as_bytes());
        out.push(b',');
    }
    end_line(out);
}

/// Appends the record's row.
pub fn append_line(out: &mut Vec<u8>, record: &Record<'_>) {
    for (_, column) in flat() {
        match &column.read {
            Read::Id(read) => append_id(out, read(record)),
            Read::Text(read) => read(record).into_iter().for_each(|text| append_text(out, text)),
            Read::Count(read) => {
                read(record).into_iter().for_each(|count| append_integer(out, count));
            }
            Read::Flag(read) => read(record).into_iter().for_each(|flag| {
                out.extend_from_slice(if flag { b"true" } else { b"false" });
            }),
            Read::Millis(read) => {
                read(record).into_iter().for_each(|nanos| append_millis(out, nanos));
            }
        }
        out.push(b',');
    }
    end_line(out);
}

/// Turns the comma after the last field into the line's end.
fn end_line(out: &mut [u8]) {
    let last = out.last_mut().expect("a line has at least one field, and each ends with a comma");
    *last = b'\n';
}

pub(crate) fn append_text(out: &mut Vec<u8>, text: &str) {
    let needs_quotes =
        text.is_empty() || text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if !needs_quotes {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
