//! Random bytes from the system, for what nobody may guess or make twice.

use std::io::{self, Read as _};

/// So many of them.
pub(crate) fn bytes<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    #[expect(clippy::disallowed_methods, reason = "app asks the system")]
    let mut source = std::fs::File::open("/dev/urandom")?;
    let mut bytes = [0; COUNT];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The bytes in hexadecimal digits.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
