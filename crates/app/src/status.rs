//! Lines at the bottom of the terminal that are drawn over again and again, and leave nothing behind.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use crate::output;

/// What a piece of a line says by its look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Strong,
    Quiet,
    Good,
    Bad,
}

/// A piece of a line: its text, and its look.
pub(crate) type Piece = (String, Look);

/// Lines on standard error. They are drawn only where a person watches.
#[derive(Debug)]
pub(crate) struct Status {
    is_shown: bool,
    is_coloured: bool,
    /// Whether lines are on the screen.
    is_drawn: bool,
}

impl Status {
    /// Lines that are not there yet; never, where `is_hidden` or standard error is no terminal.
    pub(crate) fn new(is_hidden: bool) -> Self {
        let is_terminal = io::stderr().is_terminal()
            && output::environment("TERM").is_some_and(|terminal| terminal != "dumb");
        Self {
            is_shown: is_terminal && !is_hidden,
            is_coloured: output::environment("NO_COLOR").is_none(),
            is_drawn: false,
        }
    }

    /// How many columns a line may take: not the last, where what clears the rest of a line would
    /// clear its end. `None` where no line is shown.
    pub(crate) fn columns(&self) -> Option<usize> {
        let size = self.is_shown.then(|| rustix::termios::tcgetwinsize(io::stderr()))?;
        size.ok().map(|size| usize::from(size.ws_col)).and_then(|columns| columns.checked_sub(1))
    }

    /// Draws `lines` over those before.
    pub(crate) fn draw(&mut self, lines: &[Vec<Piece>]) {
        if self.is_shown {
            write(&drawing(lines, self.is_coloured));
            self.is_drawn = true;
        }
    }

    /// Takes the lines off the screen, so that something else can be said in their place.
    pub(crate) fn clear(&mut self) {
        if self.is_drawn {
            write(ERASURE);
            self.is_drawn = false;
        }
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.clear();
    }
}

/// In one piece, so that nothing comes between. A terminal that is gone has nobody to tell.
fn write(text: &str) {
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

/// What takes the lines off the screen: whatever stands below the cursor goes.
const ERASURE: &str = "\r\x1b[J";

/// What draws `lines` over those before. The cursor stays where they begin, so that a terminal which
/// echoes `^C` there, or has become narrower since, still has them below it. For the same reason it is
/// told not to wrap them.
fn drawing(lines: &[Vec<Piece>], is_coloured: bool) -> String {
    let mut text = "\r\x1b[?7l".to_owned();
    for (place, line) in lines.iter().enumerate() {
        if place > 0 {
            text.push_str("\r\n");
        }
        for (piece, look) in line {
            match sequence(*look).filter(|_| is_coloured) {
                Some(code) => write!(text, "\x1b[{code}m{piece}\x1b[0m"),
                None => write!(text, "{piece}"),
            }
            .expect("a string takes everything");
        }
        text.push_str("\x1b[K");
    }
    text.push_str("\x1b[J\x1b[?7h\r");
    text.push_str(&"\x1b[1A".repeat(lines.len().saturating_sub(1)));
    text
}

const fn sequence(look: Look) -> Option<&'static str> {
    match look {
        Look::Plain => None,
        Look::Strong => Some("1"),
        Look::Quiet => Some("2"),
        Look::Good => Some("32"),
        Look::Bad => Some("1;31"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_drawn_in_the_place_of_those_before() {
        let line = |text: &str, look| vec![(text.to_owned(), look)];
        let lines = [line("a", Look::Strong), line("b", Look::Plain)];
        let plain = "\r\x1b[?7la\x1b[K\r\nb\x1b[K\x1b[J\x1b[?7h\r\x1b[1A";
        assert_eq!(drawing(&lines, false), plain);
        assert_eq!(drawing(&lines, true), plain.replace('a', "\x1b[1ma\x1b[0m"));
    }
}
