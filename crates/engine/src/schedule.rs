//! Who runs, which tokens come next, and whose cached beginning is reused: decisions only.
//!
//! A sequence's life:
//!
//! | state | becomes | when |
//! |---|---|---|
//! | free | running | [`Schedule::admit`] finds a place and room for prompt and longest answer |
//! | running | running | [`Schedule::decoded`] counts its tokens of a tick; [`Schedule::push`] adds a drawn one |
//! | running | kept | [`Schedule::retire`], where prefixes are kept |
//! | running | free | [`Schedule::retire`], where they are not, or one kept before serves as well |
//! | kept | free | it is the longest unused and room or its place is needed |
//!
//! Room is counted in cells, one a cached token. Sequences with the same beginning share its cells.
//! A running sequence owns all cells it may come to need from the start, so that none ever has to
//! be put out half-way.

use llama::{SequenceId, Token};

/// The bounds within which decisions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Cells of the KV cache.
    pub(crate) cells: usize,
    /// Most running sequences.
    pub(crate) running: usize,
    /// Most kept sequences.
    pub(crate) kept: usize,
    /// Most tokens of a tick.
    pub(crate) tick: usize,
    /// Most prompt tokens of a tick in which answers are under way.
    pub(crate) prefill: usize,
    /// Whether beginnings can be shared at all.
    pub(crate) share: bool,
}

/// What must be done to the KV cache to let a sequence in, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The sequence's place.
    pub(crate) sequence: SequenceId,
    /// The sequence whose first tokens it shares, and how many.
    pub(crate) share: Option<(SequenceId, usize)>,
    /// The kept sequences to forget.
    pub(crate) forget: Vec<SequenceId>,
}

/// One token of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whose it is.
    pub(crate) sequence: SequenceId,
    /// The token.
    pub(crate) token: Token,
    /// Its place in the sequence.
    pub(crate) position: usize,
    /// Whether the next token is drawn after it.
    pub(crate) output: bool,
}

/// The tokens of one tick.
#[derive(Debug, Default)]
pub(crate) struct Tick {
    /// Them all, each sequence's in order.
    pub(crate) entries: Vec<Entry>,
    /// How many of them continue an answer, not a prompt.
    pub(crate) answers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Running,
    Kept { since: u64 },
}

#[derive(Debug)]
struct Sequence {
    state: State,
    /// When it was let in, to serve prompts in that order.
    admitted: u64,
    /// The prompt and what was drawn.
    tokens: Vec<Token>,
    /// Of `tokens`, how many belong to the prompt.
    prompt: usize,
    /// Of `tokens`, how many are in the KV cache.
    cached: usize,
    /// The cells it holds, one a position; at least `cached` of them.
    cells: Vec<u32>,
}

/// All sequences and the cells they hold.
#[derive(Debug)]
pub(crate) struct Schedule {
    limits: Limits,
    sequences: Vec<Sequence>,
    /// How many sequences hold each cell.
    holders: Vec<u16>,
    free: Vec<u32>,
    /// Counts admissions and retirements, as a clock to order them.
    turn: u64,
}

impl Schedule {
    /// Nothing running, nothing kept.
    pub(crate) fn new(limits: Limits) -> Self {
        let sequence = |_| Sequence {
            state: State::Free,
            admitted: 0,
            tokens: Vec::new(),
            prompt: 0,
            cached: 0,
            cells: Vec::new(),
        };
        let cells = u32::try_from(limits.cells).expect("llama.cpp counts cells in 32 bits");
        Self {
            limits,
            sequences: (0..limits.running + limits.kept).map(sequence).collect(),
            holders: vec![0; limits.cells],
            free: (0..cells).rev().collect(),
            turn: 0,
        }
    }

    /// How many sequences run.
    pub(crate) fn running(&self) -> usize {
        self.sequences.iter().filter(|sequence| sequence.state == State::Running).count()
    }

    /// How many cells hold a token or are set aside for one.
    pub(crate) fn cells_held(&self) -> usize {
        self.limits.cells - self.free.len()
    }

