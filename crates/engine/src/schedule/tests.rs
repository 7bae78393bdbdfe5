use std::collections::{BTreeMap, BTreeSet};

use domain::{Random, Seed};

use super::*;

const LIMITS: Limits = Limits { cells: 64, running: 3, kept: 2, tick: 16, prefill: 4, share: true };

fn tokens(text: &str) -> Vec<Token> {
    text.bytes().map(|byte| Token(i32::from(byte))).collect()
}

/// A tick as text: each sequence's number and tokens, `!` where one is drawn next.
fn plan(schedule: &mut Schedule) -> String {
    let mut tick = Tick::default();
    schedule.plan(&mut tick);
    schedule.decoded(&tick);
    let mut shown = String::new();
    let mut last = None;
    for entry in &tick.entries {
        if last != Some(entry.sequence) {
            let space = if shown.is_empty() { "" } else { " " };
            shown += &format!("{space}{}:", entry.sequence.0);
        }
        last = Some(entry.sequence);
        shown.push(char::from(u8::try_from(entry.token.0).expect("tests use bytes")));
        if entry.output {
            shown.push('!');
        }
    }
    shown
}

fn admit(schedule: &mut Schedule, prompt: &str, room: usize) -> String {
    let show = |id: SequenceId| id.0.to_string();
    match schedule.admit(&tokens(prompt), room) {
        None => "waits".to_owned(),
        Some(admission) => {
            let mut shown = format!("at {}", admission.sequence.0);
            if let Some((from, length)) = admission.share {
                shown += &format!(", {length} from {}", from.0);
            }
            if !admission.forget.is_empty() {
                let forget: Vec<String> = admission.forget.into_iter().map(show).collect();
                shown += &format!(", forgetting {}", forget.join(" "));
            }
            shown
        }
    }
}

#[test]
fn a_tick_has_every_answer_and_a_bounded_part_of_the_oldest_prompts() {
    let mut schedule = Schedule::new(LIMITS);
    assert_eq!(admit(&mut schedule, "abc", 10), "at 0");
    assert_eq!(admit(&mut schedule, "ABCDEFGHIJKLMNOPQRST", 30), "at 1");
    // No answer is under way that could be stalled: as much as a tick holds.
    assert_eq!(plan(&mut schedule), "0:abc! 1:ABCDEFGHIJKLM");
    schedule.push(SequenceId(0), Token(i32::from(b'x')));
    // Now one is: four tokens of prompts at most, the older prompt's first.
    assert_eq!(admit(&mut schedule, "123456", 8), "at 2");
    assert_eq!(plan(&mut schedule), "0:x! 1:NOPQ");
    schedule.push(SequenceId(0), Token(i32::from(b'y')));
    assert_eq!(plan(&mut schedule), "0:y! 1:RST! 2:1");
    schedule.push(SequenceId(0), Token(i32::from(b'z')));
    schedule.push(SequenceId(1), Token(i32::from(b'U')));
    assert_eq!(plan(&mut schedule), "0:z! 1:U! 2:2345");
    schedule.retire(SequenceId(0));
    schedule.retire(SequenceId(1));
    assert_eq!(plan(&mut schedule), "2:6!");
}

#[test]
fn the_longest_known_beginning_is_shared_but_for_the_last_token() {
    let mut schedule = Schedule::new(LIMITS);
    assert_eq!(admit(&mut schedule, "hello world", 12), "at 0");
    // Nothing of it is computed yet, so there is nothing to share.
    assert_eq!(admit(&mut schedule, "hello world", 12), "at 1");
    plan(&mut schedule);
    assert_eq!(admit(&mut schedule, "hello world", 12), "at 2, 10 from 0");
    for running in 0..3 {
        schedule.retire(SequenceId(running));
    }
    assert_eq!(admit(&mut schedule, "help", 6), "at 1, 3 from 0");
    assert_eq!(admit(&mut schedule, "other", 6), "at 2");
    plan(&mut schedule);

    let mut apart = Schedule::new(Limits { share: false, ..LIMITS });
    assert_eq!(admit(&mut apart, "hello", 6), "at 0");
    plan(&mut apart);
    assert_eq!(apart.retire(SequenceId(0)), Some(SequenceId(0)), "nothing is kept");
    assert_eq!(admit(&mut apart, "hello", 6), "at 0");
}

#[test]
fn room_is_set_aside_and_kept_sequences_give_way_oldest_first() {
    let mut schedule = Schedule::new(LIMITS);
    assert_eq!(admit(&mut schedule, "aaaa", 30), "at 0");
    assert_eq!(admit(&mut schedule, "bbbb", 30), "at 1");
    assert_eq!(schedule.cells_held(), 60);
    assert_eq!(admit(&mut schedule, "cccc", 5), "waits");
    plan(&mut schedule);
    assert_eq!(schedule.retire(SequenceId(1)), None, "it is kept");
    assert_eq!(schedule.cells_held(), 34, "of which only what is computed");
    schedule.retire(SequenceId(0));
    assert_eq!(schedule.cells_held(), 8);
    // Sharing a kept sequence's cells while giving up both: the shared ones stay.
    assert_eq!(admit(&mut schedule, "bbbbb", 64), "at 2, 4 from 1, forgetting 1 0");
    assert_eq!(schedule.cells_held(), 64);
    assert_eq!(schedule.retire(SequenceId(2)), None);
    assert_eq!(admit(&mut schedule, "d", 64), "at 0, forgetting 2");
    schedule.clear();
    assert_eq!((schedule.running(), schedule.cells_held()), (0, 0));
}

