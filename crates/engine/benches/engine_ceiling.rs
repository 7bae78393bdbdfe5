//! What the engine costs over llama.cpp itself, and what its batching gains.
//!
//! `cargo bench -p engine --bench engine_ceiling [-- --threads N --rounds R --as-is]`
//!
//! The model is the one `scripts/model.sh` fetches, written anew as Q4_0: llama.cpp computes that
//! form for many tokens at once in kernels that it has not for the file's own Q4_1. `--as-is`
//! measures the file.
//!
//! 1. Served over bare: N requests sent at once through [`Engine`], against a loop of nothing but
//!    `llama_decode` and taking the largest logit, over the same prompts, lengths, library, threads,
//!    batch and KV cache. Both count every generated token over the time from the first prompt
//!    token to the last answer token. The two alternate, and the ratio is the
//!    median of the neighbouring pairs', so that what else the machine does weighs on both. The
//!    ratio of the best runs stands beside it: they are the ones least disturbed.
//! 2. Batching: requests of varied answer lengths, all waiting from the start, under each policy.
//! 3. The machine's own limit: prefill rate over the decode rate of one stream. A batch of any size
//!    cannot compute tokens faster than a prefill does.
//!
//! Each run stands in `bench-results/engine_ceiling.json` as well as in the medians printed.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Clock as _, Completion, Failure, Model as _, Progress, Prompt, Request, RequestId, Sampling,
    Seed, Sink, SystemClock,
};
use engine::{Batching, Engine, EngineConfig};
use llama::{
    Batch, Context, ContextOptions, FileType, Library, Model, ModelOptions, SequenceId, Token,
    greedy, quantize,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Tokens of each prompt, about: a different text each, so that none is read from a cache.
const PROMPT_WORDS: usize = 24;

struct Setup {
    model: Model,
    threads: u32,
    rounds: usize,
    runtime: tokio::runtime::Runtime,
    records: Vec<Value>,
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.ancestors().nth(2).expect("crates/engine is two folders deep");
    let library = Library::open(&root.join(".prony/llama")).expect("scripts/llama-library.sh ran");
    let file: PathBuf = root.join(".prony/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let folder = tempfile::tempdir().expect("a folder for the model can be made");
    let file = if std::env::args().any(|argument| argument == "--as-is") {
        file
    } else {
        let dest = folder.path().join("q4_0.gguf");
        quantize(&library, &file, &dest, FileType::Q4_0, 2).expect("scripts/model.sh ran");
        dest
    };
    let model =
        Model::load(&library, &file, ModelOptions::default()).expect("scripts/model.sh ran");
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs no more");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut setup = Setup {
        model,
        threads: argument("--threads").unwrap_or(processors) as u32,
        rounds: argument("--rounds").unwrap_or(5),
        runtime,
        records: Vec::new(),
    };
    println!(
        "{}, llama.cpp {} ({}), {} threads, {} rounds",
        setup.model.description(),
        library.version(),
        library.backends().join(" "),
        setup.threads,
        setup.rounds
    );
    // Short runs are the ones that noise weighs on: more of them.
    let rounds = setup.rounds;
    let one = setup.served_over_bare(1, 128, 4 * rounds);
    setup.served_over_bare(8, 96, 2 * rounds);
    let many = setup.served_over_bare(32, 64, rounds);
    println!("32 streams over 1: {:.2}×", many / one);
    setup.own_limit(one);
    setup.batching_gain();
    setup.write(&root.join("bench-results"));
}

/// The number after `name` on the command line.
fn argument(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map(|value| value.parse().expect("a number follows"))
}

impl Setup {
    fn config(&self, batching: Batching) -> EngineConfig {
        let threads = Some(self.threads);
        EngineConfig { batching, threads, prefix_cache: 0, ..EngineConfig::default() }
    }

    /// Alternates served and bare runs of `streams` answers of `length` tokens; the served rate.
    fn served_over_bare(&mut self, streams: usize, length: usize, rounds: usize) -> f64 {
        let config = self.config(Batching::Continuous { max_size: streams as u32 });
        let mut context = bare_context(&self.model, &config);
        let engine = start(&self.model, config);
        let (mut served, mut bare) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let prompts: Vec<String> =
                (0..streams).map(|index| prompt(round * streams + index)).collect();
            let requests: Vec<Request> =
                prompts.iter().map(|prompt| request(prompt, length)).collect();
            // Whoever comes first finds the machine cooler: take turns.
            if round % 2 == 0 {
                served.push(self.runtime.block_on(serve(&engine, requests)));
                bare.push(bare_loop(&mut context, &prompts, length));
            } else {
                bare.push(bare_loop(&mut context, &prompts, length));
                served.push(self.runtime.block_on(serve(&engine, requests)));
            }
        }
        let (served_mid, bare_mid) = (median(&served), median(&bare));
        let ratios: Vec<f64> =
            served.iter().zip(&bare).map(|(served, bare)| served / bare).collect();
        println!(
            "{streams:>2} streams of {length:>3} tokens: served {served_mid:6.1} tok/s, bare \
             {bare_mid:6.1} tok/s, ratio {:.3}; of the best runs {:.3}",
            median(&ratios),
            best(&served) / best(&bare)
        );
        self.records.push(json!({
            "measure": "served_over_bare", "streams": streams, "output_tokens": length,
            "threads": self.threads, "served_tokens_per_s": served, "bare_tokens_per_s": bare,
        }));
        served_mid
    }

    /// How much faster a prefill computes tokens than one stream does.
    fn own_limit(&mut self, decode: f64) {
        let config = self.config(Batching::Continuous { max_size: 1 });
        let mut context = bare_context(&self.model, &config);
        let text = (0..40).map(prompt).collect::<Vec<_>>().join(" ");
        let tokens = self.model.tokenize(&text, true);
        let tokens = &tokens[..config.batch as usize];
        let mut rates = Vec::new();
        for _ in 0..self.rounds {
            context.clear();
            let mut batch = Batch::default();
            for (position, &token) in tokens.iter().enumerate() {
                let last = position + 1 == tokens.len();
                batch.push(token, position as u32, SequenceId(0), last);
            }
            let start = SystemClock.now();
            context.decode(&mut batch).expect("there is room");
            let _ = context.logits(batch.len() - 1);
            rates.push(rate(tokens.len(), SystemClock.now().since(start)));
        }
        let prefill = median(&rates);
        println!(
            "the machine's own limit: prefill of {} at {prefill:.1} tok/s, {:.2}× one stream",
            tokens.len(),
            prefill / decode
        );
        self.records.push(json!({
            "measure": "prefill", "tokens": tokens.len(), "threads": self.threads,
            "tokens_per_s": rates,
        }));
    }

    /// The same waiting requests, of 4 to 96 tokens, under each policy.
    fn batching_gain(&mut self) {
        let size = 8;
        let max_delay = Duration::from_millis(20);
        let mut medians = Vec::new();
        for (name, batching) in [
            ("static", Batching::Static { size }),
            ("dynamic", Batching::Dynamic { max_size: size, max_delay }),
            ("continuous", Batching::Continuous { max_size: size }),
        ] {
            let engine = start(&self.model, self.config(batching));
            let mut rates = Vec::new();
            for round in 0..self.rounds.min(2) {
                let mut random = Seed(7).child("lengths").nth(round as u64).random();
                let requests = (0..32)
                    .map(|index| request(&prompt(index), 4 + random.below(93) as usize))
                    .collect();
                rates.push(self.runtime.block_on(serve(&engine, requests)));
            }
            let stats = engine.snapshot();
            let mean = stats.tick_answers as f64 / stats.ticks as f64;
            println!(
                "{name:>10} batches of {size}: {:6.1} tok/s, {mean:.2} answers a batch",
                median(&rates)
            );
            medians.push(median(&rates));
            self.records.push(json!({
                "measure": "batching", "policy": name, "size": size, "threads": self.threads,
                "tokens_per_s": rates, "answers_per_tick": mean,
            }));
        }
        println!("continuous over static: {:.2}×", medians[2] / medians[0]);
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark keeps its raw runs")]
    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let report = json!({
            "bench": "engine_ceiling",
            "model": self.model.description(),
            "llama_cpp": self.model.library().version(),
            "backends": self.model.library().backends(),
            "unix_s": SystemClock.unix_nanos() / 1_000_000_000,
            "records": self.records,
        });
        let file = folder.join("engine_ceiling.json");
        std::fs::write(&file, format!("{report:#}\n")).expect("the folder can be written");
        println!("raw runs: {}", file.display());
    }
}

