//! The settings of `prony bench`, as written. What is missing and what contradicts itself is found
//! when they are checked, in [`super::check`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::value::{Goodput, List, Rate, Share, Span};

/// Which endpoint a server answers on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndpointType {
    /// OpenAI /v1/chat/completions
    Chat,
    /// OpenAI /v1/completions
    Completions,
    /// Anthropic /v1/messages
    Messages,
}

/// How the gaps between arrivals are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalKind {
    /// Independent arrivals
    Poisson,
    /// Equal gaps
    Constant,
    /// Gamma gaps, bursty or even by --burstiness
    Gamma,
}

/// What is printed at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputKind {
    /// Result blocks and a table
    #[default]
    Human,
    /// The summary as JSON
    Json,
}

/// A format that records are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// requests.jsonl, which is always written
    Jsonl,
    /// requests.csv
    Csv,
    /// requests.parquet
    Parquet,
}

/// Whose meaning the figures have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConventionKind {
    /// Prony's own, see docs/glossary.md
    #[default]
    Prony,
    /// That of vLLM's serving benchmark
    Vllm,
    /// That of AIPerf
    Aiperf,
    /// That of GuideLLM
    Guidellm,
}

/// Settings of `prony bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  prony bench --url http://127.0.0.1:8000 --concurrency 1,8,64 --duration 60s
  prony bench --url https://api.openai.com --model gpt-4o-mini --request-rate 5/s --num-prompts 300
  prony bench --engine model.gguf --scenario short_queries,code_generation --num-prompts 64

Exit codes: 0 all requests succeeded, 2 bad settings, 3 files, 4 model or engine, 5 too few open
files, 10-22 requests failed (one code a kind), 130 stopped by Ctrl-C. See docs/exit-codes.md.")]
pub(crate) struct BenchSettings {
    /// Settings from a TOML file, keys named like the flags. Flags win: a key that a flag repeats or
    /// contradicts is left out, and --no-X switches off X = true (for no_stream and no_progress
    /// --stream and --progress)
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
    /// Endpoint the server answers on; found out where it can be. With --engine, whether prompts of
    /// text are chat or are continued: chat where the model has a chat template
    #[arg(long, value_name = "TYPE")]
    pub(crate) endpoint_type: Option<EndpointType>,
    /// Model to ask for, or several with commas; the server's first where it lists them
    #[arg(long, value_name = "NAMES")]
    pub(crate) model: Option<List<String>>,
    /// File whose first line is the API key; else OPENAI_API_KEY or ANTHROPIC_API_KEY
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Header to send with every request; may be given again
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// JSON object merged into every request's body; null removes a member
    #[arg(long, value_name = "JSON")]
    pub(crate) extra_body: Option<String>,
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
    /// Longest one try of a request may take, its connection apart [default: 600s]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,
    /// Longest to wait for a connection [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Option<Span>,
    /// Longest to wait, once a request is sent, for the first byte of the answer's body
    #[arg(long, value_name = "TIME")]
    pub(crate) first_token_timeout: Option<Span>,
    /// Times to try a failed request again; its record says how many tries it took, and its
    /// latencies hold the pauses between them [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// Ask for whole answers instead of streams
    #[arg(long)]
    pub(crate) no_stream: bool,
    #[command(flatten)]
    pub(crate) embedded: crate::engine_source::EmbeddedSettings,
}

impl TargetSettings {
    /// Whether a server is named that is spoken to without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.url.as_deref().is_some_and(|url| url.starts_with("http://"))
    }
}

