//! Numbers as decimal text, the same in every text format.

use domain::RequestId;

/// `10⁸`: eight digits are found together.
const BLOCK: u64 = 100_000_000;

/// The digits of a number below `10⁸`, zeros in front included, as the bytes 0 to 9 of one word,
/// the first digit lowest.
///
/// Splits all groups of digits at once, each in its own lane of the word: four from four, two from
/// two, one from one. The factors are `2²⁰ / 100` and `2¹⁰ / 10`, rounded up; the errors stay below
/// one for numbers as small as these.
const fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

/// Turns digits into their characters.
const fn characters(digits: u64) -> [u8; 8] {
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

/// Room for the digits of any `u64`, in whole blocks.
const ROOM: usize = 24;

/// Writes an integer at the front of `room` and returns how many digits it has.
fn write_integer(room: &mut [u8; ROOM], value: u64) -> usize {
    if value >= BLOCK {
        let length = write_integer(room, value / BLOCK);
        room[length..length + 8].copy_from_slice(&characters(eight_digits(value % BLOCK)));
        return length + 8;
    }
    let digits = eight_digits(value);
    let leading_zeros = (digits.trailing_zeros() / 8).min(7);
    room[..8].copy_from_slice(&characters(digits >> (8 * leading_zeros)));
    8 - leading_zeros as usize
}

/// Appends an integer.
pub(crate) fn append_integer(out: &mut Vec<u8>, value: u64) {
    append_integers(out, std::iter::once(value));
    out.pop();
}

/// Appends each integer and a comma after it.
///
/// The room is made at once, for the longest there could be, and cut at the end: it is what keeps
/// the price of a chunk's time within some ten nanoseconds.
pub(crate) fn append_integers(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = u64>) {
    let mut end = out.len();
    out.resize(end + values.len() * (ROOM + 1), 0);
    for value in values {
        let room = out[end..].first_chunk_mut().expect("room was made for each value");
        end += write_integer(room, value);
        out[end] = b',';
        end += 1;
    }
    out.truncate(end);
}

/// Appends nanoseconds as milliseconds with six decimals: exact, and of one shape.
pub(crate) fn append_millis(out: &mut Vec<u8>, nanos: i64) {
    if nanos < 0 {
        out.push(b'-');
    }
    let nanos = nanos.unsigned_abs();
    append_integer(out, nanos / 1_000_000);
    out.push(b'.');
    let [_, _, fraction @ ..] = characters(eight_digits(nanos % 1_000_000));
    out.extend_from_slice(&fraction);
}

/// Appends a request's name as it was sent.
pub(crate) fn append_id(out: &mut Vec<u8>, id: RequestId) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let run = std::array::from_fn::<u8, 16, _>(|place| {
        DIGITS[(id.run >> (60 - 4 * place) & 0xf) as usize]
    });
    out.extend_from_slice(&run);
    out.push(b'-');
    append_integer(out, id.index);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_right_for_every_group_of_four() {
        for four in 0..10_000 {
            for value in [four, 10_000 * four, 10_001 * four] {
                let text = characters(eight_digits(value));
                assert_eq!(str::from_utf8(&text), Ok(&*format!("{value:08}")));
            }
        }
    }

    #[test]
    fn numbers_read_as_written() {
        let text = |append: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            append(&mut out);
            String::from_utf8(out).unwrap()
        };
        let millis = [
            (0, "0.000000"),
            (1, "0.000001"),
            (50_123_456, "50.123456"),
            (-1_500_000, "-1.500000"),
            (i64::MIN, "-9223372036854.775808"),
        ];
        for (nanos, expected) in millis {
            assert_eq!(text(&|out| append_millis(out, nanos)), expected);
        }
        for value in [0, 9, 10, 99, 100, 12_345, 99_999_999, 100_000_000, u64::MAX] {
            assert_eq!(text(&|out| append_integer(out, value)), value.to_string());
        }
        for id in [RequestId { run: 0x1f, index: 0 }, RequestId { run: u64::MAX, index: 12_345 }] {
            assert_eq!(text(&|out| append_id(out, id)), id.to_string());
        }
    }
}
