//! The bounded queue between callers and the engine's thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use llama::{Sampling, Token};

use crate::mailbox::{Mailbox, Reply};

/// A request, ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) prompt: Vec<Token>,
    pub(crate) max_tokens: usize,
    pub(crate) ignore_eos: bool,
    pub(crate) sampling: Sampling,
    pub(crate) stop: Arc<[String]>,
    pub(crate) reply: Reply,
    pub(crate) queued: Timestamp,
}

impl Job {
    /// The tokens it may come to hold in the cache: the last one drawn is never decoded.
    pub(crate) fn room(&self) -> usize {
        self.prompt.len() + self.max_tokens - 1
    }
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many wait as may.
    Full,
    /// The engine has stopped.
    Stopped,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Intake {
    queue: Mutex<Queue>,
    changed: Condvar,
    bound: usize,
}

/// What the queue holds.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) stopped: bool,
}

impl Intake {
    pub(crate) fn new(bound: usize) -> Self {
        Self { queue: Mutex::default(), changed: Condvar::new(), bound }
    }

    /// Queues a job.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Refusal> {
        let mut queue = self.lock();
        if queue.stopped {
            return Err(Refusal::Stopped);
        }
        if queue.jobs.len() >= self.bound {
            return Err(Refusal::Full);
        }
        queue.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// Gives a job up: it leaves the queue at once, or its place at the next tick.
    pub(crate) fn cancel(&self, mailbox: &Arc<Mailbox>) {
        mailbox.cancel();
        self.lock().jobs.retain(|job| !Arc::ptr_eq(&job.reply.0, mailbox));
    }

    /// Takes no more jobs, and wakes the engine to end.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the queue changes, or `timeout` passes.
    pub(crate) fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, Queue> {
        match timeout {
            None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.changed.wait_timeout(queue, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}
