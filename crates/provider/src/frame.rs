//! Follows HTTP/2 frames in a stream of bytes, without I/O and without holding any.

/// Frame types that matter here (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// Frame flags that matter here.
const END_STREAM: u8 = 0x1;
const PADDED: u8 = 0x8;

/// What begins a server's bytes where it does not speak HTTP/2 but the older HTTP.
const HTTP1: &[u8; 7] = b"HTTP/1.";

/// A whole frame of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Headers, or more of them.
    Headers,
    /// A part of the body: bytes of it, or its end.
    Data,
    /// Anything else, padding alone included.
    Other,
}

/// Finds the end of each frame.
#[derive(Debug, Default)]
pub(crate) struct FrameScanner {
    /// The frame's header, as far as it came.
    header: [u8; 9],
    header_bytes: usize,
    /// Of the frame's payload, how much is still to come.
    left: usize,
    /// The payload's first byte, which gives the length of the padding where there is some.
    first: Option<u8>,
    speaks_http1: bool,
}

impl FrameScanner {
    /// Whether the bytes are no frames but an answer in HTTP/1.
    pub(crate) const fn speaks_http1(&self) -> bool {
        self.speaks_http1
    }

    /// Takes in the next bytes and hands every frame they complete to `on`, with its stream.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], on: &mut impl FnMut(u32, Frame)) {
        while !bytes.is_empty() && !self.speaks_http1 {
            if self.header_bytes < self.header.len() {
                let take = bytes.len().min(self.header.len() - self.header_bytes);
                self.header[self.header_bytes..][..take].copy_from_slice(&bytes[..take]);
                self.header_bytes += take;
                bytes = &bytes[take..];
                if self.header_bytes < self.header.len() {
                    return;
                }
                // As a frame this would be 4.7 MB long, which no setting here allows.
                self.speaks_http1 = self.header.starts_with(HTTP1);
                self.left = self.length();
            } else {
                self.first = self.first.or(bytes.first().copied());
                let take = bytes.len().min(self.left);
                self.left -= take;
                bytes = &bytes[take..];
            }
            if self.left == 0 {
                on(self.stream(), self.frame());
                (self.header_bytes, self.first) = (0, None);
            }
        }
    }

    fn length(&self) -> usize {
        let [high, middle, low, ..] = self.header;
        usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
    }

    /// The stream the frame belongs to; its highest bit is reserved.
    fn stream(&self) -> u32 {
        let [.., a, b, c, d] = self.header;
        u32::from_be_bytes([a & 0x7f, b, c, d])
    }

    fn frame(&self) -> Frame {
        let [_, _, _, kind, flags, ..] = self.header;
        match kind {
            HEADERS | CONTINUATION => Frame::Headers,
            DATA => {
                let padding = match self.first {
                    Some(padding) if flags & PADDED != 0 => usize::from(padding) + 1,
                    Some(_) | None => 0,
                };
                let carries = self.length() > padding || flags & END_STREAM != 0;
                if carries { Frame::Data } else { Frame::Other }
            }
            _ => Frame::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        [&[0, 0, length, kind, flags, 0x80, 0, 0, stream][..], payload].concat()
    }

    fn scan(wire: &[u8], step: usize) -> Vec<(u32, Frame)> {
        let mut scanner = FrameScanner::default();
        let mut seen = Vec::new();
        for part in wire.chunks(step) {
            scanner.feed(part, &mut |stream, frame| seen.push((stream, frame)));
        }
        seen
    }

    #[test]
    fn any_split_gives_the_same_frames() {
        let wire = [
            frame(4, 0, 0, &[0; 12]),
            frame(HEADERS, 0, 1, b"abc"),
            frame(CONTINUATION, 4, 1, b"d"),
            frame(DATA, 0, 1, b"data: 1"),
            frame(DATA, 0, 1, b""),
            frame(DATA, PADDED, 3, &[2, 0, 0]),
            frame(DATA, PADDED, 3, &[2, b'x', 0, 0]),
            frame(DATA, END_STREAM, 1, b""),
            frame(3, 0, 3, &[0; 4]),
        ]
        .concat();
        let want = [
            (0, Frame::Other),
            (1, Frame::Headers),
            (1, Frame::Headers),
            (1, Frame::Data),
            (1, Frame::Other),
            (3, Frame::Other),
            (3, Frame::Data),
            (1, Frame::Data),
            (3, Frame::Other),
        ];
        for step in 1..=wire.len() {
            assert_eq!(scan(&wire, step), want, "split every {step}");
        }
    }

    #[test]
    fn an_answer_in_http1_is_noticed() {
        for step in [1, 5, 64] {
            let mut scanner = FrameScanner::default();
            for part in b"HTTP/1.1 400 Bad Request\r\n\r\n".chunks(step) {
                scanner.feed(part, &mut |_, _| panic!("no frame"));
            }
            assert!(scanner.speaks_http1());
        }
    }
}
