//! What is pushed over OTLP, read back by OpenTelemetry's own types.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use analysis::Sketch;
use analysis::sketch::SCHEMA;
use collect::metrics::{Family, Value};
use collect::otlp::{Conventions, UnknownConventions, encode};
use collect::{Record, Settings, Tracked};
use domain::{Arrival, Clock as _, FailureKind, Series, Tokens, Vantage};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    NumberDataPoint, ScopeMetrics,
};
use proptest::prelude::*;
use testkit::clock::START_UNIX_NANOS;

use crate::fixture::{Bench, failed, series};
use crate::receiver::read;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// A record that took so long.
fn lasting(bench: &Bench, tracked: &Arc<Tracked>, duration: Duration) -> Record {
    let mut record = bench.records(tracked, 0..1).remove(0);
    let timeline = &mut record.exchange.timeline;
    timeline.finished = Arrival::at(timeline.started + duration);
    record
}

/// A collector that has seen three successes, a time-out and two refusals at the client, one success
/// at the engine, and a warm-up; one request is in flight for as long as the answer lives.
fn busy() -> (Bench, collect::InFlight) {
    let mut bench = Bench::new(Settings::default());
    let client = bench.collector.track(&series("m"));
    let engine = Series { vantage: Vantage::Engine, region: Arc::from(""), ..series("m") };
    let engine = bench.collector.track(&engine);
    let mut records = bench.records(&client, 0..3);
    records[1].exchange.usage.cache_read = Tokens(6);
    records[1].exchange.usage.cache_write = Tokens(2);
    records[2].exchange.usage.input = Tokens(5_000);
    records[2].exchange.usage.reasoning = Some(Tokens(3));
    records.push(failed(bench.records(&client, 3..4).remove(0), FailureKind::Timeout));
    for duration in [7, 9] {
        let mut refused = lasting(&bench, &client, Duration::from_millis(duration));
        refused.exchange.timeline.chunks = domain::Chunks::default();
        records.push(failed(refused, FailureKind::RateLimited));
    }
    records.extend(bench.records(&engine, 6..7));
    let mut warmup = bench.records(&client, 7..8).remove(0);
    warmup.exchange.warmup = true;
    records.push(warmup);
    bench.collector.try_submit(&mut records).unwrap();
    let in_flight = client.begin();
    bench.turn_after(200);
    (bench, in_flight)
}

fn scope(request: &ExportMetricsServiceRequest) -> &ScopeMetrics {
    assert_eq!(request.resource_metrics.len(), 1);
    let scopes = &request.resource_metrics[0].scope_metrics;
    assert_eq!(scopes.len(), 1);
    &scopes[0]
}

fn metric<'a>(request: &'a ExportMetricsServiceRequest, name: &str) -> &'a Metric {
    let mut found = scope(request).metrics.iter().filter(|metric| metric.name == name);
    let metric = found.next().unwrap_or_else(|| panic!("there is no {name}"));
    assert!(found.next().is_none(), "{name} is there once");
    metric
}

fn durations<'a>(
    request: &'a ExportMetricsServiceRequest,
    name: &str,
) -> &'a [ExponentialHistogramDataPoint] {
    match &metric(request, name).data {
        Some(Data::ExponentialHistogram(data)) => &data.data_points,
        other => panic!("{name} is {other:?}"),
    }
}

fn tokens<'a>(request: &'a ExportMetricsServiceRequest, name: &str) -> &'a [HistogramDataPoint] {
    match &metric(request, name).data {
        Some(Data::Histogram(data)) => &data.data_points,
        other => panic!("{name} is {other:?}"),
    }
}

fn numbers<'a>(request: &'a ExportMetricsServiceRequest, name: &str) -> &'a [NumberDataPoint] {
    match &metric(request, name).data {
        Some(Data::Sum(data)) => &data.data_points,
        Some(Data::Gauge(data)) => &data.data_points,
        other => panic!("{name} is {other:?}"),
    }
}

