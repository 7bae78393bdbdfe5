//! The life of an alert: a pure machine, moved on by each evaluation of its rule.
//!
//! | phase    | bad                              | hesitant          | good, or no figure |
//! |----------|----------------------------------|-------------------|--------------------|
//! | –        | pending (firing without a hold)  | –                 | –                  |
//! | pending  | firing once the hold has passed  | –                 | –                  |
//! | firing   | firing                           | firing            | resolved           |
//! | resolved | pending (firing without a hold)  | resolved, then –  | resolved, then –   |
//!
//! Hesitant is a figure between the threshold and where an alert clears. A resolved alert is kept to
//! be looked at for [`RESOLVED_KEPT`] and then forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::label::Labels;
use crate::moment::Moment;
use crate::question::Reading;
use crate::rule::{Judgement, Rule};

/// How long a resolved alert is still shown.
pub const RESOLVED_KEPT: Duration = Duration::from_secs(15 * 60);

/// Evaluations further apart than this are a gap: nobody watched, and the time does not count for a
/// pending alert's hold.
pub const GAP_MIN: Duration = Duration::from_secs(5 * 60);

/// How far an alert has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is bad, but not yet for as long as the rule holds.
    Pending,
    /// It has been bad for long enough.
    Firing {
        /// When it began to fire.
        fired_at: Moment,
    },
    /// It fired and is good again.
    Resolved {
        /// When it began to fire.
        fired_at: Moment,
        /// When it was first seen to be good again.
        resolved_at: Moment,
    },
}

/// One group's alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alert {
    /// How far it has come.
    pub phase: Phase,
    /// Since when it has been bad, or was.
    pub since: Moment,
    /// The latest figure it had while it was bad or hesitant.
    pub value: f64,
}

impl Alert {
    /// What becomes of `before` at `now`; `None` is no alert.
    #[must_use]
    fn next(
        before: Option<Self>,
        judgement: Judgement,
        value: f64,
        hold: Duration,
        now: Moment,
    ) -> Option<Self> {
        let Some(alert) = before else { return Self::begin(judgement, value, hold, now) };
        match (alert.phase, judgement) {
            (Phase::Pending, Judgement::Bad) => Some(Self { value, ..alert }.age(hold, now)),
            (Phase::Pending, Judgement::Hesitant | Judgement::Good) => None,
            (Phase::Firing { .. }, Judgement::Bad | Judgement::Hesitant) => {
                Some(Self { value, ..alert })
            }
            (Phase::Firing { fired_at }, Judgement::Good) => {
                Some(Self { phase: Phase::Resolved { fired_at, resolved_at: now }, ..alert })
            }
            (Phase::Resolved { .. }, Judgement::Bad) => Self::begin(judgement, value, hold, now),
            (Phase::Resolved { resolved_at, .. }, Judgement::Hesitant | Judgement::Good) => {
                (now.since(resolved_at) < RESOLVED_KEPT).then_some(alert)
            }
        }
    }

    fn begin(judgement: Judgement, value: f64, hold: Duration, now: Moment) -> Option<Self> {
        let pending = Self { phase: Phase::Pending, since: now, value };
        (judgement == Judgement::Bad).then(|| pending.age(hold, now))
    }

    /// A pending alert fires once the hold has passed.
    fn age(self, hold: Duration, now: Moment) -> Self {
        if now.since(self.since) < hold {
            return self;
        }
        Self { phase: Phase::Firing { fired_at: now }, ..self }
    }

    /// Whether it fires.
    #[must_use]
    pub const fn is_firing(&self) -> bool {
        matches!(self.phase, Phase::Firing { .. })
    }
}

/// What is remembered of one rule from one evaluation to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleState {
    /// When it was last evaluated.
    pub evaluated_at: Option<Moment>,
    /// The alerts of its groups.
    pub alerts: BTreeMap<Labels, Alert>,
}

impl RuleState {
    /// Moves every alert of `rule` on to `now`. `answers` are those to its questions, in their order.
    pub fn evaluate(&mut self, rule: &Rule, answers: &[Vec<Reading>], now: Moment) {
        self.skip_gap(now);
        let mut judged: BTreeMap<Labels, (f64, Judgement)> = rule
            .judge(answers)
            .into_iter()
            .map(|(reading, judgement)| (reading.labels, (reading.value, judgement)))
            .collect();
        // A group without a figure is good: there is nothing bad to be seen.
        for labels in self.alerts.keys() {
            judged.entry(labels.clone()).or_insert((0.0, Judgement::Good));
        }
        for (labels, (value, judgement)) in judged {
            let before = self.alerts.get(&labels).copied();
            match Alert::next(before, judgement, value, rule.hold, now) {
                Some(alert) => {
                    self.alerts.insert(labels, alert);
                }
                None => {
                    self.alerts.remove(&labels);
                }
            }
        }
        self.evaluated_at = Some(now);
    }

