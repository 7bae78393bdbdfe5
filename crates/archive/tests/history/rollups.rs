//! Charts of any time in any step.

use std::collections::BTreeSet;

use alert::Dimension;
use analysis::{Convention, Figures, Origin};
use archive::HistoryError;
use archive::history::rollups::GROUPS_MAX;
use archive::history::{GridError, RollupQuestion, Rollups, Step};
use store::durable::StoredRecord;

use super::*;

fn question(from_s: u64, to_s: u64, step: Step) -> RollupQuestion {
    RollupQuestion {
        from_unix_ms: (START_S + from_s) * 1_000,
        to_unix_ms: (START_S + to_s) * 1_000,
        step,
        filters: [].into(),
        group_by: BTreeSet::new(),
    }
}

/// The records that ended in step `place` of an answer to `question`.
fn ended<'a>(
    records: &'a [StoredRecord],
    question: &RollupQuestion,
    rollups: &Rollups,
    place: usize,
) -> Vec<&'a StoredRecord> {
    let start = rollups.times_unix_ms[place];
    let from = start.max(question.from_unix_ms) * 1_000_000;
    let to = (start + rollups.step_s * 1_000).min(question.to_unix_ms) * 1_000_000;
    let is_inside = |record: &&StoredRecord| (from..to).contains(&record.finished_unix_nanos());
    records.iter().filter(|record| !record.exchange.warmup).filter(is_inside).collect()
}

fn latencies(records: &[&StoredRecord]) -> Vec<f64> {
    let ms = |record: &&StoredRecord| {
        let exchange = &record.exchange;
        let is_success = exchange.outcome.is_success();
        is_success.then(|| Figures::of(exchange, Origin::Planned, Convention::Prony).e2e_ms)
    };
    records.iter().filter_map(ms).collect()
}

#[test]
fn every_step_counts_what_ended_in_it() {
    let kept = Kept::new(requests(4_000, 3 * 3_600));
    for (from, to, step) in [
        (0, 3 * 3_600, Step::Points(1_000)),
        (0, 3 * 3_600, Step::Points(7)),
        (0, 3 * 3_600, Step::Points(1)),
        (1_234, 9_871, Step::Seconds(3_600)),
        (1_234, 9_871, Step::Seconds(660)),
        (60, 3_661, Step::Seconds(7)),
        (5_000, 5_001, Step::Seconds(86_400)),
        (3_600, 7_200, Step::Seconds(30)),
    ] {
        let question = question(from, to, step);
        let rollups = kept.history.rollups(&question).expect("an answer");
        let [series] = &*rollups.series else { panic!("one group of all: {rollups:?}") };
        assert_eq!(series.requests.len(), rollups.times_unix_ms.len());
        for place in 0..rollups.times_unix_ms.len() {
            let records = ended(&kept.records, &question, &rollups, place);
            let failed = records.iter().filter(|record| !record.exchange.outcome.is_success());
            assert_eq!(series.requests[place], records.len() as u64, "{question:?} at {place}");
            assert_eq!(series.errors[place], failed.count() as u64);
            for (column, share) in
                [(&series.e2e_ms.p50, 0.5), (&series.e2e_ms.p95, 0.95), (&series.e2e_ms.p99, 0.99)]
            {
                assert_close(column[place], exact(latencies(&records), share));
            }
        }
    }
}

#[test]
fn flows_add_up_over_the_whole_time() {
    let kept = Kept::new(requests(500, 3_600));
    let asked = question(0, 2 * 3_600, Step::Seconds(60));
    let rollups = kept.history.rollups(&asked).expect("an answer");
    let [series] = &*rollups.series else { panic!("one group of all") };
    let counted: Vec<_> = kept.records.iter().filter(|record| !record.exchange.warmup).collect();
    let came = counted.iter().filter(|record| record.exchange.outcome.is_success());
    let [input, output] = came.fold([0, 0], |[input, output], record| {
        let usage = &record.exchange.usage;
        [input + usage.input.count(), output + usage.output.count()]
    });
    assert_eq!(series.input_tokens.iter().sum::<u64>(), input);
    assert_eq!(series.output_tokens.iter().sum::<u64>(), output);
    let busy_s = counted.iter().map(|record| {
        let timeline = &record.exchange.timeline;
        timeline.finished.arrived.since(timeline.started).as_secs_f64()
    });
    let in_flight_s = series.in_flight.iter().sum::<f64>() * 60.0;
    assert!((in_flight_s - busy_s.sum::<f64>()).abs() < 1e-6, "{in_flight_s}");
}

