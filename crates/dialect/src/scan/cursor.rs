//! Walking JSON text byte by byte.

use std::ops::Range;

/// A place in JSON text. Every method answers `None` at what is no JSON or is left to the parser.
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    /// The upper bits of all bytes within strings, to tell whether any is not ASCII.
    high_bits: u64,
}

/// Objects and arrays deeper than this are left to the parser.
const DEPTH_MAX: u32 = 64;

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

impl<'a> Cursor<'a> {
    /// A cursor at `at` in `data`.
    pub(super) const fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, high_bits: 0 }
    }

    /// Reads an object, handing each member's key to `member` with the cursor at its value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.next_is(b'}') {
            return Some(());
        }
        loop {
            let key = self.plain_string()?;
            self.expect(b':')?;
            member(self, key)?;
            if !self.next_is(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Reads an array, with the cursor at each element in turn.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.next_is(b']') {
            return Some(());
        }
        loop {
            element(self)?;
            if !self.next_is(b',') {
                return self.expect(b']');
            }
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.data.get(self.at) {
            self.at += 1;
        }
    }

    /// Passes `byte` if it comes next, blanks aside.
    fn next_is(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.data.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.next_is(byte).then_some(())
    }

    /// Whether nothing but blanks is left.
    pub(super) fn end(&mut self) -> Option<()> {
        self.skip_blanks();
        (self.at == self.data.len()).then_some(())
    }

    /// Whether all strings met are UTF-8, given that everything else is ASCII.
    pub(super) fn is_utf8(&self) -> bool {
        self.high_bits & HIGHS == 0 || std::str::from_utf8(self.data).is_ok()
    }

    /// Passes null if it comes next.
    pub(super) fn null(&mut self) -> bool {
        self.skip_blanks();
        self.word(b"null").is_some()
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let found = self.data[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found.then_some(())
    }

    /// Reads a string or null; where the string's content stands, nowhere for null.
    pub(super) fn nullable_string(&mut self) -> Option<Range<usize>> {
        if self.null() { Some(0..0) } else { self.string() }
    }

    /// Reads a string without escapes.
    pub(super) fn plain_string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        self.skip_plain();
        let text = &self.data[start..self.at];
        self.word(b"\"")?;
        Some(text)
    }

    /// Reads a string; where its content stands.
    pub(super) fn string(&mut self) -> Option<Range<usize>> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.string_content()?;
        self.at = end + 1;
        Some(start..end)
    }

    /// Passes what is left of a string up to its closing quote, and says where that stands.
    pub(super) fn string_content(&mut self) -> Option<usize> {
        loop {
            self.skip_plain();
            match self.data.get(self.at)? {
                b'"' => return Some(self.at),
                b'\\' => self.skip_escape()?,
                _ => return None,
            }
        }
    }

    /// Passes bytes up to a quote, a backslash or a control character, eight at a time.
    fn skip_plain(&mut self) {
        while let Some(chunk) = self.data.get(self.at..self.at + 8) {
            let word = u64::from_le_bytes(chunk.try_into().expect("the chunk has 8 bytes"));
            let quote = word ^ (ONES * u64::from(b'"'));
            let backslash = word ^ (ONES * u64::from(b'\\'));
            // The lowest bit set in each of these is exact; borrows disturb only those above it.
            let stops = (quote.wrapping_sub(ONES) & !quote)
                | (backslash.wrapping_sub(ONES) & !backslash)
                | (word.wrapping_sub(ONES * 0x20) & !word);
            let stops = stops & HIGHS;
            if stops != 0 {
                let length = stops.trailing_zeros() / 8;
                self.high_bits |= word & !(u64::MAX << (length * 8));
                self.at += length as usize;
                return;
            }
            self.high_bits |= word;
            self.at += 8;
        }
        while let Some(&byte) = self.data.get(self.at) {
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                return;
            }
            self.high_bits |= u64::from(byte);
            self.at += 1;
        }
    }

    fn skip_escape(&mut self) -> Option<()> {
        match self.data.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.at += 2;
                Some(())
            }
            b'u' => match self.unicode_escape()? {
                0xd800..=0xdbff => matches!(self.unicode_escape()?, 0xdc00..=0xdfff).then_some(()),
                0xdc00..=0xdfff => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn unicode_escape(&mut self) -> Option<u32> {
        self.word(b"\\u")?;
        let digits = self.data.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, &digit| Some(code * 16 + char::from(digit).to_digit(16)?))
    }

    /// Whether a string comes next.
    pub(super) fn is_at_string(&mut self) -> bool {
        self.skip_blanks();
        self.data.get(self.at) == Some(&b'"')
    }

    /// Passes any value.
    pub(super) fn skip_value(&mut self) -> Option<()> {
        // One bit a level that is open: 1 for an object.
        let mut levels: u64 = 0;
        let mut depth = 0;
        loop {
            self.skip_blanks();
            let opened = match self.data.get(self.at)? {
                b'{' => Some(1),
                b'[' => Some(0),
                _ => None,
            };
            if let Some(level) = opened {
                self.at += 1;
                levels = levels << 1 | level;
                depth += 1;
                if depth == DEPTH_MAX {
                    return None;
                }
                if !self.next_is(if level == 1 { b'}' } else { b']' }) {
                    self.skip_key(levels)?;
                    continue;
                }
                levels >>= 1;
                depth -= 1;
            } else {
                self.skip_scalar()?;
            }
            // A value has ended: so may the levels around it.
            loop {
                if depth == 0 {
                    return Some(());
                }
                if self.next_is(b',') {
                    self.skip_key(levels)?;
                    break;
                }
                self.expect(if levels & 1 == 1 { b'}' } else { b']' })?;
                levels >>= 1;
                depth -= 1;
            }
        }
    }

    /// Passes a key and its colon if the innermost level is an object.
    fn skip_key(&mut self, levels: u64) -> Option<()> {
        if levels & 1 == 1 {
            self.string()?;
            self.expect(b':')?;
        }
        Some(())
    }

    fn skip_scalar(&mut self) -> Option<()> {
        match self.data.get(self.at)? {
            b'"' => self.string().map(|_| ()),
            b'n' => self.word(b"null"),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            _ => self.skip_number(),
        }
    }

    fn skip_number(&mut self) -> Option<()> {
        self.at += usize::from(self.data.get(self.at) == Some(&b'-'));
        let leading = *self.data.get(self.at)?;
        if self.skip_digits()? > 1 && leading == b'0' {
            return None;
        }
        if self.data.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if let Some(b'e' | b'E') = self.data.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.data.get(self.at), Some(b'+' | b'-')));
            self.skip_digits()?;
        }
        Some(())
    }

    /// Passes digits, one at least, and says how many.
    fn skip_digits(&mut self) -> Option<usize> {
        let start = self.at;
        while self.data.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(self.at - start)
    }
}
