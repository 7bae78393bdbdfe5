//! Ending an answer at a stop text.

use std::sync::Arc;

/// Looks for stop texts in an answer that comes in pieces. Text that may be the beginning of a stop
/// text is held back until that is decided.
#[derive(Debug)]
pub(crate) struct StopFilter {
    stops: Arc<[String]>,
    held: String,
}

impl StopFilter {
    /// A filter for `stops`; empty ones match nothing.
    pub(crate) fn new(stops: Arc<[String]>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Takes in `text` and appends to `out` what is surely before any stop text. Says whether a stop
    /// text has been found; `out` then has all before the first of them.
    pub(crate) fn push(&mut self, text: &str, out: &mut String) -> bool {
        if self.stops.is_empty() {
            out.push_str(text);
            return false;
        }
        self.held.push_str(text);
        let found = self.stops().filter_map(|stop| self.held.find(stop)).min();
        if let Some(at) = found {
            out.push_str(&self.held[..at]);
            self.held.clear();
            return true;
        }
        let keep = self.stops().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        out.extend(self.held.drain(..self.held.len() - keep));
        false
    }

    /// Ends the answer: what was held back is text after all.
    pub(crate) fn finish(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
    }

    fn stops(&self) -> impl Iterator<Item = &str> {
        self.stops.iter().map(String::as_str).filter(|stop| !stop.is_empty())
    }
}

/// The length of the longest end of `text` that begins `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    (1..stop.len().min(text.len() + 1))
        .rev()
        .find(|&length| stop.is_char_boundary(length) && text.ends_with(&stop[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run<'a>(stops: &[&str], pieces: impl IntoIterator<Item = &'a str>) -> (Vec<String>, bool) {
        let mut filter = StopFilter::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let mut outs = Vec::new();
        for piece in pieces {
            let mut out = String::new();
            let stopped = filter.push(piece, &mut out);
            outs.push(out);
            if stopped {
                return (outs, true);
            }
        }
        let mut out = String::new();
        filter.finish(&mut out);
        outs.push(out);
        (outs, false)
    }

    #[test]
    fn text_is_held_back_only_while_it_may_be_a_stop() {
        let check = |stops: &[&str], pieces: &[&str], expect: &[&str], stopped: bool| {
            assert_eq!(
                run(stops, pieces.iter().copied()),
                (expect.iter().map(|&out| out.to_owned()).collect(), stopped),
                "{stops:?} in {pieces:?}"
            );
        };
        check(&[], &["a", "b"], &["a", "b", ""], false);
        check(&[""], &["a"], &["a", ""], false);
        check(&["END"], &["the E", "N", "D!"], &["the ", "", ""], true);
        check(&["END"], &["the E", "N", "TRY"], &["the ", "", "ENTRY", ""], false);
        check(&["END"], &["the EN"], &["the ", "EN"], false);
        check(&["\n\n", "###"], &["one\n", "two\n", "\nthree"], &["one", "\ntwo", ""], true);
        check(&["b", "ab"], &["xab"], &["x"], true);
        check(&["aab"], &["aa", "ab"], &["", "a"], true);
        check(&["é!"], &["caf", "é", "?"], &["caf", "", "é?", ""], false);
    }

    proptest! {
        /// However the text is cut into pieces, what comes out is what one search would leave.
        #[test]
        fn cutting_changes_nothing(
            text in "[abé]{0,30}",
            stops in prop::collection::vec("[abé]{1,4}", 0..3),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let ends: Vec<usize> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let (outs, stopped) = run(&stops, cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]));
            // A stop found early ends the answer even where a longer piece would hold an earlier,
            // longer one; so compare with the search over what had come by then.
            let out = outs.concat();
            if stopped {
                prop_assert!(text.starts_with(&out));
                prop_assert!(stops.iter().any(|stop| text[out.len()..].starts_with(stop)));
            } else {
                prop_assert_eq!(&out, &text);
                prop_assert!(!stops.iter().any(|stop| text.contains(stop)));
            }
        }
    }
}
