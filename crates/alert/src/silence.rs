//! Silences: alerts that match one are shown, but nobody is told of them until it ends.

use std::time::Duration;

use crate::matcher::{AlertLabels, Matcher};
use crate::moment::Moment;

/// The most silences kept at once.
pub const SILENCES_MAX: usize = 1_000;
/// The longest a silence may last: one that is forgotten must not hide an alert for ever.
pub const SILENCE_MAX: Duration = Duration::from_secs(90 * 86_400);

/// Why a silence cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It would silence every alert.
    #[error("a silence needs a matcher; `alertname=~\".+\"` matches every alert")]
    NoMatcher,
    /// It ends before it begins.
    #[error("a silence must end in the future")]
    Over,
    /// It ends too late.
    #[error("a silence lasts 90 days at most; set an earlier end and renew it then")]
    TooLong,
    /// There are too many.
    #[error("there are {SILENCES_MAX} silences already; end those that are no longer needed")]
    TooMany,
}

/// One silence.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Its number, unlike any other's.
    pub id: u64,
    /// Alerts that match all of these are silent.
    pub matchers: Vec<Matcher>,
    /// When it ends.
    pub until: Moment,
    /// Why it was made.
    pub comment: String,
}

/// The silences in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silences {
    pub(crate) kept: Vec<Silence>,
    pub(crate) last_id: u64,
}

impl Silences {
    /// Silences alerts that match all of `matchers` until then. Returns its number.
    ///
    /// # Errors
    /// [`SilenceError`] where it cannot be kept.
    pub fn add(
        &mut self,
        matchers: Vec<Matcher>,
        until: Moment,
        comment: String,
        now: Moment,
    ) -> Result<u64, SilenceError> {
        self.forget_ended(now);
        if matchers.is_empty() {
            return Err(SilenceError::NoMatcher);
        }
        if until <= now {
            return Err(SilenceError::Over);
        }
        if until.since(now) > SILENCE_MAX {
            return Err(SilenceError::TooLong);
        }
        if self.kept.len() >= SILENCES_MAX {
            return Err(SilenceError::TooMany);
        }
        self.last_id += 1;
        self.kept.push(Silence { id: self.last_id, matchers, until, comment });
        Ok(self.last_id)
    }

    /// Ends a silence. False where there is none of that number.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.kept.len();
        self.kept.retain(|silence| silence.id != id);
        self.kept.len() < before
    }

    /// Forgets those that are over.
    pub fn forget_ended(&mut self, now: Moment) {
        self.kept.retain(|silence| silence.until > now);
    }

    /// Until when an alert with `labels` is silent; `None` where it is not.
    #[must_use]
    pub fn until(&self, labels: &AlertLabels, now: Moment) -> Option<Moment> {
        self.kept
            .iter()
            .filter(|silence| silence.until > now)
            .filter(|silence| silence.matchers.iter().all(|matcher| matcher.matches(labels)))
            .map(|silence| silence.until)
            .max()
    }

    /// Those in force, the oldest first.
    #[must_use]
    pub fn list(&self) -> &[Silence] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;

    #[test]
    fn matching_alerts_are_silent_until_the_last_silence_ends() {
        let at = Moment::from_unix_ms;
        let labels = AlertLabels::from([
            (Label::Alertname, "HighLatency".to_owned()),
            (Label::Severity, "warning".to_owned()),
        ]);
        let matcher = |text: &str| Matcher::parse(text).expect("it is sound");
        let mut silences = Silences::default();
        let mut add = |matchers: &[&str], until| {
            let matchers = matchers.iter().map(|text| matcher(text)).collect();
            silences.add(matchers, at(until), "maintenance".into(), at(0))
        };
        assert_eq!(add(&["alertname=HighLatency"], 100), Ok(1));
        assert_eq!(add(&["alertname=HighLatency", "severity=critical"], 900), Ok(2));
        assert_eq!(add(&["severity=~\"warn.*\""], 200), Ok(3));
        assert_eq!(add(&[], 200), Err(SilenceError::NoMatcher));
        assert_eq!(add(&["severity=warning"], 0), Err(SilenceError::Over));
        assert_eq!(add(&["severity=warning"], u64::MAX), Err(SilenceError::TooLong));
        assert_eq!(silences.until(&labels, at(50)), Some(at(200)));
        assert_eq!(silences.until(&labels, at(200)), None);
        assert!(silences.remove(3));
        assert!(!silences.remove(3));
        assert_eq!(silences.until(&labels, at(50)), Some(at(100)));
        silences.forget_ended(at(100));
        let left: Vec<u64> = silences.list().iter().map(|silence| silence.id).collect();
        assert_eq!(left, [2]);
    }

    #[test]
    fn their_number_is_limited() {
        let mut silences = Silences::default();
        let matcher = Matcher::parse("severity=warning").expect("it is sound");
        let mut add = || {
            let until = Moment::from_unix_ms(100);
            silences.add(vec![matcher.clone()], until, String::new(), Moment::from_unix_ms(0))
        };
        for _ in 0..SILENCES_MAX {
            add().expect("there is room");
        }
        assert_eq!(add(), Err(SilenceError::TooMany));
    }
}
