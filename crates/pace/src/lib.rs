//! Waiting for a moment, finely: a kernel timer on the machine's clock, or tokio's timers in tests.
//!
//! tokio's own timers fire on whole milliseconds, so ten thousand streams would write in bursts of
//! a hundred and every request of an open loop would start half a millisecond late. One `timerfd`
//! with a heap of deadlines wakes each waiter within some tens of microseconds instead, at the cost
//! of one future that somebody must poll for all of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use domain::{Clock, SystemClock, Timestamp};

/// Which time whoever waits lives in.
#[derive(Clone, Debug)]
pub enum Time {
    /// The machine's monotonic clock, and timers as fine as the system has.
    Machine,
    /// Timers of the tokio runtime, and a clock that must go with its time: for tests in which time
    /// is paused.
    Runtime(Arc<dyn Clock>),
}

impl Time {
    /// The clock that goes with it.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        match self {
            Self::Machine => Arc::new(SystemClock),
            Self::Runtime(clock) => Arc::clone(clock),
        }
    }
}

/// Makes alarms.
#[derive(Clone, Debug)]
pub struct Pacer {
    clock: Arc<dyn Clock>,
    #[cfg(target_os = "linux")]
    timer: Option<Arc<kernel::Timer>>,
}

impl Pacer {
    /// Sets up the timers of `time`, inside a runtime.
    ///
    /// # Errors
    /// Where the kernel gives no timer.
    pub fn new(time: &Time) -> std::io::Result<Self> {
        Ok(Self {
            clock: time.clock(),
            #[cfg(target_os = "linux")]
            timer: match time {
                Time::Machine => Some(Arc::new(kernel::Timer::new()?)),
                Time::Runtime(_) => None,
            },
        })
    }

    /// Wakes alarms as they fall due; never ends, but for an error of the kernel's timer. Somebody
    /// must poll this for alarms to go off.
    ///
    /// # Errors
    /// Where the kernel's timer fails.
    pub async fn drive(&self) -> std::io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(timer) = &self.timer {
            return timer.drive(&*self.clock).await;
        }
        std::future::pending().await
    }

    /// Waits until `due`; returns at once where that has passed.
    pub async fn until(&self, due: Timestamp) {
        let mut alarm = self.alarm();
        poll_fn(|context| alarm.poll(context, due)).await;
    }

    /// An alarm that is not set.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        let clock = Arc::clone(&self.clock);
        #[cfg(target_os = "linux")]
        if let Some(timer) = &self.timer {
            return Alarm { clock, means: Means::Kernel(timer.seat()) };
        }
        Alarm { clock, means: Means::Tokio(None) }
    }
}

/// Waits for one moment at a time.
#[derive(Debug)]
pub struct Alarm {
    clock: Arc<dyn Clock>,
    means: Means,
}

#[derive(Debug)]
enum Means {
    #[cfg(target_os = "linux")]
    Kernel(kernel::Seat),
    Tokio(Option<Pin<Box<tokio::time::Sleep>>>),
}

impl Alarm {
    /// Ready once `due` has come.
    pub fn poll(&mut self, context: &mut Context<'_>, due: Timestamp) -> Poll<()> {
        let now = self.clock.now();
        if now >= due {
            return Poll::Ready(());
        }
        match &mut self.means {
            #[cfg(target_os = "linux")]
            Means::Kernel(seat) => {
                seat.set(due, context.waker());
                Poll::Pending
            }
            Means::Tokio(sleep) => {
                let deadline = tokio::time::Instant::now() + due.since(now);
                let sleep =
                    sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                sleep.as_mut().reset(deadline);
                sleep.as_mut().poll(context)
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    //! One `timerfd` for every alarm.

    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::task::Waker;

    use domain::{Clock, Timestamp};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Alarms less than this apart go off together, which bounds the cost of the timer under load:
    /// 20,000 times a second, about 4 % of a core.
    const COALESCE_NS: u64 = 50_000;

    #[derive(Debug)]
    pub(super) struct Timer {
        file: AsyncFd<OwnedFd>,
        state: Mutex<State>,
    }

    #[derive(Debug)]
    struct State {
        /// Deadlines with their seats, the earliest first. One whose seat has another deadline by
        /// now, or none, is stale and skipped.
        heap: BinaryHeap<Reverse<(u64, usize)>>,
        seats: Vec<Option<(u64, Waker)>>,
        free: Vec<usize>,
        /// When the timer will go off; `u64::MAX` when it will not.
        armed_ns: u64,
        /// The earliest it may go off again.
        rested_ns: u64,
    }

    /// A place for one waiter.
    #[derive(Debug)]
    pub(super) struct Seat {
        timer: Arc<Timer>,
        index: usize,
    }

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let file = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?;
            let state = State {
                heap: BinaryHeap::new(),
                seats: Vec::new(),
                free: Vec::new(),
                armed_ns: u64::MAX,
                rested_ns: 0,
            };
            #[expect(
                deprecated,
                reason = "deprecated for types that may not own their descriptor; OwnedFd does"
            )]
            let file = AsyncFd::with_interest(file, Interest::READABLE)?;
            Ok(Self { file, state: Mutex::new(state) })
        }

