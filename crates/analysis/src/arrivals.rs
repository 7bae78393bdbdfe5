//! Whether the load that was delivered is the load that was planned.
//!
//! The textbook test of arrivals asks whether they could be draws from a distribution. Here that is
//! the wrong question: the plan is known to the nanosecond, so each request has its own due time,
//! and the times it started are that plan plus the client's lag, not a second sample. A two-sample
//! Kolmogorov–Smirnov p-value supposes independent samples; on two that move in step it stays near
//! 1 long after a client has fallen seconds behind, and on gaps (where a constant-rate plan has a
//! single value) it rejects a lag of a microsecond. Neither says anything of use.
//!
//! So the statistics are kept and judged by their size instead:
//! - **delivered share**: of the requests due in the window, those that also started in it, or
//!   within a tolerance of its end, at which the last of them may be due. Those that were never sent,
//!   as when a run is stopped, are among them where the runner says how many were due. The shortfall
//!   counts only where its Wilson interval clears the budget.
//! - **overdue share**: the Kolmogorov–Smirnov distance between the plan, shifted by a tolerance,
//!   and the starts, on the side where starts fall behind: the largest part of the plan that was
//!   overdue by more than the tolerance at any one moment. The tolerance keeps the microseconds
//!   apart from the stalls, and one stall of a second shows whatever the mean rate did. Those never
//!   sent are overdue at the end.
//! - **rates**: planned and achieved, by the mean gap between requests, with the interval that the
//!   gaps between starts give. They are for comparing with the rate that was asked for, from which a
//!   random plan strays by chance; that is no fault, so no verdict hangs on it.

use crate::interval::Z;
use crate::percentile::mean_and_deviation;
use crate::{Interval, Proportion};

/// The largest shortfall of the delivered share that is still on plan.
pub const SHORTFALL_MAX: f64 = 0.01;

/// The largest overdue share that is still on plan.
pub const OVERDUE_MAX: f64 = 0.01;

/// The fewest requests overdue at once that count as off plan, so that one late start of a short
/// run does not.
pub const OVERDUE_MIN: u64 = 3;

/// Whether the plan was kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeliveryVerdict {
    /// It was.
    OnPlan,
    /// It was not.
    OffPlan {
        /// The part of the plan affected: the larger of shortfall and overdue share.
        effect: f64,
    },
}

/// How a delivered load compares with its plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delivery {
    /// Of the requests due in the window, those that started in it, the tolerance included. Where the
    /// runner said how many were due, those never sent are of them.
    pub delivered: Proportion,
    /// Requests that were due and never sent.
    pub unsent: u64,
    /// The most requests that were overdue by more than the tolerance at one moment.
    pub overdue: u64,
    /// `overdue` over the number of requests due.
    pub overdue_share: f64,
    /// How fast requests were due and started; `None` where all were due, or started, at once.
    pub rates: Option<Rates>,
    /// Whether the plan was kept.
    pub verdict: DeliveryVerdict,
}

/// Requests a second, by the mean gap between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// How many were due.
    pub planned: f64,
    /// How many started.
    pub achieved: f64,
    /// The 95 % interval of the rate that the starts are a sample of; `None` where the gaps vary too
    /// much for their number to bound it from above.
    pub interval: Option<Interval>,
}

/// One request's due time and actual start, in nanoseconds after the window began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// When it was due.
    pub planned: i64,
    /// When it started.
    pub started: i64,
}

/// Holds `starts`, the requests due in a window of `window_nanos`, against their plan; `None` where
/// there are none or the window is empty.
///
/// A request is overdue once `tolerance_nanos` have passed since it was due.
#[must_use]
pub fn delivery(starts: &[Start], window_nanos: u64, tolerance_nanos: u64) -> Option<Delivery> {
    delivery_of(starts.len() as u64, starts, window_nanos, tolerance_nanos)
}

/// The same where `due` requests were due, of which `starts` are those that were sent. More that were
/// sent than due are all taken to have been due.
#[must_use]
pub fn delivery_of(
    due: u64,
    starts: &[Start],
    window_nanos: u64,
    tolerance_nanos: u64,
) -> Option<Delivery> {
    let total = due.max(starts.len() as u64);
    if total == 0 || window_nanos == 0 {
        return None;
    }
    let end = i64::try_from(window_nanos.saturating_add(tolerance_nanos)).unwrap_or(i64::MAX);
    let mut times: Vec<i64> = starts.iter().map(|start| start.started).collect();
    times.sort_unstable();
    let hits = times.partition_point(|&time| time <= end) as u64;

    let delivered = Proportion { hits, total };
    let unsent = total - starts.len() as u64;
    let overdue = most_overdue(starts, tolerance_nanos).max(unsent);
    let overdue_share = overdue as f64 / total as f64;
    let shortfall =
        if delivered.interval().high < 1.0 - SHORTFALL_MAX { 1.0 - delivered.share() } else { 0.0 };
    let late =
        if overdue >= OVERDUE_MIN && overdue_share > OVERDUE_MAX { overdue_share } else { 0.0 };
    let effect = f64::max(shortfall, late);
    Some(Delivery {
        delivered,
        unsent,
        overdue,
        overdue_share,
        rates: rates(starts, &times),
        verdict: if effect > 0.0 {
            DeliveryVerdict::OffPlan { effect }
        } else {
            DeliveryVerdict::OnPlan
        },
    })
}

