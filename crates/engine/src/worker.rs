//! The engine's thread: it alone touches the context.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Failure, FailureKind};
use llama::{Batch, Context, Model, SequenceId};

use crate::answer::Answer;
use crate::config::Batching;
use crate::gate::Gate;
use crate::intake::{Intake, Job};
use crate::schedule::{Schedule, Tick};
use crate::stats::Stats;

/// What the thread works with.
pub(crate) struct Worker {
    pub(crate) model: Model,
    pub(crate) context: Context,
    pub(crate) batching: Batching,
    pub(crate) schedule: Schedule,
    /// The answers under way, by sequence.
    pub(crate) answers: Vec<Option<Answer>>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) batch: Batch,
    pub(crate) tick: Tick,
}

impl Worker {
    /// Works until the intake is stopped. Requests waiting or under way fail then.
    pub(crate) fn run(mut self) {
        while self.take_in() {
            self.drop_cancelled();
            self.gauge();
            if self.schedule.running() > 0 {
                self.tick();
            }
        }
    }

    /// Lets waiting requests in as the gate allows; with none running, waits for one. Says whether
    /// to go on.
    fn take_in(&mut self) -> bool {
        let intake = Arc::clone(&self.intake);
        let mut queue = intake.lock();
        loop {
            if queue.stopped {
                return false;
            }
            let now = self.clock.now();
            let waited =
                queue.jobs.front().map_or(Duration::ZERO, |oldest| now.since(oldest.queued));
            let running = self.schedule.running();
            let timeout = match Gate::of(self.batching, running, queue.jobs.len(), waited) {
                Gate::Open => {
                    self.admit(&mut queue.jobs);
                    return true;
                }
                _ if running > 0 => return true,
                Gate::OpensIn(timeout) => Some(timeout),
                Gate::Closed => None,
            };
            queue = intake.wait(queue, timeout);
        }
    }

    /// Lets the oldest requests in, one after the other, until the next does not fit.
    fn admit(&mut self, jobs: &mut VecDeque<Job>) {
        while let Some(job) = jobs.front() {
            let Some(admission) = self.schedule.admit(&job.prompt, job.room()) else { return };
            let job = jobs.pop_front().expect("there is a first one");
            let shared = admission.share.map_or(0, |(_, length)| length);
            if let Some((from, length)) = admission.share {
                self.context.share(from, admission.sequence, 0..position(length));
            }
            for sequence in admission.forget {
                self.forget(sequence);
            }
            Stats::add(&self.stats.prompt_tokens, job.prompt.len());
            Stats::add(&self.stats.cached_tokens, shared);
            let answer = Answer::new(&self.model, job, shared);
            self.answers[admission.sequence.0 as usize] = Some(answer);
        }
    }

    /// Ends the answers nobody waits for.
    fn drop_cancelled(&mut self) {
        for index in 0..self.answers.len() {
            if self.answers[index].as_ref().is_some_and(Answer::is_cancelled) {
                // Counted first: whoever sees the place free finds why.
                Stats::add(&self.stats.cancelled, 1);
                self.retire(SequenceId(position(index)));
            }
        }
    }

    /// Decodes the next tokens of all sequences at once, and draws one for each that is due.
    fn tick(&mut self) {
        self.schedule.plan(&mut self.tick);
        self.batch.clear();
        for entry in &self.tick.entries {
            self.batch.push(entry.token, position(entry.position), entry.sequence, entry.output);
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            return self.fail_all(&error.to_string());
        }
        self.schedule.decoded(&self.tick);
        self.count_tick();
        for index in 0..self.tick.entries.len() {
            let entry = self.tick.entries[index];
            if entry.output {
                self.draw(entry.sequence, index);
            }
        }
    }

    fn draw(&mut self, sequence: SequenceId, index: usize) {
        let answer = self.answers[sequence.0 as usize].as_mut().expect("it runs, so it answers");
        let token = answer.draw(&self.model, &mut self.context, index);
        Stats::add(&self.stats.generated_tokens, 1);
        let now = self.clock.now();
        let Some(finish) = answer.take(&self.model, token, now) else {
            self.schedule.push(sequence, token);
            return;
        };
        // Whoever hears of the end finds the place free, and whoever sees the place free finds the
        // answer counted.
        Stats::add(&self.stats.completed, 1);
        let answer = self.retire(sequence).expect("it runs, so it answers");
        answer.end(finish, now);
    }

    /// Gives a sequence's place free.
    fn retire(&mut self, sequence: SequenceId) -> Option<Answer> {
        if let Some(forgotten) = self.schedule.retire(sequence) {
            self.forget(forgotten);
        }
        self.gauge();
        self.answers[sequence.0 as usize].take()
    }

    fn gauge(&self) {
        Stats::set(&self.stats.running, self.schedule.running());
        Stats::set(&self.stats.cells_held, self.schedule.cells_held());
    }

    fn forget(&mut self, sequence: SequenceId) {
        let removed = self.context.remove(sequence, 0..u32::MAX);
        debug_assert!(removed, "removing a whole sequence never fails");
    }

    /// After a failed decode the cache is in an unknown state: everything starts over.
    fn fail_all(&mut self, reason: &str) {
        for answer in self.answers.iter_mut().filter_map(Option::take) {
            answer.fail(Failure::new(FailureKind::ServerError, reason));
            Stats::add(&self.stats.failed, 1);
        }
        self.schedule.clear();
        self.context.clear();
    }

    fn count_tick(&self) {
        let (tokens, answers) = (self.tick.entries.len(), self.tick.answers);
        Stats::add(&self.stats.ticks, 1);
        Stats::add(&self.stats.tick_tokens, tokens);
        Stats::add(&self.stats.tick_answers, answers);
        if answers > 0 {
            let prefill = (tokens - answers) as u64;
            self.stats.tick_prefill_max.fetch_max(prefill, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).expect("llama.cpp counts positions in 32 bits")
}
