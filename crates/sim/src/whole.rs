//! Answers in one piece: those that are not streamed, errors, and what is not about tokens.

use dialect::AnswerText;
use domain::WireFormat;

use crate::connection::{Connection, Gone, Socket};
use crate::fault::{BreakOff, Fault};
use crate::http::{AnswerHead, Framing};
use crate::log::Served;
use crate::plan::{FAULT_MESSAGE, Plan, Refusal, chunks};
use crate::server::{Next, Server};

/// A head and `body` in one.
fn render(head: AnswerHead<'_>, body: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(body.len() + 256);
    AnswerHead { framing: Framing::Length(body.len()), ..head }.write(&mut wire);
    wire.extend_from_slice(body);
    wire
}

/// Gives the answer whole, when its last token is due.
pub(crate) async fn answer<S: Socket>(
    server: &Server,
    connection: &mut Connection<S>,
    record: &mut Served,
    mut plan: Plan,
) -> Result<Next, Gone> {
    connection.wait_for(plan.pass.admitted()).await?;
    let mut answer = AnswerText::default();
    let mut last_due = plan.pass.due();
    for (at, size) in chunks(plan.tokens, server.config.tokens_per_chunk.get()) {
        server.config.write_text(record.index, at, size, &mut answer.content);
        // Each token is waited for, because how fast the next one comes may depend on the load then.
        last_due = plan.pass.due();
        connection.wait_until(last_due).await?;
        plan.pass.advance(size);
    }
    if let Some(Fault::Stall { duration, .. }) = plan.fault {
        last_due = last_due + duration;
        connection.wait_until(last_due).await?;
    }
    plan.pass.leave(last_due);

    let (wire, next) = with_fault(&plan, &answer, record);
    record.head = Some(connection.write(&wire).await?);
    record.writes = 1;
    if matches!(plan.fault, None | Some(Fault::Stall { .. })) {
        record.output_tokens = plan.usage.output;
    }
    Ok(next)
}

/// The answer's bytes as its fault leaves them, and what becomes of the connection.
fn with_fault(plan: &Plan, answer: &AnswerText, record: &mut Served) -> (Vec<u8>, Next) {
    let head = AnswerHead {
        keep_alive: plan.keep_alive,
        server_id: Some((Plan::id_header(record.format), &plan.id)),
        ..AnswerHead::of(200)
    };
    let body = plan.encoder.whole(answer, plan.finish, plan.usage);
    let (half, next) = (body.len() / 2, Next::after(plan.keep_alive));
    record.status = 200;
    let how = match plan.fault {
        None | Some(Fault::Status(_) | Fault::Stall { .. }) => return (render(head, &body), next),
        Some(Fault::Malformed { .. }) => BreakOff::Truncate,
        Some(Fault::BreakOff { how, .. }) => how,
    };
    let broken = |next| {
        let mut wire = render(head, &body);
        wire.truncate(wire.len() - half);
        (wire, next)
    };
    match how {
        BreakOff::Truncate => (render(head, &body[..half]), next),
        BreakOff::Disconnect => broken(Next::Close),
        BreakOff::Reset => broken(Next::Reset),
        BreakOff::InStreamError => {
            record.status = 500;
            let error = Refusal::new(500, FAULT_MESSAGE).body(record.format);
            (render(AnswerHead { status: 500, ..head }, &error), next)
        }
    }
}

/// Answers with an error.
pub(crate) async fn refuse<S: Socket>(
    server: &Server,
    connection: &mut Connection<S>,
    record: &mut Served,
    refusal: &Refusal,
    keep_alive: bool,
) -> Result<Next, Gone> {
    record.status = refusal.status;
    let head = AnswerHead {
        keep_alive,
        retry_after_s: server.retry_after_s(refusal.status),
        ..AnswerHead::of(refusal.status)
    };
    record.head = Some(connection.write(&render(head, &refusal.body(record.format))).await?);
    record.writes = 1;
    Ok(Next::after(keep_alive))
}

/// Answers with `body` what asks for no tokens.
pub(crate) async fn inform<S: Socket>(
    connection: &mut Connection<S>,
    body: &[u8],
    keep_alive: bool,
) -> Result<Next, Gone> {
    let head = AnswerHead { keep_alive, ..AnswerHead::of(200) };
    connection.write(&render(head, body)).await?;
    Ok(Next::after(keep_alive))
}

/// Answers with an error what cannot be read, or asks for nothing that is here, and ends the
/// connection: the sender may take the answer to end elsewhere, as that to HEAD does.
pub(crate) async fn turn_away<S: Socket>(
    connection: &mut Connection<S>,
    refusal: &Refusal,
    format: WireFormat,
    allow: Option<&'static str>,
) -> Result<Next, Gone> {
    let head = AnswerHead { keep_alive: false, allow, ..AnswerHead::of(refusal.status) };
    connection.write(&render(head, &refusal.body(format))).await?;
    Ok(Next::Close)
}