fn number(point: &NumberDataPoint) -> i64 {
    match point.value {
        Some(Number::AsInt(value)) => value,
        other => panic!("{other:?} is no integer"),
    }
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let mut found = attributes.iter().filter(|pair| pair.key == name);
    let value = found.next()?.value.as_ref();
    assert!(found.next().is_none(), "{name} is there once");
    match value {
        Some(AnyValue { value: Some(Any::StringValue(value)), .. }) => Some(value),
        other => panic!("{name} is {other:?}"),
    }
}

/// The sketch of one sample of what Prometheus reads.
fn sketch(families: &[Family], name: &str, own: Option<&'static str>) -> Sketch {
    let family = families.iter().find(|family| family.name == name).unwrap();
    let mut samples = family.samples.iter().filter(|sample| {
        let is_client = |label: &(&str, Arc<str>)| label.0 == "vantage" && &*label.1 == "client";
        sample.own.map(|own| own.1) == own && sample.labels.iter().any(is_client)
    });
    match &samples.next().unwrap().value {
        Value::Durations(durations) => durations.clone(),
        Value::Number(_) => panic!("{name} is a number"),
    }
}

/// The buckets of a point, by the index a sketch gives them.
fn buckets(point: &ExponentialHistogramDataPoint) -> Vec<(i32, u64)> {
    assert_eq!(point.scale, i32::from(SCHEMA));
    assert_eq!((&point.negative, point.zero_threshold), (&None, 0.0));
    let Some(positive) = &point.positive else { return Vec::new() };
    let indexes = positive.offset + 1..;
    let all = indexes.zip(positive.bucket_counts.iter().copied());
    all.filter(|(_, count)| *count > 0).collect()
}

fn assert_same(point: &ExponentialHistogramDataPoint, durations: &Sketch) {
    assert_eq!(point.count, durations.len());
    assert_eq!(point.sum, Some(durations.sum_nanos() as f64 / 1e9));
    assert_eq!(point.zero_count, durations.zeros());
    assert_eq!(buckets(point), Vec::from_iter(durations.buckets()));
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let extremes = durations.extremes_nanos().map(|(least, most)| (seconds(least), seconds(most)));
    assert_eq!(point.min.zip(point.max), extremes);
}

#[test]
fn durations_are_the_collectors_own() {
    let (bench, _in_flight) = busy();
    let families = bench.collector.families();
    for (conventions, prefix) in [
        (Conventions::V1_41, "gen_ai.client.operation"),
        (Conventions::Next, "gen_ai.client.inference"),
    ] {
        let request = read(&encode(&bench.collector, conventions, "a"));
        for (name, family) in [
            (format!("{prefix}.time_to_first_chunk"), "llm_time_to_first_token_seconds"),
            (format!("{prefix}.time_per_output_chunk"), "llm_inter_token_latency_seconds"),
            ("prony.time_per_output_token".to_owned(), "llm_time_per_output_token_seconds"),
            ("prony.schedule_lag".to_owned(), "llm_schedule_lag_seconds"),
        ] {
            assert_same(&durations(&request, &name)[0], &sketch(&families, family, None));
        }

        let all = durations(&request, &format!("{prefix}.duration"));
        let error = |point: &ExponentialHistogramDataPoint| {
            attribute(&point.attributes, "error.type").map(str::to_owned)
        };
        let counts = Vec::from_iter(all.iter().map(|point| (error(point), point.count)));
        let of = |kind: &str, count| (Some(kind.to_owned()), count);
        assert_eq!(counts, [(None, 3), of("timeout", 1), of("rate_limited", 2)]);
        let name = "llm_request_duration_seconds";
        assert_same(&all[0], &sketch(&families, name, Some("success")));
        let failures = sketch(&families, name, Some("failure"));
        let mut apart = Vec::from_iter(all[1..].iter().flat_map(buckets));
        apart.sort_unstable();
        assert_eq!(apart, Vec::from_iter(failures.buckets()));
        let sum: f64 = all[1..].iter().filter_map(|point| point.sum).sum();
        assert!((sum - failures.sum_nanos() as f64 / 1e9).abs() < 1e-12);

        let engine = durations(&request, "gen_ai.server.request.duration");
        assert_eq!(Vec::from_iter(engine.iter().map(|point| point.count)), [1]);
    }
}

