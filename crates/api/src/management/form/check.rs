//! Whether a benchmark can be made of what was asked for: everything that stands in the way.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use analysis::Slo;
use control::{AdHocError, Catalogue, Protocol, Spec, Target};
use domain::Seed;
use load::{Arrivals, Closed, Load, Open, Stop};

use super::{
    AdHocForm, ArrivalsForm, BenchmarkForm, ModelForm, OneOrMany, SloForm, escaped, fault,
};
use crate::management::problem::Fault;

/// The most runs of a benchmark.
const RUNS_MAX: usize = 1_000;
/// The most users of one load: each is a task with its state, some kilobytes.
const USERS_MAX: u64 = 1_000_000;
/// The rates of one load, in requests a second: beyond these, gaps are no times any more.
const RATES: RangeInclusive<f64> = 1e-6..=1e6;
/// The longest a run may last.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The longest name and label, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// The most labels.
const LABELS_MAX: usize = 32;

impl BenchmarkForm {
    /// What is to be done, if it can be with what the catalogue has.
    ///
    /// # Errors
    /// Everything that stands in the way.
    pub fn check(&self, catalogue: &Catalogue) -> Result<Spec, Vec<Fault>> {
        let mut check = Check { form: self, faults: Vec::new() };
        let ad_hoc = check.names(catalogue);
        check.labels();
        let stop = check.stop();
        let loads = check.loads();
        let slo = check.slo();
        let ramp =
            check.seconds("/ramp_up_seconds", self.ramp_up_seconds).unwrap_or(Duration::ZERO);
        if self.max_tokens == Some(0) {
            check.add("/max_tokens", "must be at least 1");
        }
        let protocol = Protocol {
            seed: Seed(self.seed.unwrap_or(0)),
            ramp,
            max_tokens: self.max_tokens,
            slo,
            ..Protocol::until(stop)
        };
        if check.faults.is_empty() {
            check.plans(&protocol, &loads);
        }
        let targets = self.models.iter().map(ModelForm::name).collect();
        let scenarios = self.test_scenarios.clone();
        let store_content = self.store_content;
        let spec = Spec { targets, ad_hoc, scenarios, loads, protocol, store_content };
        if spec.runs() > RUNS_MAX {
            let runs = spec.runs();
            check.add("", &format!("makes {runs} runs; a benchmark has at most {RUNS_MAX}"));
        }
        if check.faults.is_empty() { Ok(spec) } else { Err(check.faults) }
    }
}

