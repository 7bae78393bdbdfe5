//! Turns settings as written into a bench that can run, or says what is wrong with them. Nothing is
//! sent before this is through.

use std::path::Path;
use std::time::Duration;

use analysis::{Convention, Slo};
use control::Protocol;
use domain::{Sampling, Seed};
use engine::PlainText;
use load::{Arrivals, Closed, Load, Open, Stop};
use provider::{HttpVersion, Target, Timeouts};

use super::settings::{
    ArrivalKind, BenchSettings, ConventionKind, EndpointType, LoadSettings, WorkloadSettings,
};
use super::{repeats, scope, server};
use crate::failure::{Exit, UserError};
use crate::hosted;
use crate::limit::Connections;
use crate::output::Notes;
use crate::value::{Goodput, Rate, Span};

/// How many requests a run sends where nothing says when it ends.
const REQUESTS_DEFAULT: u64 = 100;
/// The most users of one load: each is a task with its state, some kilobytes.
const CONCURRENCY_MAX: u64 = 1_000_000;

/// A bench whose settings hold together.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) subject: Subject,
    pub(crate) models: Vec<String>,
    pub(crate) loads: Vec<Load>,
    /// How every run of it is carried out.
    pub(crate) protocol: Protocol,
    /// Who would refuse requests that asked to go on past the model's own end, so that they do not
    /// though they should.
    pub(crate) lengths_left_to: Option<&'static str>,
    pub(crate) error_share_max: f64,
    /// Whether to tell what goes well.
    pub(crate) notes: Notes,
}

/// What is put under load.
#[derive(Debug)]
pub(crate) enum Subject {
    /// A server. The endpoint is a guess where the user named none.
    Remote { target: Box<Target>, is_guess: bool },
    /// A model file in this process, and what prompts of text are to it, where the user said.
    Embedded { model: String, plain_text: Option<PlainText> },
}

impl Subject {
    /// Which HTTP is spoken to it, if any.
    pub(crate) fn http(&self) -> Option<HttpVersion> {
        match self {
            Self::Remote { target, .. } => Some(target.http),
            Self::Embedded { .. } => None,
        }
    }
}

impl Bench {
    /// Checks `settings`.
    pub(crate) fn check(settings: &BenchSettings) -> Result<Self, UserError> {
        scope::check(settings)?;
        repeats::check(settings)?;
        let subject = subject(settings)?;
        let loads = loads(&settings.load)?;
        let stop = stop(&settings.load)?;
        let embedded = match &subject {
            Subject::Embedded { model, .. } => Some(crate::engine_source::name_of(model)),
            Subject::Remote { .. } => None,
        };
        let lengths_left_to = match &subject {
            Subject::Remote { target, .. } if settings.workload.ignore_eos => {
                hosted::strict_provider(&target.url.host)
                    .filter(|_| !server::names_ignore_eos(&target.options))
            }
            Subject::Remote { .. } | Subject::Embedded { .. } => None,
        };
        let models = settings.target.model.as_ref().map(|list| list.0.clone());
        Ok(Self {
            subject,
            models: models.or(embedded.map(|name| vec![name])).unwrap_or_default(),
            loads,
            protocol: protocol(settings, stop, lengths_left_to.is_none())?,
            lengths_left_to,
            error_share_max: settings.load.max_error_rate.map_or(0.0, |share| share.0),
            notes: if settings.output.quiet { Notes::Kept } else { Notes::Told },
        })
    }

