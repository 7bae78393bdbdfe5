//! The HTTP/2 connections of one target, and the seats for requests on them.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use domain::{Connection, Failure};
use h2::client::SendRequest;
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

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
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

    /// How many more requests fit, by the settings and by what the server allows now. A server that
    /// allows none at present gets one to hold back.
    fn room(&self) -> usize {
        let most = self.sender.current_max_send_streams().min(self.streams_max).max(1);
        most.saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

/// A request's place on a link, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Link>);

impl Seat {
    fn on(link: &Arc<Link>) -> Self {
        link.taken.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(link))
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Open {
    links: Vec<Arc<Link>>,
    /// Seats that `prepare` promised and no request has taken.
    promised: usize,
    /// The tasks that drive the links. They end with their connections, at the latest with this.
    tasks: JoinSet<()>,
}

/// The connections of one target.
#[derive(Debug)]
pub(crate) struct Links {
    connector: Connector,
    streams_max: usize,
    open: Mutex<Open>,
    /// Held while a connection is opened, so that requests that come together share it.
    opening: tokio::sync::Mutex<()>,
}

impl Links {
    pub(crate) fn new(connector: Connector, streams_max: u32) -> Self {
        let streams_max = usize::try_from(streams_max).unwrap_or(usize::MAX);
        Self {
            connector,
            streams_max,
            open: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sees to it that there is a free seat beyond those promised before.
    pub(crate) async fn promise(&self) -> Result<(), Failure> {
        let promise = |open: &mut Open| {
            let room: usize = open.links.iter().map(|link| link.room()).sum();
            let fits = room > open.promised;
            open.promised += usize::from(fits);
            fits.then_some(())
        };
        self.claim(promise).await.map(|((), _)| ())
    }

    /// Takes a seat, on the oldest connection that has one; where none has, opens one and tells what
    /// that cost.
    pub(crate) async fn seat(&self) -> Result<(Seat, Option<Connection>), Failure> {
        let take = |open: &mut Open| {
            let seat = open.links.iter().find(|link| link.room() > 0).map(Seat::on)?;
            open.promised = open.promised.saturating_sub(1);
            Some(seat)
        };
        self.claim(take).await
    }

    /// Claims what `claim` finds among the open links, opening more until it finds it. Connections
    /// are opened one after the other; waiting for one's turn counts as connecting.
    async fn claim<T>(
        &self,
        mut claim: impl FnMut(&mut Open) -> Option<T>,
    ) -> Result<(T, Option<Connection>), Failure> {
        if let Some(claimed) = claim(&mut self.lock_open()) {
            return Ok((claimed, None));
        }
        let deadline = self.connector.deadline();
        let turn = self.connector.within(deadline, "open connection", self.opening.lock());
        let _turn = turn.await?;
        let mut cost = None;
        loop {
            if let Some(claimed) = claim(&mut self.lock_open()) {
                return Ok((claimed, cost));
            }
            cost = Some(self.open_link(deadline).await?);
        }
    }

    /// The links, less those that take no more requests.
    fn lock_open(&self) -> MutexGuard<'_, Open> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.links.retain(|link| link.is_open());
        open
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
        let link = Arc::new(Link { sender, ledger, taken, streams_max });
        self.lock_open().links.push(link);
        Ok(cost)
    }

    fn drive(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let mut open = self.lock_open();
        while open.tasks.try_join_next().is_some() {}
        open.tasks.spawn(connection);
    }
}