        pub(super) fn seat(self: &Arc<Self>) -> Seat {
            let mut state = self.lock();
            let index = state.free.pop().unwrap_or_else(|| {
                state.seats.push(None);
                state.seats.len() - 1
            });
            Seat { timer: Arc::clone(self), index }
        }

        pub(super) async fn drive(&self, clock: &dyn Clock) -> io::Result<()> {
            let mut due = Vec::new();
            loop {
                let mut ready = self.file.readable().await?;
                match rustix::io::read(self.file.get_ref(), &mut [0_u8; 8]) {
                    Ok(_) | Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                    Err(error) => return Err(error.into()),
                }
                self.expire(clock.now().as_nanos(), &mut due)?;
                due.drain(..).for_each(Waker::wake);
            }
        }

        /// Moves the wakers of all deadlines up to `now_ns` into `due`, and sets the timer again.
        fn expire(&self, now_ns: u64, due: &mut Vec<Waker>) -> io::Result<()> {
            let mut state = self.lock();
            state.armed_ns = u64::MAX;
            state.rested_ns = now_ns + COALESCE_NS;
            while let Some(&Reverse((deadline, index))) = state.heap.peek() {
                if deadline > now_ns {
                    return self.arm(&mut state, deadline);
                }
                state.heap.pop();
                if let Some((_, waker)) =
                    state.seats[index].take_if(|(waited_for, _)| *waited_for == deadline)
                {
                    due.push(waker);
                }
            }
            Ok(())
        }

        /// Makes the timer go off at `deadline` or as soon after as it may.
        fn arm(&self, state: &mut State, deadline: u64) -> io::Result<()> {
            let at = deadline.max(state.rested_ns);
            if at >= state.armed_ns {
                return Ok(());
            }
            state.armed_ns = at;
            let value = Timespec {
                tv_sec: (at / 1_000_000_000).cast_signed(),
                tv_nsec: (at % 1_000_000_000).cast_signed(),
            };
            let once =
                Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(self.file.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
            Ok(())
        }

        fn lock(&self) -> MutexGuard<'_, State> {
            // The state is consistent between statements; a panic elsewhere does not spoil it.
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Seat {
        /// Wakes `waker` once `due` has come, and nobody it was set for before.
        pub(super) fn set(&self, due: Timestamp, waker: &Waker) {
            let deadline = due.as_nanos();
            let mut state = self.timer.lock();
            match &mut state.seats[self.index] {
                Some((waited_for, waiting)) if *waited_for == deadline => {
                    waiting.clone_from(waker);
                    return;
                }
                seat => *seat = Some((deadline, waker.clone())),
            }
            state.heap.push(Reverse((deadline, self.index)));
            self.timer
                .arm(&mut state, deadline)
                .expect("a timer that was made can be set to a valid time");
        }
    }

    impl Drop for Seat {
        fn drop(&mut self) {
            let mut state = self.timer.lock();
            state.seats[self.index] = None;
            state.free.push(self.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Sets alarms in another order than they fall due, one of them again for an earlier moment,
    /// and returns how late each went off, by the order in which they fall due.
    async fn lateness(time: Time) -> [Duration; 4] {
        let pacer = Pacer::new(&time).unwrap();
        let clock = time.clock();
        let start = clock.now();
        let wait = |mut alarm: Alarm, after_ms: u64| {
            let clock = &clock;
            async move {
                let due = start + Duration::from_millis(after_ms);
                poll_fn(|context| alarm.poll(context, due)).await;
                assert!(clock.now() >= due, "{after_ms} ms went off early");
                clock.now().since(due)
            }
        };
        // Its first moment is past the end of the test, and must not count any more.
        let mut moved = pacer.alarm();
        let first =
            poll_fn(|context| Poll::Ready(moved.poll(context, start + ms(3_600_000)))).await;
        assert!(first.is_pending());
        drop(pacer.alarm());
        let waits = async {
            tokio::join!(
                wait(pacer.alarm(), 30),
                wait(pacer.alarm(), 10),
                wait(moved, 20),
                wait(pacer.alarm(), 0)
            )
        };
        tokio::select! {
            ended = pacer.drive() => panic!("the timer ended: {ended:?}"),
            (c, a, b, none) = waits => [none, a, b, c],
        }
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test]
    async fn machine_alarms_go_off_and_never_early() {
        // How late they are is up to the machine; here it only must not be for ever.
        let late = lateness(Time::Machine).await;
        assert!(late.iter().all(|&late| late < ms(60_000)), "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn virtual_alarms_go_off_exactly() {
        let time = Time::Runtime(Arc::new(testkit::VirtualClock::new()));
        assert_eq!(lateness(time).await, [Duration::ZERO; 4]);
    }
}
