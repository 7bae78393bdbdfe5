//! The settings of `prony bench`, as written. What is missing and what contradicts itself is found
//! when they are checked, in [`super::check`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use load::workload::{LengthDistribution, Scenario};

use crate::settings_file::{Age, CONTENT_KEPT};
use crate::value::{Count, Goodput, List, Rate, Share, Span};

/// Which endpoint a server answers on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndpointType {
    Chat,
    Completions,
    Messages,
}

/// How the gaps between arrivals are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalKind {
    Poisson,
    Constant,
    Gamma,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputKind {
    #[default]
    Human,
    Json,
}

/// A format that records are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    Jsonl,
    Csv,
    Parquet,
}

/// Whose meaning the figures have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConventionKind {
    #[default]
    Prony,
    Vllm,
    Aiperf,
    Guidellm,
}

/// Settings of `prony bench`. Possible values are explained with their flags and hidden otherwise, so
/// that the help is a line or two a flag.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  prony bench --url http://127.0.0.1:8000 --concurrency 1,8,64 --duration 60s
  prony bench --url http://127.0.0.1:8000 --request-rate 5/s --num-prompts 300
  prony bench --url http://127.0.0.1:8000 --dataset prompts.jsonl --goodput 'ttft:200 tpot:50'
  prony bench --url https://api.openai.com --model gpt-4o-mini --num-prompts 20
  prony bench --engine model.gguf --scenario short_queries,code_generation
  prony bench --url http://127.0.0.1:8000 --output json | jq '.runs[].median_ttft_ms'

Exit codes: 0 all requests succeeded, 2 bad settings, 3 files, 4 model or engine, 5 too few open
files, 10-22 requests failed (one code a kind), 130 stopped by Ctrl-C. See docs/exit-codes.md.")]
pub(crate) struct BenchSettings {
    /// Settings from a TOML file, keys named like the flags; flags win, and --no-X switches off X
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: TargetSettings,
    #[command(flatten)]
    pub(crate) load: LoadSettings,
    #[command(flatten)]
    pub(crate) workload: WorkloadSettings,
    #[command(flatten)]
    pub(crate) output: OutputSettings,
    #[command(flatten)]
    pub(crate) http: HttpSettings,
    #[command(flatten)]
    pub(crate) embedded: crate::engine_source::EmbeddedSettings,
}

/// What is put under load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetSettings {
    /// Server to test, such as http://127.0.0.1:8000
    #[arg(long, value_name = "URL", visible_alias = "base-url")]
    pub(crate) url: Option<String>,
    /// Model file for the embedded engine: a GGUF path, or hf:OWNER/REPO/FILE
    #[arg(long, value_name = "MODEL", conflicts_with = "url")]
    pub(crate) engine: Option<String>,
    /// Models to ask for, with commas [default: the first the server lists]
    #[arg(long, value_name = "NAMES")]
    pub(crate) model: Option<List<String>>,
    /// chat or completions (OpenAI), or messages (Anthropic) [default: what the URL suggests; with
    /// --engine chat, where the model has a chat template]
    #[arg(long, value_name = "TYPE", hide_possible_values = true)]
    pub(crate) endpoint_type: Option<EndpointType>,
    /// File whose first line is the API key [default: OPENAI_API_KEY or ANTHROPIC_API_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
}

impl TargetSettings {
    /// Whether a server is named that is spoken to without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.url.as_deref().is_some_and(|url| url.starts_with("http://"))
    }
}

/// How requests come, and when they stop.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load, each combination in a run of its own")]
pub(crate) struct LoadSettings {
    /// Users who each ask again once answered: 8, or 1,8,64; with --request-rate the most requests
    /// in flight [default: 1]
    #[arg(long, value_name = "N,…", visible_alias = "max-concurrency")]
    pub(crate) concurrency: Option<List<Count>>,
    /// Requests on a schedule, answered or not: 20/s, or 5/s,20/s
    #[arg(long, value_name = "RATE,…")]
    pub(crate) request_rate: Option<List<Rate>>,
    /// Requests to send in each run [default: 100 where nothing else ends it]
    #[arg(long, value_name = "N", visible_alias = "request-count")]
    pub(crate) num_prompts: Option<u64>,
    /// Time to send requests for in each run, such as 60s
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<Span>,
    /// Requests sent before each run that count in no figure [default: 0]
    #[arg(long, value_name = "N", visible_alias = "warmup-requests")]
    pub(crate) warmup: Option<u64>,
    /// Time over which users join, or the rate rises
    #[arg(long, value_name = "TIME")]
    pub(crate) ramp_up: Option<Span>,
    /// Gaps between requests of a schedule: poisson, constant or gamma [default: poisson]
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    pub(crate) arrivals: Option<ArrivalKind>,
    /// Gamma gaps of this shape: below 1 bursty, 1 Poisson, above 1 even
    #[arg(long, value_name = "SHAPE")]
    pub(crate) burstiness: Option<f64>,
    /// Time a user waits before asking again
    #[arg(long, value_name = "TIME")]
    pub(crate) think_time: Option<Span>,
    /// Requests each user sends at most
    #[arg(long, value_name = "N")]
    pub(crate) requests_per_user: Option<u64>,
    /// Failed requests that end and fail a run [default: any number]
    #[arg(long, value_name = "N")]
    pub(crate) max_errors: Option<u64>,
    /// Share of failed requests that still counts as success [default: 0%]
    #[arg(long, value_name = "SHARE")]
    pub(crate) max_error_rate: Option<Share>,
    /// Seed of every random draw [default: 0]
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
    /// Threads that drive the load; one drives 10,000 users [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) client_threads: Option<u16>,
}

