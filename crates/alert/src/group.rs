//! When a receiver is told of what: alerts that belong together in one message, each message once,
//! again where it failed, and of every alert it was told of also the end.
//!
//! A group begins with its first alert that fires. Its first message waits a little for others; a
//! change is told when the last message is long enough ago; and what still fires is told again when
//! it has been silent for too long. An alert that ends before it was told is never told.
//!
//! A message that fails is not sent again as it was: after a pause the group is told anew, as it is
//! by then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::Seed;

use crate::label::Label;
use crate::matcher::{AlertLabels, Matcher};
use crate::moment::Moment;
use crate::notice::{DeliveryError, Message, Notice};

/// The pause after the first failure.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// No pause is longer, unless the receiver asks for it.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// No pause is longer, whatever the receiver asks for.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(3_600);

/// Which alerts go into one message, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// Alerts with the same values of these go together; all of them, where there is none.
    pub by: BTreeSet<Label>,
    /// How long a group's first message waits for others.
    pub wait: Duration,
    /// How long after a message a change is told.
    pub interval: Duration,
    /// How long after a message it is told again though nothing changed.
    pub repeat: Duration,
}

impl Default for Grouping {
    /// By rule, after 30 s, 5 min and 4 h, as Alertmanager's own configuration begins.
    fn default() -> Self {
        Self {
            by: [Label::Alertname].into(),
            wait: Duration::from_secs(30),
            interval: Duration::from_secs(5 * 60),
            repeat: Duration::from_secs(4 * 3_600),
        }
    }
}

impl Grouping {
    /// For a receiver that groups by itself, and forgets what it is not told again: everything at
    /// once, every minute.
    #[must_use]
    pub fn relay() -> Self {
        Self {
            by: BTreeSet::new(),
            wait: Duration::ZERO,
            interval: Duration::ZERO,
            repeat: Duration::from_secs(60),
        }
    }
}

/// Which alerts a receiver is told of.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The receiver's name, unlike any other's.
    pub receiver: String,
    /// Alerts that match all of these; every alert, where there is none.
    pub matchers: Vec<Matcher>,
    /// How they are grouped.
    pub grouping: Grouping,
}

/// An alert that fires now.
#[derive(Clone, Debug, PartialEq)]
pub struct FiringAlert {
    /// How it is told.
    pub notice: Notice,
    /// Whether a silence matches it.
    pub is_silent: bool,
}

/// How a group's latest attempts went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Failures since the last message that arrived.
    pub failures: u32,
    /// When the last one was.
    pub failed_at: Option<Moment>,
    /// How long after it the next attempt is due.
    pub pause: Duration,
    /// What was wrong.
    pub error: Option<String>,
}

/// Alerts that are told together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// When there first was something to tell.
    pub began: Moment,
    /// The alerts of which the receiver knows, or may know, that they fire, and when those ended that
    /// no longer do.
    pub told: BTreeMap<AlertLabels, Notice>,
    /// When the last message arrived.
    pub told_at: Option<Moment>,
    /// How the attempts since then went.
    pub trouble: Trouble,
    /// What is being told at this moment.
    pub under_way: Option<Vec<Notice>>,
}

impl Group {
    pub(crate) fn new(began: Moment) -> Self {
        let trouble = Trouble::default();
        Self { began, told: BTreeMap::new(), told_at: None, trouble, under_way: None }
    }

    /// Marks the alerts that ended. Where the clock was set back, nothing lies in the future.
    fn look(&mut self, here: &Here<'_>, now: Moment) {
        for (labels, notice) in &mut self.told {
            notice.resolved_at = match notice.resolved_at {
                _ if here.firing.contains(labels) => None,
                None => Some(now),
                ended => ended,
            };
        }
        self.began = self.began.min(now);
        self.told_at = self.told_at.map(|at| at.min(now));
        self.trouble.failed_at = self.trouble.failed_at.map(|at| at.min(now));
    }

    /// The alerts to tell of now; none where nothing is due.
    fn due(&self, here: &Here<'_>, grouping: &Grouping, now: Moment) -> Vec<Notice> {
        let mut ended = self.told.values().filter(|notice| notice.resolved_at.is_some()).peekable();
        let is_changed = ended.peek().is_some()
            || self.trouble.failures > 0
            || here.loud.iter().any(|notice| !self.told.contains_key(&notice.labels));
        let (since, wait) = match self.told_at {
            None => (self.began, grouping.wait),
            Some(at) if is_changed => (at, grouping.interval),
            Some(at) => (at, grouping.repeat),
        };
        let is_paused = self.trouble.failed_at.is_some_and(|at| now.since(at) < self.trouble.pause);
        if self.under_way.is_some() || is_paused || now.since(since) < wait {
            return Vec::new();
        }
        here.loud.iter().copied().chain(ended).cloned().collect()
    }
}

