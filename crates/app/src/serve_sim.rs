//! `prony sim`: a simulated model server with a known timetable.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use domain::{Seed, Tokens};
use sim::{
    BindError, Draw, DrawError, Faults, LogWriter, Service, Sim, SimConfig, Slots, Time, Timetable,
};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, FREE_PORT, UserError};
use crate::signal::Interrupts;
use crate::value::{self, Count, Share, Span};
use crate::{Outcome, limit, output};

/// Settings of `prony sim`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  prony sim --ttft 50ms --itl 10ms
  prony sim --port 0 --ttft 'lognormal(200ms,0.5)' --itl 'uniform(8ms,12ms)' --log sim.jsonl
  prony sim --slots 8 --queue 64 --decode-rate 80
  prony sim --fault-status 429:5% --fault-status 500:1% --fault-truncate 0.5%")]
pub(crate) struct SimSettings {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    port: u16,
    /// Model names it has, with commas
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "sim",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    models: Vec<String>,
    /// Seed of every draw
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// File for the log of what it did and when, one JSON line a request
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    #[command(flatten)]
    answers: AnswerSettings,
    #[command(flatten)]
    capacity: CapacitySettings,
    #[command(flatten)]
    faults: FaultSettings,
}

/// What answers are like.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Answers")]
struct AnswerSettings {
    /// Time to first token: 50ms, uniform(40ms,60ms), exponential(50ms) or lognormal(50ms,0.5)
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = times)]
    ttft: Draw<Duration>,
    /// Time between tokens, in the same forms
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = times)]
    itl: Draw<Duration>,
    /// Tokens of an answer, fewer where its request says so: 32, uniform(16,64), …
    #[arg(long, value_name = "TOKENS", default_value = "32", value_parser = tokens)]
    output_tokens: Draw<Tokens>,
    /// Tokens in an event
    #[arg(long, value_name = "N", default_value = "1")]
    tokens_per_chunk: NonZeroU64,
    /// Events that are due that may share a write
    #[arg(long, value_name = "N", default_value = "1")]
    events_per_write: NonZeroUsize,
}

/// How latency grows with load, instead of a timetable that every answer keeps.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limited capacity, instead of --ttft and --itl")]
struct CapacitySettings {
    /// Answers under way at once; further requests wait
    #[arg(long, value_name = "N", conflicts_with_all = ["ttft", "itl"])]
    slots: Option<usize>,
    /// Requests that may wait for a slot; one more is refused with 503 [default: any number]
    #[arg(long, value_name = "N", requires = "slots")]
    queue: Option<usize>,
    /// Prompt tokens read a second
    #[arg(long, value_name = "N", default_value_t = 5_000.0, requires = "slots")]
    prefill_rate: f64,
    /// Tokens a second of an answer alone
    #[arg(long, value_name = "N", default_value_t = 100.0, requires = "slots")]
    decode_rate: f64,
    /// How much answers slow each other, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, requires = "slots")]
    contention: f64,
}

/// What goes wrong, each in its own share of requests.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Faults, each in a share of requests such as 5%")]
struct FaultSettings {
    /// Refuse with a status: 429:5%; may be given again
    #[arg(long, value_name = "STATUS:SHARE", value_parser = status_fault)]
    fault_status: Vec<(u16, f64)>,
    /// Pause inside the answer
    #[arg(long, value_name = "SHARE")]
    fault_stall: Option<Share>,
    /// How long such a pause is
    #[arg(long, value_name = "TIME", default_value = "1s", requires = "fault_stall")]
    stall_time: Span,
    /// End the answer early
    #[arg(long, value_name = "SHARE")]
    fault_truncate: Option<Share>,
    /// Close the connection inside the answer
    #[arg(long, value_name = "SHARE")]
    fault_disconnect: Option<Share>,
    /// Reset the connection inside the answer
    #[arg(long, value_name = "SHARE")]
    fault_reset: Option<Share>,
    /// Report an error inside the answer
    #[arg(long, value_name = "SHARE")]
    fault_in_stream: Option<Share>,
    /// Send broken JSON
    #[arg(long, value_name = "SHARE")]
    fault_malformed: Option<Share>,
}

/// A length of time, or a distribution of it.
fn times(text: &str) -> Result<Draw<Duration>, String> {
    draw(text, |part| part.parse().map(|Span(time)| time))
}