    /// How many connections the largest load opens at once; none where the model is embedded. A
    /// server that allows fewer requests on an HTTP/2 connection than is asked for makes it more.
    pub(crate) fn connections(&self) -> Option<Connections> {
        let Subject::Remote { target, .. } = &self.subject else { return None };
        let sent = self.protocol.stop.requests.unwrap_or(u64::MAX);
        let each = match target.http {
            HttpVersion::Http1 => 1,
            HttpVersion::Http2 => u64::from(target.streams_max),
        };
        let at_once = |load: &Load| match load {
            Load::Closed(closed) => Connections::Certain(closed.users.min(sent).div_ceil(each)),
            Load::Open(open) => match open.in_flight_max {
                Some(most) => Connections::Certain(most.min(sent).div_ceil(each)),
                None => {
                    let most = self.in_flight_at_worst(target, open).min(sent);
                    Connections::AtWorst(most.div_ceil(each))
                }
            },
        };
        let count = |connections: &Connections| match *connections {
            Connections::Certain(count) | Connections::AtWorst(count) => count,
        };
        self.loads.iter().map(at_once).max_by_key(count)
    }

    /// How many requests of a schedule without a bound can be in flight together: no more than are
    /// due in the run's time, nor, where a failed one is not tried again, in the time that one may
    /// take.
    fn in_flight_at_worst(&self, target: &Target, open: &Open) -> u64 {
        let Timeouts { connect, total, .. } = target.timeouts;
        let one = total.filter(|_| target.retries.most == 0).map(|total| connect + total);
        let spans = [self.protocol.stop.duration, one];
        let longest = spans.into_iter().flatten().min().unwrap_or(Duration::MAX);
        (open.rate_per_s * longest.as_secs_f64()).ceil() as u64
    }
}

/// How every run is carried out. `may_ask_lengths` is false where the server would refuse requests
/// that ask to go on past the model's own end.
fn protocol(
    settings: &BenchSettings,
    stop: Stop,
    may_ask_lengths: bool,
) -> Result<Protocol, UserError> {
    let BenchSettings { http, load, workload, output, .. } = settings;
    Ok(Protocol {
        seed: Seed(load.seed.unwrap_or(0)),
        ramp: load.ramp_up.map_or(Duration::ZERO, |Span(ramp)| ramp),
        stop,
        warmup: load.warmup.unwrap_or(0),
        prepare: !http.cold_connections,
        max_tokens: workload.max_tokens,
        ignore_eos: workload.ignore_eos && may_ask_lengths,
        demands_lengths: workload.ignore_eos && workload.stop.is_empty(),
        stream: !workload.no_stream,
        sampling: sampling(workload)?,
        stop_texts: workload.stop.clone(),
        slo: output.goodput.map(slo),
        convention: match output.convention.unwrap_or_default() {
            ConventionKind::Prony => Convention::Prony,
            ConventionKind::Vllm => Convention::Vllm,
            ConventionKind::Aiperf => Convention::Aiperf,
            ConventionKind::Guidellm => Convention::Guidellm,
        },
    })
}

fn subject(settings: &BenchSettings) -> Result<Subject, UserError> {
    let named = &settings.target;
    if let Some(model) = &named.engine {
        let plain_text = named.endpoint_type.map(|endpoint| match endpoint {
            EndpointType::Completions => PlainText::Continued,
            EndpointType::Chat | EndpointType::Messages => PlainText::Said,
        });
        return Ok(Subject::Embedded { model: model.clone(), plain_text });
    }
    let Some(url) = &named.url else {
        return Err(UserError::usage("nothing to test").hint(
            "name a server with --url http://127.0.0.1:8000, or a model file with --engine M.gguf",
        ));
    };
    let target = Box::new(server::target(url, settings)?);
    Ok(Subject::Remote { target, is_guess: named.endpoint_type.is_none() })
}