    /// Lets a sequence in that has `prompt` (at least one token) and may grow to `room` tokens, or
    /// says that there is no place or no room for it now.
    pub(crate) fn admit(&mut self, prompt: &[Token], room: usize) -> Option<Admission> {
        if self.running() >= self.limits.running {
            return None;
        }
        let share = self.longest_beginning(prompt);
        let shared_cells: Vec<u32> =
            share.map_or_else(Vec::new, |(from, length)| self.at(from).cells[..length].to_vec());
        let needed = room - shared_cells.len();
        if self.available(&shared_cells) < needed {
            return None;
        }
        let index = self
            .sequences
            .iter()
            .position(|sequence| sequence.state == State::Free)
            .expect("there are places for all that run and all that are kept");
        for &cell in &shared_cells {
            self.holders[cell as usize] += 1;
        }
        let mut forget = Vec::new();
        while self.free.len() < needed {
            forget.push(self.forget_oldest().expect("what is available is free or kept"));
        }
        let fresh = self.free.split_off(self.free.len() - needed);
        for &cell in &fresh {
            self.holders[cell as usize] = 1;
        }
        self.turn += 1;
        let turn = self.turn;
        let sequence = &mut self.sequences[index];
        sequence.state = State::Running;
        sequence.admitted = turn;
        sequence.tokens.clear();
        sequence.tokens.extend_from_slice(prompt);
        sequence.prompt = prompt.len();
        sequence.cached = shared_cells.len();
        sequence.cells = shared_cells;
        sequence.cells.extend(fresh.into_iter().rev());
        Some(Admission { sequence: id(index), share, forget })
    }

    /// Gathers the next tick: one token of every answer, then prompts in the order they came, as
    /// many tokens as fit.
    pub(crate) fn plan(&self, tick: &mut Tick) {
        tick.entries.clear();
        let mut prompts: Vec<(u64, usize)> = Vec::new();
        for (index, sequence) in self.sequences.iter().enumerate() {
            match sequence.tokens.len() - sequence.cached {
                _ if sequence.state != State::Running => {}
                0 => unreachable!("a running sequence has a token to decode"),
                1 if sequence.cached >= sequence.prompt => {
                    tick.entries.push(self.entry(index, sequence.cached));
                }
                _ => prompts.push((sequence.admitted, index)),
            }
        }
        tick.answers = tick.entries.len();
        prompts.sort_unstable();
        let room = self.limits.tick - tick.answers;
        let mut budget = if tick.answers == 0 { room } else { room.min(self.limits.prefill) };
        for (_, index) in prompts {
            let sequence = &self.sequences[index];
            let end = sequence.tokens.len().min(sequence.cached + budget);
            budget -= end - sequence.cached;
            tick.entries.extend((sequence.cached..end).map(|at| self.entry(index, at)));
        }
    }

    /// Counts a tick's tokens as cached.
    pub(crate) fn decoded(&mut self, tick: &Tick) {
        for entry in &tick.entries {
            self.at_mut(entry.sequence).cached = entry.position + 1;
        }
    }

    /// Adds a token drawn for `sequence`.
    pub(crate) fn push(&mut self, sequence: SequenceId, token: Token) {
        let sequence = self.at_mut(sequence);
        debug_assert!(sequence.tokens.len() < sequence.cells.len(), "no cell was set aside");
        sequence.tokens.push(token);
    }

    /// Ends `sequence`: what is cached of it is kept for later, or forgotten. Says which sequence's
    /// tokens must leave the KV cache for it, this one's or those of one kept before.
    pub(crate) fn retire(&mut self, sequence: SequenceId) -> Option<SequenceId> {
        self.turn += 1;
        let since = self.turn;
        let cached = self.at(sequence).cached;
        if self.limits.kept == 0 || !self.limits.share || cached == 0 {
            self.free_sequence(sequence);
            return Some(sequence);
        }
        let spare = self.at_mut(sequence).cells.split_off(cached);
        self.release(&spare);
        self.at_mut(sequence).tokens.truncate(cached);
        if let Some(covering) = self.covering(sequence) {
            self.at_mut(covering).state = State::Kept { since };
            self.free_sequence(sequence);
            return Some(sequence);
        }
        self.at_mut(sequence).state = State::Kept { since };
        self.forget_covered(sequence).or_else(|| {
            if self.kept().count() > self.limits.kept { self.forget_oldest() } else { None }
        })
    }