/// The alerts of one group that fire now.
#[derive(Default)]
struct Here<'a> {
    /// Those to be told of.
    loud: Vec<&'a Notice>,
    /// All of them, the silent ones too.
    firing: BTreeSet<&'a AlertLabels>,
}

/// The groups of one receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    pub(crate) groups: BTreeMap<AlertLabels, Group>,
}

impl Roster {
    /// The messages that are due at `now`, which then are under way until they are
    /// [settled](Self::settle).
    pub fn due(&mut self, route: &Route, firing: &[FiringAlert], now: Moment) -> Vec<Message> {
        let mut present: BTreeMap<AlertLabels, Here<'_>> = BTreeMap::new();
        for alert in firing {
            let labels = &alert.notice.labels;
            if !route.matchers.iter().all(|matcher| matcher.matches(labels)) {
                continue;
            }
            let key = group_of(labels, &route.grouping.by);
            let here = present.entry(key.clone()).or_default();
            here.firing.insert(labels);
            if !alert.is_silent {
                here.loud.push(&alert.notice);
                self.groups.entry(key).or_insert_with(|| Group::new(now));
            }
        }
        let nothing = Here::default();
        self.groups.retain(|key, group| {
            let is_loud = present.get(key).is_some_and(|here| !here.loud.is_empty());
            is_loud || !group.told.is_empty() || group.under_way.is_some()
        });
        let mut messages = Vec::new();
        for (key, group) in &mut self.groups {
            let here = present.get(key).unwrap_or(&nothing);
            group.look(here, now);
            let notices = group.due(here, &route.grouping, now);
            if notices.is_empty() {
                continue;
            }
            group.under_way = Some(notices.clone());
            messages.push(Message {
                receiver: route.receiver.clone(),
                group: key.clone(),
                notices,
                valid_for: route.grouping.repeat * 4,
            });
        }
        messages
    }

    /// Takes in what became of the message that is under way for the group `key`. `seed` draws the pauses
    /// after failures.
    pub fn settle(
        &mut self,
        key: &AlertLabels,
        result: Result<(), DeliveryError>,
        seed: Seed,
        now: Moment,
    ) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let Some(notices) = group.under_way.take() else { return };
        match result {
            Ok(()) => {
                for notice in notices {
                    if notice.resolved_at.is_some() {
                        group.told.remove(&notice.labels);
                    } else {
                        group.told.insert(notice.labels.clone(), notice);
                    }
                }
                group.told_at = Some(now);
                group.trouble = Trouble::default();
                if group.told.is_empty() {
                    self.groups.remove(key);
                }
            }
            Err(error) => {
                if error.may_have_arrived {
                    let firing = notices.into_iter().filter(|notice| notice.resolved_at.is_none());
                    group.told.extend(firing.map(|notice| (notice.labels.clone(), notice)));
                }
                let failures = group.trouble.failures.saturating_add(1);
                let asked = error.retry_after.unwrap_or_default().min(PAUSE_ASKED_MAX);
                group.trouble = Trouble {
                    failures,
                    failed_at: Some(now),
                    pause: pause(failures, seed).max(asked),
                    error: Some(error.message),
                };
            }
        }
    }

    /// Takes back a message that could not be sent for want of room: it is due again at once.
    pub fn put_back(&mut self, group: &AlertLabels) {
        if let Some(group) = self.groups.get_mut(group) {
            group.under_way = None;
        }
    }

    /// Every group, with what its alerts have in common.
    pub fn groups(&self) -> impl Iterator<Item = (&AlertLabels, &Group)> {
        self.groups.iter()
    }
}

/// What `labels` have in common with the others of their group.
pub(crate) fn group_of(labels: &AlertLabels, by: &BTreeSet<Label>) -> AlertLabels {
    let value = |label| labels.get(label).cloned().unwrap_or_default();
    by.iter().map(|label| (*label, value(label))).collect()
}

