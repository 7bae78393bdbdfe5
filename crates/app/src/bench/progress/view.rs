//! How far a run has come, laid out in two lines that fit the terminal.

use std::time::Duration;

use crate::status::{Look, Piece};

/// The longest bar.
const BAR_MAX: usize = 30;
/// The shortest bar that still says something.
const BAR_MIN: usize = 8;
/// What stands between figures.
const GAP: &str = "  ";

/// How far a run has come.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View<'a> {
    /// The run: which of how many, and what it is.
    pub(super) place: (u64, u64),
    pub(super) name: &'a str,
    pub(super) stage: Stage,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stage {
    /// Connections are opened.
    Connecting,
    /// Requests that do not count are sent: so many, of so many.
    Warming { sent: u64, whole: u64 },
    /// Requests are measured.
    Measuring(Measured),
}

/// What is known of a run that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// How much of it is done, from 0 to 1.
    pub(super) share: f64,
    pub(super) elapsed: Duration,
    pub(super) left: Left,
    pub(super) in_flight: u64,
    pub(super) requests_per_s: f64,
    pub(super) tokens_per_s: Option<f64>,
    pub(super) failed: u64,
}

/// How long a run still takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Left {
    /// Nobody can tell yet.
    Unknown,
    /// About this long.
    About(Duration),
    /// No more is sent; the answers under way are awaited.
    Draining,
}

impl View<'_> {
    /// The lines, none longer than `columns`.
    pub(super) fn lines(&self, columns: usize) -> [Vec<Piece>; 2] {
        let (number, count) = self.place;
        let place = if count > 1 { format!("[{number}/{count}] ") } else { String::new() };
        let title = vec![(place, Look::Quiet), (self.name.to_owned(), Look::Strong)];
        let second = match self.stage {
            Stage::Connecting => vec![("opening connections".to_owned(), Look::Plain)],
            Stage::Warming { sent, whole } => {
                vec![(
                    format!("warming up: {} of {} sent", count_of(sent), count_of(whole)),
                    Look::Plain,
                )]
            }
            Stage::Measuring(measured) => measured.line(columns),
        };
        [cut(title, columns), cut(second, columns)]
    }
}

impl Measured {
    /// The bar and the figures. Where there is too little room, the bar goes, then what is least
    /// missed.
    fn line(&self, columns: usize) -> Vec<Piece> {
        // Each with its rank: the highest goes first.
        let mut figures: Vec<(u8, Piece)> = vec![
            (0, (format!("{:>3.0}%", (self.share * 100.0).floor()), Look::Strong)),
            (0, (clock(self.elapsed), Look::Plain)),
        ];
        match self.left {
            Left::Unknown => {}
            Left::About(left) => figures.push((4, (format!("{} left", clock(left)), Look::Plain))),
            Left::Draining => figures.push((4, ("draining".to_owned(), Look::Plain))),
        }
        figures.push((2, (format!("{} in flight", count_of(self.in_flight)), Look::Plain)));
        figures.push((1, (format!("{} req/s", rate(self.requests_per_s)), Look::Plain)));
        if let Some(tokens_per_s) = self.tokens_per_s {
            figures.push((3, (format!("{} tok/s", rate(tokens_per_s)), Look::Plain)));
        }
        let look = if self.failed > 0 { Look::Bad } else { Look::Plain };
        figures.push((0, (format!("{} failed", count_of(self.failed)), look)));

        let width = |figures: &[(u8, Piece)]| -> usize {
            let texts: usize = figures.iter().map(|(_, (text, _))| length(text)).sum();
            texts + GAP.len() * figures.len().saturating_sub(1)
        };
        while width(&figures) > columns {
            let highest = figures.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
            let place = figures.iter().position(|(rank, _)| *rank == highest && highest > 0);
            let Some(place) = place else { break };
            figures.remove(place);
        }
        let room = columns.saturating_sub(width(&figures) + 1).min(BAR_MAX);
        let mut line = if room >= BAR_MIN { bar(self.share, room) } else { Vec::new() };
        for (place, (_, figure)) in figures.into_iter().enumerate() {
            let gap = if place > 0 {
                GAP
            } else if line.is_empty() {
                ""
            } else {
                " "
            };
            line.push((gap.to_owned(), Look::Plain));
            line.push(figure);
        }
        line
    }
}

/// A bar of `width`, filled to `share`.
fn bar(share: f64, width: usize) -> Vec<Piece> {
    let filled = ((share * width as f64).floor() as usize).min(width);
    vec![("━".repeat(filled), Look::Good), ("─".repeat(width - filled), Look::Quiet)]
}

