//! Times on the wire.

use std::time::Duration;

/// The moment as RFC 3339 has it, in UTC, to the millisecond.
pub(super) fn rfc3339(unix_nanos: u64) -> String {
    let (seconds, millis) = (unix_nanos / 1_000_000_000, unix_nanos / 1_000_000 % 1_000);
    let moment = dialect::date::to_rfc3339(seconds);
    format!("{}.{millis:03}Z", moment.trim_end_matches('Z'))
}

/// To the millisecond: what progress is worth.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_to_the_millisecond() {
        assert_eq!(rfc3339(1_767_225_600_012_999_999), "2026-01-01T00:00:00.012Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(u64::MAX), "2554-07-21T23:34:33.709Z");
        assert_eq!(seconds(Duration::from_micros(1_234_567)), 1.235);
    }
}
