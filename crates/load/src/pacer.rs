//! Wakes the runner on time.
//!
//! The runtime's own timers round up to the next millisecond, which would make every request of an
//! open loop late by half a millisecond on average. The kernel's timer (`timerfd`) is exact to some
//! tens of microseconds; one is enough, since one task starts all planned requests.

use std::io;
use std::sync::Arc;

use domain::{Clock, Timestamp};

/// Which timer to wake by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The kernel's, exact; needs the system's clock.
    Kernel,
    /// The runtime's, to the millisecond; works in virtual time.
    Runtime,
}

impl Timer {
    /// The most exact timer of this system.
    pub const BEST: Self = if cfg!(target_os = "linux") { Self::Kernel } else { Self::Runtime };
}

/// Sleeps until given moments.
#[derive(Debug)]
pub struct Pacer {
    clock: Arc<dyn Clock>,
    #[cfg(target_os = "linux")]
    kernel: Option<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>>,
}

impl Pacer {
    /// A pacer on `timer`. Must be made inside a runtime.
    ///
    /// # Errors
    /// Where the kernel gives no timer.
    pub fn new(clock: Arc<dyn Clock>, timer: Timer) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            let kernel = match timer {
                Timer::Kernel => Some(kernel::open()?),
                Timer::Runtime => None,
            };
            Ok(Self { clock, kernel })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let (Timer::Kernel | Timer::Runtime) = timer;
            Ok(Self { clock })
        }
    }

    /// Sleeps until `moment`; returns at once where it has passed.
    pub async fn until(&self, moment: Timestamp) {
        let left = moment.since(self.clock.now());
        if left.is_zero() {
            return;
        }
        #[cfg(target_os = "linux")]
        if let Some(fd) = &self.kernel
            && kernel::until(fd, moment).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::os::fd::OwnedFd;

    use domain::Timestamp;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    pub(super) fn open() -> io::Result<AsyncFd<OwnedFd>> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(unsafe_code, reason = "the runtime asks for a promise about the descriptor")]
        // SAFETY: an `OwnedFd` is open and the same for as long as it lives, and the `AsyncFd` owns
        // it until it is dropped itself.
        let timer = unsafe { AsyncFd::register(timer) };
        Ok(timer?)
    }

    pub(super) async fn until(fd: &AsyncFd<OwnedFd>, moment: Timestamp) -> io::Result<()> {
        let nanos = moment.as_nanos();
        let it_value = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).map_err(io::Error::other)?,
            tv_nsec: i64::try_from(nanos % 1_000_000_000).map_err(io::Error::other)?,
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(fd, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval, it_value })?;
        loop {
            let mut ready = fd.readable().await?;
            let read =
                ready.try_io(|fd| rustix::io::read(fd, &mut [0_u8; 8]).map_err(io::Error::from));
            if let Ok(read) = read {
                return read.map(drop);
            }
        }
    }
}