/// What requests ask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Workload")]
pub(crate) struct WorkloadSettings {
    /// short_queries, long_documents, long_documents:TOKENS or code_generation; several with commas
    /// [default: short_queries]
    #[arg(long, value_name = "NAMES")]
    pub(crate) scenario: Option<List<Scenario>>,
    /// JSONL of prompts, of OpenAI messages, or in ShareGPT form: see docs/datasets.md
    #[arg(long, value_name = "FILE", visible_alias = "dataset-path", conflicts_with = "scenario")]
    pub(crate) dataset: Option<PathBuf>,
    /// Synthetic prompts of this many tokens: 512, N(512,128) or U(64,256)
    #[arg(long, value_name = "LENGTH", visible_alias = "isl",
          conflicts_with_all = ["scenario", "dataset"])]
    pub(crate) input_len: Option<LengthDistribution>,
    /// Tokens of answer to ask for with synthetic prompts: a length as above
    #[arg(long, value_name = "LENGTH", visible_alias = "osl")]
    pub(crate) output_len: Option<LengthDistribution>,
    /// Tokens that all synthetic prompts begin with [default: 0]
    #[arg(long, value_name = "N", requires = "input_len")]
    pub(crate) prefix_len: Option<u64>,
    /// Longest answer, in tokens, whatever the workload says
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// Have the server generate to the limit, past the model's own end (vLLM, SGLang, llama.cpp,
    /// the embedded engine)
    #[arg(long)]
    pub(crate) ignore_eos: bool,
    /// Tokenizer for lengths, and for counts that the server does not give: a tokenizer.json, or
    /// o200k or cl100k; the embedded engine has its own
    #[arg(long, value_name = "TOKENIZER")]
    pub(crate) tokenizer: Option<String>,
    /// Sampling temperature
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f64>,
    /// Share of probability to sample from
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f64>,
    /// Text that ends an answer; may be given again
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    /// Ask for whole answers instead of streams
    #[arg(long)]
    pub(crate) no_stream: bool,
}

/// What comes out.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output", group = ArgGroup::new("folder").multiple(true))]
pub(crate) struct OutputSettings {
    /// Limits a good request keeps, in milliseconds or with a unit: 'ttft:200 tpot:50 e2el:5s'
    #[arg(long, value_name = "LIMITS")]
    pub(crate) goodput: Option<Goodput>,
    /// What to print: human, or json (the summary) [default: human]
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    pub(crate) output: Option<OutputKind>,
    /// Directory for summary.json and requests.jsonl
    #[arg(long, value_name = "DIR", visible_alias = "result-dir", group = "folder")]
    pub(crate) output_dir: Option<PathBuf>,
    /// The same, as a switch too: in `results` where none is named
    #[arg(long, value_name = "DIR", group = "folder")]
    pub(crate) save_result: Option<Option<PathBuf>>,
    /// Replace results already in the directory, once there is a record
    #[arg(long, requires = "folder")]
    pub(crate) overwrite: bool,
    /// Further formats of the records: csv, parquet
    #[arg(
        long,
        value_name = "FORMATS",
        value_delimiter = ',',
        requires = "folder",
        hide_possible_values = true
    )]
    pub(crate) format: Vec<RecordFormat>,
    /// Whose meaning the figures have: prony, vllm, aiperf or guidellm [default: prony]
    #[arg(long, value_name = "WHOSE", hide_possible_values = true)]
    pub(crate) convention: Option<ConventionKind>,
    /// The store that keeps the bench [default: prony.toml's, or prony-data]
    #[arg(long, value_name = "DIR", overrides_with = "no_store")]
    pub(crate) store: Option<PathBuf>,
    /// Keep prompts and answers in the store too
    #[arg(long, conflicts_with = "no_store")]
    pub(crate) store_content: bool,
    /// How long those stay [default: 7d]
    #[arg(long, value_name = "AGE", requires = "store_content")]
    pub(crate) content_retention: Option<Age>,
    /// Keep the bench in no store
    #[arg(long, overrides_with = "store")]
    pub(crate) no_store: bool,
    /// Show no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// Say nothing on standard error but warnings and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl OutputSettings {
    /// How long prompts and answers are to be kept, where they are.
    pub(crate) fn content(&self) -> Option<Duration> {
        let age = self.content_retention.map_or(CONTENT_KEPT, |Age(age)| age);
        self.store_content.then_some(age)
    }

    /// The directory that results are kept in, if they are to be.
    pub(crate) fn folder(&self) -> Option<&Path> {
        let saved = || {
            let named = self.save_result.as_ref()?.as_deref();
            Some(named.unwrap_or_else(|| Path::new("results")))
        };
        self.output_dir.as_deref().or_else(saved)
    }
}

/// How requests reach a server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP, with --url")]
pub(crate) struct HttpSettings {
    /// Header to send with every request; may be given again
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// JSON object merged into every request's body; null removes a member
    #[arg(long, value_name = "JSON")]
    pub(crate) extra_body: Option<String>,
    /// Longest a request may take, its connection apart [default: 600s]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,
    /// Longest to wait for a connection [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Option<Span>,
    /// Longest to wait for a stream's first token, or a whole answer's first byte [default: any time]
    #[arg(long, value_name = "TIME")]
    pub(crate) first_token_timeout: Option<Span>,
    /// Times to try a failed request again, each with its limits anew; latencies hold all of it
    /// [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// Open connections inside the measurement, with each user's first request
    #[arg(long)]
    pub(crate) cold_connections: bool,
    /// Speak HTTP/2
    #[arg(long)]
    pub(crate) http2: bool,
    /// Most requests at once on one HTTP/2 connection; the server may allow fewer [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) streams_max: Option<u32>,
    /// PEM file of a certificate authority to trust besides the public ones
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long)]
    pub(crate) insecure: bool,
}
