//! Watches for ever: evaluates the rules again and again, and has told what is due.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Clock;
use tokio::time::MissedTickBehavior;

use crate::book::AlertBook;
use crate::dispatch::{Dispatch, Outcome};
use crate::moment::Moment;
use crate::question::{Question, Reading};
use crate::saved::Saved;

/// How long messages that wait at the end are given.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// A book that is shared with whoever lists alerts and makes silences.
#[derive(Clone, Debug)]
pub struct SharedBook(Arc<Mutex<AlertBook>>);

impl SharedBook {
    /// Shares `book`.
    #[must_use]
    pub fn new(book: AlertBook) -> Self {
        Self(Arc::new(Mutex::new(book)))
    }

    /// The book, for a moment: hold it across no await.
    pub fn lock(&self) -> MutexGuard<'_, AlertBook> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the rules of a book.
#[derive(Debug)]
pub struct Watch {
    /// The book.
    pub book: SharedBook,
    /// Who delivers.
    pub dispatch: Dispatch,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long between two evaluations.
    pub interval: Duration,
}

impl Watch {
    /// Evaluates at once and every interval from then on, until `stop` is ready.
    ///
    /// `ask` answers one rule's questions, or says why it cannot. `keep` stores the state, after each
    /// evaluation and each message that was delivered or not. Neither a receiver nor a silence delays
    /// an evaluation; only `ask` and `keep` can.
    pub async fn run<Asking, Keeping>(
        mut self,
        mut ask: impl FnMut(Vec<Question>, Moment) -> Asking,
        mut keep: impl FnMut(Saved) -> Keeping,
        stop: impl Future<Output = ()>,
    ) where
        Asking: Future<Output = Result<Vec<Vec<Reading>>, String>>,
        Keeping: Future<Output = ()>,
    {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                outcome = self.dispatch.outcome() => self.settle(outcome),
                _ = ticks.tick() => self.evaluate(&mut ask).await,
            }
            let saved = self.book.lock().save();
            keep(saved).await;
        }
        let Self { book, dispatch, clock, .. } = self;
        for outcome in dispatch.close(FAREWELL_MAX).await {
            settle(&book, outcome, &*clock);
        }
        let saved = book.lock().save();
        keep(saved).await;
    }

    async fn evaluate<Asking>(&mut self, ask: &mut impl FnMut(Vec<Question>, Moment) -> Asking)
    where
        Asking: Future<Output = Result<Vec<Vec<Reading>>, String>>,
    {
        let now = Moment::now(&*self.clock);
        let questions = self.book.lock().questions();
        let mut answers = Vec::with_capacity(questions.len());
        for questions in questions {
            answers.push(ask(questions, now).await);
        }
        let mut book = self.book.lock();
        book.evaluate(answers, now);
        for message in book.due(now) {
            if let Err(refused) = self.dispatch.offer(message) {
                book.put_back(&refused.receiver, &refused.group);
            }
        }
    }

    fn settle(&self, outcome: Outcome) {
        settle(&self.book, outcome, &*self.clock);
    }
}

fn settle(book: &SharedBook, outcome: Outcome, clock: &dyn Clock) {
    let now = Moment::now(clock);
    book.lock().settle(&outcome.receiver, &outcome.group, outcome.result, now);
}
