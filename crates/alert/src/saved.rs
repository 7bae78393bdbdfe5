//! What an [`AlertBook`] remembers over a restart, in plain values that a store can keep.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::book::AlertBook;
use crate::group::{Group, Roster, Trouble, group_of};
use crate::label::{Dimension, Label, Labels};
use crate::matcher::{AlertLabels, Matcher};
use crate::moment::Moment;
use crate::notice::Notice;
use crate::silence::{Silence, Silences};
use crate::state::{Alert, Phase, RuleState};

/// The form written today.
const VERSION: u32 = 1;

/// Why a saved state cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// A later version of Prony wrote it.
    #[error(
        "the alerts' state has form {0}, which a newer Prony wrote; use that version, or begin \
         without the state"
    )]
    Newer(u32),
    /// A part of it cannot be read.
    #[error("the alerts' state cannot be read: {0}; begin without it, and alerts are told anew")]
    Damaged(String),
}

/// The state of an [`AlertBook`]: alerts, silences, and what receivers have been told. Rules and
/// receivers themselves come from the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    version: u32,
    rules: Vec<SavedRule>,
    silences: Vec<SavedSilence>,
    last_silence_id: u64,
    receivers: Vec<SavedReceiver>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRule {
    name: String,
    evaluated_at_unix_ms: Option<u64>,
    alerts: Vec<SavedAlert>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedAlert {
    labels: BTreeMap<String, String>,
    phase: SavedPhase,
    since_unix_ms: u64,
    value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedPhase {
    Pending,
    Firing { fired_at_unix_ms: u64 },
    Resolved { fired_at_unix_ms: u64, resolved_at_unix_ms: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSilence {
    id: u64,
    matchers: Vec<String>,
    until_unix_ms: u64,
    comment: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedReceiver {
    name: String,
    groups: Vec<SavedGroup>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedGroup {
    labels: BTreeMap<String, String>,
    began_unix_ms: u64,
    told: Vec<SavedNotice>,
    told_at_unix_ms: Option<u64>,
    failures: u32,
    failed_at_unix_ms: Option<u64>,
    pause_ms: u64,
    error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedNotice {
    labels: BTreeMap<String, String>,
    summary: String,
    fired_at_unix_ms: u64,
    resolved_at_unix_ms: Option<u64>,
}

impl AlertBook {
    /// What is to be kept of it. A message that is under way is not: should it never be settled, it
    /// is sent again.
    #[must_use]
    pub fn save(&self) -> Saved {
        let rules = self.rules.iter().map(|watched| SavedRule {
            name: watched.rule.name.clone(),
            evaluated_at_unix_ms: watched.state.evaluated_at.map(Moment::unix_ms),
            alerts: watched.state.alerts.iter().map(SavedAlert::of).collect(),
        });
        let receivers = self.receivers.iter().map(|(route, roster)| SavedReceiver {
            name: route.receiver.clone(),
            groups: roster.groups().map(SavedGroup::of).collect(),
        });
        Saved {
            version: VERSION,
            rules: rules.collect(),
            silences: self.silences.list().iter().map(SavedSilence::of).collect(),
            last_silence_id: self.silences.last_id,
            receivers: receivers.collect(),
        }
    }

    /// Takes up `saved`, as far as its rules and receivers still exist. What a receiver was told of a
    /// rule that is gone is told to be over.
    ///
    /// # Errors
    /// [`SavedError`] where it cannot be read; the book is then as it was.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), SavedError> {
        if saved.version > VERSION {
            return Err(SavedError::Newer(saved.version));
        }
        let mut book = self.clone();
        for rule in &saved.rules {
            let state = rule.state()?;
            let Some(watched) = book.rules.iter_mut().find(|one| one.rule.name == rule.name) else {
                continue;
            };
            let group_by = &watched.rule.group_by;
            watched.state = state;
            // Alerts of groups that the rule no longer has.
            watched.state.alerts.retain(|labels, _| labels.keys().eq(group_by));
        }
        let kept = saved.silences.iter().map(SavedSilence::silence).collect::<Result<_, _>>()?;
        book.silences = Silences { kept, last_id: saved.last_silence_id };
        for receiver in &saved.receivers {
            let groups = receiver.groups.iter().map(SavedGroup::group);
            let groups = groups.collect::<Result<Vec<_>, _>>()?;
            let mut known = book.receivers.iter_mut();
            if let Some((route, roster)) = known.find(|(route, _)| route.receiver == receiver.name)
            {
                *roster = regrouped(groups, &route.grouping.by);
            }
        }
        *self = book;
        Ok(())
    }
}

/// The groups, taken apart and put together where they are now told apart by other labels.
fn regrouped(groups: Vec<(AlertLabels, Group)>, by: &BTreeSet<Label>) -> Roster {
    let mut roster = Roster::default();
    for (key, group) in groups {
        if key.keys().eq(by) {
            roster.groups.insert(key, group);
            continue;
        }
        for (labels, notice) in group.told {
            let into = roster
                .groups
                .entry(group_of(&labels, by))
                .or_insert_with(|| Group { told_at: group.told_at, ..Group::new(group.began) });
            into.told.insert(labels, notice);
        }
    }
    roster
}

fn damaged(what: impl Into<String>) -> SavedError {
    SavedError::Damaged(what.into())
}

fn alert_labels(labels: &BTreeMap<String, String>) -> Result<AlertLabels, SavedError> {
    let read = |(name, value): (&String, &String)| {
        Ok((Label::parse(name).map_err(damaged)?, value.clone()))
    };
    labels.iter().map(read).collect()
}

fn saved_labels(labels: &AlertLabels) -> BTreeMap<String, String> {
    labels.iter().map(|(label, value)| (label.to_string(), value.clone())).collect()
}

impl SavedRule {
    fn state(&self) -> Result<RuleState, SavedError> {
        let alerts = self.alerts.iter().map(SavedAlert::alert).collect::<Result<_, _>>()?;
        Ok(RuleState { evaluated_at: self.evaluated_at_unix_ms.map(Moment::from_unix_ms), alerts })
    }
}

impl SavedAlert {
    fn of((labels, alert): (&Labels, &Alert)) -> Self {
        let phase = match alert.phase {
            Phase::Pending => SavedPhase::Pending,
            Phase::Firing { fired_at } => {
                SavedPhase::Firing { fired_at_unix_ms: fired_at.unix_ms() }
            }
            Phase::Resolved { fired_at, resolved_at } => SavedPhase::Resolved {
                fired_at_unix_ms: fired_at.unix_ms(),
                resolved_at_unix_ms: resolved_at.unix_ms(),
            },
        };
        let labels = labels.iter().map(|(label, value)| (label.to_string(), value.clone()));
        let since_unix_ms = alert.since.unix_ms();
        Self { labels: labels.collect(), phase, since_unix_ms, value: alert.value }
    }

    fn alert(&self) -> Result<(Labels, Alert), SavedError> {
        let read = |(name, value): (&String, &String)| {
            Ok((Dimension::parse(name).map_err(damaged)?, value.clone()))
        };
        let labels = self.labels.iter().map(read).collect::<Result<_, _>>()?;
        let at = Moment::from_unix_ms;
        let phase = match self.phase {
            SavedPhase::Pending => Phase::Pending,
            SavedPhase::Firing { fired_at_unix_ms } => {
                Phase::Firing { fired_at: at(fired_at_unix_ms) }
            }
            SavedPhase::Resolved { fired_at_unix_ms, resolved_at_unix_ms } => Phase::Resolved {
                fired_at: at(fired_at_unix_ms),
                resolved_at: at(resolved_at_unix_ms),
            },
        };
        Ok((labels, Alert { phase, since: at(self.since_unix_ms), value: self.value }))
    }
}

impl SavedSilence {
    fn of(silence: &Silence) -> Self {
        Self {
            id: silence.id,
            matchers: silence.matchers.iter().map(Matcher::to_string).collect(),
            until_unix_ms: silence.until.unix_ms(),
            comment: silence.comment.clone(),
        }
    }

    fn silence(&self) -> Result<Silence, SavedError> {
        let matchers = self.matchers.iter().map(|text| Matcher::parse(text).map_err(damaged));
        Ok(Silence {
            id: self.id,
            matchers: matchers.collect::<Result<_, _>>()?,
            until: Moment::from_unix_ms(self.until_unix_ms),
            comment: self.comment.clone(),
        })
    }
}

impl SavedGroup {
    fn of((labels, group): (&AlertLabels, &Group)) -> Self {
        let trouble = &group.trouble;
        Self {
            labels: saved_labels(labels),
            began_unix_ms: group.began.unix_ms(),
            told: group.told.values().map(SavedNotice::of).collect(),
            told_at_unix_ms: group.told_at.map(Moment::unix_ms),
            failures: trouble.failures,
            failed_at_unix_ms: trouble.failed_at.map(Moment::unix_ms),
            pause_ms: u64::try_from(trouble.pause.as_millis()).unwrap_or(u64::MAX),
            error: trouble.error.clone(),
        }
    }

    fn group(&self) -> Result<(AlertLabels, Group), SavedError> {
        let told = self.told.iter().map(SavedNotice::notice).collect::<Result<_, _>>()?;
        let trouble = Trouble {
            failures: self.failures,
            failed_at: self.failed_at_unix_ms.map(Moment::from_unix_ms),
            pause: Duration::from_millis(self.pause_ms),
            error: self.error.clone(),
        };
        let group = Group {
            told,
            told_at: self.told_at_unix_ms.map(Moment::from_unix_ms),
            trouble,
            ..Group::new(Moment::from_unix_ms(self.began_unix_ms))
        };
        Ok((alert_labels(&self.labels)?, group))
    }
}

impl SavedNotice {
    fn of(notice: &Notice) -> Self {
        Self {
            labels: saved_labels(&notice.labels),
            summary: notice.summary.clone(),
            fired_at_unix_ms: notice.fired_at.unix_ms(),
            resolved_at_unix_ms: notice.resolved_at.map(Moment::unix_ms),
        }
    }

    fn notice(&self) -> Result<(AlertLabels, Notice), SavedError> {
        let labels = alert_labels(&self.labels)?;
        let notice = Notice {
            labels: labels.clone(),
            summary: self.summary.clone(),
            fired_at: Moment::from_unix_ms(self.fired_at_unix_ms),
            resolved_at: self.resolved_at_unix_ms.map(Moment::from_unix_ms),
        };
        Ok((labels, notice))
    }
}
