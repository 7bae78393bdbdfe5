//! The message that carries it all: an `ExportMetricsServiceRequest`.
//!
//! Numbers beside the fields are those of OpenTelemetry's `metrics.proto`, `common.proto` and
//! `resource.proto`.

use analysis::Sketch;
use analysis::sketch::SCHEMA;
use domain::Series;

use super::Conventions;
use super::names::{self, Own, Points};
use crate::Collector;
use crate::breakdown::{TOKEN_BOUNDS, TokenCounts};
use crate::protobuf::{Fields, message, varint, zigzag};
use crate::totals::Total;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`: since the start that each point names.
const CUMULATIVE: u64 = 2;

/// Writes down all that `collector` has counted. `instance` tells this process from every other.
#[must_use]
pub fn encode(collector: &Collector, conventions: Conventions, instance: &str) -> Vec<u8> {
    let span = Span::now(collector);
    let totals = collector.totals.of(collector.table.all());
    let series: Vec<Known> = totals.into_iter().map(Known::new).collect();
    message(|request| {
        request.message(1, |resource_metrics| {
            resource_metrics.message(1, |resource| {
                for (name, value) in [
                    ("service.name", "prony"),
                    ("service.version", env!("CARGO_PKG_VERSION")),
                    ("service.instance.id", instance),
                ] {
                    resource.bytes(1, &attribute(name, value));
                }
            });
            resource_metrics.message(2, |scope_metrics| {
                scope_metrics.message(1, |scope| {
                    scope.text(1, "prony");
                    scope.text(2, env!("CARGO_PKG_VERSION"));
                });
                for one in names::metrics(conventions) {
                    of_requests(scope_metrics, one, &series, span);
                }
                of_collector(scope_metrics, collector, span);
                if let Some(url) = conventions.schema_url() {
                    scope_metrics.text(3, url);
                }
            });
        });
    })
}

/// From when to when points count, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    /// Since the collector began. A wall clock that was set back shows as no time passed.
    fn now(collector: &Collector) -> Self {
        let from = collector.began_unix_nanos;
        Self { from, to: collector.clock.unix_nanos().max(from) }
    }

    fn write(self, point: &mut Fields) {
        point.fixed(2, self.from);
        point.fixed(3, self.to);
    }
}

/// A series: what it amounts to, and its attributes as they are written.
struct Known {
    total: Total,
    attributes: Vec<Vec<u8>>,
}

impl Known {
    fn new(total: Total) -> Self {
        let attributes = attributes(total.series.series());
        Self { total, attributes }
    }

    fn attributes(&self, own: Option<(&str, &str)>) -> impl Iterator<Item = Vec<u8>> {
        let own = own.map(|(name, value)| attribute(name, value));
        self.attributes.iter().cloned().chain(own)
    }
}

/// What is known of a series: an empty name is none.
fn attributes(series: &Series) -> Vec<Vec<u8>> {
    let all: [(&str, &str); 8] = [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", &series.provider),
        ("gen_ai.request.model", &series.model),
        ("prony.region", &series.region),
        ("prony.vantage", series.vantage.as_str()),
        ("prony.vantage_region", &series.vantage_region),
        ("prony.scenario", &series.scenario),
        ("prony.source", series.source.as_str()),
    ];
    let known = all.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &str) -> Vec<u8> {
    message(|pair| {
        pair.text(1, name);
        pair.message(2, |any| any.text(1, value));
    })
}

fn of_requests(scope: &mut Fields, metric: &names::Metric, series: &[Known], span: Span) {
    let series: Vec<&Known> = series.iter().filter(|known| metric.is_of(&known.total)).collect();
    if series.is_empty() {
        return;
    }
    scope.message(2, |fields| {
        describe(fields, metric.name, metric.description, metric.unit);
        match metric.points {
            Points::Durations(of) => fields.message(10, |data| {
                each(&series, of, |known, own, durations| {
                    data.message(1, |point| {
                        known.attributes(own).for_each(|pair| point.bytes(1, &pair));
                        span.write(point);
                        exponential(point, durations);
                    });
                });
                data.integer(2, CUMULATIVE);
            }),
            Points::Tokens(of) => fields.message(9, |data| {
                each(&series, of, |known, own, tokens| {
                    data.message(1, |point| {
                        span.write(point);
                        explicit(point, tokens);
                        known.attributes(own).for_each(|pair| point.bytes(9, &pair));
                    });
                });
                data.integer(2, CUMULATIVE);
            }),
            Points::Counter(of) => sum(fields, |data| {
                each(&series, of, |known, own, value| {
                    data.message(1, |point| number(point, span, value, known.attributes(own)));
                });
            }),
            Points::Gauge(of) => fields.message(5, |data| {
                for known in &series {
                    let value = of(&known.total);
                    data.message(1, |point| number(point, span, value, known.attributes(None)));
                }
            }),
        }
    });
}

/// Hands over each point of each series.
fn each<'a, T>(
    series: &[&'a Known],
    of: fn(&'a Total) -> Vec<Own<T>>,
    mut write: impl FnMut(&Known, Option<(&str, &str)>, T),
) {
    for known in series {
        of(&known.total).into_iter().for_each(|(own, value)| write(known, own, value));
    }
}

fn of_collector(scope: &mut Fields, collector: &Collector, span: Span) {
    let status = collector.status();
    for metric in names::OF_COLLECTOR {
        let value = (metric.value)(&status);
        let point = |data: &mut Fields| {
            data.message(1, |point| number(point, span, value, std::iter::empty()));
        };
        scope.message(2, |fields| {
            describe(fields, metric.name, metric.description, metric.unit);
            if metric.only_grows { sum(fields, point) } else { fields.message(5, point) }
        });
    }
}

fn describe(metric: &mut Fields, name: &str, description: &str, unit: &str) {
    metric.text(1, name);
    metric.text(2, description);
    metric.text(3, unit);
}

/// A sum that only grows.
fn sum(metric: &mut Fields, points: impl FnOnce(&mut Fields)) {
    metric.message(7, |data| {
        points(data);
        data.integer(2, CUMULATIVE);
        data.integer(3, u64::from(true));
    });
}

fn number(point: &mut Fields, span: Span, value: u64, attributes: impl Iterator<Item = Vec<u8>>) {
    span.write(point);
    point.chosen_fixed(6, value);
    attributes.for_each(|pair| point.bytes(7, &pair));
}

/// The buckets of a sketch as they are. OpenTelemetry names a bucket after its lower bound.
fn exponential(point: &mut Fields, durations: &Sketch) {
    point.fixed(4, durations.len());
    point.double(5, durations.sum_nanos() as f64 / 1e9);
    point.integer(6, zigzag(i64::from(SCHEMA)));
    point.fixed(7, durations.zeros());
    let mut buckets = durations.buckets().peekable();
    if let Some(&(first, _)) = buckets.peek() {
        point.message(8, |positive| {
            positive.integer(1, zigzag(i64::from(first) - 1));
            positive.message(2, |counts| {
                let mut next = first;
                for (index, count) in buckets {
                    (next..index).for_each(|_| varint(&mut counts.0, 0));
                    varint(&mut counts.0, count);
                    next = index + 1;
                }
            });
        });
    }
    if let Some((least, greatest)) = durations.extremes_nanos() {
        point.double(12, least as f64 / 1e9);
        point.double(13, greatest as f64 / 1e9);
    }
}

fn explicit(point: &mut Fields, tokens: &TokenCounts) {
    point.fixed(4, tokens.requests());
    point.double(5, tokens.sum as f64);
    point.message(6, |counts| {
        tokens.buckets.iter().for_each(|count| counts.0.extend(count.to_le_bytes()));
    });
    point.message(7, |bounds| {
        TOKEN_BOUNDS.iter().for_each(|bound| bounds.0.extend((*bound as f64).to_le_bytes()));
    });
}
