//! Protobuf's wire format: messages written field by field, and read the same way.

/// The fields of a message being written.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<u8>);

/// The message that has the fields `fill` writes.
pub(crate) fn message(fill: impl FnOnce(&mut Fields)) -> Vec<u8> {
    let mut fields = Fields::default();
    fill(&mut fields);
    fields.0
}

impl Fields {
    /// A varint. Zero is the default, and left out.
    pub(crate) fn integer(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.key(field, 0);
            varint(&mut self.0, value);
        }
    }

    /// Eight bytes. Zero is the default, and left out.
    pub(crate) fn fixed(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.chosen_fixed(field, value);
        }
    }

    /// Eight bytes that stand for one of several fields, and so even where they are zero.
    pub(crate) fn chosen_fixed(&mut self, field: u32, value: u64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.chosen_fixed(field, value.to_bits());
    }

    pub(crate) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    pub(crate) fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.bytes(field, &message(fill));
    }

    pub(crate) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, 2);
        varint(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        varint(&mut self.0, u64::from(field << 3 | wire_type));
    }
}

pub(crate) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Signed numbers, so that small ones of either sign are short.
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held<'a> {
    /// A varint.
    Integer(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
    /// A number of fixed size, which nothing read here has.
    Fixed,
}

/// The fields of a message, until it ends or is no message any more.
pub(crate) fn read(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Held<'_>)> {
    std::iter::from_fn(move || {
        let key = take_varint(&mut bytes)?;
        let held = match key & 7 {
            0 => Held::Integer(take_varint(&mut bytes)?),
            1 => bytes.split_off(..8).map(|_| Held::Fixed)?,
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                Held::Bytes(bytes.split_off(..length)?)
            }
            5 => bytes.split_off(..4).map(|_| Held::Fixed)?,
            _ => return None,
        };
        Some((key >> 3, held))
    })
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_ends() {
        let written = message(|fields| {
            fields.integer(1, u64::MAX);
            fields.double(2, 0.5);
            fields.text(300, "told");
        });
        let all = [(1, Held::Integer(u64::MAX)), (2, Held::Fixed), (300, Held::Bytes(b"told"))];
        assert_eq!(Vec::from_iter(read(&written)), all);
        for length in 0..written.len() {
            let fields = Vec::from_iter(read(&written[..length]));
            assert!(all.starts_with(&fields) && fields.len() < all.len(), "{length}");
        }
        assert_eq!(read(&[0xff; 11]).count(), 0, "a number of more than 64 bits");
    }
}
