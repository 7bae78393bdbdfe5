//! What all runs of a benchmark have in common.

use std::time::Duration;

use analysis::{ArrivalClock, Convention, Origin, RunSpec, Slo};
use domain::{Sampling, Seed, Timestamp};
use load::{Load, Plan, Stop, Template};

/// How a benchmark is carried out, whatever model, prompts and load a run of it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// Where every random draw comes from.
    pub seed: Seed,
    /// Users join, or the rate rises, evenly over this time.
    pub ramp: Duration,
    /// When a run sends no more.
    pub stop: Stop,
    /// Requests each run sends before the measured ones.
    pub warmup: u64,
    /// Whether each user's connection is opened before its first request.
    pub prepare: bool,
    /// The longest answer; the prompts' own limit stands where this is `None`.
    pub max_tokens: Option<u64>,
    /// Whether requests ask to go on past the model's own end.
    pub ignore_eos: bool,
    /// Whether every answer is to go on until its limit, so that one which does not is worth a
    /// doubt. It may be wanted where requests cannot ask for it.
    pub demands_lengths: bool,
    /// Whether answers come token by token.
    pub stream: bool,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end an answer.
    pub stop_texts: Vec<String>,
    /// Limits for goodput.
    pub slo: Option<Slo>,
    /// Whose definitions the figures follow.
    pub convention: Convention,
}

impl Protocol {
    /// One that leaves everything at its default but what says when runs end.
    #[must_use]
    pub fn until(stop: Stop) -> Self {
        Self {
            seed: Seed(0),
            ramp: Duration::ZERO,
            stop,
            warmup: 0,
            prepare: true,
            max_tokens: None,
            ignore_eos: false,
            demands_lengths: false,
            stream: true,
            sampling: Sampling::default(),
            stop_texts: Vec::new(),
            slo: None,
            convention: Convention::Prony,
        }
    }

    /// The plan of the run called `run`, which asks for `model` under `load`.
    #[must_use]
    pub fn plan(&self, run: u64, model: &str, load: &Load) -> Plan {
        Plan {
            run,
            load: load.clone(),
            ramp: self.ramp,
            stop: self.stop,
            warmup: self.warmup,
            prepare: self.prepare,
            seed: self.seed,
            template: Template {
                model: model.into(),
                max_tokens: self.max_tokens,
                ignore_eos: self.ignore_eos,
                stream: self.stream,
                sampling: self.sampling.clone(),
                stop: self.stop_texts.clone().into(),
            },
        }
    }

    /// What is known beforehand of a run under `load`, but for its prompts, from `window_start` on.
    #[must_use]
    pub fn spec(&self, load: &Load, arrivals: ArrivalClock, window_start: Timestamp) -> RunSpec {
        let (origin, in_flight_max) = match load {
            Load::Closed(_) => (Origin::Started, None),
            Load::Open(open) => (Origin::Planned, open.in_flight_max),
        };
        RunSpec {
            origin,
            window_start,
            window_end: None,
            ramp: self.ramp,
            in_flight_max,
            slo: self.slo,
            convention: self.convention,
            arrivals,
            distinct_prompts: None,
            sent_before: 0,
            demands_lengths: self.demands_lengths,
            asks_streams: self.stream,
        }
    }
}
