//! Everything there is to know of alerts at one moment: rules and how they stand, silences, and what
//! each receiver has been told.
//!
//! Pure: the time, the answers and what became of each message are handed in. [`saved`](crate::saved)
//! carries it over a restart.

use domain::Seed;

use crate::group::{FiringAlert, Group, Roster, Route};
use crate::label::Label;
use crate::matcher::{AlertLabels, Matcher};
use crate::moment::Moment;
use crate::notice::{DeliveryError, Message, Notice};
use crate::question::{Question, Reading};
use crate::rule::Rule;
use crate::silence::{Silence, SilenceError, Silences};
use crate::state::{Alert, Phase, RuleState};

/// A rule, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The rule.
    pub rule: Rule,
    /// Its alerts.
    pub state: RuleState,
    /// Why it could not be evaluated the last time; its alerts are then left as they were.
    pub error: Option<String>,
}

/// One alert, as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<'a> {
    /// The rule that it breaks.
    pub rule: &'a Rule,
    /// How far it has come.
    pub alert: Alert,
    /// Its labels, the rule's name and severity among them.
    pub labels: AlertLabels,
    /// The sentence that tells of it.
    pub summary: String,
    /// Until when nobody is told of it; `None` where somebody is.
    pub silenced_until: Option<Moment>,
}

/// The rules, the silences and the receivers, and how each of them stands.
#[derive(Clone, Debug)]
pub struct AlertBook {
    pub(crate) rules: Vec<Watched>,
    pub(crate) silences: Silences,
    pub(crate) receivers: Vec<(Route, Roster)>,
    seed: Seed,
}

impl AlertBook {
    /// A book in which nothing has happened. `seed` draws the pauses after failures.
    #[must_use]
    pub fn new(rules: Vec<Rule>, routes: Vec<Route>, seed: Seed) -> Self {
        let watch = |rule| Watched { rule, state: RuleState::default(), error: None };
        Self {
            rules: rules.into_iter().map(watch).collect(),
            silences: Silences::default(),
            receivers: routes.into_iter().map(|route| (route, Roster::default())).collect(),
            seed,
        }
    }

    /// What each rule asks, in the order of [`rules`](Self::rules).
    #[must_use]
    pub fn questions(&self) -> Vec<Vec<Question>> {
        self.rules.iter().map(|watched| watched.rule.questions()).collect()
    }

    /// Moves each rule on to `now` by the answers to its [questions](Self::questions). A rule whose
    /// questions could not be answered is left as it was, and says why.
    pub fn evaluate(&mut self, answers: Vec<Result<Vec<Vec<Reading>>, String>>, now: Moment) {
        for (watched, answer) in self.rules.iter_mut().zip(answers) {
            match answer {
                Ok(answers) => {
                    watched.state.evaluate(&watched.rule, &answers, now);
                    watched.error = None;
                }
                Err(error) => watched.error = Some(error),
            }
        }
    }

    /// The messages that are due at `now`. Each is then under way until it is
    /// [settled](Self::settle) or [put back](Self::put_back).
    #[must_use]
    pub fn due(&mut self, now: Moment) -> Vec<Message> {
        self.silences.forget_ended(now);
        let firing: Vec<FiringAlert> = self.list(now).iter().filter_map(FiringAlert::of).collect();
        let receivers = self.receivers.iter_mut();
        receivers.flat_map(|(route, roster)| roster.due(route, &firing, now)).collect()
    }

    /// Takes in what became of a message.
    pub fn settle(
        &mut self,
        receiver: &str,
        group: &AlertLabels,
        result: Result<(), DeliveryError>,
        now: Moment,
    ) {
        let seed = self.seed.child(receiver).child(&fingerprint(group));
        if let Some(roster) = self.roster(receiver) {
            roster.settle(group, result, seed, now);
        }
    }

    /// Takes back a message there was no room for; it is due again at once.
    pub fn put_back(&mut self, receiver: &str, group: &AlertLabels) {
        if let Some(roster) = self.roster(receiver) {
            roster.put_back(group);
        }
    }

    fn roster(&mut self, receiver: &str) -> Option<&mut Roster> {
        let mut receivers = self.receivers.iter_mut();
        receivers.find(|(route, _)| route.receiver == receiver).map(|(_, roster)| roster)
    }

    /// Silences alerts that match all of `matchers` until then. Returns the silence's number.
    ///
    /// # Errors
    /// [`SilenceError`] where it cannot be kept.
    pub fn silence(
        &mut self,
        matchers: Vec<Matcher>,
        until: Moment,
        comment: String,
        now: Moment,
    ) -> Result<u64, SilenceError> {
        self.silences.add(matchers, until, comment, now)
    }

    /// Ends a silence. False where there is none of that number.
    pub fn end_silence(&mut self, id: u64) -> bool {
        self.silences.remove(id)
    }

    /// The silences, the oldest first. One that has just ended may still be among them.
    #[must_use]
    pub fn silences(&self) -> &[Silence] {
        self.silences.list()
    }

    /// The rules and how they stand.
    #[must_use]
    pub fn rules(&self) -> &[Watched] {
        &self.rules
    }

    /// Each receiver's groups: what it was told, and what is wrong where it cannot be.
    pub fn deliveries(&self) -> impl Iterator<Item = (&Route, &AlertLabels, &Group)> {
        let receivers = self.receivers.iter();
        receivers.flat_map(|(route, roster)| {
            roster.groups().map(move |(labels, group)| (route, labels, group))
        })
    }

    /// Every alert, by rule.
    #[must_use]
    pub fn list(&self, now: Moment) -> Vec<Listed<'_>> {
        let rules = self.rules.iter();
        rules.flat_map(|watched| self.list_rule(watched, now)).collect()
    }

    fn list_rule<'a>(&self, watched: &'a Watched, now: Moment) -> Vec<Listed<'a>> {
        let rule = &watched.rule;
        let list = |(group, &alert): (&crate::Labels, &Alert)| {
            let reading = Reading { labels: group.clone(), value: alert.value };
            let labels = labels_of(rule, &reading);
            let silenced_until = self.silences.until(&labels, now);
            Listed { rule, alert, labels, summary: rule.summary_of(&reading), silenced_until }
        };
        watched.state.alerts.iter().map(list).collect()
    }
}

impl FiringAlert {
    fn of(listed: &Listed<'_>) -> Option<Self> {
        let Phase::Firing { fired_at } = listed.alert.phase else { return None };
        let notice = Notice {
            labels: listed.labels.clone(),
            summary: listed.summary.clone(),
            fired_at,
            resolved_at: None,
        };
        Some(Self { notice, is_silent: listed.silenced_until.is_some() })
    }
}

/// The labels of the alert that `reading` raises. A label without a value is left out, as Prometheus
/// does.
fn labels_of(rule: &Rule, reading: &Reading) -> AlertLabels {
    let of_requests = reading
        .labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(dimension, value)| (Label::Of(*dimension), value.clone()));
    let own = [
        (Label::Alertname, rule.name.clone()),
        (Label::Severity, rule.severity.as_str().to_owned()),
    ];
    own.into_iter().chain(of_requests).collect()
}

/// A short name for what has `labels`: the same at every restart.
#[must_use]
pub fn fingerprint(labels: &AlertLabels) -> String {
    // FNV-1a over names and values, each closed by a byte that no text holds.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (label, value) in labels {
        let bytes = label.as_str().bytes().chain([0xff]).chain(value.bytes()).chain([0xff]);
        hash =
            bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    }
    format!("{hash:016x}")
}