#[test]
fn groups_and_filters_tell_series_apart() {
    let kept = Kept::new(requests(300, 600));
    let count = |filters: &[(Dimension, &str)], group_by: &[Dimension]| {
        let filters = filters.iter().map(|(dimension, value)| {
            let values = value.split('|').map(str::to_owned);
            (*dimension, values.collect())
        });
        let asked = RollupQuestion {
            filters: filters.collect(),
            group_by: group_by.iter().copied().collect(),
            ..question(0, 3_600, Step::Points(1))
        };
        let rollups = kept.history.rollups(&asked).expect("an answer");
        let told = rollups.series.iter().map(|series| {
            let labels: Vec<&str> = series.labels.values().map(String::as_str).collect();
            (labels.join(" "), series.requests.iter().sum::<u64>())
        });
        told.collect::<Vec<_>>()
    };
    let of = |model: &str, region: &str| {
        let is = |record: &&StoredRecord| {
            !record.exchange.warmup
                && (model.is_empty() || &*record.exchange.model == model)
                && (region.is_empty() || &*record.provenance.target_region == region)
        };
        kept.records.iter().filter(is).count() as u64
    };
    assert_eq!(count(&[], &[]), [(String::new(), of("", ""))]);
    assert_eq!(
        count(&[], &[Dimension::Model]),
        [("large".to_owned(), of("large", "")), ("small".to_owned(), of("small", ""))]
    );
    assert_eq!(
        count(&[(Dimension::Region, "eu-west")], &[Dimension::Model, Dimension::Region]),
        [
            ("large eu-west".to_owned(), of("large", "eu-west")),
            ("small eu-west".to_owned(), of("small", "eu-west")),
        ]
    );
    let both = count(&[(Dimension::Model, "small|large"), (Dimension::Region, "us-east")], &[]);
    assert_eq!(both, [(String::new(), of("", "us-east"))]);
    assert_eq!(count(&[(Dimension::Model, "tiny")], &[]), []);
}

#[test]
fn what_was_forgotten_is_answered_by_coarser_windows() {
    let kept = Kept::new(requests(500, 4 * 3_600));
    let cut = START_S + 3 * 3_600 + 1_800;
    for resolution in [1, 10] {
        kept.store.forget_rollups(resolution, cut).expect("they are forgotten");
    }
    let whole = kept.history.rollups(&question(0, 5 * 3_600, Step::Seconds(20))).expect("steps");
    assert_eq!(whole.step_s, 60, "as fine as what is kept");
    let counted = kept.records.iter().filter(|record| !record.exchange.warmup).count();
    assert_eq!(whole.series[0].requests.iter().sum::<u64>(), counted as u64);
    let late = question(3 * 3_600 + 2_400, 4 * 3_600, Step::Seconds(5));
    assert_eq!(kept.history.rollups(&late).expect("steps").step_s, 5);
}

#[test]
fn what_asks_for_too_much_is_refused() {
    let kept = Kept::new(requests(2, 1));
    let refused = |question| kept.history.rollups(&question).expect_err("too much");
    let HistoryError::Grid(GridError::TooMany { step_s_min, .. }) =
        refused(question(0, 86_400, Step::Seconds(1)))
    else {
        panic!("too many points")
    };
    kept.history.rollups(&question(0, 86_400, Step::Seconds(step_s_min))).expect("an answer");

    let mut records = requests(GROUPS_MAX as u64 + 1, 60);
    for (index, record) in (0..).zip(&mut records) {
        record.exchange.model = format!("model {index}").into();
        record.exchange.warmup = false;
    }
    let kept = Kept::new(records);
    let by_model = RollupQuestion {
        group_by: [Dimension::Model].into(),
        ..question(0, 3_600, Step::Points(1))
    };
    let told = kept.history.rollups(&by_model).expect_err("too many").to_string();
    assert_eq!(
        told,
        "there would be more than 200 series, and no more may be; group by less, or filter"
    );
}