/// `pieces` as far as they fit, with a sign where they do not.
fn cut(pieces: Vec<Piece>, columns: usize) -> Vec<Piece> {
    let whole: usize = pieces.iter().map(|(text, _)| length(text)).sum();
    if whole <= columns {
        return pieces;
    }
    let mut room = columns.saturating_sub(1);
    let mut kept = Vec::new();
    for (text, look) in pieces {
        let text: String = text.chars().take(room).collect();
        room -= length(&text);
        kept.push((text, look));
    }
    if columns > 0 {
        kept.push(("…".to_owned(), Look::Plain));
    }
    kept
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Minutes and seconds, with hours where there are any.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Three digits, and groups of three above.
fn rate(per_s: f64) -> String {
    match per_s {
        0.0 => "0".to_owned(),
        small if small < 9.95 => format!("{small:.2}"),
        middling if middling < 99.5 => format!("{middling:.1}"),
        large => count_of(large.round() as u64),
    }
}

/// A whole number, its digits in groups of three.
fn count_of(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits are text"))
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: Measured = Measured {
        share: 0.587,
        elapsed: Duration::from_millis(12_900),
        left: Left::About(Duration::from_secs(9)),
        in_flight: 8,
        requests_per_s: 120.4,
        tokens_per_s: Some(3_852.0),
        failed: 0,
    };

    const LARGE: Measured = Measured {
        elapsed: Duration::from_secs(7_384),
        left: Left::About(Duration::from_secs(3_600)),
        in_flight: 10_000,
        requests_per_s: 1_234.5,
        tokens_per_s: Some(123_456.7),
        failed: 1_234,
        ..MEASURED
    };

    fn shown(view: &View<'_>, columns: usize) -> String {
        let line = |pieces: &Vec<Piece>| {
            let line: String = pieces.iter().map(|(text, _)| &**text).collect();
            assert!(length(&line) <= columns, "{columns} columns: {line}");
            line
        };
        view.lines(columns).iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn check(stage: Stage, columns: usize) -> String {
        let name = "sim · short_queries · concurrency=8";
        shown(&View { place: (2, 4), name, stage }, columns)
    }

    #[test]
    fn a_run_fits_the_terminal() {
        insta::assert_snapshot!(check(Stage::Measuring(MEASURED), 80), @"
        [2/4] sim · short_queries · concurrency=8
        ━━━━━━─────  58%  0:12  0:09 left  8 in flight  120 req/s  3,852 tok/s  0 failed
        ");
        insta::assert_snapshot!(check(Stage::Measuring(MEASURED), 110), @"
        [2/4] sim · short_queries · concurrency=8
        ━━━━━━━━━━━━━━━━━─────────────  58%  0:12  0:09 left  8 in flight  120 req/s  3,852 tok/s  0 failed
        ");
        insta::assert_snapshot!(check(Stage::Measuring(MEASURED), 40), @"
        [2/4] sim · short_queries · concurrency…
        ━━━━────  58%  0:12  120 req/s  0 failed
        ");
        insta::assert_snapshot!(check(Stage::Measuring(LARGE), 80), @"
        [2/4] sim · short_queries · concurrency=8
         58%  2:03:04  10,000 in flight  1,235 req/s  123,457 tok/s  1,234 failed
        ");
        insta::assert_snapshot!(check(Stage::Measuring(LARGE), 110), @"
        [2/4] sim · short_queries · concurrency=8
        ━━━━━━━━━━━━──────────  58%  2:03:04  1:00:00 left  10,000 in flight  1,235 req/s  123,457 tok/s  1,234 failed
        ");
        let draining = Measured { left: Left::Draining, share: 1.0, ..MEASURED };
        insta::assert_snapshot!(check(Stage::Measuring(draining), 100), @"
        [2/4] sim · short_queries · concurrency=8
        ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100%  0:12  draining  8 in flight  120 req/s  3,852 tok/s  0 failed
        ");
        let begun = Measured { left: Left::Unknown, tokens_per_s: None, share: 0.0, ..MEASURED };
        insta::assert_snapshot!(check(Stage::Measuring(begun), 100), @"
        [2/4] sim · short_queries · concurrency=8
        ──────────────────────────────   0%  0:12  8 in flight  120 req/s  0 failed
        ");
        insta::assert_snapshot!(check(Stage::Warming { sent: 5, whole: 2_000 }, 80), @"
        [2/4] sim · short_queries · concurrency=8
        warming up: 5 of 2,000 sent
        ");
        let view = View { place: (1, 1), name: "one", stage: Stage::Connecting };
        insta::assert_snapshot!(shown(&view, 80), @"
        one
        opening connections
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in 0..200 {
            for measured in [MEASURED, LARGE] {
                check(Stage::Measuring(measured), columns);
            }
            check(Stage::Warming { sent: 1, whole: 1_000_000 }, columns);
        }
    }

    #[test]
    fn figures_are_short() {
        for (per_s, want) in [
            (0.0, "0"),
            (0.004, "0.00"),
            (9.949, "9.95"),
            (9.96, "10.0"),
            (99.6, "100"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(rate(per_s), want);
        }
        for (seconds, want) in [(0, "0:00"), (61, "1:01"), (3_599, "59:59"), (3_661, "1:01:01")] {
            assert_eq!(clock(Duration::from_secs(seconds)), want);
        }
    }
}