    /// Takes the time since the last evaluation out of the holds where it was a gap, and begins them
    /// anew where the clock was set back.
    fn skip_gap(&mut self, now: Moment) {
        let Some(before) = self.evaluated_at else { return };
        let gap = now.since(before);
        let pending = self.alerts.values_mut().filter(|alert| alert.phase == Phase::Pending);
        for alert in pending {
            if gap > GAP_MIN {
                alert.since += gap;
            }
            alert.since = alert.since.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::label::Dimension;
    use crate::settings::RuleSettings;

    const MINUTE: u64 = 60_000;

    /// Bad above 2 s, good below 1.5 s, held for two minutes.
    fn rule(hold: &str) -> Rule {
        let text = format!(
            "name = 'Slow'\nmetric = 'e2e_p95'\nabove = '2s'\nclear = '1500ms'\nwindow = '5m'\n\
             for = '{hold}'\ngroup_by = ['model']\nseverity = 'warning'\n"
        );
        toml::from_str::<RuleSettings>(&text).expect("its form").check().expect("it is sound")
    }

    fn labels(model: &str) -> Labels {
        [(Dimension::Model, model.to_owned())].into()
    }

    fn answers(values: &[(&str, f64)]) -> Vec<Vec<Reading>> {
        let reading = |&(model, value): &(&str, f64)| Reading { labels: labels(model), value };
        vec![values.iter().map(reading).collect()]
    }

    /// The alert's phase in a word after each of the minutes' figures; `None` is no figure.
    fn phases(hold: &str, minutes: &[(u64, Option<f64>)]) -> Vec<&'static str> {
        let rule = rule(hold);
        let mut state = RuleState::default();
        let step = |&(minute, value): &(u64, Option<f64>)| {
            let answers = value.map_or(vec![vec![]], |value| answers(&[("a", value)]));
            state.evaluate(&rule, &answers, Moment::from_unix_ms(minute * MINUTE));
            match state.alerts.get(&labels("a")).map(|alert| alert.phase) {
                None => "-",
                Some(Phase::Pending) => "pending",
                Some(Phase::Firing { .. }) => "firing",
                Some(Phase::Resolved { .. }) => "resolved",
            }
        };
        minutes.iter().map(step).collect()
    }

    #[test]
    fn the_transition_table_holds() {
        let (bad, hesitant, good) = (Some(3.0), Some(1.8), Some(1.0));
        for (hold, minutes, expected) in [
            ("0s", vec![(0, good), (1, hesitant), (2, bad)], vec!["-", "-", "firing"]),
            ("2m", vec![(0, bad), (1, bad), (2, bad)], vec!["pending", "pending", "firing"]),
            ("2m", vec![(0, bad), (1, hesitant), (2, bad)], vec!["pending", "-", "pending"]),
            ("2m", vec![(0, bad), (1, None), (2, bad)], vec!["pending", "-", "pending"]),
            (
                "0s",
                vec![(0, bad), (1, hesitant), (2, good), (3, hesitant), (17, good)],
                vec!["firing", "firing", "resolved", "resolved", "-"],
            ),
            ("0s", vec![(0, bad), (1, None), (2, bad)], vec!["firing", "resolved", "firing"]),
            (
                "2m",
                vec![(0, bad), (2, bad), (3, good), (4, bad), (5, bad), (6, bad)],
                vec!["pending", "firing", "resolved", "pending", "pending", "firing"],
            ),
            // The threshold itself is not beyond it.
            ("0s", vec![(0, Some(2.0))], vec!["-"]),
            // Nobody watched for an hour, or the clock was set back: neither counts for the hold.
            (
                "2m",
                vec![(10, bad), (70, bad), (71, bad), (72, bad)],
                vec!["pending", "pending", "pending", "firing"],
            ),
            (
                "2m",
                vec![(10, bad), (9, bad), (10, bad), (11, bad)],
                vec!["pending", "pending", "pending", "firing"],
            ),
        ] {
            assert_eq!(phases(hold, &minutes), expected, "{hold}: {minutes:?}");
        }
    }

    #[test]
    fn groups_live_apart() {
        let rule = rule("0s");
        let mut state = RuleState::default();
        state.evaluate(&rule, &answers(&[("a", 3.0), ("b", 1.0)]), Moment::from_unix_ms(0));
        state.evaluate(&rule, &answers(&[("a", 1.0), ("b", 4.0)]), Moment::from_unix_ms(MINUTE));
        let (a, b) = (state.alerts[&labels("a")], state.alerts[&labels("b")]);
        let [fired_at, resolved_at] = [0, MINUTE].map(Moment::from_unix_ms);
        assert_eq!(a.phase, Phase::Resolved { fired_at, resolved_at });
        assert_eq!(a.value, 3.0, "the last figure that was bad");
        assert_eq!(b.phase, Phase::Firing { fired_at: resolved_at });
    }

    proptest! {
        /// However figures come and go: an alert fires only after figures that were bad for the whole
        /// hold, goes on while they stay beyond where it clears, and only then resolves.
        #[test]
        fn an_alert_fires_exactly_where_its_figures_say_so(
            figures in prop::collection::vec(
                prop_oneof![Just(None), Just(Some(1.0)), Just(Some(1.8)), Just(Some(3.0))], 1..60,
            ),
            hold_minutes in 0_u64..5,
        ) {
            let minutes: Vec<(u64, Option<f64>)> = (0..).zip(figures.iter().copied()).collect();
            let phases = phases(&format!("{hold_minutes}m"), &minutes);
            for (at, phase) in phases.iter().enumerate() {
                // Going back from here: figures beyond clear, before them a whole hold of bad ones.
                let kept = figures[..=at].iter().rev().take_while(|f| f.is_some_and(|f| f > 1.5));
                let kept = kept.count();
                let run = &figures[at + 1 - kept..=at];
                let hold = usize::try_from(hold_minutes).expect("it is small");
                let bad_for = |end: usize| {
                    run[..=end].iter().rev().take_while(|f| **f == Some(3.0)).count()
                };
                let fires = (0..run.len()).any(|end| bad_for(end) > hold);
                prop_assert_eq!(*phase == "firing", fires, "minute {} of {:?}", at, figures);
            }
        }
    }
}
