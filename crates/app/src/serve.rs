//! `prony serve`: a server that carries out benchmarks on request, keeps every record, shows what
//! goes on, and raises alerts.
//!
//! Each part has a thread of its own, so that none is measured with another: [`parts`] are those
//! threads, and [`sampling`] one that looks at processes and servers while a benchmark runs;
//! [`canary`] asks targets again and again; [`live`] tells what goes on to everyone who watches;
//! [`watch`] evaluates alert rules; [`pushing`] pushes metrics over OTLP.

mod canary;
mod live;
pub(crate) mod parts;
mod pushing;
mod sampling;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::management::{LiveFeed, Management, ManagementServer, StoreFacts, form};
use archive::{Archive, AvailabilityBook, Door, History, Host};
use clap::Args;
use collect::resource::{Gpus, Sampler, families};
use collect::{Collector, otlp};
use control::Benchmarks;
use domain::{Clock, SystemClock};
use store::durable::{Recovery, StoreSettings};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::parts::{Collecting, Working};
use self::pushing::Pushing;
use self::sampling::{Looking, Sampling};
use crate::failure::{Exit, FREE_PORT, UserError};
use crate::settings_file::{ScheduleSettings, Settings};
use crate::signal::Interrupts;
use crate::stored::store_error;
use crate::{Outcome, limit, output};

/// How long answers under way may go on after a signal to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Settings of `prony serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  prony serve --config prony.toml
  prony serve --config prony.toml --port 9000