/// The largest number of requests that were at one moment overdue and not started.
fn most_overdue(starts: &[Start], tolerance_nanos: u64) -> u64 {
    let tolerance = i64::try_from(tolerance_nanos).unwrap_or(i64::MAX);
    // One more is overdue when its tolerance is spent, one fewer when it starts at last; at equal
    // times starts come first, since a request that starts right then is not late.
    let mut steps: Vec<(i64, i64)> = starts
        .iter()
        .map(|start| (start.planned.saturating_add(tolerance), start.started))
        .filter(|(due, started)| started > due)
        .flat_map(|(due, started)| [(due, 1), (started, -1)])
        .collect();
    steps.sort_unstable();
    let (mut overdue, mut most) = (0_i64, 0_i64);
    for (_, step) in steps {
        overdue += step;
        most = most.max(overdue);
    }
    most.unsigned_abs()
}

/// The rates of `starts`, whose start times are `started` in ascending order.
fn rates(starts: &[Start], started: &[i64]) -> Option<Rates> {
    let mut planned: Vec<i64> = starts.iter().map(|start| start.planned).collect();
    planned.sort_unstable();
    let gaps = |times: &[i64]| -> Vec<f64> {
        times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9).collect()
    };
    let (planned_gap, _) = mean_and_deviation(&gaps(&planned));
    let gaps = gaps(started);
    let (gap, deviation) = mean_and_deviation(&gaps);
    if planned_gap <= 0.0 || gap <= 0.0 {
        return None;
    }
    let half = Z * deviation / (gaps.len() as f64).sqrt();
    Some(Rates {
        planned: 1.0 / planned_gap,
        achieved: 1.0 / gap,
        interval: (gaps.len() > 1 && half < gap)
            .then(|| Interval { low: 1.0 / (gap + half), high: 1.0 / (gap - half) }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const WINDOW: u64 = 10_000_000_000;
    const TOLERANCE: u64 = 5_000_000;

    /// A thousand requests due every 10 ms and started as late as `lag_ms` says.
    fn deliver(lag_ms: impl Fn(i64) -> i64) -> Delivery {
        let starts: Vec<Start> = (0..1_000)
            .map(|index| index * 10 * MS)
            .map(|planned| Start { planned, started: planned + lag_ms(planned / MS) * MS })
            .collect();
        delivery(&starts, WINDOW, TOLERANCE).unwrap()
    }

    #[test]
    fn delivered_load_is_held_against_its_plan() {
        let on_time = deliver(|_| 0);
        assert_eq!(on_time.verdict, DeliveryVerdict::OnPlan);
        let rates = on_time.rates.unwrap();
        assert!((rates.planned - 100.0).abs() < 1e-9 && (rates.achieved - 100.0).abs() < 1e-9);

        // Within the tolerance nothing is overdue, and the last request may start past the end.
        let slightly = deliver(|_| 5);
        assert_eq!((slightly.overdue, slightly.verdict), (0, DeliveryVerdict::OnPlan));

        // A stall of 200 ms at 3 s: just before its end, those due by 3,194 ms are overdue.
        let stalled = deliver(|due| if (3_000..3_200).contains(&due) { 3_200 - due } else { 0 });
        assert_eq!(stalled.overdue, 20);
        assert_eq!(stalled.verdict, DeliveryVerdict::OffPlan { effect: 0.02 });
        assert_eq!(stalled.delivered.share(), 1.0);

        // A client that manages 90 of 100 a second: a tenth of the plan is behind at the end.
        let slow = deliver(|due| due / 9);
        assert_eq!(slow.delivered.hits, 901);
        assert!((slow.rates.unwrap().achieved - 90.0).abs() < 1e-9);
        let DeliveryVerdict::OffPlan { effect } = slow.verdict else { panic!("{slow:?}") };
        assert!((effect - 0.1).abs() < 0.005, "{effect}");
    }

    /// 100 a second with two in flight that never end, stopped at 2.9 s: 30 were sent of 290.
    #[test]
    fn what_was_never_sent_was_not_delivered() {
        let starts: Vec<Start> = (0..30_i64)
            .map(|index| Start { planned: index * 10 * MS, started: index * 97 * MS })
            .collect();
        let delivery = delivery_of(290, &starts, 2_900_000_000, TOLERANCE).unwrap();
        assert_eq!(delivery.delivered, Proportion { hits: 30, total: 290 });
        assert_eq!((delivery.unsent, delivery.overdue), (260, 260));
        let DeliveryVerdict::OffPlan { effect } = delivery.verdict else { panic!("{delivery:?}") };
        assert!((effect - 260.0 / 290.0).abs() < 1e-12, "{effect}");
        // Nothing was sent at all.
        let nothing = delivery_of(5, &[], WINDOW, TOLERANCE).unwrap();
        assert_eq!(nothing.delivered, Proportion { hits: 0, total: 5 });
    }

    #[test]
    fn a_rate_has_the_interval_of_its_gaps() {
        // Gaps of 10 ms and 30 ms in turn: mean 20 ms, deviation 10 ms, over 999 gaps.
        let starts: Vec<Start> = (0..1_000_i64)
            .map(|index| (index / 2 * 40 + index % 2 * 10) * MS)
            .map(|planned| Start { planned, started: planned })
            .collect();
        let delivery = delivery(&starts, 2 * WINDOW, TOLERANCE).unwrap();
        let interval = delivery.rates.unwrap().interval.unwrap();
        // 0.02 s ± 1.96 × 0.01 / √999 = 0.02 ± 0.00062.
        assert!((interval.low - 48.5).abs() < 0.1, "{interval:?}");
        assert!((interval.high - 51.6).abs() < 0.1, "{interval:?}");
    }

    #[test]
    fn nothing_due_is_nothing_to_judge() {
        assert_eq!(delivery(&[], WINDOW, TOLERANCE), None);
        let at_once = [Start { planned: 0, started: 0 }; 5];
        assert_eq!(delivery(&at_once, 0, TOLERANCE), None);
        assert_eq!(delivery(&at_once, WINDOW, TOLERANCE).unwrap().rates, None);
    }
}
