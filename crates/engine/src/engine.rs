//! The embedded engine as a [`Model`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use domain::{
    BoxFuture, Clock, Completion, Failure, FailureKind, Message, Model, Progress, Prompt, Request,
    Seed, Sink,
};
use llama::{Batch, Context, ContextOptions, LoadError, Sampling, Token};

use crate::config::{ConfigError, EngineConfig, PlainText};
use crate::intake::{Intake, Job, Refusal};
use crate::mailbox::{Delivery, Mailbox, Reply};
use crate::schedule::{Limits, Schedule, Tick};
use crate::stats::{Snapshot, Stats};
use crate::worker::Worker;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// llama.cpp could not make the context.
    #[error(transparent)]
    Context(#[from] LoadError),
    /// The system refused the engine its thread.
    #[error("cannot start the engine's thread: {0}")]
    Thread(std::io::Error),
}

/// A model run by llama.cpp in this process. Dropping it ends its thread, after the batch under
/// way.
pub struct Engine {
    model: llama::Model,
    config: EngineConfig,
    context_per_request: usize,
    intake: Arc<Intake>,
    stats: Arc<Stats>,
    clock: Arc<dyn Clock>,
    /// Counts requests without a seed of their own, to give each another.
    drawn: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("model", &self.model)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes a context over `model` and starts the thread that works on it.
    ///
    /// # Errors
    /// Where the settings cannot work, or memory does not suffice.
    pub fn start(
        model: llama::Model,
        config: EngineConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        config.check()?;
        let context = Context::new(&model, context_options(&config))?;
        let limits = limits(&config, &model);
        let intake = Arc::new(Intake::new(config.queue));
        let stats = Arc::new(Stats::default());
        let worker = Worker {
            model: model.clone(),
            context,
            batching: config.batching,
            schedule: Schedule::new(limits),
            answers: std::iter::repeat_with(|| None).take(limits.running + limits.kept).collect(),
            intake: Arc::clone(&intake),
            stats: Arc::clone(&stats),
            clock: Arc::clone(&clock),
            batch: Batch::default(),
            tick: Tick::default(),
        };
        let stopper = Stopper(Arc::clone(&intake));
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let _stopper = stopper;
                worker.run();
            })
            .map_err(StartError::Thread)?;
        let own = config.context_per_request.unwrap_or_else(|| model.context_trained().max(1));
        Ok(Self {
            context_per_request: own.min(config.context) as usize,
            model,
            config,
            intake,
            stats,
            clock,
            drawn: AtomicU64::new(0),
            thread: Some(thread),
        })
    }

    /// The model it runs, which is also its tokenizer.
    #[must_use]
    pub fn model(&self) -> &llama::Model {
        &self.model
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Most tokens of one request, prompt and answer.
    #[must_use]
    pub fn context_per_request(&self) -> usize {
        self.context_per_request
    }

    /// What it has done so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            running_max: u64::from(self.config.batching.size_max()),
            queued: self.intake.len() as u64,
            queued_max: self.config.queue as u64,
            context: u64::from(self.config.context),
            ..self.stats.snapshot()
        }
    }

    /// The prompt's tokens, a conversation in the model's own form.
    fn tokens(&self, prompt: &Prompt) -> Result<Vec<Token>, Failure> {
        let said;
        let messages = match (prompt, self.config.plain_text) {
            (Prompt::Text(text), PlainText::Continued) => {
                return Ok(self.model.tokenize(text, true));
            }
            (Prompt::Text(text), PlainText::Said) => {
                said = [Message::User(Arc::clone(text))];
                &said
            }
            (Prompt::Messages(messages), _) => &messages[..],
        };
        let now_unix_s = self.clock.unix_nanos() / 1_000_000_000;
        let text = self.model.apply_template(messages, now_unix_s);
        let text = text.map_err(|error| rejected(error.to_string()))?;
        Ok(self.model.tokenize(&text, true))
    }

    fn job(&self, request: &Request) -> Result<Job, Failure> {
        refuse_tools(request)?;
        let prompt = self.tokens(&request.prompt)?;
        if prompt.is_empty() {
            return Err(rejected("the prompt is empty"));
        }
        let max_tokens = self.max_tokens(prompt.len(), request.max_tokens)?;
        Ok(Job {
            prompt,
            max_tokens,
            ignore_eos: request.ignore_eos,
            sampling: self.sampling(request)?,
            stop: Arc::clone(&request.stop),
            reply: Reply(Arc::new(Mailbox::new(request.stream))),
            queued: self.clock.now(),
        })
    }

    /// How long the answer may become: what was asked for if it fits, else the default as far as it
    /// fits.
    fn max_tokens(&self, prompt: usize, asked: Option<u64>) -> Result<usize, Failure> {
        let most = self.context_per_request;
        let left = most.saturating_sub(prompt);
        let fits = match asked {
            Some(0) => return Err(rejected("max_tokens must be at least 1")),
            Some(asked) => usize::try_from(asked).ok().filter(|&asked| asked <= left),
            None => Some(left.min(self.config.max_tokens as usize)).filter(|&fits| fits > 0),
        };
        fits.ok_or_else(|| {
            let asked = asked.map_or_else(String::new, |asked| format!(" and max_tokens {asked}"));
            rejected(format!(
                "a prompt of {prompt} tokens{asked} does not fit into {most} tokens: shorten the \
                 prompt, lower max_tokens, or raise the engine's context_per_request (at most its \
                 context, {})",
                self.config.context
            ))
        })
    }

    /// The request's sampling; what it leaves open is the model's own distribution, as with
    /// OpenAI's servers.
    fn sampling(&self, request: &Request) -> Result<Sampling, Failure> {
        let asked = &request.sampling;
        let within = |name: &str, value: Option<f64>, default: f64, most: f64| {
            let value = value.unwrap_or(default);
            if (0.0..=most).contains(&value) {
                Ok(value as f32)
            } else {
                Err(rejected(format!("{name} must be between 0 and {most}, and is {value}")))
            }
        };
        let seed = asked
            .seed
            .map_or_else(|| self.config.seed.nth(self.drawn.fetch_add(1, Ordering::Relaxed)), Seed);
        Ok(Sampling {
            temperature: within("temperature", asked.temperature, 1.0, 100.0)?,
            top_k: asked.top_k.filter(|&top_k| top_k > 0),
            top_p: within("top_p", asked.top_p, 1.0, 1.0)?,
            min_p: within("min_p", asked.min_p, 0.0, 1.0)?,
            // llama.cpp draws a seed of its own for the largest number.
            seed: ((seed.0 ^ (seed.0 >> 32)) as u32).min(u32::MAX - 1),
        })
    }

    async fn run(&self, request: &Request, sink: &mut dyn Sink) -> Result<Completion, Failure> {
        let job = self.job(request)?;
        let mailbox = Arc::clone(&job.reply.0);
        let clock = &*self.clock;
        // Before, since the engine's thread may answer before this one goes on.
        let sent = clock.now();
        self.intake.submit(job).map_err(|refusal| match refusal {
            Refusal::Full => {
                Stats::add(&self.stats.refused, 1);
                let waiting = self.config.queue;
                let message = format!("{waiting} requests wait already, as many as may");
                Failure::new(FailureKind::Overloaded, message)
            }
            Refusal::Stopped => Failure::new(FailureKind::ServerError, "the engine has stopped"),
        })?;
        let mut guard =
            CancelOnDrop { intake: &self.intake, mailbox: Arc::clone(&mailbox), armed: true };
        sink.progress(Progress::Sent(sent));
        let delivery = Delivery { mailbox, sink, clock, text: String::new(), pieces: Vec::new() };
        let result = delivery.await;
        guard.armed = false;
        result
    }
}

