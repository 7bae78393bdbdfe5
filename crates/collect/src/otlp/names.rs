//! What is told under which name: one table for all versions.

use analysis::Sketch;
use domain::Vantage;

use super::Conventions;
use crate::Status;
use crate::breakdown::TokenCounts;
use crate::totals::Total;

/// An attribute of a point beside those of its series, and the point's value.
pub(super) type Own<T> = (Option<(&'static str, &'static str)>, T);

/// A metric of requests.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    /// Which series it is of.
    observer: Observer,
    pub(super) points: Points,
}

/// Who saw the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Observer {
    /// Whoever.
    Any,
    /// The client, or a gateway, which is one itself.
    Client,
    /// The engine that answered them.
    Engine,
}

/// How a series' points come about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Points {
    /// Durations.
    Durations(fn(&Total) -> Vec<Own<&Sketch>>),
    /// Requests by their tokens.
    Tokens(fn(&Total) -> Vec<Own<&TokenCounts>>),
    /// A number that only grows.
    Counter(fn(&Total) -> Vec<Own<u64>>),
    /// A number that comes and goes.
    Gauge(fn(&Total) -> u64),
}

impl Metric {
    const fn seconds(
        (name, description): (&'static str, &'static str),
        observer: Observer,
        points: fn(&Total) -> Vec<Own<&Sketch>>,
    ) -> Self {
        Self { name, unit: "s", description, observer, points: Points::Durations(points) }
    }

    const fn tokens(
        (name, description): (&'static str, &'static str),
        observer: Observer,
        points: fn(&Total) -> Vec<Own<&TokenCounts>>,
    ) -> Self {
        Self { name, unit: "{token}", description, observer, points: Points::Tokens(points) }
    }

    const fn counter(
        (name, unit, description): (&'static str, &'static str, &'static str),
        observer: Observer,
        points: fn(&Total) -> Vec<Own<u64>>,
    ) -> Self {
        Self { name, unit, description, observer, points: Points::Counter(points) }
    }

    /// Whether the series is one that it is of.
    pub(super) fn is_of(&self, total: &Total) -> bool {
        let is_engine = total.series.series().vantage == Vantage::Engine;
        match self.observer {
            Observer::Any => true,
            Observer::Client => !is_engine,
            Observer::Engine => is_engine,
        }
    }
}

/// Every metric of requests.
pub(super) fn metrics(conventions: Conventions) -> impl Iterator<Item = &'static Metric> {
    let of_version = match conventions {
        Conventions::V1_41 => V1_41,
        Conventions::Next => NEXT,
    };
    of_version.iter().chain(IN_BOTH)
}

const DURATION: &str = "End-to-end latency of requests.";
const FIRST_CHUNK: &str = "Time to the first token, of requests that were streamed and succeeded.";
const PER_CHUNK: &str = "The gaps between chunks, of requests that were streamed and succeeded.";
const PER_TOKEN: &str = "Time per token after the first, of requests that succeeded.";
const USAGE: &str = "Requests by their tokens.";
const INPUT: &str = "Tokens of prompts, cached ones included.";
const OUTPUT: &str = "Tokens of answers, reasoning included.";
const CACHE_READ: &str = "Tokens of prompts read from the provider's prompt cache.";
const CACHE_WRITE: &str = "Tokens of prompts written to the provider's prompt cache.";
const REASONING: &str = "Tokens of answers that the provider says were spent on reasoning.";

const TOKENS: &str = "{token}";

const V1_41: &[Metric] = &[
    Metric::seconds(("gen_ai.client.operation.duration", DURATION), Observer::Client, durations),
    Metric::seconds(
        ("gen_ai.client.operation.time_to_first_chunk", FIRST_CHUNK),
        Observer::Client,
        first_token,
    ),
    Metric::seconds(
        ("gen_ai.client.operation.time_per_output_chunk", PER_CHUNK),
        Observer::Client,
        gaps,
    ),
    Metric::tokens(("gen_ai.client.token.usage", USAGE), Observer::Client, usage),
    Metric::counter(CACHE_READ_OWN, Observer::Any, cache_read),
    Metric::counter(CACHE_WRITE_OWN, Observer::Any, cache_write),
    Metric::counter(REASONING_OWN, Observer::Any, reasoning),
];

const NEXT: &[Metric] = &[
    Metric::seconds(("gen_ai.client.inference.duration", DURATION), Observer::Client, durations),
    Metric::seconds(
        ("gen_ai.client.inference.time_to_first_chunk", FIRST_CHUNK),
        Observer::Client,
        first_token,
    ),
    Metric::seconds(
        ("gen_ai.client.inference.time_per_output_chunk", PER_CHUNK),
        Observer::Client,
        gaps,
    ),
    Metric::tokens(
        ("gen_ai.client.inference.operation.input_tokens", USAGE),
        Observer::Client,
        |total| vec![(None, &total.breakdown.input)],
    ),
    Metric::tokens(
        ("gen_ai.client.inference.operation.output_tokens", USAGE),
        Observer::Client,
        |total| vec![(None, &total.breakdown.output)],
    ),
    Metric::counter(
        ("gen_ai.client.inference.usage.input_tokens", TOKENS, INPUT),
        Observer::Client,
        |total| text(total.rollup.flow.input_tokens),
    ),
    Metric::counter(
        ("gen_ai.client.inference.usage.output_tokens", TOKENS, OUTPUT),
        Observer::Client,
        |total| text(total.rollup.flow.output_tokens),
    ),
    Metric::counter(
        ("gen_ai.client.inference.usage.cache_read.input_tokens", TOKENS, CACHE_READ),
        Observer::Client,
        |total| text(total.rollup.flow.cached_tokens),
    ),
    Metric::counter(
        ("gen_ai.client.inference.usage.cache_write.input_tokens", TOKENS, CACHE_WRITE),
        Observer::Client,
        |total| text(total.breakdown.cache_written),
    ),
    Metric::counter(
        ("gen_ai.client.inference.usage.reasoning.output_tokens", TOKENS, REASONING),
        Observer::Client,
        |total| text(total.breakdown.reasoning),
    ),
    Metric::counter(CACHE_READ_OWN, Observer::Engine, cache_read),
    Metric::counter(CACHE_WRITE_OWN, Observer::Engine, cache_write),
    Metric::counter(REASONING_OWN, Observer::Engine, reasoning),
];

