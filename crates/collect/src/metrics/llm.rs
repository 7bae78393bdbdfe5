//! What the collector has to tell, by the names that users' rules and dashboards rely on.

use std::sync::Arc;

use analysis::Sketch;
use domain::Series;

use super::{Family, Kind, Labels, Sample, Value};
use crate::totals::Total;
use crate::{Collector, Status};

impl Collector {
    /// Every metric of the requests collected so far, and of the collector itself. Warm-up requests
    /// count in none.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let totals = self.totals.of(self.table.all()).into_iter();
        let rows: Vec<Row> =
            totals.map(|total| Row { labels: labels(total.series.series()), total }).collect();
        let mut families = of_requests(&rows);
        families.extend(of_durations(&rows));
        families.extend(of_collector(&self.status()));
        families
    }
}

/// One series: its labels, and what it amounts to.
struct Row {
    labels: Labels,
    total: Total,
}

fn labels(series: &Series) -> Labels {
    let word = |word: &'static str| Arc::from(word);
    Arc::from([
        ("model", Arc::clone(&series.model)),
        ("provider", Arc::clone(&series.provider)),
        ("region", Arc::clone(&series.region)),
        ("vantage", word(series.vantage.as_str())),
        ("vantage_region", Arc::clone(&series.vantage_region)),
        ("scenario", Arc::clone(&series.scenario)),
        ("source", word(series.source.as_str())),
    ])
}

/// A sample's own label, and its value.
type Own<T> = (Option<(&'static str, &'static str)>, T);

fn numbers(
    rows: &[Row],
    (name, kind, help): (&'static str, Kind, &'static str),
    values: impl Fn(&Row) -> Vec<Own<u64>>,
) -> Family {
    let sample = |row: &Row, (own, value)| Sample {
        labels: Arc::clone(&row.labels),
        own,
        value: Value::Number(value as f64),
    };
    let samples = rows.iter().flat_map(|row| values(row).into_iter().map(|own| sample(row, own)));
    Family { name, help, kind, samples: samples.collect() }
}

fn of_requests(rows: &[Row]) -> Vec<Family> {
    let counter = |name, help, values: fn(&Row) -> Vec<Own<u64>>| {
        numbers(rows, (name, Kind::Counter, help), values)
    };
    vec![
        counter("llm_requests_total", "Requests that ended, by outcome.", |row| {
            let ended = &row.total.rollup.ended;
            vec![
                (Some(("outcome", "success")), ended.succeeded),
                (Some(("outcome", "failure")), ended.failed.total()),
            ]
        }),
        counter("llm_request_errors_total", "Requests that failed, by kind of failure.", |row| {
            let failed = row.total.rollup.ended.failed.iter();
            failed.map(|(kind, count)| (Some(("kind", kind.as_str())), count)).collect()
        }),
        counter("llm_request_retries_total", "Tries beyond each request's first.", |row| {
            vec![(None, row.total.rollup.ended.retries)]
        }),
        counter("llm_tokens_total", "Tokens, by type; cached ones are among the input.", |row| {
            let flow = row.total.rollup.flow;
            vec![
                (Some(("type", "input")), flow.input_tokens),
                (Some(("type", "output")), flow.output_tokens),
            ]
        }),
        counter(
            "llm_cached_tokens_total",
            "Input tokens read from the provider's prompt cache.",
            |row| vec![(None, row.total.rollup.flow.cached_tokens)],
        ),
        counter(
            "llm_cost_dollars_total",
            "What requests cost; zero, as no prices are known yet.",
            |_| vec![(None, 0)],
        ),
        numbers(rows, ("llm_active_requests", Kind::Gauge, "Requests in flight."), |row| {
            vec![(None, row.total.series.in_flight())]
        }),
    ]
}

fn of_durations(rows: &[Row]) -> Vec<Family> {
    let family = |name, help, values: fn(&Row) -> Vec<Own<&Sketch>>| {
        let sample = |row: &Row, (own, durations): Own<&Sketch>| Sample {
            labels: Arc::clone(&row.labels),
            own,
            value: Value::Durations(durations.clone()),
        };
        let samples =
            rows.iter().flat_map(|row| values(row).into_iter().map(|own| sample(row, own)));
        Family { name, help, kind: Kind::Histogram, samples: samples.collect() }
    };
    vec![
        family("llm_request_duration_seconds", "End-to-end latency, by outcome.", |row| {
            let ended = &row.total.rollup.ended;
            vec![
                (Some(("outcome", "success")), &ended.e2e),
                (Some(("outcome", "failure")), &ended.failed_after),
            ]
        }),
        family("llm_time_to_first_token_seconds", "Time to the first token.", |row| {
            vec![(None, &row.total.rollup.ended.ttft)]
        }),
        family("llm_time_per_output_token_seconds", "Time per token after the first.", |row| {
            vec![(None, &row.total.rollup.ended.tpot)]
        }),
        family("llm_inter_token_latency_seconds", "The gaps between chunks.", |row| {
            vec![(None, &row.total.rollup.ended.itl)]
        }),
        family(
            "llm_schedule_lag_seconds",
            "How much later than planned the client started requests, waits for a place apart.",
            |row| vec![(None, &row.total.rollup.ended.client_lag)],
        ),
    ]
}

fn of_collector(status: &Status) -> Vec<Family> {
    let family = |name, kind, help, value: u64| Family {
        name,
        help,
        kind,
        samples: vec![Sample {
            labels: Labels::default(),
            own: None,
            value: Value::Number(value as f64),
        }],
    };
    let counter = |name, help, value| family(name, Kind::Counter, help, value);
    vec![
        counter("prony_records_kept_total", "Records that were kept.", status.kept),
        family(
            "prony_intake_records",
            Kind::Gauge,
            "Records that wait to be kept.",
            status.waiting,
        ),
        counter(
            "prony_intake_held_back_total",
            "How often a producer waited for room in the intake.",
            status.held_back,
        ),
        counter(
            "prony_keeper_failures_total",
            "How often records or rollups could not be kept at once.",
            status.keeper_failures,
        ),
        counter(
            "prony_live_windows_thinned_total",
            "Live windows that were joined or missed.",
            status.windows_thinned,
        ),
        counter(
            "prony_series_merged_total",
            "How often a series was asked for that there was no room for.",
            status.series_merged,
        ),
    ]
}