impl Model for Engine {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(self.run(request, sink))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.intake.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed, and every request has failed of it.
            let _ = thread.join();
        }
    }
}

/// Frees what a request holds when its future is dropped before its end.
struct CancelOnDrop<'a> {
    intake: &'a Intake,
    mailbox: Arc<Mailbox>,
    armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.intake.cancel(&self.mailbox);
        }
    }
}

/// Stops the intake when the engine's thread ends, however it ends.
struct Stopper(Arc<Intake>);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.stop();
        self.0.lock().jobs.clear();
    }
}

/// The engine has no grammar that would make its answers calls.
fn refuse_tools(request: &Request) -> Result<(), Failure> {
    if request.tools.is_some() {
        return Err(rejected(
            "this engine's models cannot call tools: leave the request's tools out",
        ));
    }
    match &request.prompt {
        Prompt::Messages(messages) if messages.iter().any(Message::is_about_tools) => {
            Err(rejected(
                "this engine's models know no tools: leave calls and their results out of the \
                 conversation",
            ))
        }
        Prompt::Messages(_) | Prompt::Text(_) => Ok(()),
    }
}

fn rejected(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Rejected, message)
}

fn context_options(config: &EngineConfig) -> ContextOptions {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = config.threads.unwrap_or(u32::try_from(processors).unwrap_or(1));
    ContextOptions {
        context: config.context,
        batch: config.batch,
        micro_batch: config.micro_batch,
        sequences: config.batching.size_max() + config.prefix_cache,
        threads,
        threads_batch: config.threads_batch.unwrap_or(threads),
        unified: true,
        flash_attention: config.flash_attention,
        keys: config.keys,
        values: config.values,
    }
}

fn limits(config: &EngineConfig, model: &llama::Model) -> Limits {
    Limits {
        cells: config.context as usize,
        running: config.batching.size_max() as usize,
        kept: config.prefix_cache as usize,
        tick: config.batch as usize,
        prefill: config.prefill_chunk as usize,
        share: model.can_share_prefix(),
    }
}
