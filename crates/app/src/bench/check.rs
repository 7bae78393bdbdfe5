//! Turns settings as written into a bench that can run, or says what is wrong with them. Nothing is
//! sent before this is through.

use std::path::Path;
use std::time::Duration;

use analysis::{Convention, Slo};
use dialect::{IgnoreEos, LimitField, RequestOptions};
use domain::{Sampling, Secret, Seed, WireFormat};
use engine::PlainText;
use load::{Arrivals, Closed, Load, Open, Stop};
use provider::{BaseUrl, HttpVersion, Retries, Target, TargetError, Timeouts, Tls};

use super::scope;
use super::settings::{
    ArrivalKind, BenchSettings, ConventionKind, EndpointType, LoadSettings, TargetSettings,
    WorkloadSettings,
};
use crate::failure::{Exit, UserError};
use crate::limit::Connections;
use crate::output;
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
    pub(crate) ramp: Duration,
    pub(crate) stop: Stop,
    pub(crate) warmup: u64,
    pub(crate) prepare: bool,
    pub(crate) seed: Seed,
    pub(crate) max_tokens: Option<u64>,
    /// Whether requests ask to go on past the model's own end.
    pub(crate) ignore_eos: bool,
    /// Who would refuse requests that asked for it, so that they do not though they should.
    pub(crate) lengths_left_to: Option<&'static str>,
    pub(crate) stream: bool,
    pub(crate) sampling: Sampling,
    pub(crate) stop_texts: Vec<String>,
    pub(crate) slo: Option<Slo>,
    pub(crate) convention: Convention,
    pub(crate) error_share_max: f64,
}

/// What is put under load.
#[derive(Debug)]
pub(crate) enum Subject {
    /// A server. The endpoint is a guess where the user named none.
    Remote { target: Box<Target>, is_guess: bool },
    /// A model file in this process, and what prompts of text are to it, where the user said.
    Embedded { model: String, plain_text: Option<PlainText> },
}

impl Bench {
    /// Checks `settings`.
    pub(crate) fn check(settings: &BenchSettings) -> Result<Self, UserError> {
        scope::check(settings)?;
        let subject = subject(&settings.target, &settings.workload)?;
        let loads = loads(&settings.load)?;
        let stop = stop(&settings.load)?;
        let embedded = match &subject {
            Subject::Embedded { model, .. } => Some(crate::engine_source::name_of(model)),
            Subject::Remote { .. } => None,
        };
        let lengths_left_to = match &subject {
            Subject::Remote { target, .. } if settings.workload.ignore_eos => {
                strict_provider(&target.url.host).filter(|_| !names_ignore_eos(&target.options))
            }
            Subject::Remote { .. } | Subject::Embedded { .. } => None,
        };
        let models = settings.target.model.as_ref().map(|list| list.0.clone());
        Ok(Self {
            subject,
            models: models.or(embedded.map(|name| vec![name])).unwrap_or_default(),
            loads,
            ramp: settings.load.ramp_up.map_or(Duration::ZERO, |Span(ramp)| ramp),
            stop,
            warmup: settings.load.warmup.unwrap_or(0),
            prepare: !settings.load.cold_connections,
            seed: Seed(settings.load.seed.unwrap_or(0)),
            max_tokens: settings.workload.max_tokens,
            ignore_eos: settings.workload.ignore_eos && lengths_left_to.is_none(),
            lengths_left_to,
            stream: !settings.target.no_stream,
            sampling: sampling(&settings.workload)?,
            stop_texts: settings.workload.stop.clone(),
            slo: settings.output.goodput.map(slo),
            convention: match settings.output.convention.unwrap_or_default() {
                ConventionKind::Prony => Convention::Prony,
                ConventionKind::Vllm => Convention::Vllm,
                ConventionKind::Aiperf => Convention::Aiperf,
                ConventionKind::Guidellm => Convention::Guidellm,
            },
            error_share_max: settings.load.max_error_rate.map_or(0.0, |share| share.0),
        })
    }

