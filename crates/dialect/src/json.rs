//! Writing JSON into a byte buffer, for the paths that are too hot for a serializer.

use std::fmt::Display;
use std::io::Write;

/// What a byte becomes inside a JSON string: 0 itself, `u` a `\u00XX`, else a backslash and this.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends `text` as it stands inside a JSON string, without the quotes around it.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        if escape == b'u' {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.extend_from_slice(&[b'\\', escape]);
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Appends `text` as a JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// The brackets and commas of an array whose items the caller appends.
#[derive(Debug, Default)]
pub(crate) struct Items {
    begun: bool,
}

impl Items {
    /// Makes ready for the next item.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) {
        out.push(if self.begun { b',' } else { b'[' });
        self.begun = true;
    }

    /// Closes the array.
    pub(crate) fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
    }
}

/// `text` without the blanks around it where it is a JSON object; `{}` where it is empty.
pub(crate) fn as_object(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_object =
        || text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if text.is_empty() { Some("{}") } else { is_object().then_some(text) }
}

/// Appends `number` in decimal.
pub(crate) fn integer(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends what `value` displays, which must be JSON already.
pub(crate) fn raw(value: impl Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a Vec takes every write");
}

/// Appends any value as JSON. Numbers that JSON cannot hold become null.
pub(crate) fn value(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a Vec takes every write and the keys are strings");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_read_back_as_they_were(text in any::<String>()) {
            let mut out = Vec::new();
            super::string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
