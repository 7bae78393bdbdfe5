//! Takes Prometheus' text form apart, line by line.

/// A line that is in neither Prometheus' text form nor OpenMetrics'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no metric")]
pub struct Malformed {
    /// Which line, counted from one.
    pub line: usize,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
}

/// Every sample of a text, without its comments.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Result<Line<'_>, Malformed>> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| sample(text).ok_or(Malformed { line }))
}

/// Reads `name{label="value",…} number`, and whatever follows the number: a time, an exemplar.
fn sample(text: &str) -> Option<Line<'_>> {
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_part_of_name(c))?;
    let (name, mut rest) = text.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once('=')?;
            let (value, after) = quoted(after.trim_start())?;
            labels.push((label.trim().to_owned(), value));
            rest = after.trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next.trim_start(),
                None if rest.starts_with('}') => {}
                None => return None,
            }
        }
        rest = &rest[1..];
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then_some(Line { name, labels, value })
}

/// Reads a value between quotes, and returns what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_text_is_read_or_refused(text in r#"([a-z:{}=,"\\ \n#.0-9é]|\PC){0,80}"#) {
            lines(&text).for_each(drop);
        }

        #[test]
        fn what_is_quoted_comes_back(value in ".*") {
            let written = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text = format!("up{{a=\"{written}\"}} 1");
            prop_assert_eq!(sample(&text).map(|line| line.labels), Some(vec![("a".to_owned(), value)]));
        }
    }

    #[test]
    fn a_sample_is_read_in_every_dress() {
        let plain = |name, value| Line { name, labels: Vec::new(), value };
        assert_eq!(sample("up 1"), Some(plain("up", 1.0)));
        assert_eq!(sample("up{} 1.5e3 1700000000000"), Some(plain("up", 1_500.0)));
        assert_eq!(sample("up +Inf"), Some(plain("up", f64::INFINITY)));
        let labels =
            vec![("a".to_owned(), "x\"y\\z\n,}".to_owned()), ("b".to_owned(), String::new())];
        let written = r#"vllm:x_bucket{ a="x\"y\\z\n,}", b="", } 3 # {trace_id="t"} 0.5"#;
        assert_eq!(sample(written), Some(Line { name: "vllm:x_bucket", labels, value: 3.0 }));
        for bad in [
            "up",
            "up x",
            "{a=\"b\"} 1",
            "up{a=\"b} 1",
            "up{a=\"b\" c=\"d\"} 1",
            "<html>",
            "up{a=b} 1",
        ] {
            assert_eq!(sample(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let read: Vec<_> = lines("# HELP up\n\nup 1\r\nup{\n").collect();
        let up = Line { name: "up", labels: Vec::new(), value: 1.0 };
        assert_eq!(read, [Ok(up), Err(Malformed { line: 4 })]);
    }
}