#[test]
fn counts_are_the_collectors_own() {
    let (bench, _in_flight) = busy();
    let request = read(&encode(&bench.collector, Conventions::V1_41, "a"));
    let usage = tokens(&request, "gen_ai.client.token.usage");
    let kinds = usage.iter().map(|point| attribute(&point.attributes, "gen_ai.token.type"));
    assert_eq!(Vec::from_iter(kinds), [Some("input"), Some("output")]);
    // Three prompts of 10 tokens, one of 5,000; the refused ones had no answer.
    let filled = |point: &HistogramDataPoint| {
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        let pairs = point.explicit_bounds.iter().zip(&point.bucket_counts);
        Vec::from_iter(pairs.filter(|(_, count)| **count > 0).map(|(bound, n)| (*bound, *n)))
    };
    assert_eq!(filled(&usage[0]), [(16.0, 3), (16_384.0, 1)]);
    assert_eq!(filled(&usage[1]), [(4.0, 4)]);
    assert_eq!(usage[0].explicit_bounds, Vec::from_iter((0..14).map(|power| 4_f64.powi(power))));
    assert_eq!((usage[0].count, usage[0].sum), (4, Some(5_030.0)));
    assert_eq!((usage[1].count, usage[1].sum), (4, Some(16.0)));

    let next = read(&encode(&bench.collector, Conventions::Next, "a"));
    let first =
        |request: &ExportMetricsServiceRequest, name: &str| number(&numbers(request, name)[0]);
    for (name, value) in
        [("input_tokens", 5_030), ("output_tokens", 16), ("cache_read.input_tokens", 6)]
    {
        let name = format!("gen_ai.client.inference.usage.{name}");
        assert_eq!(first(&next, &name), value, "{name}");
        let modality = attribute(&numbers(&next, &name)[0].attributes, "gen_ai.token.modality");
        assert_eq!(modality, Some("text"));
    }
    assert_eq!(tokens(&next, "gen_ai.client.inference.operation.input_tokens")[0].count, 4);
    for (old, new, value) in [
        ("prony.cache_read.input_tokens", "cache_read.input_tokens", 6),
        ("prony.cache_write.input_tokens", "cache_write.input_tokens", 2),
        ("prony.reasoning.output_tokens", "reasoning.output_tokens", 3),
    ] {
        assert_eq!(first(&request, old), value);
        assert_eq!(first(&next, &format!("gen_ai.client.inference.usage.{new}")), value);
        assert_eq!(first(&next, old), 0, "only the engine's is left");
    }
    assert_eq!(first(&request, "prony.requests.active"), 1);
    assert_eq!(first(&request, "prony.records.kept"), 8);
}

#[test]
fn everything_counts_from_the_collectors_start() {
    let (bench, _in_flight) = busy();
    let request = read(&encode(&bench.collector, Conventions::V1_41, "a"));
    let (start, now) = (START_UNIX_NANOS, bench.clock.unix_nanos());
    assert_eq!(now, start + 200_000_000);
    let mut points = 0;
    let mut check = |from, to| {
        assert_eq!((from, to), (start, now));
        points += 1;
    };
    for metric in &scope(&request).metrics {
        let spans = |points: &[NumberDataPoint]| {
            Vec::from_iter(points.iter().map(|p| (p.start_time_unix_nano, p.time_unix_nano)))
        };
        let spans = match metric.data.as_ref().unwrap() {
            Data::Gauge(data) => spans(&data.data_points),
            Data::Sum(data) => {
                assert_eq!((data.aggregation_temporality, data.is_monotonic), (CUMULATIVE, true));
                spans(&data.data_points)
            }
            Data::Histogram(data) => {
                assert_eq!(data.aggregation_temporality, CUMULATIVE);
                let points = data.data_points.iter();
                points.map(|p| (p.start_time_unix_nano, p.time_unix_nano)).collect()
            }
            Data::ExponentialHistogram(data) => {
                assert_eq!(data.aggregation_temporality, CUMULATIVE);
                let points = data.data_points.iter();
                points.map(|p| (p.start_time_unix_nano, p.time_unix_nano)).collect()
            }
            Data::Summary(_) => panic!("{} is a summary", metric.name),
        };
        assert!(!spans.is_empty(), "{} has no point", metric.name);
        spans.into_iter().for_each(|(from, to)| check(from, to));
    }
    assert_eq!(points, 32);

    // A wall clock that was set back lets no point end before its start.
    bench.clock.set_unix_nanos(5);
    let request = read(&encode(&bench.collector, Conventions::V1_41, "a"));
    let point = &numbers(&request, "prony.records.kept")[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (start, start));
}