fn start(model: &Model, config: EngineConfig) -> Arc<Engine> {
    Arc::new(Engine::start(model.clone(), config, Arc::new(SystemClock)).expect("it starts"))
}

/// A text of its own for each index.
fn prompt(index: usize) -> String {
    const WORDS: [&str; 16] = [
        "river", "engine", "window", "seven", "paper", "quiet", "measure", "garden", "copper",
        "letter", "winter", "signal", "harbour", "green", "station", "morning",
    ];
    let mut random = Seed(1).child("prompts").nth(index as u64).random();
    let words: Vec<&str> = (0..PROMPT_WORDS).map(|_| WORDS[random.below(16) as usize]).collect();
    words.join(" ")
}

fn request(prompt: &str, length: usize) -> Request {
    Request {
        id: RequestId { run: 0, index: 0 },
        model: "bench".into(),
        prompt: Prompt::Text(prompt.into()),
        max_tokens: Some(length as u64),
        ignore_eos: true,
        stream: true,
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        stop: Arc::new([]),
        tools: None,
    }
}

/// Counts chunks, as a client would that looks at each.
struct Count(usize);

impl Sink for Count {
    fn progress(&mut self, progress: Progress<'_>) {
        if let Progress::Chunk(_) = progress {
            self.0 += 1;
        }
    }
}

