//! The server itself: accepts connections, reads requests, has them answered, and keeps the log.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dialect::models::ModelEntry;
use domain::{Clock, Seed, Timestamp, WallAnchor, WireFormat};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admission::Door;
use crate::config::{ConfigError, SimConfig};
use crate::connection::{Connection, Gone, Incoming, NoRequest, Socket};
use crate::http::Route;
use crate::log::{End, Served, SimLog};
use crate::plan::{Plan, Refusal, arrival};
use crate::{stream, whole};
use pace::{Pacer, Time};

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 8192;

/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(10);

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next request.
    KeepAlive,
    /// An orderly end.
    Close,
    /// A disorderly one.
    Reset,
}

impl Next {
    pub(crate) const fn after(keep_alive: bool) -> Self {
        if keep_alive { Self::KeepAlive } else { Self::Close }
    }
}

/// A seed for each purpose of draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds {
    pub(crate) lengths: Seed,
    pub(crate) faults: Seed,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: SimConfig,
    pub(crate) door: Door,
    pub(crate) seeds: Seeds,
    clock: Arc<dyn Clock>,
    pacer: Pacer,
    log: Arc<SimLog>,
    requests: AtomicU64,
    connections: AtomicU64,
}

impl Server {
    pub(crate) fn new(config: SimConfig, time: &Time) -> io::Result<Self> {
        let clock = time.clock();
        let log = SimLog::new(config.log_limit, WallAnchor::take(&*clock));
        Ok(Self {
            door: Door::new(&config.service, config.seed, Arc::clone(&clock)),
            seeds: Seeds {
                lengths: config.seed.child("lengths"),
                faults: config.seed.child("faults"),
            },
            pacer: Pacer::new(time)?,
            clock,
            log: Arc::new(log),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            config,
        })
    }

    /// How many tokens the answer to request `index` has.
    pub(crate) fn answer_tokens(&self, index: u64, most: Option<u64>, ignore_eos: bool) -> u64 {
        match most {
            Some(most) if ignore_eos => most,
            Some(_) | None => {
                let mut random = self.seeds.lengths.nth(index).random();
                let drawn = self.config.output_tokens.draw(&mut random).count();
                most.map_or(drawn, |most| drawn.min(most))
            }
        }
    }

    pub(crate) const fn log(&self) -> &Arc<SimLog> {
        &self.log
    }

    /// The whole seconds that a refusal with `status` asks the client to wait.
    pub(crate) fn retry_after_s(&self, status: u16) -> Option<u64> {
        let wait = self.config.retry_after.filter(|_| matches!(status, 429 | 503 | 529))?;
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }

    pub(crate) fn unix_s(&self, moment: Timestamp) -> u64 {
        self.log.anchor().unix_nanos(moment) / 1_000_000_000
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve<S: Socket>(self: Arc<Self>, socket: S) {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let mut connection = Connection::new(socket, Arc::clone(&self.clock), self.pacer.alarm());
        loop {
            let next = match connection.request().await {
                Ok(incoming) => self.respond(&mut connection, number, incoming).await,
                Err(NoRequest::Gone) => return,
                Err(NoRequest::Unreadable(error)) => {
                    let refusal = Refusal::new(error.status(), error.to_string());
                    whole::turn_away(&mut connection, &refusal, WireFormat::OpenAiChat, None).await
                }
            };
            match next {
                Ok(Next::KeepAlive) => {}
                Ok(Next::Close) => return connection.close().await,
                Ok(Next::Reset) => return connection.reset(),
                Err(Gone) => return,
            }
        }
    }

    async fn respond<S: Socket>(
        &self,
        connection: &mut Connection<S>,
        number: u64,
        incoming: Incoming,
    ) -> Result<Next, Gone> {
        let keep_alive = incoming.head.keep_alive;
        match incoming.head.route {
            Route::Answer(format) => self.answer(connection, number, incoming, format).await,
            Route::Health => whole::inform(connection, br#"{"status":"ok"}"#, keep_alive).await,
            Route::Models => {
                let created_unix_s = self.unix_s(incoming.received);
                let entry = |id: &String| ModelEntry { id: id.clone(), max_model_len: None };
                let models: Vec<ModelEntry> = self.config.models.iter().map(entry).collect();
                let list = dialect::models::encode_models(&models, created_unix_s);
                whole::inform(connection, &list, keep_alive).await
            }
            Route::Unknown => {
                let refusal = Refusal::new(404, "there is nothing at this path");
                whole::turn_away(connection, &refusal, WireFormat::OpenAiChat, None).await
            }
            Route::WrongMethod { allow, format } => {
                let refusal = Refusal::new(405, "this path is asked by another method");
                whole::turn_away(connection, &refusal, format, Some(allow)).await
            }
        }
    }

    async fn answer<S: Socket>(
        &self,
        connection: &mut Connection<S>,
        number: u64,
        mut incoming: Incoming,
        format: WireFormat,
    ) -> Result<Next, Gone> {
        let index = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut recording =
            Recording { server: self, record: Some(arrival(index, number, format, &mut incoming)) };
        let record = recording.record.as_mut().expect("it is there until the recording ends");
        let plan = Plan::make(self, &incoming, format, record);
        let keep_alive = incoming.head.keep_alive;
        drop(incoming);
        let next = match plan {
            Ok(plan) if record.streamed => stream::answer(self, connection, record, plan).await,
            Ok(plan) => whole::answer(self, connection, record, plan).await,
            Err(refusal) => whole::refuse(self, connection, record, &refusal, keep_alive).await,
        };
        record.end = if next.is_ok() { End::Complete } else { End::ClientGone };
        next
    }
}

/// A record that reaches the log however the work on its request ends: as shut down, unless told
/// otherwise.
struct Recording<'a> {
    server: &'a Server,
    record: Option<Served>,
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.finished = self.server.clock.now();
            self.server.log.push(record);
        }
    }
}

