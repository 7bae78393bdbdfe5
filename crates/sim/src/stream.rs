//! An answer token by token: each event written when it is due, and stamped.

use std::time::Duration;

use domain::{FailureKind, Timestamp, Tokens};

use crate::connection::{Connection, Gone, Socket};
use crate::fault::{BreakOff, Fault};
use crate::http::{AnswerHead, Framing, LAST_CHUNK, write_chunk};
use crate::log::{Served, TokenWrite, Write};
use crate::plan::{FAULT_MESSAGE, Plan, chunks};
use crate::server::{Next, Server};

/// Events on their way into the socket.
struct Stream<'a, S> {
    connection: &'a mut Connection<S>,
    record: &'a mut Served,
    events_per_write: usize,
    /// What the next write carries.
    wire: Vec<u8>,
    /// How many events are in `wire`.
    events: usize,
    /// The first of the record's tokens that is in `wire`.
    unwritten: usize,
    /// One event before it is framed.
    event: Vec<u8>,
}

impl<S: Socket> Stream<'_, S> {
    /// Waits until an event may be added that is due at `due`, having written those before it where
    /// they do not share its write.
    async fn ready(&mut self, due: Timestamp) -> Result<(), Gone> {
        if self.events >= self.events_per_write || self.connection.now() < due {
            self.flush().await?;
            self.connection.wait_until(due).await?;
        }
        Ok(())
    }

    /// Adds what `encode` appends, as one event.
    fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.event.clear();
        encode(&mut self.event);
        write_chunk(&self.event, &mut self.wire);
        self.events += 1;
    }

    /// Notes that the event just added carries `tokens` tokens.
    fn note_tokens(&mut self, due: Timestamp, tokens: u64) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.record.tokens.push(TokenWrite { due, tokens, write: Write::default() });
    }

    /// Writes what was added, and stamps it.
    async fn flush(&mut self) -> Result<(), Gone> {
        if self.wire.is_empty() {
            return Ok(());
        }
        let Ok(write) = self.connection.write(&self.wire).await else {
            self.record.tokens.truncate(self.unwritten);
            return Err(Gone);
        };
        self.wire.clear();
        self.events = 0;
        self.record.writes += 1;
        self.record.head.get_or_insert(write);
        for token in &mut self.record.tokens[self.unwritten..] {
            token.write = write;
            self.record.output_tokens += Tokens(u64::from(token.tokens));
        }
        self.unwritten = self.record.tokens.len();
        Ok(())
    }

    /// Ends the body.
    async fn finish(mut self) -> Result<(), Gone> {
        self.wire.extend_from_slice(LAST_CHUNK);
        self.flush().await
    }
}

/// Streams the answer.
pub(crate) async fn answer<S: Socket>(
    server: &Server,
    connection: &mut Connection<S>,
    record: &mut Served,
    mut plan: Plan,
) -> Result<Next, Gone> {
    let mut stream = open(server, connection, record, &mut plan);
    if !plan.pass.is_admitted() {
        stream.flush().await?;
        stream.connection.wait_for(plan.pass.admitted()).await?;
    }
    let mut stalled = Duration::ZERO;
    let mut last_due = plan.pass.due();
    let mut text = String::new();
    for (at, size) in chunks(plan.tokens, server.config.tokens_per_chunk.get()) {
        let fault = plan.fault_among(at, size);
        if let Some(Fault::Stall { duration, .. }) = fault {
            stalled += duration;
        }
        last_due = plan.pass.due() + stalled;
        stream.ready(last_due).await?;
        match fault {
            None | Some(Fault::Stall { .. } | Fault::Status(_)) => {
                text.clear();
                server.config.write_text(stream.record.index, at, size, &mut text);
                stream.add(|out| plan.encoder.token(&text, out));
                stream.note_tokens(last_due, size);
            }
            Some(Fault::Malformed { .. }) => {
                stream.add(|out| out.extend_from_slice(BROKEN_EVENT));
                stream.note_tokens(last_due, 0);
            }
            Some(Fault::BreakOff { how, .. }) => return break_off(stream, how, &mut plan).await,
        }
        plan.pass.advance(size);
    }
    stream.ready(last_due).await?;
    stream.add(|out| plan.encoder.end(plan.finish, plan.usage, out));
    plan.pass.leave(last_due);
    stream.finish().await?;
    Ok(Next::after(plan.keep_alive))
}

/// What stands in for an event of [`Fault::Malformed`], in every format.
const BROKEN_EVENT: &[u8] = b"data: {\"broken\": \n\n";

/// The stream with the answer's head and opening events added.
fn open<'a, S: Socket>(
    server: &Server,
    connection: &'a mut Connection<S>,
    record: &'a mut Served,
    plan: &mut Plan,
) -> Stream<'a, S> {
    let mut stream = Stream {
        connection,
        record,
        events_per_write: server.config.events_per_write.get(),
        wire: Vec::with_capacity(1024),
        events: 0,
        unwritten: 0,
        event: Vec::new(),
    };
    stream.record.status = 200;
    stream.record.tokens.reserve_exact(usize::try_from(plan.tokens).unwrap_or(0).min(4096));
    let head = AnswerHead {
        framing: Framing::Chunked,
        keep_alive: plan.keep_alive,
        server_id: Some((Plan::id_header(stream.record.format), &plan.id)),
        ..AnswerHead::of(200)
    };
    head.write(&mut stream.wire);
    stream.add(|out| plan.encoder.begin(out));
    stream
}

/// Ends the stream early. The request's slot, if it has one, is free from now on.
async fn break_off<S: Socket>(
    mut stream: Stream<'_, S>,
    how: BreakOff,
    plan: &mut Plan,
) -> Result<Next, Gone> {
    match how {
        BreakOff::Disconnect => return stream.flush().await.map(|()| Next::Close),
        BreakOff::Reset => return stream.flush().await.map(|()| Next::Reset),
        BreakOff::Truncate => {}
        BreakOff::InStreamError => {
            stream.add(|out| plan.encoder.error_event(FailureKind::InStream, FAULT_MESSAGE, out));
        }
    }
    stream.finish().await?;
    Ok(Next::after(plan.keep_alive))
}