It answers on / (the dashboard), /api/v1 (described at /docs), /metrics and /health.")]
pub(crate) struct ServeSettings {
    /// Configuration file: targets, scenarios, keys, store, alerts, schedules
    #[arg(long, value_name = "FILE", default_value = "prony.toml")]
    config: PathBuf,
    /// Address to listen on, in place of the file's
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Port to listen on, in place of the file's; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

/// Serves until a signal.
pub(crate) fn main(settings: &ServeSettings) -> Outcome {
    // How many users benchmarks will have is not known.
    let _ = limit::raise();
    let config = Settings::read(&settings.config)?;
    let address = address(settings, &config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (archive, recovery) =
        Archive::open(&config.store.path, StoreSettings::default(), Arc::clone(&clock))
            .map_err(|error| store_error(&error))?;
    tell_recovery(&recovery, &config.store.path);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| UserError::new(Exit::Other, format!("cannot start a runtime: {error}")))?
        .block_on(serve(config, address, archive, clock))
}

/// Where to listen: as the command line says, or else the file.
fn address(settings: &ServeSettings, config: &Settings) -> Result<SocketAddr, UserError> {
    let server = &config.server;
    let host = settings.host.unwrap_or(server.address.ip());
    if !host.is_loopback() && server.keys.is_empty() {
        return Err(UserError::usage(format!(
            "{host} lets other machines in, and there is no key"
        ))
        .hint("make one with `prony config key NAME --role operator`, or listen on 127.0.0.1"));
    }
    Ok(SocketAddr::new(host, settings.port.unwrap_or(server.address.port())))
}

async fn serve(
    config: Settings,
    address: SocketAddr,
    archive: Archive,
    clock: Arc<dyn Clock>,
) -> Outcome {
    let mut interrupts = Interrupts::watch()?;
    let certificate = config.server.certificate.clone();
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let server = ManagementServer::bind(address, certificate)
        .await
        .map_err(|error| UserError::new(Exit::Other, error.to_string()).hint(FREE_PORT))?;

    let stop = CancellationToken::new();
    let catalogue = Arc::new(config.catalogue(&clock));
    let benchmarks = Benchmarks::restore(
        Arc::new(archive.benchmark_keeper()),
        Arc::clone(&clock),
        config.server.queue as usize,
        &|request| form::read_back(request, &catalogue),
    )
    .map_err(|error| UserError::new(Exit::File, error.problem).hint(error.hint))?;
    let benchmarks = Arc::new(benchmarks);

    let collecting = Collecting::start(&archive, &clock)?;
    let collector = Arc::clone(&collecting.collector);
    let region: Arc<str> = config.server.region.clone().unwrap_or_default().into();
    let host = Host {
        benchmarks: Arc::clone(&benchmarks),
        collector: Arc::clone(&collector),
        clock: Arc::clone(&clock),
        store: Arc::clone(archive.store()),
        teller: Arc::new(|told| output::talk(&told)),
    };
    let working = Working::start(parts::Work {
        host: host.clone(),
        catalogue: Arc::clone(&catalogue),
        region: Arc::clone(&region),
        content: config.store.content,
        stop: stop.clone(),
    })?;
    let door = Door::open(&config.store.path, host)
        .map_err(|error| {
            output::talk(&format!(
                "warning: `prony bench` cannot record through this server: {error}"
            ));
        })
        .ok();
    let availability =
        AvailabilityBook::open(Arc::clone(archive.store())).map_err(|error| store_error(&error))?;
    let observer = Arc::new(canary::Observer::new(availability.clone()));
    let canaries = canary::Sending {
        schedules: config.schedules.iter().flat_map(ScheduleSettings::schedules).collect(),
        benchmarks: Arc::clone(&benchmarks),
        catalogue: Arc::clone(&catalogue),
        collector: Arc::clone(&collector),
        clock: Arc::clone(&clock),
        region,
        observer: Arc::clone(&observer),
        stop: stop.clone(),
    }
    .start()?;
    let upkeep = parts::Upkeep::start(
        &archive,
        Arc::clone(&collector),
        config.store.retention,
        Arc::clone(&clock),
        stop.clone(),
    )?;
    let sampler = Sampler::of_self(Arc::clone(&clock), Gpus::open()).ok().map(Arc::new);
    let sampling = Sampling::start(Looking {
        archive: archive.clone(),
        benchmarks: Arc::clone(&benchmarks),
        clock: Arc::clone(&clock),
        sampler: sampler.clone(),
        beside: config.beside(),
        stop: stop.clone(),
    })?;
    let pushing =
        config.otlp.as_ref().map(|otlp| Pushing::start(otlp.push.clone(), Arc::clone(&collector)));
    let pushing = pushing.transpose()?;
    let push_status = pushing.as_ref().map(Pushing::status);
    let feed = Arc::new(LiveFeed::new(stop.clone()));
    let watching = watch::Watching::start(config.alerts, &archive, Arc::clone(&clock))?;
    let (alerts, keep_alerts) = (watching.book.clone(), Arc::new(watching.keeper()));
    let pump = live::Pump {
        windows: collector.watch(),
        feed: Arc::clone(&feed),
        benchmarks: Arc::clone(&benchmarks),
        sampler: sampler.clone(),
    };
    let store = store_facts(&archive, &collector);
    let mut tasks = JoinSet::new();
    tasks.spawn(pump.run());
    tasks.spawn(watching.run(stop.clone()));

    let management = Management {
        benchmarks,
        catalogue,
        live: feed,
        history: History::new(archive.reader().clone()),
        availability,
        alerts,
        keep_alerts,
        keys: Arc::new(config.server.key_ring()),
        store_content: config.store.content.is_default,
        metrics: Arc::new(move || {
            let mut all = collector.families();
            all.extend(observer.families());
            all.extend(
                sampler
                    .as_ref()
                    .and_then(|sampler| sampler.sample().ok())
                    .iter()
                    .flat_map(families),
            );
            all.extend(push_status.iter().flat_map(|status| otlp::families(&status())));
            all
        }),
        store,
        clock,
    };
    output::talk(&format!(
        "prony serves on {scheme}://{} (Ctrl-C stops); store {}",
        server.address(),
        config.store.path.display()
    ));
    let stopping = stop.clone();
    let interrupted = async move {
        interrupts.next().await;
        output::talk(&"stopping: a benchmark under way is left as it is, and shown as interrupted");
        stopping.cancel();
    };
    server.run(management.router(), interrupted, GRACE).await;
    working.join();
    drop(door);
    parts::join(canaries);
    sampling.join();
    upkeep.join();
    let kept = collecting.finish();
    if let Some(pushing) = pushing {
        pushing.finish().await;
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| {
            UserError::new(Exit::Other, format!("a part of the server broke off: {error}"))
        })?;
    }
    kept
}

/// What the status page says of the store.
fn store_facts(
    archive: &Archive,
    collector: &Arc<Collector>,
) -> Arc<dyn Fn() -> StoreFacts + Send + Sync> {
    let (store, path_hint) =
        (Arc::clone(archive.store()), archive.store().folder().display().to_string());
    let collector = Arc::clone(collector);
    Arc::new(move || {
        // What cannot be counted right now is nothing to keep the page from those who ask.
        let (records, bytes) = store.reader().size().unwrap_or_default();
        let status = collector.status();
        StoreFacts {
            records,
            bytes,
            path_hint: path_hint.clone(),
            waiting: status.waiting,
            problem: status.keeper_error,
        }
    })
}

fn tell_recovery(recovery: &Recovery, folder: &Path) {
    for damage in &recovery.damage {
        let what = if damage.is_torn_tail { "a torn tail" } else { "damage" };
        output::talk(&format!(
            "warning: {} has {what} of {} bytes at {}; it is cut off, and a copy kept beside it",
            damage.path.display(),
            damage.bytes,
            damage.offset
        ));
    }
    if recovery.lost > 0 {
        output::talk(&format!(
            "warning: {} acknowledged records in {} are lost with them",
            recovery.lost,
            folder.display()
        ));
    }
}
