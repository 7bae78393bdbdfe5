//! Takes HTTP/1.1 body framing off, without I/O and without copying.

/// What frames a body.
#[derive(Debug)]
pub(crate) enum Framing {
    /// This many bytes are still to come.
    Length(u64),
    /// Chunks, each behind its size.
    Chunked(Chunked),
    /// Everything until the connection ends.
    UntilEnd,
}

/// Where in the chunked framing the next byte stands.
///
/// | in | byte | to |
/// |---|---|---|
/// | Size | hex digit | Size |
/// | Size | `;`, blank or CR | Extension |
/// | Size, Extension | LF | Data, or Trailer after size 0 |
/// | Data | the chunk's last | DataEnd |
/// | DataEnd | LF | Size |
/// | Trailer | LF of an empty line | Done |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunked {
    /// In a chunk's size, read so far; `digits` of it.
    Size { size: u64, digits: u8 },
    /// Behind the size, before its line's end.
    Extension { size: u64 },
    /// This many bytes of data are left.
    Data(u64),
    /// Between the data and its line's end.
    DataEnd,
    /// In a trailer line; `empty` while nothing of it but CR was seen.
    Trailer { empty: bool },
    /// The body has ended.
    Done,
}

impl Chunked {
    pub(crate) const START: Self = Self::Size { size: 0, digits: 0 };
}

/// The framing is broken: the answer is malformed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BrokenFraming;

impl Framing {
    /// Splits the next piece of body off `bytes`: the piece (possibly empty), and what follows it.
    pub(crate) fn split<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<(&'a [u8], &'a [u8]), BrokenFraming> {
        match self {
            Self::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= take as u64;
                Ok(bytes.split_at(take))
            }
            Self::Chunked(state) => split_chunked(state, bytes),
            Self::UntilEnd => Ok((bytes, &[])),
        }
    }

    /// Whether the whole body has come.
    pub(crate) const fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(state) => matches!(state, Chunked::Done),
            Self::UntilEnd => false,
        }
    }
}

fn split_chunked<'a>(
    state: &mut Chunked,
    mut bytes: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), BrokenFraming> {
    // In a register while it steps through the bytes of a size line.
    let mut at = *state;
    let split = loop {
        if let Chunked::Data(left) = at {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let left = left - take as u64;
            at = if left == 0 { Chunked::DataEnd } else { Chunked::Data(left) };
            break bytes.split_at(take);
        }
        match bytes.split_first() {
            Some((&byte, rest)) if at != Chunked::Done => {
                at = step(at, byte)?;
                bytes = rest;
            }
            _ => break (&[][..], bytes),
        }
    };
    *state = at;
    Ok(split)
}

fn step(state: Chunked, byte: u8) -> Result<Chunked, BrokenFraming> {
    use Chunked::{Data, DataEnd, Extension, Size, Trailer};
    Ok(match (state, byte) {
        (Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 15 => {
            let digit = (byte as char).to_digit(16).ok_or(BrokenFraming)?;
            Size { size: size * 16 + u64::from(digit), digits: digits + 1 }
        }
        (Size { size, digits: 1.. }, b';' | b' ' | b'\t' | b'\r') => Extension { size },
        (Size { size, digits: 1.. } | Extension { size }, b'\n') => {
            if size == 0 {
                Trailer { empty: true }
            } else {
                Data(size)
            }
        }
        (Extension { .. }, _) => state,
        (DataEnd, b'\r') => DataEnd,
        (DataEnd, b'\n') => Chunked::START,
        (Trailer { empty: true }, b'\n') => Chunked::Done,
        (Trailer { empty: true }, b'\r') => state,
        (Trailer { .. }, b'\n') => Trailer { empty: true },
        (Trailer { .. }, _) => Trailer { empty: false },
        (Size { .. } | DataEnd | Data(_) | Chunked::Done, _) => return Err(BrokenFraming),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(framing: &mut Framing, wire: &[u8], step: usize) -> Result<Vec<u8>, BrokenFraming> {
        let mut body = Vec::new();
        for part in wire.chunks(step) {
            let mut rest = part;
            while !rest.is_empty() && !framing.is_done() {
                let (piece, after) = framing.split(rest)?;
                body.extend_from_slice(piece);
                rest = after;
            }
        }
        Ok(body)
    }

    #[test]
    fn any_split_gives_the_same_body() {
        let wire =
            b"5\r\nhello\r\nA;name=value\r\n, chunked \r\n6\nworlds\r\n0\r\nTrailer: x\r\n\r\n";
        for step in 1..wire.len() {
            let mut framing = Framing::Chunked(Chunked::START);
            assert_eq!(decode(&mut framing, wire, step).expect("legal"), b"hello, chunked worlds");
            assert!(framing.is_done(), "split every {step}");
        }
        let mut framing = Framing::Length(5);
        assert_eq!(decode(&mut framing, b"hello", 2).expect("legal"), b"hello");
        assert!(framing.is_done());
    }

    #[test]
    fn broken_framing_is_refused() {
        for wire in ["xyz\r\n", "\r\n", "5\r\nhelloX", "fffffffffffffffff\r\n"] {
            let mut framing = Framing::Chunked(Chunked::START);
            assert_eq!(decode(&mut framing, wire.as_bytes(), 3), Err(BrokenFraming), "{wire:?}");
        }
    }
}