async fn send(engine: Arc<Engine>, request: Request) -> Result<Completion, Failure> {
    engine.send(&request, &mut Count(0)).await
}

/// Sends all requests at once; generated tokens a second, from the first's sending to the last's
/// end.
async fn serve(engine: &Arc<Engine>, requests: Vec<Request>) -> f64 {
    let start = SystemClock.now();
    let mut tasks = JoinSet::new();
    for request in requests {
        tasks.spawn(send(Arc::clone(engine), request));
    }
    let tokens: u64 = tasks
        .join_all()
        .await
        .into_iter()
        .map(|result| result.expect("it succeeds").usage.expect("counted").output.count())
        .sum();
    rate(tokens as usize, SystemClock.now().since(start))
}

/// The context the engine makes for the same settings.
fn bare_context(model: &Model, config: &EngineConfig) -> Context {
    let threads = config.threads.expect("the bench sets it");
    let options = ContextOptions {
        context: config.context,
        batch: config.batch,
        micro_batch: config.micro_batch,
        sequences: config.batching.size_max() + config.prefix_cache,
        threads,
        threads_batch: threads,
        unified: true,
        flash_attention: config.flash_attention,
        keys: config.keys,
        values: config.values,
    };
    Context::new(model, options).expect("memory suffices")
}

/// llama.cpp and nothing else: all prompts in as few batches as hold them, then one token of each
/// stream a batch.
fn bare_loop(context: &mut Context, prompts: &[String], length: usize) -> f64 {
    let model = context.model().clone();
    context.clear();
    let start = SystemClock.now();
    let mut batch = Batch::default();
    let mut positions: Vec<u32> = Vec::new();
    let mut next: Vec<Token> = Vec::new();
    for (stream, prompt) in prompts.iter().enumerate() {
        let tokens = model.tokenize(prompt, true);
        if batch.len() + tokens.len() > context.options().batch as usize {
            prefill(context, &mut batch, &mut next);
        }
        positions.push(tokens.len() as u32);
        for (position, &token) in tokens.iter().enumerate() {
            let last = position + 1 == tokens.len();
            batch.push(token, position as u32, SequenceId(stream as u32), last);
        }
    }
    prefill(context, &mut batch, &mut next);
    for _ in 1..length {
        batch.clear();
        for (stream, (position, &token)) in positions.iter_mut().zip(&next).enumerate() {
            batch.push(token, *position, SequenceId(stream as u32), true);
            *position += 1;
        }
        context.decode(&mut batch).expect("there is room");
        for (index, token) in next.iter_mut().enumerate() {
            *token = greedy(context.logits(index));
        }
    }
    rate(prompts.len() * length, SystemClock.now().since(start))
}

/// Decodes whole prompts, and draws the first token of each.
fn prefill(context: &mut Context, batch: &mut Batch, next: &mut Vec<Token>) {
    let outputs: Vec<usize> = batch.outputs().collect();
    context.decode(batch).expect("there is room");
    next.extend(outputs.into_iter().map(|index| greedy(context.logits(index))));
    batch.clear();
}

fn rate(tokens: usize, time: Duration) -> f64 {
    tokens as f64 / time.as_secs_f64()
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
