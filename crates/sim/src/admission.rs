//! The way from a request's arrival to the moments its tokens are due, by either kind of service.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Clock, Seed, Timestamp, Tokens};
use tokio::sync::oneshot;

use crate::config::Service;
use crate::service::{Admission, SlotService, Slots, Ticket};
use crate::timetable::{Departures, Timetable};

/// Where requests are let in.
#[derive(Debug)]
pub(crate) enum Door {
    /// Every request at once, by the timetable drawn from this seed.
    Open(Timetable, Seed),
    /// As many as there are slots for.
    Slots(Arc<Hall>),
}

/// The service of slots with those who wait for one.
#[derive(Debug)]
pub(crate) struct Hall {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    service: SlotService,
    /// Whom to tell when they come to the head of the line.
    calls: HashMap<Ticket, oneshot::Sender<Timestamp>>,
}

/// A request that was let in, or waits to be.
#[derive(Debug)]
pub(crate) enum Pass {
    Timetable(Departures),
    Slot(Seat),
}

impl Door {
    pub(crate) fn new(service: &Service, seed: Seed, clock: Arc<dyn Clock>) -> Self {
        match *service {
            Service::Timetable(timetable) => Self::Open(timetable, seed.child("timetable")),
            Service::Slots(slots) => Self::Slots(Arc::new(Hall::new(slots, clock))),
        }
    }

    /// A request arrives. `None` where it is refused.
    pub(crate) fn enter(&self, received: Timestamp, index: u64, prompt: Tokens) -> Option<Pass> {
        match self {
            Self::Open(timetable, seed) => {
                Some(Pass::Timetable(timetable.depart(*seed, index, received)))
            }
            Self::Slots(hall) => hall.enter(received, index, prompt).map(Pass::Slot),
        }
    }
}

impl Hall {
    fn new(slots: Slots, clock: Arc<dyn Clock>) -> Self {
        let state = State { service: SlotService::new(slots), calls: HashMap::new() };
        Self { clock, state: Mutex::new(state) }
    }

    fn enter(
        self: &Arc<Self>,
        received: Timestamp,
        ticket: Ticket,
        prompt: Tokens,
    ) -> Option<Seat> {
        let mut state = self.lock();
        let (call, stage) = match state.service.arrive(received, ticket, prompt) {
            Admission::Refused => return None,
            Admission::Served(due) => (None, Stage::Prefill(due)),
            Admission::Waiting => {
                let (sender, receiver) = oneshot::channel();
                state.calls.insert(ticket, sender);
                (Some(receiver), Stage::Waiting)
            }
        };
        Some(Seat { hall: Arc::clone(self), ticket, call, stage })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each event changes the state in one call; a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's place in the service of slots. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Seat {
    hall: Arc<Hall>,
    ticket: Ticket,
    call: Option<oneshot::Receiver<Timestamp>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting,
    /// The first token is due then.
    Prefill(Timestamp),
    /// The next token is due then.
    Decode(Timestamp),
    Left,
}

impl Pass {
    /// Whether it has no slot to wait for.
    pub(crate) const fn is_admitted(&self) -> bool {
        match self {
            Self::Timetable(_) => true,
            Self::Slot(seat) => seat.call.is_none(),
        }
    }

    /// Waits for a slot, where there is one to wait for.
    pub(crate) async fn admitted(&mut self) {
        if let Self::Slot(seat) = self
            && let Some(call) = &mut seat.call
        {
            let due = call.await.expect("only the seat itself takes its call out of the hall");
            seat.call = None;
            seat.stage = Stage::Prefill(due);
        }
    }

    /// When the next token is due: never, while the request waits for a slot.
    pub(crate) const fn due(&self) -> Timestamp {
        match self {
            Self::Timetable(departures) => departures.due(),
            Self::Slot(seat) => match seat.stage {
                Stage::Prefill(due) | Stage::Decode(due) => due,
                Stage::Waiting | Stage::Left => Timestamp::from_nanos(u64::MAX),
            },
        }
    }

    /// The next `tokens` tokens leave; goes on to the one after them.
    pub(crate) fn advance(&mut self, tokens: u64) {
        match self {
            Self::Timetable(departures) => departures.advance(tokens),
            Self::Slot(seat) => seat.advance(tokens),
        }
    }

    /// All tokens have left, the last of them when it was due: frees the slot as of then, so that
    /// the server's own lateness does not slow the service it simulates.
    pub(crate) fn leave(&mut self, last_due: Timestamp) {
        if let Self::Slot(seat) = self {
            seat.leave(last_due);
        }
    }
}

impl Seat {
    fn advance(&mut self, tokens: u64) {
        let mut state = self.hall.lock();
        let due = match self.stage {
            Stage::Prefill(due) => {
                state.service.begin_decode();
                due
            }
            Stage::Decode(due) => due,
            Stage::Waiting | Stage::Left => return,
        };
        let gaps = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.stage = Stage::Decode(due + state.service.decode_gap() * gaps);
    }

    fn leave(&mut self, at: Timestamp) {
        let mut state = self.hall.lock();
        let decoding = match std::mem::replace(&mut self.stage, Stage::Left) {
            Stage::Left => return,
            Stage::Waiting if state.service.give_up(self.ticket) => {
                state.calls.remove(&self.ticket);
                return;
            }
            // Called up a moment ago without having heard it yet: the slot is its own.
            Stage::Waiting | Stage::Prefill(_) => false,
            Stage::Decode(_) => true,
        };
        if let Some(next) = state.service.leave(at, decoding)
            && let Some(call) = state.calls.remove(&next.ticket)
        {
            // A seat holds its receiver until it has left, so the call is always heard or freed.
            let _ = call.send(next.first_token_due);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = self.hall.clock.now();
        self.leave(now);
    }
}