#[test]
fn no_more_sequences_are_kept_than_may_and_none_that_another_covers() {
    let mut schedule = Schedule::new(LIMITS);
    let run = |schedule: &mut Schedule, prompt| {
        let admission = schedule.admit(&tokens(prompt), prompt.len()).expect("there is room");
        plan(schedule);
        schedule.retire(admission.sequence).map(|id| id.0)
    };
    assert_eq!(run(&mut schedule, "abc"), None);
    assert_eq!(run(&mut schedule, "abcdef"), Some(0), "the longer one serves both");
    assert_eq!(run(&mut schedule, "abc"), Some(0), "and a shorter one later");
    assert_eq!(run(&mut schedule, "xyz"), None);
    assert_eq!(run(&mut schedule, "abcde"), Some(2), "which counts as use of the longer one");
    assert_eq!(run(&mut schedule, "123"), Some(0), "the longest unused goes");
}

/// A stand-in for the KV cache that does what it is told and checks that it may.
#[derive(Default)]
struct Cache {
    /// Each sequence's tokens, with a number that names the cell.
    sequences: BTreeMap<SequenceId, Vec<(Token, u64)>>,
    cells_made: u64,
}

impl Cache {
    fn apply(&mut self, admission: &Admission, prompt: &[Token]) {
        assert!(!self.sequences.contains_key(&admission.sequence), "the place is empty");
        let shared = admission
            .share
            .map_or_else(Vec::new, |(from, length)| self.sequences[&from][..length].to_vec());
        assert!(shared.len() < prompt.len(), "the last token is decoded");
        assert!(shared.iter().zip(prompt).all(|((cached, _), token)| cached == token));
        self.sequences.insert(admission.sequence, shared);
        for id in &admission.forget {
            self.sequences.remove(id).expect("what is forgotten was there");
        }
    }

    fn decode(&mut self, tick: &Tick) {
        for entry in &tick.entries {
            let sequence = self.sequences.get_mut(&entry.sequence).expect("it was let in");
            assert_eq!(sequence.len(), entry.position, "tokens come in order, none twice");
            self.cells_made += 1;
            sequence.push((entry.token, self.cells_made));
        }
    }

    fn cells(&self) -> usize {
        self.sequences.values().flatten().map(|&(_, cell)| cell).collect::<BTreeSet<_>>().len()
    }
}

/// Random requests, driven to their ends or given up half-way.
#[test]
fn any_course_of_events_keeps_the_cache_whole() {
    for seed in 0..200 {
        let mut random = Seed(seed).random();
        let limits = Limits {
            cells: 20 + random.below(80) as usize,
            running: 1 + random.below(5) as usize,
            kept: random.below(4) as usize,
            tick: 5 + random.below(20) as usize,
            prefill: 1 + random.below(8) as usize,
            share: random.chance(0.8),
        };
        course(limits, &mut random);
    }
}

fn course(limits: Limits, random: &mut Random) {
    let (mut schedule, mut cache) = (Schedule::new(limits), Cache::default());
    // Each running sequence's tokens still to draw.
    let mut left: BTreeMap<SequenceId, usize> = BTreeMap::new();
    let mut tick = Tick::default();
    for _ in 0..150 {
        // Two letters make common beginnings common.
        let prompt: Vec<Token> =
            (0..1 + random.below(12)).map(|_| Token(random.below(2) as i32)).collect();
        let answer = 1 + random.below(8) as usize;
        let admission = schedule.admit(&prompt, prompt.len() + answer - 1);
        assert!(admission.is_some() || !left.is_empty(), "alone, any request is let in");
        if let Some(admission) = admission {
            cache.apply(&admission, &prompt);
            left.insert(admission.sequence, answer);
        }
        schedule.plan(&mut tick);
        check_tick(&tick, &limits, left.len());
        schedule.decoded(&tick);
        cache.decode(&tick);
        assert!(cache.cells() <= limits.cells, "{} of {} cells", cache.cells(), limits.cells);
        assert!(cache.cells() <= schedule.cells_held());
        let drawn: Vec<SequenceId> =
            tick.entries.iter().filter(|entry| entry.output).map(|entry| entry.sequence).collect();
        for id in drawn {
            let answer = left.get_mut(&id).expect("it runs");
            *answer -= 1;
            if *answer > 0 {
                schedule.push(id, Token(random.below(2) as i32));
            }
        }
        left.retain(|&id, answer| {
            let ends = *answer == 0 || random.chance(0.05);
            if ends && let Some(forgotten) = schedule.retire(id) {
                cache.sequences.remove(&forgotten).expect("what is forgotten was there");
            }
            !ends
        });
        assert_eq!(schedule.running(), left.len());
        assert!(cache.sequences.len() <= left.len() + limits.kept);
    }
}

fn check_tick(tick: &Tick, limits: &Limits, running: usize) {
    assert!(!tick.entries.is_empty() || running == 0, "something always moves");
    assert!(tick.entries.len() <= limits.tick);
    let prefill = tick.entries.len() - tick.answers;
    assert!(tick.answers == 0 || prefill <= limits.prefill);
    let outputs: BTreeSet<SequenceId> =
        tick.entries.iter().filter(|entry| entry.output).map(|entry| entry.sequence).collect();
    assert!(outputs.len() >= tick.answers, "every answer moves on");
}