/// Each metric, its kind and unit, on a line of its own.
fn listed(request: &ExportMetricsServiceRequest) -> String {
    let mut text = String::new();
    for metric in &scope(request).metrics {
        let kind = match metric.data.as_ref().unwrap() {
            Data::Gauge(_) => "gauge",
            Data::Sum(_) => "sum",
            Data::Histogram(_) => "histogram",
            Data::ExponentialHistogram(_) => "exponential histogram",
            Data::Summary(_) => "summary",
        };
        writeln!(text, "{} {kind} {}", metric.name, metric.unit).unwrap();
    }
    text
}

#[test]
fn names_follow_the_conventions_that_are_set() {
    let (bench, _in_flight) = busy();
    let v1_41 = read(&encode(&bench.collector, Conventions::V1_41, "a"));
    assert_eq!(scope(&v1_41).schema_url, "https://opentelemetry.io/schemas/1.41.0");
    insta::assert_snapshot!(listed(&v1_41), @r"
    gen_ai.client.operation.duration exponential histogram s
    gen_ai.client.operation.time_to_first_chunk exponential histogram s
    gen_ai.client.operation.time_per_output_chunk exponential histogram s
    gen_ai.client.token.usage histogram {token}
    prony.cache_read.input_tokens sum {token}
    prony.cache_write.input_tokens sum {token}
    prony.reasoning.output_tokens sum {token}
    gen_ai.server.request.duration exponential histogram s
    gen_ai.server.time_to_first_token exponential histogram s
    gen_ai.server.time_per_output_token exponential histogram s
    prony.time_per_output_token exponential histogram s
    prony.time_per_output_chunk exponential histogram s
    prony.schedule_lag exponential histogram s
    prony.token.usage histogram {token}
    prony.retries sum {attempt}
    prony.requests.active gauge {request}
    prony.records.kept sum {record}
    prony.intake.records gauge {record}
    prony.intake.held_back sum {wait}
    prony.keeper.failures sum {failure}
    prony.live_windows.thinned sum {window}
    prony.series.merged sum {request}
    ");
    let next = read(&encode(&bench.collector, Conventions::Next, "a"));
    assert_eq!(scope(&next).schema_url, "");
    insta::assert_snapshot!(listed(&next), @r"
    gen_ai.client.inference.duration exponential histogram s
    gen_ai.client.inference.time_to_first_chunk exponential histogram s
    gen_ai.client.inference.time_per_output_chunk exponential histogram s
    gen_ai.client.inference.operation.input_tokens histogram {token}
    gen_ai.client.inference.operation.output_tokens histogram {token}
    gen_ai.client.inference.usage.input_tokens sum {token}
    gen_ai.client.inference.usage.output_tokens sum {token}
    gen_ai.client.inference.usage.cache_read.input_tokens sum {token}
    gen_ai.client.inference.usage.cache_write.input_tokens sum {token}
    gen_ai.client.inference.usage.reasoning.output_tokens sum {token}
    prony.cache_read.input_tokens sum {token}
    prony.cache_write.input_tokens sum {token}
    prony.reasoning.output_tokens sum {token}
    gen_ai.server.request.duration exponential histogram s
    gen_ai.server.time_to_first_token exponential histogram s
    gen_ai.server.time_per_output_token exponential histogram s
    prony.time_per_output_token exponential histogram s
    prony.time_per_output_chunk exponential histogram s
    prony.schedule_lag exponential histogram s
    prony.token.usage histogram {token}
    prony.retries sum {attempt}
    prony.requests.active gauge {request}
    prony.records.kept sum {record}
    prony.intake.records gauge {record}
    prony.intake.held_back sum {wait}
    prony.keeper.failures sum {failure}
    prony.live_windows.thinned sum {window}
    prony.series.merged sum {request}
    ");
    assert_eq!(Conventions::named("v1.41"), Ok(Conventions::V1_41));
    assert_eq!(Conventions::named("next"), Ok(Conventions::Next));
    assert_eq!(Conventions::named("1.41"), Err(UnknownConventions("1.41".to_owned())));
}

#[test]
fn points_say_what_is_known_of_their_series_and_no_more() {
    let (bench, _in_flight) = busy();
    let request = read(&encode(&bench.collector, Conventions::V1_41, "a1b2"));
    let told = |attributes: &[KeyValue]| {
        let pair =
            |pair: &KeyValue| format!("{}={}", pair.key, attribute(attributes, &pair.key).unwrap());
        Vec::from_iter(attributes.iter().map(pair)).join("\n")
    };
    let resource = request.resource_metrics[0].resource.as_ref().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        told(&resource.attributes),
        format!("service.name=prony\nservice.version={version}\nservice.instance.id=a1b2")
    );
    insta::assert_snapshot!(
        told(&durations(&request, "gen_ai.client.operation.duration")[1].attributes),
        @r"
    gen_ai.operation.name=chat
    gen_ai.provider.name=openai
    gen_ai.request.model=m
    prony.region=eu-west
    prony.vantage=client
    prony.vantage_region=home
    prony.scenario=short_queries
    prony.source=bench
    error.type=timeout
    "
    );
    // Nobody said where the engine is.
    insta::assert_snapshot!(
        told(&durations(&request, "gen_ai.server.request.duration")[0].attributes),
        @r"
    gen_ai.operation.name=chat
    gen_ai.provider.name=openai
    gen_ai.request.model=m
    prony.vantage=engine
    prony.vantage_region=home
    prony.scenario=short_queries
    prony.source=bench
    "
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_duration_is_in_its_bucket(
        values in prop::collection::vec((0_u32..43).prop_flat_map(|bits| 0..=1_u64 << bits), 0..40),
    ) {
        let mut bench = Bench::new(Settings::default());
        let tracked = bench.collector.track(&series("m"));
        let record = |nanos: &u64| lasting(&bench, &tracked, Duration::from_nanos(*nanos));
        let mut records = Vec::from_iter(values.iter().map(record));
        bench.collector.try_submit(&mut records).unwrap();
        bench.turn_after(200);
        let request = read(&encode(&bench.collector, Conventions::V1_41, "a"));
        let points = durations(&request, "gen_ai.client.operation.duration");
        prop_assert_eq!(points.len(), 1);
        let zeros = values.iter().filter(|nanos| **nanos == 0).count() as u64;
        prop_assert_eq!((points[0].count, points[0].zero_count), (values.len() as u64, zeros));
        let mut counted = zeros;
        for (index, count) in buckets(&points[0]) {
            let (below, above) = (Sketch::bound_seconds(index - 1), Sketch::bound_seconds(index));
            let is_inside = |nanos: &&u64| {
                let seconds = **nanos as f64 * 1e-9;
                seconds > below && seconds <= above
            };
            prop_assert_eq!(values.iter().filter(is_inside).count() as u64, count);
            counted += count;
        }
        prop_assert_eq!(counted, points[0].count);
    }
}