/// A number of tokens, or a distribution of it.
fn tokens(text: &str) -> Result<Draw<Tokens>, String> {
    draw(text, |part| part.parse().map(|Count(count)| Tokens(count)))
}

fn draw<T: PartialOrd>(
    text: &str,
    value: impl Fn(&str) -> Result<T, String>,
) -> Result<Draw<T>, String> {
    Draw::parse(text, value).map_err(|error| match error {
        DrawError::Value { text, reason } => value::named(&text, &reason),
        DrawError::Distribution(_) | DrawError::Form { .. } => error.to_string(),
    })
}

/// A status and the share of requests it refuses.
fn status_fault(text: &str) -> Result<(u16, f64), String> {
    let read = || {
        let (status, share) = text.split_once(':')?;
        let Share(share) = share.parse().ok()?;
        Some((status.trim().parse().ok()?, share))
    };
    read().ok_or_else(|| format!("`{text}` is not STATUS:SHARE, such as 429:5%"))
}

/// Serves until a signal.
pub(crate) fn main(settings: &SimSettings) -> Outcome {
    // How many clients will come is not known.
    let _ = limit::raise();
    let config = config(settings)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| UserError::new(Exit::Other, format!("cannot start a runtime: {error}")))?
        .block_on(serve(settings, config))
}

async fn serve(settings: &SimSettings, config: SimConfig) -> Outcome {
    let mut interrupts = Interrupts::watch()?;
    let address = SocketAddr::new(settings.host, settings.port);
    let sim = Sim::bind(config, address, &Time::Machine).map_err(|error| bind_error(&error))?;
    let writer = settings.log.as_ref().map(|path| start_log(path, &sim)).transpose()?;
    output::talk(&format!("simulating on http://{} (Ctrl-C stops)", sim.local_addr()));
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let (served, ()) = tokio::join!(sim.run(stop), async move {
        interrupts.next().await;
        stopping.cancel();
    });
    served.map_err(|error| UserError::new(Exit::Other, format!("the server failed: {error}")))?;
    if let Some(writer) = writer {
        writer.finish().map_err(|error| {
            UserError::new(Exit::File, format!("the log could not be written: {error}"))
        })?;
    }
    Ok(Exit::Success)
}

fn bind_error(error: &BindError) -> UserError {
    match error {
        BindError::Config(error) => UserError::usage(error.to_string()),
        BindError::Listen { source, .. } => {
            UserError::new(Exit::Other, format!("{error}: {source}")).hint(FREE_PORT)
        }
    }
}

fn start_log(path: &std::path::Path, sim: &Sim) -> Result<LogWriter, UserError> {
    #[expect(clippy::disallowed_methods, reason = "app opens the files users name")]
    let file = std::fs::File::create(path);
    file.and_then(|file| LogWriter::start(sim.log(), file)).map_err(|error| {
        UserError::new(Exit::File, format!("cannot write {}: {error}", path.display()))
    })
}

fn config(settings: &SimSettings) -> Result<SimConfig, UserError> {
    let AnswerSettings { ttft, itl, output_tokens, tokens_per_chunk, events_per_write } =
        settings.answers;
    let capacity = &settings.capacity;
    let service = match capacity.slots {
        Some(slots) => Service::Slots(Slots {
            slots,
            queue_limit: capacity.queue,
            prefill_tokens_per_s: capacity.prefill_rate,
            decode_tokens_per_s: capacity.decode_rate,
            contention: capacity.contention,
        }),
        None => Service::Timetable(Timetable { ttft, itl }),
    };
    let config = SimConfig {
        seed: Seed(settings.seed),
        service,
        output_tokens,
        tokens_per_chunk,
        events_per_write,
        faults: faults(&settings.faults),
        models: settings.models.clone(),
        ..SimConfig::default()
    };
    config.check().map_err(|error| UserError::usage(error.to_string()))?;
    Ok(config)
}

fn faults(settings: &FaultSettings) -> Faults {
    let share = |given: Option<Share>| given.map_or(0.0, |Share(share)| share);
    let Span(stall_duration) = settings.stall_time;
    Faults {
        status: settings.fault_status.clone(),
        stall: share(settings.fault_stall),
        stall_duration,
        truncate: share(settings.fault_truncate),
        disconnect: share(settings.fault_disconnect),
        reset: share(settings.fault_reset),
        in_stream_error: share(settings.fault_in_stream),
        malformed: share(settings.fault_malformed),
    }
}