const CACHE_READ_OWN: (&str, &str, &str) = ("prony.cache_read.input_tokens", TOKENS, CACHE_READ);
const CACHE_WRITE_OWN: (&str, &str, &str) = ("prony.cache_write.input_tokens", TOKENS, CACHE_WRITE);
const REASONING_OWN: (&str, &str, &str) = ("prony.reasoning.output_tokens", TOKENS, REASONING);

const IN_BOTH: &[Metric] = &[
    Metric::seconds(("gen_ai.server.request.duration", DURATION), Observer::Engine, durations),
    Metric::seconds(
        ("gen_ai.server.time_to_first_token", FIRST_CHUNK),
        Observer::Engine,
        first_token,
    ),
    Metric::seconds(
        ("gen_ai.server.time_per_output_token", PER_TOKEN),
        Observer::Engine,
        per_token,
    ),
    Metric::seconds(("prony.time_per_output_token", PER_TOKEN), Observer::Client, per_token),
    Metric::seconds(("prony.time_per_output_chunk", PER_CHUNK), Observer::Engine, gaps),
    Metric::seconds(
        (
            "prony.schedule_lag",
            "How much later than planned the client started requests, waits for a place apart.",
        ),
        Observer::Any,
        |total| vec![(None, &total.rollup.ended.client_lag)],
    ),
    Metric::tokens(("prony.token.usage", USAGE), Observer::Engine, usage),
    Metric::counter(
        ("prony.retries", "{attempt}", "Tries beyond each request's first."),
        Observer::Any,
        |total| vec![(None, total.rollup.ended.retries)],
    ),
    Metric {
        name: "prony.requests.active",
        unit: "{request}",
        description: "Requests in flight.",
        observer: Observer::Any,
        points: Points::Gauge(|total| total.series.in_flight()),
    },
];

fn durations(total: &Total) -> Vec<Own<&Sketch>> {
    let failed = total.breakdown.failed_after.iter();
    let failed = failed.map(|(kind, after)| (Some(("error.type", kind.as_str())), after));
    std::iter::once((None, &total.rollup.ended.e2e)).chain(failed).collect()
}

fn first_token(total: &Total) -> Vec<Own<&Sketch>> {
    vec![(None, &total.rollup.ended.ttft)]
}

fn gaps(total: &Total) -> Vec<Own<&Sketch>> {
    vec![(None, &total.rollup.ended.itl)]
}

fn per_token(total: &Total) -> Vec<Own<&Sketch>> {
    vec![(None, &total.rollup.ended.tpot)]
}

fn usage(total: &Total) -> Vec<Own<&TokenCounts>> {
    let direction = |direction| Some(("gen_ai.token.type", direction));
    vec![
        (direction("input"), &total.breakdown.input),
        (direction("output"), &total.breakdown.output),
    ]
}

fn cache_read(total: &Total) -> Vec<Own<u64>> {
    vec![(None, total.rollup.flow.cached_tokens)]
}

fn cache_write(total: &Total) -> Vec<Own<u64>> {
    vec![(None, total.breakdown.cache_written)]
}

fn reasoning(total: &Total) -> Vec<Own<u64>> {
    vec![(None, total.breakdown.reasoning)]
}

fn text(tokens: u64) -> Vec<Own<u64>> {
    vec![(Some(("gen_ai.token.modality", "text")), tokens)]
}

/// A metric of the collector itself.
#[derive(Debug)]
pub(super) struct OfCollector {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    pub(super) only_grows: bool,
    pub(super) value: fn(&Status) -> u64,
}

/// Every metric of the collector itself.
pub(super) const OF_COLLECTOR: &[OfCollector] = &[
    OfCollector {
        name: "prony.records.kept",
        unit: "{record}",
        description: "Records that were kept.",
        only_grows: true,
        value: |status| status.kept,
    },
    OfCollector {
        name: "prony.intake.records",
        unit: "{record}",
        description: "Records that wait to be kept.",
        only_grows: false,
        value: |status| status.waiting,
    },
    OfCollector {
        name: "prony.intake.held_back",
        unit: "{wait}",
        description: "How often a producer waited for room in the intake.",
        only_grows: true,
        value: |status| status.held_back,
    },
    OfCollector {
        name: "prony.keeper.failures",
        unit: "{failure}",
        description: "How often records or rollups could not be kept at once.",
        only_grows: true,
        value: |status| status.keeper_failures,
    },
    OfCollector {
        name: "prony.live_windows.thinned",
        unit: "{window}",
        description: "Live windows that were joined or missed.",
        only_grows: true,
        value: |status| status.windows_thinned,
    },
    OfCollector {
        name: "prony.series.merged",
        unit: "{request}",
        description: "How often a series was asked for that there was no room for.",
        only_grows: true,
        value: |status| status.series_merged,
    },
];
