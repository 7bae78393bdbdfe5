//! `prony sim`: a simulated model server with a known timetable.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use domain::{Seed, Tokens};
use sim::{BindError, Draw, Faults, LogWriter, Service, Sim, SimConfig, Slots, Time, Timetable};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, FREE_PORT, UserError};
use crate::signal::Interrupts;
use crate::value::{Share, Span};
use crate::{Outcome, limit, output};

/// How many clients may be connected, as far as the system's limit of open files allows.
const CLIENTS: u64 = 10_240;

/// Settings of `prony sim`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SimSettings {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    port: u16,
    /// Time to first token: 50ms, uniform(40ms,60ms), exponential(50ms) or lognormal(50ms,0.5)
    #[arg(long, value_name = "TIME", default_value = "0ms")]
    ttft: String,
    /// Time between tokens, in the same forms
    #[arg(long, value_name = "TIME", default_value = "0ms")]
    itl: String,
    /// Tokens of an answer whose request sets no limit: 32, uniform(16,64), …
    #[arg(long, value_name = "TOKENS", default_value = "32")]
    output_tokens: String,
    /// Tokens in an event
    #[arg(long, value_name = "N", default_value = "1")]
    tokens_per_chunk: NonZeroU64,
    /// Events that are due that may share a write
    #[arg(long, value_name = "N", default_value = "1")]
    events_per_write: NonZeroUsize,
    /// Model names it has, with commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "sim")]
    models: Vec<String>,
    /// Seed of every draw
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Serve at most this many at once, so that latency grows with load (instead of --ttft, --itl)
    #[arg(long, value_name = "N", conflicts_with_all = ["ttft", "itl"])]
    slots: Option<usize>,
    /// Requests that may wait for a slot; one more is refused with 503
    #[arg(long, value_name = "N", requires = "slots")]
    queue: Option<usize>,
    /// Prompt tokens read a second, with --slots
    #[arg(long, value_name = "N", default_value_t = 5_000.0)]
    prefill_rate: f64,
    /// Tokens a second of a stream alone, with --slots
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    decode_rate: f64,
    /// How much streams slow each other, from 0 to 1, with --slots
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    contention: f64,
    /// Refuse this share of requests: STATUS:SHARE, such as 429:5%; may be given again
    #[arg(long, value_name = "STATUS:SHARE")]
    fault_status: Vec<String>,
    /// Pause in this share of answers
    #[arg(long, value_name = "SHARE")]
    fault_stall: Option<Share>,
    /// How long such a pause is
    #[arg(long, value_name = "TIME", default_value = "1s")]
    stall_time: Span,
    /// End this share of answers early
    #[arg(long, value_name = "SHARE")]
    fault_truncate: Option<Share>,
    /// Close the connection inside this share of answers
    #[arg(long, value_name = "SHARE")]
    fault_disconnect: Option<Share>,
    /// Reset the connection inside this share of answers
    #[arg(long, value_name = "SHARE")]
    fault_reset: Option<Share>,
    /// Report an error inside this share of answers
    #[arg(long, value_name = "SHARE")]
    fault_in_stream: Option<Share>,
    /// Send broken JSON in this share of answers
    #[arg(long, value_name = "SHARE")]
    fault_malformed: Option<Share>,
    /// File for the log of what it did and when, one JSON line a request
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// Serves until a signal.
pub(crate) fn main(settings: &SimSettings) -> Outcome {
    limit::raise_for_up_to(CLIENTS);
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
    let time = |text: &str| {
        Draw::parse(text, |part| part.parse::<Span>().map(|Span(time)| time))
            .map_err(|error| UserError::usage(error.to_string()))
    };
    let tokens = Draw::parse(&settings.output_tokens, |part| part.parse::<u64>().map(Tokens))
        .map_err(|error| UserError::usage(error.to_string()))?;
    let service = match settings.slots {
        Some(slots) => Service::Slots(Slots {
            slots,
            queue_limit: settings.queue,
            prefill_tokens_per_s: settings.prefill_rate,
            decode_tokens_per_s: settings.decode_rate,
            contention: settings.contention,
        }),
        None => {
            Service::Timetable(Timetable { ttft: time(&settings.ttft)?, itl: time(&settings.itl)? })
        }
    };
    let config = SimConfig {
        seed: Seed(settings.seed),
        service,
        output_tokens: tokens,
        tokens_per_chunk: settings.tokens_per_chunk,
        events_per_write: settings.events_per_write,
        faults: faults(settings)?,
        models: settings.models.clone(),
        ..SimConfig::default()
    };
    config.check().map_err(|error| UserError::usage(error.to_string()))?;
    Ok(config)
}

fn faults(settings: &SimSettings) -> Result<Faults, UserError> {
    let share = |given: Option<Share>| given.map_or(0.0, |Share(share)| share);
    let status = settings
        .fault_status
        .iter()
        .map(|text| {
            let (status, share) = text.split_once(':')?;
            let Share(share) = share.parse().ok()?;
            Some((status.trim().parse::<u16>().ok()?, share))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            UserError::usage("--fault-status is written STATUS:SHARE, such as 429:5%")
        })?;
    let Span(stall_duration) = settings.stall_time;
    Ok(Faults {
        status,
        stall: share(settings.fault_stall),
        stall_duration,
        truncate: share(settings.fault_truncate),
        disconnect: share(settings.fault_disconnect),
        reset: share(settings.fault_reset),
        in_stream_error: share(settings.fault_in_stream),
        malformed: share(settings.fault_malformed),
    })
}