/// Why a server could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Its settings make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on, or the system refuses a timer.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

/// A simulated model server that listens, and serves once it runs.
#[derive(Debug)]
pub struct Sim {
    listener: TcpListener,
    address: SocketAddr,
    server: Arc<Server>,
}

impl Sim {
    /// Listens on `address` (port 0 picks a free one). Call it within the tokio runtime that will
    /// run the server, with I/O and time enabled.
    ///
    /// # Errors
    /// Where the settings make no sense or the address cannot be had.
    pub fn bind(config: SimConfig, address: SocketAddr, time: &Time) -> Result<Self, BindError> {
        config.check()?;
        let listen = || -> io::Result<Self> {
            let socket =
                if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            // Accepted connections inherit both.
            socket.set_nodelay(true)?;
            do_not_pace(&socket);
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address, server: Arc::new(Server::new(config, time)?) })
        };
        listen().map_err(|source| BindError::Listen { address, source })
    }

    /// The address it listens on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it does, as it does it.
    #[must_use]
    pub fn log(&self) -> Arc<SimLog> {
        Arc::clone(self.server.log())
    }

    /// Serves until `shutdown` is cancelled. Answers under way are broken off then and logged as
    /// [`End::ShutDown`]; every task has ended when this returns. Dropping the future does the same.
    ///
    /// # Errors
    /// Where the kernel's timer fails.
    ///
    /// # Panics
    /// Where the task of a connection did.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let Self { listener, server, .. } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let server = Arc::clone(&server);
            async move { server.pacer.drive().await }
        });
        let result = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => {
                        let server = Arc::clone(&server);
                        tasks.spawn(async move {
                            server.serve(socket).await;
                            Ok(())
                        });
                    }
                    Err(_) => {
                        server.log.count_unaccepted();
                        tokio::time::sleep(ACCEPT_REST).await;
                    }
                },
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = finished(ended) {
                        break Err(error);
                    }
                }
                () = shutdown.cancelled() => break Ok(()),
            }
        };
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            finished(ended)?;
        }
        result
    }

    /// Starts serving on the current runtime.
    #[must_use]
    pub fn start(self) -> RunningSim {
        let (address, log) = (self.address, self.log());
        let shutdown = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(self.run(shutdown.clone()));
        RunningSim { address, log, shutdown, task }
    }
}

/// Has bytes leave within the system call that writes them. Some machines default to a congestion
/// control that spreads them over time (BBR), behind the back of the log.
fn do_not_pace(socket: &TcpSocket) {
    #[cfg(target_os = "linux")]
    // Every kernel has Reno built in; where it may not be chosen, the default has to do.
    let _ = rustix::net::sockopt::set_tcp_congestion(socket, "reno");
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// A task's own result; a panic in it goes on here.
fn finished(ended: Result<io::Result<()>, JoinError>) -> io::Result<()> {
    match ended {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Ok(()),
        },
    }
}

/// A simulated model server at work. Dropping it ends it without waiting for its tasks.
#[derive(Debug)]
pub struct RunningSim {
    address: SocketAddr,
    log: Arc<SimLog>,
    shutdown: CancellationToken,
    task: JoinSet<io::Result<()>>,
}

impl RunningSim {
    /// The address it listens on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it does, as it does it.
    #[must_use]
    pub const fn log(&self) -> &Arc<SimLog> {
        &self.log
    }

    /// Breaks off what is under way, waits for every task to end, and returns the records that
    /// nobody has taken yet.
    ///
    /// # Errors
    /// Where the kernel's timer failed.
    ///
    /// # Panics
    /// Where the task of a connection did.
    pub async fn stop(mut self) -> io::Result<Vec<Served>> {
        self.shutdown.cancel();
        while let Some(ended) = self.task.join_next().await {
            finished(ended)?;
        }
        Ok(self.log.take())
    }
}
