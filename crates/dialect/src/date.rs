//! Dates of the Gregorian calendar, as HTTP headers and Anthropic's lists write them.

/// Reads a date as HTTP servers must write it, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), in
/// seconds since 1970.
pub(crate) fn from_http(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.trim().split_once(", ")?;
    let mut parts = date.split(' ');
    let day: u64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|&name| name == month)? as u64;
    let year: u64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.splitn(3, ':').map(str::parse::<u64>);
    let mut next = || clock.next()?.ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    let is_plausible = (1970..10_000).contains(&year)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_plausible || parts.next()? != "GMT" {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, `month` counted from zero. Years are
/// taken to begin in March, so that the leap day is their last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // From 1 March of year 0 to 1970-01-01 there are 719,468 days.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// Reads a date in the form of RFC 3339, `1994-11-06T08:49:37Z`, in whole seconds since 1970.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<u64> {
    let (date, clock) = text.trim().split_once(['T', 't'])?;
    let (clock, zone) = clock.split_at_checked(8)?;
    let [year, month, day] = three_numbers(date, '-')?;
    let [hour, minute, second] = three_numbers(clock, ':')?;
    let is_plausible = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_plausible {
        return None;
    }
    let days = days_since_1970(year, month - 1, day);
    let local_s = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let zone = zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    local_s.checked_add_signed(-seconds_east(zone)?)
}

fn three_numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let number = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let mut parts = text.splitn(3, separator).map(number);
    Some([parts.next()??, parts.next()??, parts.next()??])
}

/// A zone of RFC 3339, `Z` or `+01:00`, in seconds east of Greenwich.
fn seconds_east(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let number = |text: &str| text.parse::<u8>().ok().map(i64::from);
    Some(sign * (number(hours)? * 3_600 + number(minutes)? * 60))
}

/// `unix_s`, in seconds since 1970, in the form of RFC 3339: `1994-11-06T08:49:37Z`.
#[must_use]
pub fn to_rfc3339(unix_s: u64) -> String {
    let days = unix_s / 86_400 + 719_468;
    // The last year, begun in March, that starts no later than that day: an estimate that is never
    // too low, and too high by one at most.
    let mut year = days * 400 / 146_097 + 1;
    let start = |year: u64| year * 365 + year / 4 - year / 100 + year / 400;
    while start(year) > days {
        year -= 1;
    }
    let day_of_year = days - start(year);
    let month = (day_of_year * 5 + 2) / 153;
    let day = day_of_year - (month * 153 + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let (hour, minute, second) = (unix_s / 3_600 % 24, unix_s / 60 % 60, unix_s % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_and_write_as_the_calendar_has_them() {
        let check = |http: &str, rfc3339: &str, unix_s| {
            assert_eq!(from_http(http), Some(unix_s), "{http}");
            assert_eq!(to_rfc3339(unix_s), rfc3339);
            assert_eq!(from_rfc3339(rfc3339), Some(unix_s), "{rfc3339}");
        };
        check("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z", 0);
        check("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z", 784_111_777);
        check("Tue, 29 Feb 2000 23:59:59 GMT", "2000-02-29T23:59:59Z", 951_868_799);
        check("Wed, 01 Mar 2000 00:00:00 GMT", "2000-03-01T00:00:00Z", 951_868_800);
        check("Sun, 31 Dec 2023 12:00:00 GMT", "2023-12-31T12:00:00Z", 1_704_024_000);
        check("Mon, 01 Mar 2100 00:00:00 GMT", "2100-03-01T00:00:00Z", 4_107_542_400);
    }

    #[test]
    fn a_date_may_have_fractions_and_a_zone() {
        let check = |text: &str, unix_s| assert_eq!(from_rfc3339(text), unix_s, "{text}");
        check("1994-11-06T08:49:37.250Z", Some(784_111_777));
        check("1994-11-06t08:49:37z", Some(784_111_777));
        check("1994-11-06T10:19:37+01:30", Some(784_111_777));
        check("1994-11-06T00:49:37.5-08:00", Some(784_111_777));
        for nonsense in [
            "",
            "soon",
            "1994-11-06",
            "1994-11-06T08:49:37",
            "1994-11-06T08:49:37 Z",
            "1994-13-06T08:49:37Z",
            "1994-11-06T24:49:37Z",
            "+994-11-06T08:49:37Z",
            "1969-11-06T08:49:37Z",
            "1994-11-06T08:49:37+0130",
            "1994-11-06T08:49:\u{e9}7Z",
        ] {
            check(nonsense, None);
        }
    }

    #[test]
    fn every_day_of_eight_centuries_reads_back() {
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..800 * 365 {
            assert_eq!(days_since_1970(year, month, day), days);
            let text = to_rfc3339(days * 86_400);
            assert_eq!(text, format!("{year:04}-{:02}-{day:02}T00:00:00Z", month + 1));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + u64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
                [usize::try_from(month).expect("below 12")];
            (year, month, day) = match (month, day == length) {
                (_, false) => (year, month, day + 1),
                (11, true) => (year + 1, 0, 1),
                (_, true) => (year, month + 1, 1),
            };
        }
    }
}
