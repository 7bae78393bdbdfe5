//! How long a server asks its clients to wait, wherever it says so.

use std::time::Duration;

use crate::date;

/// The wait that an answer's headers ask for: `retry-after-ms`, else `retry-after` in seconds or as
/// a date; else, where `status` says that a limit was reached, what its own headers say.
pub(crate) fn from_headers<'h>(
    status: u16,
    header: &impl Fn(&str) -> Option<&'h str>,
    now_unix_s: u64,
) -> Option<Duration> {
    let seconds = |text: &str| text.trim().parse::<f64>().ok();
    let duration = |seconds| Duration::try_from_secs_f64(seconds).ok();
    if let Some(wait) = header("retry-after-ms").and_then(seconds).and_then(|ms| duration(ms / 1e3))
    {
        return Some(wait);
    }
    let Some(text) = header("retry-after") else {
        return (status == 429).then(|| spent_limit(header, now_unix_s)).flatten();
    };
    match seconds(text) {
        Some(wait) => duration(wait),
        None => date::from_http(text).map(|at| Duration::from_secs(at.saturating_sub(now_unix_s))),
    }
}

/// The longest wait until a limit that is used up starts anew. OpenAI says how long that takes,
/// Anthropic when it will be.
fn spent_limit<'h>(header: &impl Fn(&str) -> Option<&'h str>, now_unix_s: u64) -> Option<Duration> {
    let spent = |remaining: &str| header(remaining).is_some_and(|left| left.trim() == "0");
    let openai = ["requests", "tokens"].into_iter().filter_map(|limit| {
        spent(&format!("x-ratelimit-remaining-{limit}"))
            .then(|| header(&format!("x-ratelimit-reset-{limit}")).and_then(from_go))
            .flatten()
    });
    let limits = ["requests", "tokens", "input-tokens", "output-tokens"];
    let anthropic = limits.into_iter().filter_map(|limit| {
        let start = spent(&format!("anthropic-ratelimit-{limit}-remaining"))
            .then(|| header(&format!("anthropic-ratelimit-{limit}-reset")))
            .flatten()?;
        let at_unix_s = date::from_rfc3339(start)?;
        Some(Duration::from_secs(at_unix_s.saturating_sub(now_unix_s)))
    });
    openai.chain(anthropic).max()
}

/// Reads a duration as Go and protocol buffers write it: `120ms`, `51.189s`, `6m0s`.
pub(crate) fn from_go(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit_s = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit_s).ok()?;
        sum = sum.checked_add(part)?;
        rest = after;
    }
    Some(sum)
}