/// Looks for everything that is wrong.
struct Check<'a> {
    form: &'a BenchmarkForm,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn add(&mut self, pointer: &str, detail: &str) {
        self.faults.push(fault(pointer, detail.to_owned()));
    }

    /// Whether everything that is named is there; makes targets of what is described.
    fn names(&mut self, catalogue: &Catalogue) -> Vec<Target> {
        if self.form.models.is_empty() {
            self.add("/models", "name at least one target");
        }
        let known: Vec<&str> = catalogue.targets.iter().map(|target| &*target.name).collect();
        let mut ad_hoc = Vec::new();
        let mut seen = BTreeSet::new();
        for (place, model) in self.form.models.iter().enumerate() {
            let (pointer, name) = (format!("/models/{place}"), model.name());
            match model {
                ModelForm::Named(_) if !known.contains(&&*name) => {
                    self.unknown(&pointer, "target", &name, &known);
                    continue;
                }
                ModelForm::Named(_) => {}
                ModelForm::AdHoc(form) => {
                    ad_hoc.extend(self.ad_hoc(&pointer, &name, form, catalogue));
                }
            }
            self.once(&mut seen, &pointer, name);
        }
        let known: Vec<&str> = catalogue.scenarios.iter().map(|listed| &*listed.name).collect();
        let mut seen = BTreeSet::new();
        for (place, name) in self.form.test_scenarios.iter().enumerate() {
            let pointer = format!("/test_scenarios/{place}");
            if catalogue.scenario(name).is_none() {
                self.unknown(&pointer, "scenario", name, &known);
            } else {
                self.once(&mut seen, &pointer, name.clone());
            }
        }
        if let Some(name) = &self.form.name {
            self.text("/name", name);
        }
        ad_hoc
    }

    fn unknown(&mut self, pointer: &str, kind: &str, name: &str, known: &[&str]) {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        self.add(pointer, &format!("no {kind} is called `{name}`; there are: {known}"));
    }

    fn once(&mut self, seen: &mut BTreeSet<String>, pointer: &str, name: String) {
        if seen.contains(&name) {
            self.add(pointer, &format!("`{name}` is named twice"));
        }
        seen.insert(name);
    }

    fn ad_hoc(
        &mut self,
        pointer: &str,
        name: &str,
        form: &AdHocForm,
        catalogue: &Catalogue,
    ) -> Option<Target> {
        let before = self.faults.len();
        let of_name = format!("{pointer}/name");
        if name.contains(|letter: char| letter.is_whitespace() || letter == ',') {
            self.add(&of_name, "has spaces or commas; give it a name that has none");
        } else if catalogue.target(name).is_some() {
            self.add(&of_name, &format!("`{name}` is a target of the configuration: use another"));
        }
        self.text(&of_name, name);
        for (key, text) in form.labels() {
            self.text(&format!("{pointer}/{key}"), text);
        }
        match (catalogue.ad_hoc)(form.target(name)) {
            Ok(target) => (self.faults.len() == before).then_some(target),
            Err(error) => {
                let key = match error {
                    AdHocError::Url(_) => "url",
                    AdHocError::KeyEnv(_) => "key_env",
                };
                self.add(&format!("{pointer}/{key}"), &error.to_string());
                None
            }
        }
    }

    /// A text that lists and terminals show.
    fn text(&mut self, pointer: &str, text: &str) {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            self.add(pointer, &format!("must have 1 to {NAME_BYTES_MAX} bytes"));
        } else if text.contains(char::is_control) {
            self.add(pointer, "has control characters");
        }
    }

    fn labels(&mut self) {
        if self.form.labels.len() > LABELS_MAX {
            self.add("/labels", &format!("there may be {LABELS_MAX}"));
        }
        for (name, value) in &self.form.labels {
            let pointer = format!("/labels/{}", escaped(name));
            self.text(&pointer, name);
            if !value.is_empty() {
                self.text(&pointer, value);
            }
        }
    }

    fn stop(&mut self) -> Stop {
        let form = self.form;
        let minutes = form.duration_minutes.map(|minutes| minutes * 60.0);
        let by_minutes = self.seconds("/duration_minutes", minutes);
        let by_seconds = self.seconds("/duration_seconds", form.duration_seconds);
        if minutes.is_some() && form.duration_seconds.is_some() {
            self.add("/duration_seconds", "stands beside `duration_minutes`: give one of the two");
        }
        if minutes.or(form.duration_seconds).is_none() && form.num_requests.is_none() {
            self.add("", "does not say when runs end: give `duration_minutes` or `num_requests`");
        }
        Stop { requests: form.num_requests, duration: by_minutes.or(by_seconds), failures: None }
    }

    fn seconds(&mut self, pointer: &str, seconds: Option<f64>) -> Option<Duration> {
        let seconds = seconds?;
        let duration = Duration::try_from_secs_f64(seconds).ok();
        let legal = duration.filter(|duration| *duration <= DURATION_MAX);
        if legal.is_none() {
            self.add(pointer, "is no time of at most seven days");
        }
        legal
    }

    fn loads(&mut self) -> Vec<Load> {
        let form = self.form;
        if form.request_rate.is_none() {
            if form.arrivals.is_some() {
                self.add("/arrivals", "is about `request_rate`; users ask when they are answered");
            }
            if form.burstiness.is_some() {
                self.add("/burstiness", "is about `request_rate`");
            }
        }
        let (loads, pointer) = match (&form.concurrent_users, &form.request_rate) {
            (Some(_), Some(_)) => {
                self.add("/request_rate", "stands beside `concurrent_users`: give one of the two");
                return Vec::new();
            }
            (None, None) => {
                self.add("", "has no load: give `concurrent_users` or `request_rate`");
                return Vec::new();
            }
            (Some(users), None) => (self.closed(users), "/concurrent_users"),
            (None, Some(rates)) => (self.open(rates), "/request_rate"),
        };
        // Results are known by their load: two runs may not have one name.
        let mut seen = BTreeSet::new();
        let mut names = loads.iter().map(ToString::to_string).enumerate();
        if let Some((place, name)) = names.find(|(_, name)| !seen.insert(name.clone())) {
            self.add(&format!("{pointer}/{place}"), &format!("`{name}` is named twice"));
        }
        loads
    }

    fn closed(&mut self, users: &OneOrMany<u64>) -> Vec<Load> {
        if users.is_empty() {
            self.add("/concurrent_users", "is empty");
        }
        if users.iter().any(|users| !(1..=USERS_MAX).contains(users)) {
            self.add("/concurrent_users", &format!("must lie between 1 and {USERS_MAX}"));
        }
        let closed = |&users: &u64| {
            Load::Closed(Closed { users, think: Duration::ZERO, requests_per_user: None })
        };
        users.iter().map(closed).collect()
    }

    fn open(&mut self, rates: &OneOrMany<f64>) -> Vec<Load> {
        let form = self.form;
        if rates.is_empty() {
            self.add("/request_rate", "is empty");
        }
        if rates.iter().any(|rate| *rate > 0.0 && !RATES.contains(rate)) {
            let (least, most) = (RATES.start(), RATES.end());
            self.add("/request_rate", &format!("must lie between {least} and {most}"));
        }
        let arrivals = match (form.arrivals, form.burstiness) {
            (Some(ArrivalsForm::Poisson | ArrivalsForm::Constant), Some(_)) => {
                self.add("/burstiness", "shapes `gamma` arrivals only");
                Arrivals::Poisson
            }
            (Some(ArrivalsForm::Constant), None) => Arrivals::Constant,
            (Some(ArrivalsForm::Poisson) | None, None) => Arrivals::Poisson,
            (Some(ArrivalsForm::Gamma) | None, burstiness) => {
                Arrivals::Gamma { burstiness: burstiness.unwrap_or(1.0) }
            }
        };
        let open =
            |&rate_per_s: &f64| Load::Open(Open { rate_per_s, arrivals, in_flight_max: None });
        rates.iter().map(open).collect()
    }

    fn slo(&mut self) -> Option<Slo> {
        let SloForm { ttft_ms, tpot_ms, e2e_ms } = self.form.slo?;
        if ttft_ms.or(tpot_ms).or(e2e_ms).is_none() {
            self.add("/slo", "gives no limit");
        }
        let mut limit = |pointer: &str, ms: Option<f64>| {
            let limit = self.seconds(pointer, ms.map(|ms| ms / 1e3));
            if limit == Some(Duration::ZERO) {
                self.add(pointer, "must be above zero");
            }
            limit
        };
        Some(Slo {
            ttft: limit("/slo/ttft_ms", ttft_ms),
            tpot: limit("/slo/tpot_ms", tpot_ms),
            e2el: limit("/slo/e2e_ms", e2e_ms),
        })
    }

    /// What only the plan as a whole shows.
    fn plans(&mut self, protocol: &Protocol, loads: &[Load]) {
        for load in loads {
            if let Err(error) = protocol.plan(0, "", load).check() {
                self.add("", &format!("under {load}: {error}"));
            }
        }
    }
}