    /// How many connections the largest load opens at once; none where the model is embedded.
    pub(crate) fn connections(&self) -> Option<Connections> {
        let Subject::Remote { target, .. } = &self.subject else { return None };
        let sent = self.stop.requests.unwrap_or(u64::MAX);
        let at_once = |load: &Load| match load {
            Load::Closed(closed) => Connections::Certain(closed.users.min(sent)),
            Load::Open(open) => match open.in_flight_max {
                Some(most) => Connections::Certain(most.min(sent)),
                None => Connections::AtWorst(self.in_flight_at_worst(target, open).min(sent)),
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
        let spans = [self.stop.duration, one];
        let longest = spans.into_iter().flatten().min().unwrap_or(Duration::MAX);
        (open.rate_per_s * longest.as_secs_f64()).ceil() as u64
    }
}

fn subject(target: &TargetSettings, workload: &WorkloadSettings) -> Result<Subject, UserError> {
    if let Some(model) = &target.engine {
        let plain_text = target.endpoint_type.map(|endpoint| match endpoint {
            EndpointType::Completions => PlainText::Continued,
            EndpointType::Chat | EndpointType::Messages => PlainText::Said,
        });
        return Ok(Subject::Embedded { model: model.clone(), plain_text });
    }
    let Some(url) = &target.url else {
        return Err(UserError::usage("nothing to test").hint(
            "name a server with --url http://127.0.0.1:8000, or a model file with --engine M.gguf",
        ));
    };
    remote(url, target, workload)
}

fn remote(
    url: &str,
    settings: &TargetSettings,
    workload: &WorkloadSettings,
) -> Result<Subject, UserError> {
    let base = BaseUrl::parse(url).map_err(url_error)?;
    let format = match settings.endpoint_type {
        Some(EndpointType::Chat) => WireFormat::OpenAiChat,
        Some(EndpointType::Completions) => WireFormat::OpenAiCompletions,
        Some(EndpointType::Messages) => WireFormat::AnthropicMessages,
        None => provider::probe::likely_format(url),
    };
    let mut target = Target::new(base, format);
    target.key = key(settings, format)?;
    target.headers =
        settings.header.iter().map(|text| header(text)).collect::<Result<_, UserError>>()?;
    target.options = RequestOptions {
        extra_body: extra_body(settings.extra_body.as_deref())?,
        include_usage: true,
        limit_field: limit_field(&target.url.host),
        ignore_eos: if workload.ignore_eos { IgnoreEos::Field } else { IgnoreEos::Unsupported },
        ..RequestOptions::default()
    };
    target.http = if settings.http2 { HttpVersion::Http2 } else { HttpVersion::Http1 };
    if let Some(streams_max) = settings.streams_max {
        if !settings.http2 {
            return Err(UserError::usage(
                "--streams-max is about HTTP/2; over HTTP/1.1 a connection carries one request",
            )
            .hint("add --http2, or leave it out"));
        }
        target.streams_max = streams_max;
    }
    target.tls = Tls {
        authorities_pem: settings.ca_file.as_deref().map(read).transpose()?,
        insecure: settings.insecure,
    };
    let base = Timeouts::default();
    target.timeouts = Timeouts {
        connect: settings.connect_timeout.map_or(base.connect, |Span(time)| time),
        first_byte: settings.first_token_timeout.map(|Span(time)| time),
        total: settings.timeout.map_or(base.total, |Span(time)| Some(time)),
        ..base
    };
    target.retries = Retries { most: settings.retries.unwrap_or(0) };
    target.check().map_err(|error| UserError::usage(error.to_string()))?;
    Ok(Subject::Remote { target: Box::new(target), is_guess: settings.endpoint_type.is_none() })
}

/// A URL may hold credentials, so it is not repeated.
fn url_error(error: TargetError) -> UserError {
    match error {
        TargetError::Url { reason, .. } => {
            UserError::usage(format!("the URL given to --url cannot be used: {reason}"))
                .hint("write it like --url http://127.0.0.1:8000")
        }
        error @ (TargetError::Header { .. } | TargetError::Certificate(_)) => {
            UserError::usage(error.to_string())
        }
    }
}

/// Takes `Name: value` apart. What is wrong is said without repeating any of it: it may be a key.
fn header(text: &str) -> Result<(String, String), UserError> {
    let wrong = |problem: &str| {
        UserError::usage(format!("a header given to --header {problem}"))
            .hint("write it like --header 'Authorization: Bearer KEY', in quotes")
    };
    let (name, value) = text.split_once(':').ok_or_else(|| wrong("has no colon"))?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(wrong("has a name that headers may not have"));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Providers that refuse requests with a member they do not know, by the end of their host names.
const STRICT_PROVIDERS: [(&str, &str); 6] = [
    ("openai.com", "OpenAI"),
    ("openai.azure.com", "Azure OpenAI"),
    ("anthropic.com", "Anthropic"),
    ("mistral.ai", "Mistral"),
    ("groq.com", "Groq"),
    ("googleapis.com", "Google"),
];

/// The provider at `host`, if it is one that refuses unknown members.
fn strict_provider(host: &str) -> Option<&'static str> {
    let host = host.to_ascii_lowercase();
    let is_of = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    STRICT_PROVIDERS.iter().find(|(domain, _)| is_of(domain)).map(|(_, name)| *name)
}

/// The field for the longest answer in chat form: OpenAI's own models demand the new one, and other
/// servers may know the old one only.
fn limit_field(host: &str) -> LimitField {
    match strict_provider(host) {
        Some("OpenAI" | "Azure OpenAI") => LimitField::MaxCompletionTokens,
        Some(_) | None => LimitField::MaxTokens,
    }
}

/// Whether the user says in the extra body how the model's end is to be ignored.
fn names_ignore_eos(options: &RequestOptions) -> bool {
    options.extra_body.as_ref().is_some_and(|body| body.contains_key("ignore_eos"))
}

fn key(settings: &TargetSettings, format: WireFormat) -> Result<Option<Secret>, UserError> {
    if let Some(path) = &settings.api_key_file {
        // The key itself may have been given in place of a file, so that is not repeated.
        let hint = "give the path of a file whose first line is the key";
        let bytes = read_bytes(path).map_err(|error| {
            let problem = format!("cannot read the file given to --api-key-file: {error}");
            UserError::new(Exit::File, problem).hint(hint)
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().next().unwrap_or_default().trim();
        if line.is_empty() {
            return Err(UserError::new(
                Exit::File,
                "the file given to --api-key-file has no key on its first line",
            )
            .hint(hint));
        }
        return Ok(Some(Secret::new(line)));
    }
    let variable = match format {
        WireFormat::AnthropicMessages => "ANTHROPIC_API_KEY",
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => "OPENAI_API_KEY",
    };
    Ok(output::environment(variable).map(Secret::new))
}

fn extra_body(
    text: Option<&str>,
) -> Result<Option<serde_json::Map<String, serde_json::Value>>, UserError> {
    let Some(text) = text else { return Ok(None) };
    // Only the place of an error is told: its text may quote the value, which may hold a secret.
    let place = match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(body)) => return Ok(Some(body)),
        Ok(_) => String::new(),
        Err(error) => format!(": see line {}, column {}", error.line(), error.column()),
    };
    Err(UserError::usage(format!("--extra-body is not a JSON object{place}"))
        .hint(r#"write it like --extra-body '{"top_k": 20}'"#))
}

fn loads(settings: &LoadSettings) -> Result<Vec<Load>, UserError> {
    if settings.burstiness.is_some()
        && matches!(settings.arrivals, Some(ArrivalKind::Poisson | ArrivalKind::Constant))
    {
        return Err(UserError::usage("--burstiness shapes gamma arrivals only")
            .hint("use --arrivals gamma, or leave one of the two out"));
    }
    let concurrency = settings.concurrency.as_ref().map(|list| &list.0);
    if concurrency.is_some_and(|list| list.contains(&0)) {
        return Err(UserError::usage("--concurrency 0 sends nothing").hint("give 1 or more"));
    }
    if concurrency.is_some_and(|list| list.iter().any(|users| *users > CONCURRENCY_MAX)) {
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
            .map_or(vec![1], Clone::clone)
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
        concurrency.map_or_else(|| vec![None], |list| list.iter().copied().map(Some).collect());
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
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
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
            assert_eq!((bench.ignore_eos, bench.lengths_left_to), (sent, left_to), "{arguments}");
        }
    }

    #[test]
    fn the_limit_of_an_answer_is_worded_as_the_server_knows_it() {
        for (url, field) in [
            ("http://127.0.0.1:8000", LimitField::MaxTokens),
            ("https://api.mistral.ai", LimitField::MaxTokens),
            ("https://api.openai.com", LimitField::MaxCompletionTokens),
        ] {
            assert_eq!(target(&format!("--url {url}")).options.limit_field, field, "{url}");
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
