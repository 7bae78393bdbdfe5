//! Frames: batches in a segment of the log, each with its length, its place and its checksums.
//!
//! ```text
//! segment = "PRONYLOG" version:u32 cut_from:u64 first:u64 crc:u32  frame*
//! frame   = "PRF1" length:u32 records:u32 payload_crc:u32 sequence:u64 crc:u32  payload
//! ```
//!
//! Integers are little-endian; a checksum is the CRC-32 of all that stands before it in the header.
//! The header has one of its own so that a frame whose payload is spoilt can be stepped over.

/// How many bytes a segment's header takes.
pub(super) const SEGMENT_HEADER: usize = 32;
/// How many bytes a frame's header takes.
pub(super) const FRAME_HEADER: usize = 28;

const SEGMENT_MARK: &[u8; 8] = b"PRONYLOG";
const FRAME_MARK: &[u8; 4] = b"PRF1";
const VERSION: u32 = 1;

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// What segments before it hold from this sequence on was never acknowledged, and is void.
    pub(super) cut_from: u64,
    /// The sequence of its first record.
    pub(super) first: u64,
}

/// Why a segment's header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Damaged,
    Newer(u32),
}

impl SegmentHeader {
    pub(super) fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MARK);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.cut_from.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.first.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let bytes = bytes.first_chunk::<SEGMENT_HEADER>().ok_or(HeaderFault::Damaged)?;
        if &bytes[..8] != SEGMENT_MARK || crc32fast::hash(&bytes[..28]) != word(bytes, 28) {
            return Err(HeaderFault::Damaged);
        }
        match word(bytes, 8) {
            VERSION => Ok(Self { cut_from: long(bytes, 12), first: long(bytes, 20) }),
            version => Err(HeaderFault::Newer(version)),
        }
    }
}

/// The newest version of segments.
pub(super) const fn version() -> u32 {
    VERSION
}

/// Writes a frame's header before its payload.
pub(super) fn append(out: &mut Vec<u8>, sequence: u64, records: u32, crc: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("the log bounds a frame's payload");
    let start = out.len();
    out.extend_from_slice(FRAME_MARK);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&records.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    let header = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&header.to_le_bytes());
    out.extend_from_slice(payload);
}

/// A frame whose checksums are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The sequence of its first record.
    pub(super) sequence: u64,
    pub(super) records: u32,
    pub(super) payload: &'a [u8],
    /// Where it ends.
    pub(super) end: usize,
}

/// What comes next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Frame(Frame<'a>),
    /// Bytes from here until there are no frame.
    Damage {
        start: usize,
        end: usize,
    },
}

/// Reads what comes at `start`; `None` at the end. After damage it goes on with the next frame
/// whose header is right.
pub(super) fn read(bytes: &[u8], start: usize) -> Option<Item<'_>> {
    if start >= bytes.len() {
        return None;
    }
    let Some(header) = Header::read(&bytes[start..]) else {
        let end = next_mark(bytes, start + 1);
        return Some(Item::Damage { start, end });
    };
    let payload_start = start + FRAME_HEADER;
    let end = payload_start + header.length;
    let Some(payload) = bytes.get(payload_start..end) else {
        return Some(Item::Damage { start, end: next_mark(bytes, start + 1) });
    };
    if crc32fast::hash(payload) != header.payload_crc {
        return Some(Item::Damage { start, end });
    }
    let Header { sequence, records, .. } = header;
    Some(Item::Frame(Frame { sequence, records, payload, end }))
}

/// Where the next header stands whose checksum is right, or the end.
fn next_mark(bytes: &[u8], from: usize) -> usize {
    (from..bytes.len())
        .find(|&at| bytes[at] == FRAME_MARK[0] && Header::read(&bytes[at..]).is_some())
        .unwrap_or(bytes.len())
}

struct Header {
    length: usize,
    records: u32,
    payload_crc: u32,
    sequence: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<FRAME_HEADER>()?;
        let is_right =
            &bytes[..4] == FRAME_MARK && crc32fast::hash(&bytes[..24]) == word(bytes, 24);
        is_right.then(|| Self {
            length: word(bytes, 4) as usize,
            records: word(bytes, 8),
            payload_crc: word(bytes, 12),
            sequence: long(bytes, 16),
        })
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the header is longer"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the header is longer"))
}