/// How requests come, and when they stop.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadSettings {
    /// Users who each ask again once answered; several loads with commas. With --request-rate, the
    /// most requests in flight
    #[arg(long, value_name = "N,N,…", visible_alias = "max-concurrency")]
    pub(crate) concurrency: Option<List<u64>>,
    /// Requests a second on a schedule, answered or not, such as 20/s; several with commas
    #[arg(long, value_name = "RATE,…")]
    pub(crate) request_rate: Option<List<Rate>>,
    /// How gaps between requests are distributed [default: poisson, or gamma with --burstiness]
    #[arg(long, value_name = "KIND")]
    pub(crate) arrivals: Option<ArrivalKind>,
    /// Shape of gamma gaps: below 1 bursty, 1 Poisson, above 1 even
    #[arg(long, value_name = "SHAPE")]
    pub(crate) burstiness: Option<f64>,
    /// Time over which users join, or the rate rises
    #[arg(long, value_name = "TIME")]
    pub(crate) ramp_up: Option<Span>,
    /// Requests to send in each run [default: 100 where nothing else ends it]
    #[arg(long, value_name = "N", visible_alias = "request-count")]
    pub(crate) num_prompts: Option<u64>,
    /// Time to send requests for in each run
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<Span>,
    /// Requests each user sends at most
    #[arg(long, value_name = "N")]
    pub(crate) requests_per_user: Option<u64>,
    /// Time a user waits before asking again
    #[arg(long, value_name = "TIME")]
    pub(crate) think_time: Option<Span>,
    /// Failed requests that end a run
    #[arg(long, value_name = "N")]
    pub(crate) max_errors: Option<u64>,
    /// Share of failed requests that still counts as success [default: 0%]
    #[arg(long, value_name = "SHARE")]
    pub(crate) max_error_rate: Option<Share>,
    /// Requests sent before each run that count in no figure [default: 0]
    #[arg(long, value_name = "N", visible_alias = "warmup-requests")]
    pub(crate) warmup: Option<u64>,
    /// Open connections inside the measurement, with each user's first request
    #[arg(long)]
    pub(crate) cold_connections: bool,
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
    /// short_queries, long_documents or code_generation; several with commas
    /// [default: short_queries]
    #[arg(long, value_name = "NAMES")]
    pub(crate) scenario: Option<List<String>>,
    /// JSONL of prompts, of OpenAI messages, or in ShareGPT form
    #[arg(long, value_name = "FILE", visible_alias = "dataset-path", conflicts_with = "scenario")]
    pub(crate) dataset: Option<PathBuf>,
    /// Synthetic prompts of this many tokens: 512, N(512,128) or U(64,256)
    #[arg(long, value_name = "LENGTH", visible_alias = "isl",
          conflicts_with_all = ["scenario", "dataset"])]
    pub(crate) input_len: Option<String>,
    /// Tokens of answer to ask for with synthetic prompts: a length as above
    #[arg(long, value_name = "LENGTH", visible_alias = "osl")]
    pub(crate) output_len: Option<String>,
    /// Tokens that all synthetic prompts begin with
    #[arg(long, value_name = "N", requires = "input_len")]
    pub(crate) prefix_len: Option<u64>,
    /// Longest answer, in tokens, whatever the workload says
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// Have the server generate to the limit, past the model's own end (vLLM, SGLang, llama.cpp,
    /// the embedded engine); answers that end before it are named in the verdict
    #[arg(long)]
    pub(crate) ignore_eos: bool,
    /// Tokenizer for lengths and for counts that the server does not give: a tokenizer.json, or
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
}

/// What comes out.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputSettings {
    /// What to print [default: human]
    #[arg(long, value_name = "KIND")]
    pub(crate) output: Option<OutputKind>,
    /// Directory for summary.json and requests.jsonl
    #[arg(long, value_name = "DIR", visible_aliases = ["result-dir", "save-result"])]
    pub(crate) output_dir: Option<PathBuf>,
    /// Write over results already in the directory
    #[arg(long, requires = "output_dir")]
    pub(crate) overwrite: bool,
    /// Further formats of the records: csv, parquet
    #[arg(long, value_name = "FORMATS", value_delimiter = ',', requires = "output_dir")]
    pub(crate) format: Vec<RecordFormat>,
    /// Whose meaning the figures have
    #[arg(long, value_name = "WHOSE")]
    pub(crate) convention: Option<ConventionKind>,
    /// Limits a good request keeps, in milliseconds: 'ttft:200 tpot:50 e2el:5000'
    #[arg(long, value_name = "LIMITS")]
    pub(crate) goodput: Option<Goodput>,
    /// Show no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
}
