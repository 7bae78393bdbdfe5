//! What alert rules ask.

use alert::question::Latency;
use alert::{Dimension, Moment, Quantity, Question, Reading};

use super::*;

const E2E_P95: Quantity = Quantity::LatencyQuantile { latency: Latency::E2e, quantile: 0.95 };

fn ask(kept: &Kept, quantity: Quantity, window_s: u64, now_s: u64) -> Vec<(String, f64)> {
    let question = Question {
        quantity,
        window: Duration::from_secs(window_s),
        filters: [].into(),
        group_by: [Dimension::Model].into(),
    };
    let now = Moment::from_unix_ms((START_S + now_s) * 1_000);
    let readings = kept.history.readings(&question, now).expect("answers");
    let told = |reading: Reading| (reading.labels[&Dimension::Model].clone(), reading.value);
    readings.into_iter().map(told).collect()
}

/// What ended of `model` from `from_s` until before `to_s`.
fn ended<'a>(kept: &'a Kept, model: &str, from_s: u64, to_s: u64) -> Vec<&'a Exchange> {
    let inside = (START_S + from_s) * 1_000_000_000..(START_S + to_s) * 1_000_000_000;
    let records = kept.records.iter().filter(|r| inside.contains(&r.finished_unix_nanos()));
    let exchanges = records.map(|record| &record.exchange);
    exchanges.filter(|exchange| !exchange.warmup && &*exchange.model == model).collect()
}

#[test]
fn figures_are_those_of_the_requests_in_the_window() {
    let kept = Kept::new(requests(3_000, 2 * 3_600));
    for (window, now) in [(300, 3_599), (60, 1_007), (3_600, 7_000)] {
        let rates = ask(&kept, Quantity::RequestRate, window, now);
        let errors = ask(&kept, Quantity::ErrorRate, window, now);
        let latencies = ask(&kept, E2E_P95, window, now);
        for (place, model) in ["large", "small"].into_iter().enumerate() {
            let ended = ended(&kept, model, now - window, now);
            let failed = ended.iter().filter(|exchange| !exchange.outcome.is_success()).count();
            let count = ended.len() as f64;
            assert_eq!(rates[place], (model.to_owned(), count / window as f64));
            assert_eq!(errors[place], (model.to_owned(), failed as f64 / count));
            let succeeded = ended.iter().filter(|exchange| exchange.outcome.is_success());
            let ms = succeeded.map(|exchange| {
                let timeline = &exchange.timeline;
                timeline.finished.arrived.since(timeline.planned).as_secs_f64() * 1e3
            });
            assert_close(Some(latencies[place].1 * 1e3), exact(ms.collect(), 0.95));
        }
    }
}

#[test]
fn a_quiet_group_has_a_rate_of_zero_for_as_long_as_it_is_known() {
    let kept = Kept::new(requests(100, 60));
    let quiet = [("large".to_owned(), 0.0), ("small".to_owned(), 0.0)];
    let day = 86_400;
    assert_eq!(ask(&kept, Quantity::RequestRate, 300, day), quiet);
    assert_eq!(ask(&kept, Quantity::CostPerHour, 300, day), quiet);
    assert_eq!(ask(&kept, Quantity::ErrorRate, 300, day), []);
    assert_eq!(ask(&kept, E2E_P95, 300, day), []);
    for resolution in Resolution::ALL {
        let length = u32::try_from(resolution.seconds()).expect("an hour at most");
        kept.store.forget_rollups(length, START_S + day).expect("they are forgotten");
    }
    assert_eq!(ask(&kept, Quantity::RequestRate, 300, day), []);
}
