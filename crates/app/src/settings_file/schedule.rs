//! Canaries: small loads that targets are put under again and again, to see whether they still answer.

use std::fmt;
use std::time::Duration;

use alert::span;
use control::availability::OBJECTIVE;
use control::{Beside, Prompts, Protocol, Scenario, Schedule};
use domain::Seed;
use load::workload::{self, ScenarioError};
use load::{Closed, Load, Stop};

use super::reader::{Table, nearest};
use super::target::{Means, TargetSettings};
use crate::value::{Share, Span};

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
    /// Targets that bring no tokenizer.
    remote: Vec<String>,
    /// Scenarios whose prompts cannot be made without one.
    measured: Vec<String>,
}

impl Names {
    pub(super) fn of(targets: &[Table<'_>], scenarios: &[Table<'_>]) -> Self {
        let names = |tables: &[Table<'_>]| tables.iter().map(|table| table.name.clone()).collect();
        Self {
            targets: names(targets),
            scenarios: names(scenarios),
            remote: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// With what is known of them once they are read.
    pub(super) fn knowing(self, targets: &[TargetSettings], scenarios: &[Scenario]) -> Self {
        let is_remote = |target: &&TargetSettings| matches!(target.means, Means::Remote(_));
        let is_measured = |scenario: &&Scenario| {
            scenario.tokenizer.is_none() && matches!(*scenario.prompts, Prompts::Synthetic(_))
        };
        let remote = targets.iter().filter(is_remote).map(|target| target.name.clone());
        let measured = scenarios.iter().filter(is_measured).map(|listed| listed.name.clone());
        Self { remote: remote.collect(), measured: measured.collect(), ..self }
    }
}

/// `[schedules.NAME]`
#[derive(Debug)]
pub(crate) struct ScheduleSettings {
    /// What it is called.
    name: String,
    /// Whom it asks, each in a run of its own.
    targets: Vec<String>,
    /// What it asks.
    scenario: String,
    /// From the beginning of a run to that of the next.
    every: Duration,
    /// How long a run may take; what is in flight then is given up, and has failed.
    timeout: Duration,
    /// How many requests a run has.
    requests: u32,
    /// How many users send them.
    concurrent_users: u32,
    /// The longest answer; the scenario's own limit where there is none.
    max_tokens: Option<u32>,
    /// The share of requests that are to be answered well.
    objective: f64,
    /// What it does about a benchmark of the same target.
    beside: Beside,
}

impl ScheduleSettings {
    pub(super) fn read(mut table: Table<'_>, names: &Names) -> Option<Self> {
        let targets = targets(&mut table, names);
        let scenario = scenario(&mut table, names);
        refuse_unmeasured(&table, names, &targets, &scenario);
        let every = every(&mut table);
        let timeout = timeout(&mut table, every);
        let requests = table.number("requests", 1..=REQUESTS_MAX).unwrap_or(1);
        let concurrent_users = table.number("concurrent_users", 1..=REQUESTS_MAX).unwrap_or(1);
        if concurrent_users > requests {
            let hint = "set `requests` to as many at least";
            table.refuse("concurrent_users", "are more than there are requests", hint);
        }
        let max_tokens = table.number("max_tokens", 1..=u32::MAX);
        let objective = objective(&mut table);
        let choices = [("skip", Beside::Skip), ("run", Beside::Run)];
        let beside = table.choice("during_benchmarks", &choices).unwrap_or_default();
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
            objective,
            beside,
        })
    }

    /// What is to be done, for each target apart. All that is random about it follows from its name,
    /// so that a server does the same after a restart.
    pub(crate) fn schedules(&self) -> impl Iterator<Item = Schedule> + '_ {
        let users = u64::from(self.concurrent_users);
        let closed = Closed { users, think: Duration::ZERO, requests_per_user: None };
        let stop = Stop { requests: Some(self.requests.into()), ..Stop::default() };
        let protocol = Protocol {
            seed: Seed(0).child(&self.name),
            max_tokens: self.max_tokens.map(u64::from),
            // A connection that cannot be opened is a request that failed, and is kept as one.
            prepare: false,
            ..Protocol::until(stop)
        };
        self.targets.iter().map(move |target| Schedule {
            name: self.name.as_str().into(),
            target: target.as_str().into(),
            scenario: self.scenario.clone(),
            every: self.every,
            timeout: self.timeout,
            load: Load::Closed(closed.clone()),
            protocol: protocol.clone(),
            beside: self.beside,
            objective: self.objective,
        })
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

/// Prompts of exact lengths are made with a tokenizer: the scenario's, or the target's own.
fn refuse_unmeasured(table: &Table<'_>, names: &Names, targets: &[String], scenario: &String) {
    let is_remote = |target: &&String| names.remote.contains(target);
    if let Some(target) = targets.iter().find(is_remote)
        && names.measured.contains(scenario)
    {
        let problem = format!("has lengths in tokens, and nothing counts those of `{target}`");
        table.refuse("scenario", problem, format!("set `scenarios.{scenario}.tokenizer`"));
    }
}

fn objective(table: &mut Table<'_>) -> f64 {
    let Some(Share(objective)) = table.parsed("objective") else { return OBJECTIVE };
    if objective >= 1.0 || objective <= 0.0 {
        let hint = "99.9% allows for 43 minutes a month";
        table.refuse("objective", "leaves nothing to fail, or nothing to be held", hint);
    }
    objective
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
        if let Some(max_tokens) = self.max_tokens {
            write!(f, ", answers up to {max_tokens} tokens")?;
        }
        if self.beside == Beside::Run {
            f.write_str(", beside benchmarks too")?;
        }
        write!(f, "; objective {}%", percent(self.objective))
    }
}

/// A share in percent, without what binary fractions add to it.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
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
            help: there are target, scenario, every, timeout, requests, concurrent_users, max_tokens, objective, during_benchmarks
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
                    objective = \"99.5%\"\nduring_benchmarks = \"run\"\n\
                    [alerts]\nusual_rules = false\n";
        assert_snapshot!(faults(text), @r#"
        in order
        server    http://127.0.0.1:8080, no keys, up to 100 benchmarks wait
        store     /nowhere/prony-data, records are kept for ever
        target    gpt: gpt by 127.0.0.1, http://127.0.0.1:1/v1/chat/completions, no key
        target    local: m by engine, /nowhere/m.gguf, 32 at once
        scenario  exact: prompts of 64 tokens
        schedule  all: every 1m, gpt, local asked short_queries, requests 1, users 1, within 1m; objective 99.9%
        schedule  one: every 5m, local asked exact, requests 8, users 2, within 30s, answers up to 16 tokens, beside benchmarks too; objective 99.5%
        alerts    no rules
        "#);

        let settings = parse(text, Path::new(""), Settings::of).expect("it is in order");
        let [all, one] = &*settings.schedules else { panic!("{:?}", settings.schedules) };
        let targets: Vec<_> = all.schedules().map(|schedule| schedule.target).collect();
        assert_eq!(targets, ["gpt".into(), "local".into()]);
        let all = all.schedules().next().expect("it asks somebody");
        assert_eq!(
            (all.protocol.max_tokens, all.beside, all.objective),
            (None, Beside::Skip, 0.999)
        );
        let one = one.schedules().next().expect("it asks somebody");
        assert_eq!((&*one.scenario, one.beside, one.objective), ("exact", Beside::Run, 0.995));
        assert_eq!((one.protocol.max_tokens, one.protocol.stop.requests), (Some(16), Some(8)));
        assert_ne!(one.protocol.seed, all.protocol.seed);
        let plan = one.protocol.plan(0, "m", &one.load);
        assert_eq!((plan.load.to_string(), plan.check()), ("concurrency=2".to_owned(), Ok(())));
    }

    #[test]
    fn exact_lengths_need_a_tokenizer() {
        let text = "[schedules.a]\nevery = \"1m\"\nscenario = \"exact\"\nobjective = \"100%\"\n\
                    during_benchmarks = \"wait\"\n\
                    [schedules.b]\nevery = \"1m\"\nscenario = \"exact\"\ntarget = \"local\"\n";
        let targets = TARGETS.replace("[targets.broken]\n", "");
        assert_snapshot!(faults(&format!("{targets}{text}")), @r"
        error: prony.toml cannot be used:
          line 10: `schedules.a.scenario` has lengths in tokens, and nothing counts those of `gpt`
            help: set `scenarios.exact.tokenizer`
          line 11: `schedules.a.objective` leaves nothing to fail, or nothing to be held
            help: 99.9% allows for 43 minutes a month
          line 12: `schedules.a.during_benchmarks` is none of the words for it
            help: there are skip, run
        ");
    }
}
