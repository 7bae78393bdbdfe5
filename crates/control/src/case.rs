//! What one run is about: which target is asked what, under which load. Benchmarks and canaries make
//! their runs of it, so that the figures of both mean the same.

use std::sync::Arc;

use analysis::remedy;
use domain::{FailureKind, Seed, Series, Source, Vantage, WallAnchor};
use load::{Control, Live, Load};
use pace::Time;

use crate::benchmark::Problem;
use crate::catalogue::{Scenario, Target};
use crate::progress::Current;
use crate::prompts::Asked;
use crate::protocol::Protocol;
use crate::recording::Records;
use crate::subject::Subject;
use crate::trial::{Spent, Trial, TrialError};

/// What one run is about.
pub(crate) struct Case<'a> {
    /// Its place among those that belong together.
    pub(crate) index: u64,
    /// Those that belong together.
    pub(crate) group: Seed,
    pub(crate) target: &'a Target,
    pub(crate) subject: &'a Subject,
    pub(crate) scenario: &'a Scenario,
    pub(crate) load: &'a Load,
    pub(crate) protocol: &'a Protocol,
    /// On whose behalf it takes place.
    pub(crate) source: Source,
}

/// Where and when runs take place.
pub(crate) struct Place<'a> {
    pub(crate) region: &'a Arc<str>,
    pub(crate) time: &'a Time,
    pub(crate) anchor: WallAnchor,
    pub(crate) control: &'a Control,
    pub(crate) spent: fn() -> Option<Spent>,
}

impl<'a> Case<'a> {
    /// The run, ready to begin, whose prompts follow what was `asked` before. It has no place for its
    /// records yet.
    ///
    /// # Errors
    /// Where there are no prompts.
    pub(crate) fn trial<R: Records + 'static>(
        &self,
        asked: Asked,
        place: &Place<'_>,
    ) -> Result<Trial<'a, R>, Problem> {
        let run = self.group.nth(self.index).0;
        let plan = self.protocol.plan(run, &self.subject.name, self.load);
        let tokenizer = self.scenario.tokenizer.as_ref().or(self.subject.tokenizer.as_ref());
        let drawn = self.scenario.prompts.workload(
            self.protocol.seed,
            plan.requests_max(),
            asked,
            tokenizer.map(|tokenizer| &**tokenizer),
        );
        let workload = drawn.map_err(|error| {
            let hint = "name a tokenizer with the scenario, or other lengths";
            self.problem("has no prompts", &error.to_string(), hint)
        })?;
        Ok(Trial {
            index: self.index,
            plan,
            workload: Arc::new(workload),
            sent_before: asked.taken.total(),
            series: self.series(Arc::clone(place.region)),
            subject: self.subject,
            protocol: self.protocol,
            time: place.time.clone(),
            anchor: place.anchor,
            control: place.control.clone(),
            live: Arc::new(Live::default()),
            records: None,
            spent: place.spent,
        })
    }

    fn series(&self, vantage_region: Arc<str>) -> Series {
        Series {
            model: self.subject.name.as_str().into(),
            provider: self.target.provider.as_str().into(),
            region: self.target.region.as_deref().unwrap_or_default().into(),
            vantage: Vantage::Client,
            vantage_region,
            scenario: self.scenario.name.as_str().into(),
            source: self.source,
        }
    }

    pub(crate) fn current(&self) -> Current {
        Current {
            target: self.target.name.clone(),
            scenario: self.scenario.name.clone(),
            load: self.load.to_string(),
        }
    }

    fn problem(&self, what: &str, detail: &str, hint: &str) -> Problem {
        Problem {
            title: format!("A run {what}"),
            detail: format!(
                "{} with {} under {}: {detail}",
                self.target.name, self.scenario.name, self.load
            ),
            hint: hint.to_owned(),
        }
    }

    /// What to tell of a run that did not take place.
    pub(crate) fn unmade(&self, error: &TrialError) -> Problem {
        let hint = match error {
            TrialError::Prepare(failure) => remedy(failure.kind),
            TrialError::System(_) => "free memory, threads or file descriptors on this machine",
        };
        self.problem("could not take place", &error.to_string(), hint)
    }

    /// What to tell of a run in which all of the `failed` requests did; `None` where there were none.
    pub(crate) fn unanswered(
        &self,
        failures: &[(FailureKind, u64)],
        failed: u64,
    ) -> Option<Problem> {
        let (kind, _) = failures.first()?;
        let detail = format!("all {failed} requests failed, most often: {kind}");
        Some(self.problem("got no answer", &detail, remedy(*kind)))
    }
}
