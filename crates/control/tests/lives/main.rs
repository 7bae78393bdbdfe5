//! The life of benchmarks, in virtual time, on scripted models.

mod canary;
mod course;
mod ends;
mod register;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control::{
    AdHocError, Benchmark, BenchmarkId, Benchmarks, Catalogue, Idempotency, Keeper, MemoryKeeper,
    Problem, Prompts, Protocol, Scenario, Spec, Status, Subject, Submission, Submitted, Target,
    Workshop,
};
use domain::{Clock, Model};
use load::{Closed, Load, Stop};
use pace::Time;
use serde_json::{Value, json};
use testkit::{Script, ScriptedModel, VirtualClock};
use tokio_util::sync::CancellationToken;

/// A register of at most three waiting benchmarks, and the models they may name: `fast` answers
/// three tokens at once 50 ms after each request, and 10 ms apart; others are added by tests.
struct Desk {
    clock: Arc<VirtualClock>,
    keeper: Arc<MemoryKeeper>,
    benchmarks: Arc<Benchmarks>,
    workshop: Workshop,
    stop: CancellationToken,
}

impl Desk {
    fn new() -> Self {
        Self::with(Vec::new())
    }

    /// A desk with further targets.
    fn with(targets: Vec<Target>) -> Self {
        let clock = Arc::new(VirtualClock::new());
        let script = Script::tokens(3).ttft(ms(50)).itl(ms(10));
        let fast = target("fast", Arc::new(ScriptedModel::always(clock.clone(), script)));
        let catalogue = Catalogue {
            targets: [fast].into_iter().chain(targets).collect(),
            scenarios: ["short_queries", "code_generation"].map(scenario).into(),
            ad_hoc: Arc::new(|_| Err(AdHocError::Url("nobody describes any here".to_owned()))),
        };
        let workshop = Workshop {
            region: "".into(),
            catalogue: Arc::new(catalogue),
            time: Time::Runtime(clock.clone()),
            records: None,
            spent: || None,
        };
        let keeper = Arc::new(MemoryKeeper::default());
        let benchmarks = Arc::new(restored(&keeper, &clock));
        Self { clock, keeper, benchmarks, workshop, stop: CancellationToken::new() }
    }

    /// What another process would find after this one died.
    fn after_death(&self) -> Benchmarks {
        restored(&self.keeper, &self.clock)
    }

    fn submit(&self, spec: Spec) -> BenchmarkId {
        match self.benchmarks.submit(submission(spec)).expect("there is room") {
            Submitted::New(benchmark) => benchmark.id,
            Submitted::Known(_) => panic!("it has no key"),
        }
    }

    fn get(&self, id: BenchmarkId) -> Benchmark {
        self.benchmarks.get(id).expect("it is there")
    }

    fn status(&self, id: BenchmarkId) -> Status {
        self.get(id).status
    }

    fn runs(&self, id: BenchmarkId) -> Vec<Value> {
        self.benchmarks.runs(id).expect("memory can be read").expect("it is there")
    }

    /// Works the queue off while `watch` looks on, and until its end; a benchmark that runs then is
    /// left as by a death of the process.
    async fn work<T>(&self, watch: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.benchmarks.work(&self.workshop, &self.stop) => panic!("nobody said stop"),
            watched = watch => watched,
        }
    }

    /// Waits until the benchmark has ended.
    async fn ended(&self, id: BenchmarkId) -> Benchmark {
        while !self.status(id).is_final() {
            tokio::time::sleep(ms(1)).await;
        }
        self.get(id)
    }

    /// Works until the benchmark has ended.
    async fn work_off(&self, id: BenchmarkId) -> Benchmark {
        self.work(self.ended(id)).await
    }
}

fn restored(keeper: &Arc<MemoryKeeper>, clock: &Arc<VirtualClock>) -> Benchmarks {
    let read = |request: &Value| {
        if request["is_readable"] == json!(true) {
            Ok(spec(&["fast"], &[1], requests(2)))
        } else {
            Err(problem("The request cannot be read"))
        }
    };
    let keeper = Arc::clone(keeper) as Arc<dyn Keeper>;
    Benchmarks::restore(keeper, clock.clone(), 3, &read).expect("memory can be read")
}

fn problem(title: &str) -> Problem {
    Problem { title: title.to_owned(), detail: String::new(), hint: String::new() }
}

fn target(name: &str, model: Arc<dyn Model>) -> Target {
    let subject = Subject {
        model,
        name: format!("{name}-model"),
        description: format!("{name}, scripted"),
        tokenizer: None,
        is_embedded: false,
    };
    let open = move || -> domain::BoxFuture<'static, Result<Subject, Problem>> {
        let subject = subject.clone();
        Box::pin(async { Ok(subject) })
    };
    Target {
        name: name.to_owned(),
        provider: "scripted".to_owned(),
        model: format!("{name}-model"),
        url_host: None,
        region: None,
        labels: BTreeMap::new(),
        open: Arc::new(open),
    }
}

fn scenario(name: &str) -> Scenario {
    Scenario {
        name: name.to_owned(),
        description: String::new(),
        count: None,
        prompts: Arc::new(Prompts::Scenario(name.parse().expect("a scenario"))),
        tokenizer: None,
    }
}

fn requests(count: u64) -> Stop {
    Stop { requests: Some(count), ..Stop::default() }
}

fn lasting(duration: Duration) -> Stop {
    Stop { duration: Some(duration), ..Stop::default() }
}

/// Short queries to `targets` by so many users each.
fn spec(targets: &[&str], users: &[u64], stop: Stop) -> Spec {
    let closed = |&users: &u64| {
        Load::Closed(Closed { users, think: Duration::ZERO, requests_per_user: None })
    };
    Spec {
        ad_hoc: Vec::new(),
        targets: targets.iter().map(|&name| name.to_owned()).collect(),
        scenarios: vec!["short_queries".to_owned()],
        loads: users.iter().map(closed).collect(),
        protocol: Protocol::until(stop),
        store_content: None,
    }
}

fn submission(spec: Spec) -> Submission {
    Submission {
        name: None,
        request: json!({ "is_readable": true }),
        spec,
        labels: BTreeMap::new(),
        idempotency: None,
    }
}

fn with_key(spec: Spec, key: &str, digest: &str) -> Submission {
    let idempotency = Idempotency { key: key.to_owned(), digest: digest.to_owned() };
    Submission { idempotency: Some(idempotency), ..submission(spec) }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
