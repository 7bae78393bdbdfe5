//! The HTTP/2 connections of one target, and the seats for requests on them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use domain::{Connection, Failure};
use h2::client::SendRequest;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::answer::malformed;
use crate::http2;
use crate::ledger::{Ledger, Ledgered};
use crate::transport::Connector;

/// How much of one answer the server may send ahead of its reader. Generous, so that a client that
/// is late never holds the server up: that would change what is measured.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for all answers of a connection. `h2` also derives from it how many small frames may
/// wait to be taken before it calls them an attack.
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024 * 1024;

/// How many streams that were given up are remembered, so that what was still on its way of them is
/// passed over. `h2` answers a frame of a forgotten stream with another reset, and gives the whole
/// connection up after a thousand of those: a load that times out would break what has not.
const GIVEN_UP_MAX: usize = 100_000;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its place among the links, in the order they were opened.
    number: u64,
    sender: SendRequest<Bytes>,
    ledger: Arc<Ledger>,
    taken: AtomicUsize,
    streams_max: usize,
}

impl Link {
    /// A handle to send one request with.
    pub(crate) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Where the arrivals of its frames are set down.
    pub(crate) const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether new requests may go on it: it is neither broken nor being closed.
    fn is_open(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        !matches!(self.sender().poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    /// How many requests it takes at once, by the settings and by what the server allows now. A
    /// server that allows none at present gets one to hold back.
    fn most(&self) -> usize {
        self.sender.current_max_send_streams().min(self.streams_max).max(1)
    }

    /// How many more requests fit.
    fn room(&self) -> usize {
        self.most().saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

/// A request's place on a link, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    link: Arc<Link>,
    state: Weak<Mutex<State>>,
}

impl Seat {
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(state) = self.state.upgrade() else { return };
        let mut state = lock(&state);
        self.link.taken.fetch_sub(1, Ordering::Relaxed);
        if self.link.is_open() {
            state.roomy.insert(self.link.number, Arc::clone(&self.link));
        }
    }
}

/// What is known of the links. No step costs more than the logarithm of their number.
#[derive(Debug)]
struct State {
    /// The links that may have a free seat, the oldest first. One that has none leaves when that is
    /// seen, and comes back with the next seat that is given up.
    roomy: BTreeMap<u64, Arc<Link>>,
    /// The seats that `prepare` took for requests to come.
    reserved: Vec<Seat>,
    /// The connection being opened that has room for more who wait, and how many.
    opening: Option<(Arc<Semaphore>, usize)>,
    /// How many seats a new connection is expected to have.
    expected: usize,
    /// How many links were opened.
    opened: u64,
    /// The tasks that drive the links. They end with their connections, at the latest with this.
    tasks: JoinSet<()>,
}

impl State {
    /// A seat on the oldest connection that has one.
    fn take(&mut self, state: &Arc<Mutex<Self>>) -> Option<Seat> {
        while let Some(entry) = self.roomy.first_entry() {
            let room = if entry.get().is_open() { entry.get().room() } else { 0 };
            let link = if room > 1 { Arc::clone(entry.get()) } else { entry.remove() };
            if room > 0 {
                link.taken.fetch_add(1, Ordering::Relaxed);
                return Some(Seat { link, state: Arc::downgrade(state) });
            }
        }
        None
    }

    /// A seat that was reserved, on a connection that is still open.
    fn take_reserved(&mut self) -> (Option<Seat>, Vec<Seat>) {
        let mut lost = Vec::new();
        while let Some(seat) = self.reserved.pop() {
            if seat.link.is_open() {
                return (Some(seat), lost);
            }
            lost.push(seat);
        }
        (None, lost)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What whoever finds no seat does about it.
enum Turn {
    /// Takes this one after all.
    Seat(Seat),
    /// Opens a connection, which others wait for too.
    Open(Opening),
    /// Waits for a connection that another opens.
    Wait(Arc<Semaphore>),
}

/// A connection being opened. Whoever waits for it looks again when this is dropped, whatever came
/// of it.
struct Opening {
    state: Arc<Mutex<State>>,
    done: Arc<Semaphore>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.opening.as_ref().is_some_and(|(done, _)| Arc::ptr_eq(done, &self.done)) {
            state.opening = None;
        }
        self.done.close();
    }
}

/// The connections of one target.
#[derive(Debug)]
pub(crate) struct Links {
    connector: Connector,
    streams_max: usize,
    state: Arc<Mutex<State>>,
}

impl Links {
    pub(crate) fn new(connector: Connector, streams_max: u32) -> Self {
        let streams_max = usize::try_from(streams_max).unwrap_or(usize::MAX).max(1);
        let state = State {
            roomy: BTreeMap::new(),
            reserved: Vec::new(),
            opening: None,
            expected: streams_max,
            opened: 0,
            tasks: JoinSet::new(),
        };
        Self { connector, streams_max, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Takes a seat for a request to come.
    pub(crate) async fn reserve(&self) -> Result<(), Failure> {
        let (seat, _) = self.find().await?;
        lock(&self.state).reserved.push(seat);
        Ok(())
    }

    /// Takes a seat, one that was reserved if there is any; where there is none, opens a connection
    /// and tells what that cost.
    pub(crate) async fn seat(&self) -> Result<(Seat, Option<Connection>), Failure> {
        // Seats that are lost lock the state when they are dropped, which must not be locked then.
        let (reserved, _lost) = lock(&self.state).take_reserved();
        match reserved {
            Some(seat) => Ok((seat, None)),
            None => self.find().await,
        }
    }

    /// Finds a free seat, opening a connection where there is none. Those who come together share a
    /// new connection, as many as it is expected to seat; waiting for it counts as connecting.
    async fn find(&self) -> Result<(Seat, Option<Connection>), Failure> {
        let (mut begun, mut cost) = (None, None);
        let mut deadline = || *begun.get_or_insert_with(|| self.connector.deadline());
        loop {
            match self.turn() {
                Turn::Seat(seat) => return Ok((seat, cost)),
                Turn::Open(_opening) => cost = Some(self.open_link(deadline()).await?),
                Turn::Wait(done) => {
                    // Nobody adds permits: the wait ends when the semaphore is closed.
                    let opened = done.acquire();
                    let _ = self.connector.within(deadline(), "open connection", opened).await?;
                }
            }
        }
    }

    fn turn(&self) -> Turn {
        let mut state = lock(&self.state);
        if let Some(seat) = state.take(&self.state) {
            return Turn::Seat(seat);
        }
        if let Some((done, room)) = &mut state.opening
            && *room > 0
        {
            *room -= 1;
            return Turn::Wait(Arc::clone(done));
        }
        let done = Arc::new(Semaphore::new(0));
        state.opening = Some((Arc::clone(&done), state.expected - 1));
        Turn::Open(Opening { state: Arc::clone(&self.state), done })
    }

    /// Opens a connection. It counts as open once the server has answered in HTTP/2, so that its
    /// limits are known and a server that speaks something else is found out here.
    async fn open_link(&self, deadline: Instant) -> Result<Connection, Failure> {
        let (transport, cost) = self.connector.open_by(deadline).await?;
        let ledger = Arc::new(Ledger::default());
        let stream = Ledgered::new(transport, Arc::clone(&ledger));
        let (sender, mut connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_reset_streams(GIVEN_UP_MAX)
            .max_local_error_reset_streams(None)
            .handshake::<_, Bytes>(stream)
            .await
            .map_err(|error| http2::failure(&error))?;
        let mut pings = connection.ping_pong().expect("nobody has taken it yet");
        self.drive(async move {
            // Why a connection ended is told to each of its streams.
            let _ = connection.await;
        });
        let settled = pings.ping(h2::Ping::opaque());
        self.connector.within(deadline, "answer in HTTP/2", settled).await?.map_err(|error| {
            if ledger.speaks_http1() {
                malformed("the server speaks HTTP/1.1 on this port, not HTTP/2; choose HTTP/1.1")
            } else {
                let failure = http2::failure(&error);
                let message = format!("{}; does it speak HTTP/2 on this port?", failure.message);
                Failure { message, ..failure }
            }
        })?;
        let (taken, streams_max) = (AtomicUsize::new(0), self.streams_max);
        let mut state = lock(&self.state);
        let number = state.opened;
        let link = Link { number, sender, ledger, taken, streams_max };
        state.opened += 1;
        state.expected = link.most();
        state.roomy.insert(number, Arc::new(link));
        Ok(cost)
    }

    fn drive(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let mut state = lock(&self.state);
        while state.tasks.try_join_next().is_some() {}
        state.tasks.spawn(connection);
    }
}
