//! Canaries: small loads that targets are put under again and again, to see whether they still answer.

use std::fmt;
use std::time::Duration;

use alert::span;
use control::{Protocol, Spec};
use domain::Seed;
use load::workload::{self, ScenarioError};
use load::{Closed, Load, Stop};

use super::reader::{Table, nearest};
use crate::value::Span;

/// The scenario where nothing is said.
const SCENARIO_DEFAULT: &str = "short_queries";
/// The shortest time between two runs.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// The most requests of a run: it is to watch a target, and not to weigh on it.
const REQUESTS_MAX: u32 = 1_000;

/// The names that the file gives.
pub(super) struct Names {
    targets: Vec<String>,
    scenarios: Vec<String>,
}

impl Names {
    pub(super) fn of(targets: &[Table<'_>], scenarios: &[Table<'_>]) -> Self {
        let names = |tables: &[Table<'_>]| tables.iter().map(|table| table.name.clone()).collect();
        Self { targets: names(targets), scenarios: names(scenarios) }
    }
}

/// `[schedules.NAME]`
#[derive(Debug)]
pub(crate) struct ScheduleSettings {
    /// What it is called.
    pub(crate) name: String,
    /// Whom it asks, each in a run of its own.
    pub(crate) targets: Vec<String>,
    /// What it asks.
    pub(crate) scenario: String,
    /// From the beginning of a run to that of the next.
    pub(crate) every: Duration,
    /// How long a run may take; what is in flight then is given up, and has failed.
    pub(crate) timeout: Duration,
    /// How many requests a run has.
    pub(crate) requests: u32,
    /// How many users send them.
    pub(crate) concurrent_users: u32,
    /// The longest answer; the scenario's own limit where there is none.
    pub(crate) max_tokens: Option<u32>,
}

impl ScheduleSettings {
    pub(super) fn read(mut table: Table<'_>, names: &Names) -> Option<Self> {
        let targets = targets(&mut table, names);
        let scenario = scenario(&mut table, names);
        let every = every(&mut table);
        let timeout = timeout(&mut table, every);
        let requests = table.number("requests", 1..=REQUESTS_MAX).unwrap_or(1);
        let concurrent_users = table.number("concurrent_users", 1..=REQUESTS_MAX).unwrap_or(1);
        if concurrent_users > requests {
            let hint = "set `requests` to as many at least";
            table.refuse("concurrent_users", "are more than there are requests", hint);
        }
        let max_tokens = table.number("max_tokens", 1..=u32::MAX);
        let name = table.name.clone();
        table.refuse_others();
        let (every, timeout) = (every?, timeout?);
        Some(Self {
            name,
            targets,
            scenario,
            every,
            timeout,
            requests,
            concurrent_users,
            max_tokens,
        })
    }

    /// What is to be done each time, with prompts drawn from `seed`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever starts the server"))]
    pub(crate) fn spec(&self, seed: Seed) -> Spec {
        let users = u64::from(self.concurrent_users);
        let closed = Closed { users, think: Duration::ZERO, requests_per_user: None };
        let stop = Stop { requests: Some(self.requests.into()), ..Stop::default() };
        let max_tokens = self.max_tokens.map(u64::from);
        Spec {
            targets: self.targets.clone(),
            ad_hoc: Vec::new(),
            scenarios: vec![self.scenario.clone()],
            loads: vec![Load::Closed(closed)],
            protocol: Protocol { seed, max_tokens, ..Protocol::until(stop) },
        }
    }
}

fn targets(table: &mut Table<'_>, names: &Names) -> Vec<String> {
    if names.targets.is_empty() {
        table.refuse("target", "has nobody to ask", "name a server in [targets.NAME]");
    }
    let Some(targets) = table.words("target") else { return names.targets.clone() };
    if targets.is_empty() {
        table.refuse("target", "lists nobody", "leave it out to ask every target");
    }
    for (place, target) in targets.iter().enumerate() {
        if targets[..place].contains(target) {
            table.refuse("target", format!("names `{target}` twice"), "");
        } else if !names.targets.is_empty() && !names.targets.contains(target) {
            let known: Vec<&str> = names.targets.iter().map(|name| &**name).collect();
            refuse_unknown(table, "target", target, &known);
        }
    }
    targets
}

fn scenario(table: &mut Table<'_>, names: &Names) -> String {
    let Some(scenario) = table.text("scenario") else { return SCENARIO_DEFAULT.to_owned() };
    if names.scenarios.contains(&scenario) {
        return scenario;
    }
    match scenario.parse::<workload::Scenario>() {
        Ok(_) => {}
        Err(ScenarioError::Unknown { name, .. }) => {
            let own = names.scenarios.iter().map(|name| &**name);
            let known: Vec<&str> = workload::Scenario::NAMES.into_iter().chain(own).collect();
            refuse_unknown(table, "scenario", &name, &known);
        }
        Err(error @ (ScenarioError::Length { .. } | ScenarioError::NoLength { .. })) => {
            table.refuse("scenario", format!("cannot be used: {error}"), "");
        }
    }
    scenario
}

fn refuse_unknown(table: &Table<'_>, key: &str, name: &str, known: &[&str]) {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("the nearest is `{near}`; there are {}", known.join(", ")),
        None => format!("there are {}", known.join(", ")),
    };
    table.refuse(key, format!("names `{name}`, which is not there"), hint);
}

fn every(table: &mut Table<'_>) -> Option<Duration> {
    if !table.has("every") {
        table.refuse("every", "is missing", "write every = \"1m\"");
    }
    let Span(every) = table.parsed("every")?;
    if every < EVERY_MIN {
        table.refuse("every", "is less than 1s", "1m is usual");
    }
    Some(every)
}