    /// Forgets every sequence.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    fn entry(&self, index: usize, position: usize) -> Entry {
        let sequence = &self.sequences[index];
        Entry {
            sequence: id(index),
            token: sequence.tokens[position],
            position,
            output: position + 1 == sequence.tokens.len(),
        }
    }

    /// The sequence whose cached tokens agree with `prompt` the longest, and how long. The last
    /// token of the prompt is left out: it must be decoded to draw the next.
    fn longest_beginning(&self, prompt: &[Token]) -> Option<(SequenceId, usize)> {
        if !self.limits.share {
            return None;
        }
        let prompt = &prompt[..prompt.len() - 1];
        let length = |sequence: &Sequence| {
            let cached = &sequence.tokens[..sequence.cached];
            prompt.iter().zip(cached).take_while(|(ours, theirs)| ours == theirs).count()
        };
        self.sequences
            .iter()
            .enumerate()
            .filter(|(_, sequence)| sequence.state != State::Free)
            .map(|(index, sequence)| (id(index), length(sequence)))
            .filter(|&(_, length)| length > 0)
            // The first of the longest, so that the choice does not depend on chance.
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// Cells that are free or would be if every kept sequence were forgotten, without `shared`.
    fn available(&self, shared: &[u32]) -> usize {
        let mut taken = vec![false; self.limits.cells];
        let running = self.sequences.iter().filter(|sequence| sequence.state == State::Running);
        for &cell in running.flat_map(|sequence| &sequence.cells).chain(shared) {
            taken[cell as usize] = true;
        }
        taken.into_iter().filter(|&taken| !taken).count()
    }

    fn kept(&self) -> impl Iterator<Item = (u64, SequenceId)> {
        self.sequences.iter().enumerate().filter_map(|(index, sequence)| match sequence.state {
            State::Kept { since } => Some((since, id(index))),
            State::Free | State::Running => None,
        })
    }

    fn forget_oldest(&mut self) -> Option<SequenceId> {
        let (_, oldest) = self.kept().min()?;
        self.free_sequence(oldest);
        Some(oldest)
    }

    /// A kept sequence that begins with all of `sequence`'s tokens, and serves whatever it would.
    fn covering(&self, sequence: SequenceId) -> Option<SequenceId> {
        let tokens = &self.at(sequence).tokens;
        self.kept().map(|(_, id)| id).find(|&id| self.at(id).tokens.starts_with(tokens))
    }

    /// Forgets a kept sequence all of whose tokens begin another one: it can serve no request that
    /// the other cannot.
    fn forget_covered(&mut self, by: SequenceId) -> Option<SequenceId> {
        let tokens = &self.at(by).tokens;
        let covered = self
            .kept()
            .map(|(_, id)| id)
            .find(|&id| id != by && tokens.starts_with(&self.at(id).tokens))?;
        self.free_sequence(covered);
        Some(covered)
    }

    fn free_sequence(&mut self, id: SequenceId) {
        let sequence = self.at_mut(id);
        sequence.state = State::Free;
        sequence.cached = 0;
        sequence.tokens.clear();
        let cells = std::mem::take(&mut sequence.cells);
        self.release(&cells);
    }

    fn release(&mut self, cells: &[u32]) {
        for &cell in cells {
            let holders = &mut self.holders[cell as usize];
            *holders -= 1;
            if *holders == 0 {
                self.free.push(cell);
            }
        }
    }

    fn at(&self, id: SequenceId) -> &Sequence {
        &self.sequences[id.0 as usize]
    }

    fn at_mut(&mut self, id: SequenceId) -> &mut Sequence {
        &mut self.sequences[id.0 as usize]
    }
}

fn id(index: usize) -> SequenceId {
    SequenceId(u32::try_from(index).expect("there are at most a few hundred sequences"))
}

#[cfg(test)]
mod tests;