fn loads(settings: &LoadSettings) -> Result<Vec<Load>, UserError> {
    if settings.burstiness.is_some()
        && matches!(settings.arrivals, Some(ArrivalKind::Poisson | ArrivalKind::Constant))
    {
        return Err(UserError::usage("--burstiness shapes gamma arrivals only")
            .hint("use --arrivals gamma, or leave one of the two out"));
    }
    let concurrency: Option<Vec<u64>> =
        settings.concurrency.as_ref().map(|list| list.0.iter().map(|users| users.0).collect());
    if concurrency.iter().flatten().any(|users| *users > CONCURRENCY_MAX) {
        return Err(UserError::usage(format!(
            "--concurrency is more than one client drives: {CONCURRENCY_MAX}"
        ))
        .hint("ask for fewer, or share the load among several machines"));
    }
    let Some(rates) = &settings.request_rate else {
        if settings.arrivals.is_some() || settings.burstiness.is_some() {
            return Err(UserError::usage("arrivals are drawn for a request rate; there is none")
                .hint("give one such as --request-rate 20/s"));
        }
        return Ok(concurrency
            .unwrap_or(vec![1])
            .into_iter()
            .map(|users| closed(users, settings))
            .collect());
    };
    for (given, flag) in [
        (settings.requests_per_user.is_some(), "--requests-per-user"),
        (settings.think_time.is_some(), "--think-time"),
    ] {
        if given {
            return Err(UserError::usage(format!(
                "{flag} is about users who wait for answers; --request-rate does not wait"
            ))
            .hint("use --concurrency without --request-rate"));
        }
    }
    let is_scheduled = rates.0.iter().any(|rate| rate.per_s.is_finite());
    if !is_scheduled && (settings.arrivals.is_some() || settings.burstiness.is_some()) {
        return Err(UserError::usage(
            "arrivals are drawn for a finite request rate; `inf` is none",
        )
        .hint("leave --arrivals and --burstiness out, or give a rate such as 20/s"));
    }
    let limits: Vec<Option<u64>> =
        concurrency.map_or_else(|| vec![None], |list| list.into_iter().map(Some).collect());
    let mut loads = Vec::new();
    for &Rate { per_s } in &rates.0 {
        for &in_flight_max in &limits {
            loads.push(match (per_s.is_infinite(), in_flight_max) {
                (true, Some(users)) => closed(users, settings),
                (true, None) => {
                    return Err(UserError::usage("an infinite rate with no limit in flight")
                        .hint("give a rate such as 20/s, or --concurrency"));
                }
                (false, in_flight_max) => Load::Open(Open {
                    rate_per_s: per_s,
                    arrivals: arrivals(settings),
                    in_flight_max,
                }),
            });
        }
    }
    Ok(loads)
}

fn closed(users: u64, settings: &LoadSettings) -> Load {
    Load::Closed(Closed {
        users,
        think: settings.think_time.map_or(Duration::ZERO, |Span(think)| think),
        requests_per_user: settings.requests_per_user,
    })
}

fn arrivals(settings: &LoadSettings) -> Arrivals {
    match (settings.arrivals, settings.burstiness) {
        (Some(ArrivalKind::Constant), _) => Arrivals::Constant,
        (Some(ArrivalKind::Gamma), burstiness) => {
            Arrivals::Gamma { burstiness: burstiness.unwrap_or(1.0) }
        }
        (None, Some(burstiness)) => Arrivals::Gamma { burstiness },
        (Some(ArrivalKind::Poisson) | None, _) => Arrivals::Poisson,
    }
}

fn stop(settings: &LoadSettings) -> Result<Stop, UserError> {
    let duration = settings.duration.map(|Span(duration)| duration);
    let bounded = settings.num_prompts.is_some() || duration.is_some();
    if settings.request_rate.is_some() && !bounded {
        return Err(UserError::usage("a request rate needs an end")
            .hint("add --num-prompts 500 or --duration 60s"));
    }
    let open_ended = !bounded && settings.requests_per_user.is_none();
    Ok(Stop {
        requests: settings.num_prompts.or(open_ended.then_some(REQUESTS_DEFAULT)),
        duration,
        failures: settings.max_errors,
    })
}