/// A run that is still under way when the next is due is given up, if not before.
fn timeout(table: &mut Table<'_>, every: Option<Duration>) -> Option<Duration> {
    let timeout = table.parsed("timeout").map(|Span(time)| time);
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        table.refuse("timeout", "gives a run no time", "");
    }
    if timeout.zip(every).is_some_and(|(timeout, every)| timeout > every) {
        let hint = "the next run is due before: lower it, or raise `every`";
        table.refuse("timeout", "is longer than `every`", hint);
    }
    timeout.or(every)
}

impl fmt::Display for ScheduleSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scenario, requests, concurrent_users, .. } = self;
        let (every, timeout) = (span::show(self.every), span::show(self.timeout));
        write!(f, "{name}: every {every}, {} asked {scenario}", self.targets.join(", "))?;
        write!(f, ", requests {requests}, users {concurrent_users}, within {timeout}")?;
        match self.max_tokens {
            Some(max_tokens) => write!(f, ", answers up to {max_tokens} tokens"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use insta::assert_snapshot;

    use super::super::tests::faults;
    use super::super::{Settings, parse};
    use super::*;

    const TARGETS: &str = "[targets.gpt]\nurl = \"http://127.0.0.1:1\"\nmodel = \"gpt\"\n\
                           [targets.local]\nengine = \"m.gguf\"\n\
                           [targets.broken]\n\
                           [scenarios.exact]\ninput_len = 64\n";

    #[test]
    fn everything_that_is_wrong_with_schedules_is_told_with_its_line() {
        let text = r#"
[schedules.a]
target = ["gtp", "local", "local"]
scenario = "short_querys"
timeout = "2m"
every = "1m"
requests = 2
concurrent_users = 3

[schedules.b]
target = []
scenario = "long_documents:5"
interval = "1m"
timeout = "0s"

[schedules.c]
target = "broken"
scenario = "exact"
every = "10ms"
requests = 0
"#;
        assert_snapshot!(faults(&format!("{TARGETS}{text}")), @r#"
        error: prony.toml cannot be used:
          line 6: `targets.broken.url` is missing
            help: name a server, or a model file with `engine`
          line 11: `schedules.a.target` names `gtp`, which is not there
            help: the nearest is `gpt`; there are gpt, local, broken
          line 11: `schedules.a.target` names `local` twice
          line 12: `schedules.a.scenario` names `short_querys`, which is not there
            help: the nearest is `short_queries`; there are short_queries, long_documents, code_generation, exact
          line 13: `schedules.a.timeout` is longer than `every`
            help: the next run is due before: lower it, or raise `every`
          line 16: `schedules.a.concurrent_users` are more than there are requests
            help: set `requests` to as many at least
          line 18: `schedules.b.every` is missing
            help: write every = "1m"
          line 19: `schedules.b.target` lists nobody
            help: leave it out to ask every target
          line 20: `schedules.b.scenario` cannot be used: `long_documents:5` gives no length of documents; write long_documents:1000, with 100 to 1,000,000 tokens
          line 21: `schedules.b.interval` is no setting
            help: there are target, scenario, every, timeout, requests, concurrent_users, max_tokens
          line 22: `schedules.b.timeout` gives a run no time
          line 27: `schedules.c.every` is less than 1s
            help: 1m is usual
          line 28: `schedules.c.requests` is no whole number from 1 to 1000
        "#);
        assert_snapshot!(faults("[schedules.canary]\nevery = \"1m\"\n"), @r#"
        error: prony.toml cannot be used:
          line 1: `schedules.canary.target` has nobody to ask
            help: name a server in [targets.NAME]
        "#);
    }

    #[test]
    fn a_schedule_asks_every_target_unless_it_names_some() {
        let text = "[targets.gpt]\nurl = \"http://127.0.0.1:1\"\nmodel = \"gpt\"\n\
                    [targets.local]\nengine = \"m.gguf\"\n\
                    [scenarios.exact]\ninput_len = 64\n\
                    [schedules.all]\nevery = \"1m\"\n\
                    [schedules.one]\nevery = \"5m\"\ntimeout = \"30s\"\ntarget = \"local\"\n\
                    scenario = \"exact\"\nrequests = 8\nconcurrent_users = 2\nmax_tokens = 16\n\
                    [alerts]\nusual_rules = false\n";
        assert_snapshot!(faults(text), @r#"
        in order
        server    http://127.0.0.1:8080, no keys, up to 100 benchmarks wait
        store     /nowhere/prony-data, records are kept for ever
        target    gpt: gpt by 127.0.0.1, http://127.0.0.1:1/v1/chat/completions, no key
        target    local: m by engine, /nowhere/m.gguf, 32 at once
        scenario  exact: prompts of 64 tokens
        schedule  all: every 1m, gpt, local asked short_queries, requests 1, users 1, within 1m
        schedule  one: every 5m, local asked exact, requests 8, users 2, within 30s, answers up to 16 tokens
        alerts    no rules
        "#);

        let settings = parse(text, Path::new(""), Settings::of).expect("it is in order");
        let [all, one] = &*settings.schedules else { panic!("{:?}", settings.schedules) };
        let spec = all.spec(Seed(7));
        assert_eq!((spec.runs(), spec.protocol.max_tokens), (2, None));
        let spec = one.spec(Seed(7));
        assert_eq!((spec.runs(), &*spec.scenarios), (1, &["exact".to_owned()][..]));
        assert_eq!((spec.protocol.max_tokens, spec.protocol.stop.requests), (Some(16), Some(8)));
        let plan = spec.protocol.plan(0, "m", &spec.loads[0]);
        assert_eq!((plan.load.to_string(), plan.check()), ("concurrency=2".to_owned(), Ok(())));
    }
}