/// The pause after so many failures in a row: doubled with each, and between half and the whole of
/// that, so that groups which failed together do not come back together.
fn pause(failures: u32, seed: Seed) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = PAUSE_MIN.saturating_mul(1 << doublings).min(PAUSE_MAX);
    let share = 0.5 + 0.5 * seed.nth(u64::from(failures)).random().unit();
    whole.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed(1);

    /// A roster, the alerts that fire, and what its messages said.
    struct Stage {
        route: Route,
        roster: Roster,
        firing: BTreeMap<&'static str, bool>,
    }

    impl Stage {
        fn new() -> Self {
            let route = Route {
                receiver: "ops".into(),
                matchers: vec![Matcher::parse("severity=critical").expect("it is sound")],
                grouping: Grouping::default(),
            };
            Self { route, roster: Roster::default(), firing: BTreeMap::new() }
        }

        fn fire(&mut self, name: &'static str) -> &mut Self {
            self.firing.insert(name, false);
            self
        }

        fn silence(&mut self, name: &'static str) -> &mut Self {
            self.firing.insert(name, true);
            self
        }

        fn end(&mut self, name: &'static str) -> &mut Self {
            self.firing.remove(name);
            self
        }

        /// What is due at `second`: a message is its alerts' models, with a minus where they ended.
        fn due(&mut self, second: u64) -> Vec<Message> {
            let now = Moment::from_unix_ms(second * 1_000);
            let firing: Vec<FiringAlert> = self
                .firing
                .iter()
                .map(|(name, is_silent)| {
                    let (rule, model) = name.split_once('/').expect("a rule and a model");
                    let labels = AlertLabels::from([
                        (Label::Alertname, rule.to_owned()),
                        (
                            Label::Severity,
                            if rule == "Cost" { "warning" } else { "critical" }.into(),
                        ),
                        (Label::Of(crate::Dimension::Model), model.to_owned()),
                    ]);
                    let summary = String::new();
                    let notice = Notice { labels, summary, fired_at: now, resolved_at: None };
                    FiringAlert { notice, is_silent: *is_silent }
                })
                .collect();
            self.roster.due(&self.route, &firing, now)
        }

        fn settle(
            &mut self,
            messages: &[Message],
            result: &Result<(), DeliveryError>,
            second: u64,
        ) {
            for message in messages {
                let now = Moment::from_unix_ms(second * 1_000);
                self.roster.settle(&message.group, result.clone(), SEED, now);
            }
        }

        /// What is due, told with success.
        fn tell(&mut self, second: u64) -> Vec<String> {
            let messages = self.due(second);
            self.settle(&messages, &Ok(()), second);
            messages.iter().map(said).collect()
        }
    }

    fn said(message: &Message) -> String {
        let notices = message.notices.iter().map(|notice| {
            let sign = if notice.resolved_at.is_some() { "-" } else { "" };
            format!("{sign}{}", notice.labels[&Label::Of(crate::Dimension::Model)])
        });
        let rule = message.group.get(&Label::Alertname).map_or("", |name| name);
        format!("{rule}: {}", notices.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_belongs_together_is_told_together_and_each_change_once() {
        let mut stage = Stage::new();
        stage.fire("Slow/a").fire("Errors/a").fire("Cost/a");
        assert_eq!(stage.tell(0), [""; 0], "the first message waits");
        assert_eq!(stage.fire("Slow/b").tell(30), ["Errors: a", "Slow: a b"]);
        assert_eq!(stage.tell(60), [""; 0]);
        assert_eq!(stage.fire("Slow/c").tell(90), [""; 0], "a change waits its turn");
        assert_eq!(stage.end("Slow/a").tell(330), ["Slow: b c -a"]);
        assert_eq!(stage.end("Errors/a").tell(331), ["Errors: -a"]);
        assert_eq!(stage.tell(4 * 3_600), [""; 0]);
        assert_eq!(stage.tell(4 * 3_600 + 330), ["Slow: b c"], "it still fires");
        assert_eq!(stage.end("Slow/b").end("Slow/c").tell(5 * 3_600), ["Slow: -b -c"]);
        assert_eq!(stage.roster, Roster::default());
    }

    #[test]
    fn what_was_over_before_it_was_told_is_never_told() {
        let mut stage = Stage::new();
        assert_eq!(stage.fire("Slow/a").tell(0), [""; 0]);
        assert_eq!(stage.end("Slow/a").tell(60), [""; 0]);
        // The wait begins anew.
        assert_eq!(stage.fire("Slow/a").tell(61), [""; 0]);
        assert_eq!(stage.tell(91), ["Slow: a"]);
    }

    #[test]
    fn silent_alerts_are_not_told_but_their_end_is() {
        let mut stage = Stage::new();
        stage.fire("Slow/a").silence("Slow/b").silence("Errors/a").tell(0);
        assert_eq!(stage.tell(30), ["Slow: a"]);
        assert_eq!(stage.silence("Slow/a").tell(5 * 3_600), [""; 0], "no repetition");
        assert_eq!(stage.end("Slow/a").tell(5 * 3_600 + 1), ["Slow: -a"]);
        // The silence of the other ends.
        stage.fire("Slow/b").tell(6 * 3_600);
        assert_eq!(stage.tell(6 * 3_600 + 30), ["Slow: b"]);
    }

    #[test]
    fn a_failure_is_told_anew_after_a_pause_that_doubles() {
        let mut stage = Stage::new();
        stage.fire("Slow/a").tell(0);
        let error = Err(DeliveryError::new("refused"));
        let mut second = 30;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let messages = stage.due(second);
            assert_eq!(messages.len(), 1, "due at {second}");
            assert_eq!(stage.due(second + 1), [], "it is under way");
            stage.settle(&messages, &error, second);
            let failed = second;
            while stage.due(second).is_empty() {
                second += 1;
            }
            let (group, _) = stage.roster.groups().next().expect("there is one");
            let group = group.clone();
            stage.roster.put_back(&group);
            pauses.push(second - failed);
        }
        for (pause, most) in pauses.iter().zip([5, 10, 20, 40, 80, 160, 300, 300, 300]) {
            assert!((most / 2..=most).contains(pause), "{pauses:?}");
        }
        let (_, group) = stage.roster.groups().next().expect("there is one");
        assert_eq!(group.trouble.failures, 9);
        assert_eq!(group.trouble.error.as_deref(), Some("refused"));
        // What has changed by then is told in place of what failed.
        assert_eq!(stage.fire("Slow/b").end("Slow/a").tell(second), ["Slow: b"]);
        let (_, group) = stage.roster.groups().next().expect("there is one");
        assert_eq!(group.trouble, Trouble::default());
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it() {
        let mut stage = Stage::new();
        stage.fire("Slow/a").tell(0);
        let messages = stage.due(30);
        let retry_after = Some(Duration::from_secs(1_000));
        let error = DeliveryError { retry_after, ..DeliveryError::new("busy") };
        stage.settle(&messages, &Err(error), 30);
        assert_eq!(stage.tell(1_029), [""; 0]);
        assert_eq!(stage.tell(1_030), ["Slow: a"]);
    }

    #[test]
    fn the_end_of_what_may_have_arrived_is_told_and_of_what_did_not_is_not() {
        for (error, said) in [
            (DeliveryError::new("refused"), vec![]),
            (DeliveryError::unanswered("no answer"), vec!["Slow: -a"]),
        ] {
            let mut stage = Stage::new();
            stage.fire("Slow/a").tell(0);
            let messages = stage.due(30);
            stage.settle(&messages, &Err(error), 30);
            assert_eq!(stage.end("Slow/a").tell(60), said);
        }
        // While it fires it is told again, though the receiver may know of it.
        let mut stage = Stage::new();
        stage.fire("Slow/b").tell(0);
        stage.tell(30);
        let messages = stage.fire("Slow/a").due(330);
        stage.settle(&messages, &Err(DeliveryError::unanswered("no answer")), 330);
        assert_eq!(stage.tell(360), ["Slow: a b"]);
    }

    #[test]
    fn an_end_keeps_its_time_however_late_it_is_told() {
        let mut stage = Stage::new();
        stage.fire("Slow/a").tell(0);
        stage.tell(30);
        assert_eq!(stage.end("Slow/a").tell(100), [""; 0]);
        let messages = stage.due(330);
        assert_eq!(messages[0].notices[0].resolved_at, Some(Moment::from_unix_ms(100_000)));
    }

    #[test]
    fn a_clock_set_back_delays_nothing() {
        let mut stage = Stage::new();
        stage.fire("Slow/a").tell(1_000_000);
        assert_eq!(stage.tell(1_000_030), ["Slow: a"]);
        assert_eq!(stage.fire("Slow/b").tell(100), [""; 0]);
        assert_eq!(stage.tell(400), ["Slow: a b"]);
    }

    #[test]
    fn a_relay_hears_everything_at_once_and_again_every_minute() {
        let mut stage = Stage::new();
        stage.route.grouping = Grouping::relay();
        assert_eq!(stage.fire("Slow/a").fire("Errors/a").tell(0), [": a a"]);
        assert_eq!(stage.fire("Slow/b").tell(1), [": a a b"]);
        assert_eq!(stage.tell(60), [""; 0]);
        assert_eq!(stage.tell(61), [": a a b"]);
        assert_eq!(stage.end("Slow/b").tell(62), [": a a -b"]);
    }
}
