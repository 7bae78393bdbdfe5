//! Joining tokens' bytes into text.

/// Puts together the bytes of successive tokens. A character whose bytes are spread over several
/// tokens comes out when its last byte is there; bytes that can no longer become a character come
/// out as U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The beginning of a character, at most three bytes.
    pending: Vec<u8>,
}

impl Text {
    /// Takes in `bytes` and appends the text they complete to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        if self.pending.is_empty()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            out.push_str(text);
            return;
        }
        self.pending.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    out.push_str(text);
                    return;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    out.push_str(std::str::from_utf8(valid).expect("valid up to here"));
                    let Some(bad) = error.error_len() else {
                        self.pending.extend_from_slice(after);
                        return;
                    };
                    out.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[bad..];
                }
            }
        }
    }

    /// Ends the text: what is still incomplete comes out as U+FFFD.
    pub fn finish(&mut self, out: &mut String) {
        if !self.pending.is_empty() {
            self.pending.clear();
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, the text is that of the whole.
    #[test]
    fn any_split_of_the_bytes_gives_the_same_text() {
        let inputs: [&[u8]; 6] = [
            b"plain",
            "naïve café".as_bytes(),
            "日本語 🦀🏳️‍🌈".as_bytes(),
            b"bad \xff byte",
            b"cut \xe6\x97",
            b"\xf0\x9f\xa6X surrogate \xed\xa0\x80",
        ];
        for input in inputs {
            let whole = String::from_utf8_lossy(input);
            for first in 0..=input.len() {
                for second in first..=input.len() {
                    let (mut text, mut out) = (Text::default(), String::new());
                    for part in [&input[..first], &input[first..second], &input[second..]] {
                        text.push(part, &mut out);
                    }
                    text.finish(&mut out);
                    assert_eq!(out, whole, "{input:?} cut at {first} and {second}");
                }
            }
        }
    }
}
