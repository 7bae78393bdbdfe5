//! Integers and texts as few bytes as they need.

/// Appends an unsigned integer, seven bits a byte, lowest first (LEB128).
#[inline]
pub fn put_count(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the way from `origin` to `value`, whichever is the greater: small where they are close.
#[inline]
pub fn put_step(out: &mut Vec<u8>, value: u64, origin: u64) {
    let step = value.wrapping_sub(origin).cast_signed();
    put_count(out, (step << 1 ^ step >> 63).cast_unsigned());
}

/// Appends a text's length and bytes.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Takes apart what the functions above put together.
#[derive(Debug)]
pub struct Bytes<'a>(&'a [u8]);

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(
    /// How that shows.
    pub &'static str,
);

impl<'a> Bytes<'a> {
    /// What is to be taken apart.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    ///
    /// # Errors
    /// Where there is none.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (&first, rest) = self.0.split_first().ok_or(Malformed("it ends too soon"))?;
        self.0 = rest;
        Ok(first)
    }

    /// The next integer.
    ///
    /// # Errors
    /// Where there is none.
    #[inline]
    pub fn count(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("an integer has more than 64 bits"))
    }

    /// The next integer, written as a step from `origin`.
    ///
    /// # Errors
    /// Where there is none.
    #[inline]
    pub fn step(&mut self, origin: u64) -> Result<u64, Malformed> {
        let folded = self.count()?;
        Ok(origin.wrapping_add(folded >> 1 ^ (folded & 1).wrapping_neg()))
    }

    /// The next integer, where it fits.
    ///
    /// # Errors
    /// Where there is none.
    pub fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.count()?).map_err(|_| Malformed("an integer is too great"))
    }

    /// How many items follow. Each takes a byte or more, so that a wrong number asks for no more
    /// memory than there are bytes.
    ///
    /// # Errors
    /// Where there is none.
    pub fn length(&mut self) -> Result<usize, Malformed> {
        let length = self.narrow()?;
        if length > self.0.len() {
            return Err(Malformed("a length is greater than what follows"));
        }
        Ok(length)
    }

    /// The next text.
    ///
    /// # Errors
    /// Where there is none.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        str::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))
    }
}
