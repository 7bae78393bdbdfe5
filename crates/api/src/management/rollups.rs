//! Figures of series over any time.
#![expect(unused_qualifications, reason = "the macro of the paths qualifies what it is given")]

use std::collections::{BTreeMap, BTreeSet};

use alert::Dimension;
use archive::history::{POINTS_MAX, Quantiles, RollupQuestion, RollupSeries, Step};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::blocking;
use super::problem::Problem;
use super::query::{Asked, within};

/// How many points there are at most where nobody says.
const POINTS_DEFAULT: u64 = 400;

/// Which figures are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RollupQuery {
    /// The first moment, in milliseconds since 1970.
    from_unix_ms: u64,
    /// The moment after the last one.
    to_unix_ms: u64,
    /// How far apart the points are. Where what is kept of that time is coarser, or a step would take
    /// too many windows to read, the answer's step is longer.
    step_seconds: Option<u64>,
    /// How many points there are at most, in place of a step: 1 to 1,000, 400 where nothing is given.
    points: Option<u64>,
    /// What series are told apart by, with commas between: `model`, `provider`, `region`, `vantage`,
    /// `vantage_region`, `scenario`, `source`. Left out, all requests are one series.
    group_by: Option<String>,
    /// Requests to one of these models, with commas between.
    model: Option<String>,
    /// Requests served by one of these providers.
    provider: Option<String>,
    /// Requests served in one of these regions.
    region: Option<String>,
    /// Requests observed at one of these places on their way.
    vantage: Option<String>,
    /// Requests observed from one of these regions.
    vantage_region: Option<String>,
    /// Requests of one of these scenarios.
    scenario: Option<String>,
    /// Requests of one of these sources.
    source: Option<String>,
}

impl RollupQuery {
    fn question(&self) -> Result<RollupQuestion, Problem> {
        let step = match (self.step_seconds, self.points) {
            (Some(_), Some(_)) => {
                let detail = "step_seconds stands beside points";
                return Err(Problem::bad_request(detail, "give one of the two"));
            }
            (Some(seconds), None) => Step::Seconds(seconds),
            (None, points) => {
                let points = points.unwrap_or(POINTS_DEFAULT);
                Step::Points(within("points", points, 1..=POINTS_MAX)?)
            }
        };
        let filters = [
            (Dimension::Model, &self.model),
            (Dimension::Provider, &self.provider),
            (Dimension::Region, &self.region),
            (Dimension::Vantage, &self.vantage),
            (Dimension::VantageRegion, &self.vantage_region),
            (Dimension::Scenario, &self.scenario),
            (Dimension::Source, &self.source),
        ];
        let filters = filters.into_iter().filter_map(|(dimension, values)| {
            let values = words(values).map(str::to_owned).collect::<BTreeSet<String>>();
            (!values.is_empty()).then_some((dimension, values))
        });
        let dimension = |word: &str| {
            Dimension::parse(word)
                .map_err(|reason| Problem::bad_request(format!("group_by: {reason}"), ""))
        };
        Ok(RollupQuestion {
            from_unix_ms: self.from_unix_ms,
            to_unix_ms: self.to_unix_ms,
            step,
            filters: filters.collect(),
            group_by: words(&self.group_by).map(dimension).collect::<Result<_, _>>()?,
        })
    }
}

fn words(list: &Option<String>) -> impl Iterator<Item = &str> {
    let list = list.as_deref().unwrap_or_default();
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Figures of series over time, in steps.
#[derive(Serialize, ToSchema)]
#[schema(as = Rollups)]
pub(super) struct RollupAnswer {
    /// How long each step is.
    step_seconds: u64,
    /// When each step starts: at whole multiples of its length since 1970. What lies before
    /// `from_unix_ms` or after `to_unix_ms` counts in none.
    times_unix_ms: Vec<u64>,
    /// Every series with a request in that time.
    series: Vec<SeriesEntry>,
}

/// The figures of a series, a value a step.
#[derive(Serialize, ToSchema)]
#[schema(as = RollupSeries)]
struct SeriesEntry {
    /// The values of what series are told apart by.
    labels: BTreeMap<&'static str, String>,
    /// Requests that ended.
    requests: Vec<u64>,
    /// Of these, those that failed.
    errors: Vec<u64>,
    /// Tokens of prompts.
    input_tokens: Vec<u64>,
    /// Tokens of answers.
    output_tokens: Vec<u64>,
    /// What they cost; null where no price is known.
    cost_usd: Vec<Option<f64>>,
    /// Requests under way, in the mean.
    in_flight: Vec<f64>,
    /// Time to the first token.
    ttft_ms: QuantileColumns,
    /// Time per output token.
    tpot_ms: QuantileColumns,
    /// End-to-end latency.
    e2e_ms: QuantileColumns,
}

/// Quantiles, a value a step; null where no request has one.
#[derive(Serialize, ToSchema)]
#[schema(as = Quantiles)]
pub(super) struct QuantileColumns {
    /// The medians.
    p50: Vec<Option<f64>>,
    /// The 95th percentiles.
    p95: Vec<Option<f64>>,
    /// The 99th percentiles.
    p99: Vec<Option<f64>>,
}

impl From<&Quantiles> for QuantileColumns {
    fn from(Quantiles { p50, p95, p99 }: &Quantiles) -> Self {
        let column = |values: &[Option<f64>]| values.iter().map(|ms| ms.map(short)).collect();
        Self { p50: column(p50), p95: column(p95), p99: column(p99) }
    }
}

/// To a tenth of a microsecond of milliseconds: more than the figures are worth.
pub(super) fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

impl From<RollupSeries> for SeriesEntry {
    fn from(series: RollupSeries) -> Self {
        let labels = series.labels.into_iter().map(|(name, value)| (name.as_str(), value));
        Self {
            labels: labels.collect(),
            cost_usd: vec![None; series.requests.len()],
            requests: series.requests,
            errors: series.errors,
            input_tokens: series.input_tokens,
            output_tokens: series.output_tokens,
            in_flight: series.in_flight.into_iter().map(short).collect(),
            ttft_ms: (&series.ttft_ms).into(),
            tpot_ms: (&series.tpot_ms).into(),
            e2e_ms: (&series.e2e_ms).into(),
        }
    }
}

/// Tells what requests came to over any time, in steps
#[utoipa::path(
    get,
    path = "/rollups",
    tag = "history",
    operation_id = "get_rollups",
    params(RollupQuery),
    responses((status = 200, body = RollupAnswer)),
)]
pub(super) async fn rollups(
    State(app): State<App>,
    Asked(query): Asked<RollupQuery>,
) -> Result<Json<RollupAnswer>, Problem> {
    let question = query.question()?;
    let history = app.parts.history;
    let rollups = blocking(move || history.rollups(&question)).await?;
    Ok(Json(RollupAnswer {
        step_seconds: rollups.step_s,
        times_unix_ms: rollups.times_unix_ms,
        series: rollups.series.into_iter().map(SeriesEntry::from).collect(),
    }))
}
