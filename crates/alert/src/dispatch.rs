//! Delivers messages without ever holding up whoever hands them over: a short queue and a task for
//! each receiver, so that one that hangs delays no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::matcher::AlertLabels;
use crate::moment::Moment;
use crate::notice::{DeliveryError, Message};
use crate::notify::{Channel, Surroundings};
use crate::receiver::Receiver;

/// Messages that may wait for one receiver. One that finds no room is due again later, when it says
/// what is true by then.
const QUEUE_MAX: usize = 8;
/// One attempt may take this long in all.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(15);

/// What became of a message.
#[derive(Debug)]
pub struct Outcome {
    /// The receiver's name.
    pub receiver: String,
    /// What the message's alerts have in common.
    pub group: AlertLabels,
    /// Whether the receiver took it.
    pub result: Result<(), DeliveryError>,
}

/// The receivers' queues and tasks.
#[derive(Debug)]
pub struct Dispatch {
    queues: BTreeMap<String, mpsc::Sender<Message>>,
    outcomes: mpsc::Receiver<Outcome>,
    workers: JoinSet<()>,
    refused: u64,
}

impl Dispatch {
    /// Starts a task for each receiver, on the current runtime.
    #[must_use]
    pub fn start(
        receivers: Vec<Receiver>,
        surroundings: &Arc<Surroundings>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        // Room for every outcome there can be, so that no worker waits for whoever reads them.
        let (told, outcomes) = mpsc::channel((receivers.len() * (QUEUE_MAX + 1)).max(1));
        let mut workers = JoinSet::new();
        let mut queues = BTreeMap::new();
        for receiver in receivers {
            let (queue, messages) = mpsc::channel(QUEUE_MAX);
            queues.insert(receiver.route.receiver, queue);
            let worker = Worker {
                channel: receiver.channel,
                surroundings: Arc::clone(surroundings),
                clock: Arc::clone(clock),
            };
            workers.spawn(worker.work(messages, told.clone()));
        }
        Self { queues, outcomes, workers, refused: 0 }
    }

    /// Hands over a message.
    ///
    /// # Errors
    /// The message itself, where its receiver's queue is full; that is counted.
    pub fn offer(&mut self, message: Message) -> Result<(), Box<Message>> {
        let refused = match self.queues.get(&message.receiver) {
            Some(queue) => match queue.try_send(message) {
                Ok(()) => return Ok(()),
                Err(error) => error.into_inner(),
            },
            None => message,
        };
        self.refused += 1;
        Err(Box::new(refused))
    }

    /// How many messages found no room.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Waits for the next outcome. Where there is no receiver, none comes.
    pub async fn outcome(&mut self) -> Outcome {
        match self.outcomes.recv().await {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    /// Takes no more messages, gives those that wait until `patience` is over, and returns what became
    /// of them.
    pub async fn close(mut self, patience: Duration) -> Vec<Outcome> {
        self.queues.clear();
        let all = async { while self.workers.join_next().await.is_some() {} };
        // Whoever is not done by then is not waited for: what was not told is told after a restart.
        let _ = tokio::time::timeout(patience, all).await;
        self.workers.shutdown().await;
        let mut outcomes = Vec::new();
        while let Ok(outcome) = self.outcomes.try_recv() {
            outcomes.push(outcome);
        }
        outcomes
    }
}

/// One receiver's task.
struct Worker {
    channel: Channel,
    surroundings: Arc<Surroundings>,
    clock: Arc<dyn Clock>,
}

impl Worker {
    async fn work(self, mut messages: mpsc::Receiver<Message>, told: mpsc::Sender<Outcome>) {
        while let Some(message) = messages.recv().await {
            let now = Moment::now(&*self.clock);
            let attempt = self.channel.deliver(&message, &self.surroundings, now);
            let result = tokio::time::timeout(ATTEMPT_MAX, attempt).await.unwrap_or_else(|_| {
                Err(DeliveryError::unanswered(format!(
                    "no answer within {}s",
                    ATTEMPT_MAX.as_secs()
                )))
            });
            let outcome = Outcome { receiver: message.receiver, group: message.group, result };
            if told.send(outcome).await.is_err() {
                return;
            }
        }
    }
}