fn sampling(settings: &WorkloadSettings) -> Result<Sampling, UserError> {
    let within = |value: Option<f64>, most: f64, flag: &str| match value {
        Some(value) if !(0.0..=most).contains(&value) => {
            Err(UserError::usage(format!("{flag} must lie between 0 and {most}")))
        }
        value => Ok(value),
    };
    Ok(Sampling {
        temperature: within(settings.temperature, 2.0, "--temperature")?,
        top_p: within(settings.top_p, 1.0, "--top-p")?,
        ..Sampling::default()
    })
}

fn slo(Goodput { ttft, tpot, e2el }: Goodput) -> Slo {
    Slo { ttft, tpot, e2el }
}

/// The bytes of a file the user named.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, UserError> {
    read_bytes(path).map_err(|error| {
        UserError::new(Exit::File, format!("cannot read {}: {error}", path.display()))
            .hint("give the path of a file this user may read")
    })
}

#[expect(clippy::disallowed_methods, reason = "app opens the files users name")]
pub(super) fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn check(arguments: &str) -> Result<Bench, UserError> {
        let words = ["prony", "bench"].into_iter().chain(arguments.split_whitespace());
        match Cli::try_parse_from(words).expect("flags that exist").command {
            Command::Bench(settings) => Bench::check(&settings),
            _ => panic!("`bench` is asked for"),
        }
    }

    fn target(arguments: &str) -> Target {
        match check(arguments).expect("settings that hold together").subject {
            Subject::Remote { target, .. } => *target,
            Subject::Embedded { .. } => panic!("a server is named"),
        }
    }

    #[test]
    fn generating_past_the_end_is_asked_for_where_it_is_not_refused() {
        for (arguments, sent, left_to) in [
            ("--url http://127.0.0.1:8000", false, None),
            ("--url http://127.0.0.1:8000 --ignore-eos", true, None),
            ("--engine m.gguf --ignore-eos", true, None),
            ("--url https://api.openai.com --ignore-eos", false, Some("OpenAI")),
            ("--url https://me.openai.azure.com --ignore-eos", false, Some("Azure OpenAI")),
            ("--url https://API.ANTHROPIC.COM --ignore-eos", false, Some("Anthropic")),
            ("--url https://notopenai.com --ignore-eos", true, None),
            ("--url https://openai.com.example --ignore-eos", true, None),
            (
                r#"--url https://api.openai.com --ignore-eos --extra-body {"ignore_eos":null}"#,
                true,
                None,
            ),
        ] {
            let bench = check(arguments).expect(arguments);
            assert_eq!(
                (bench.protocol.ignore_eos, bench.lengths_left_to),
                (sent, left_to),
                "{arguments}"
            );
        }
    }

    #[test]
    fn many_requests_share_a_connection_over_http2() {
        let url = "--url http://127.0.0.1:8000 --num-prompts 5000";
        for (arguments, want) in [
            ("--concurrency 1,250", Connections::Certain(250)),
            ("--concurrency 1,250 --http2", Connections::Certain(3)),
            ("--concurrency 250 --http2 --streams-max 7", Connections::Certain(36)),
            ("--request-rate 5/s --concurrency 250 --http2", Connections::Certain(3)),
            ("--request-rate 10000/s --http2", Connections::AtWorst(50)),
        ] {
            let bench = check(&format!("{url} {arguments}")).expect(arguments);
            assert_eq!(bench.connections(), Some(want), "{arguments}");
        }
    }

    #[test]
    fn streams_are_limited_over_http2_alone() {
        let url = "--url http://127.0.0.1:8000";
        assert_eq!(target(&format!("{url} --http2")).streams_max, 100);
        assert_eq!(target(&format!("{url} --http2 --streams-max 7")).streams_max, 7);
        for arguments in [&*format!("{url} --streams-max 7"), "--engine m.gguf --streams-max 7"] {
            let error = check(arguments).expect_err(arguments).to_string();
            assert!(error.contains("--streams-max is about"), "{error}");
        }
    }
}
