//! A store that cannot be used, or no longer: what the program says, and that nothing is lost.
#![expect(clippy::disallowed_methods, reason = "tests fill devices and damage files")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::Program;
use testkit::program::until;

use crate::desk::{Desk, integer, text};
use crate::serving::{Served, benchmark};

/// What the small device of a test holds.
const DEVICE: &str = "16m";

/// A server whose store is on a small device of its own, which this test fills and empties.
struct Cramped {
    served: Served,
    /// The device, as the server sees it.
    device: PathBuf,
}

impl Cramped {
    fn start(desk: Desk, target: &str) -> Self {
        let target = format!("[targets.sim]\nurl = \"{target}/v1\"\nmodel = \"sim\"\n");
        desk.write("prony.toml", format!("[store]\npath = \"device/store\"\n{target}"));
        std::fs::create_dir(desk.path("device")).expect("there is room for a folder");
        let program = desk.start_on_device("device", DEVICE, "serve --config prony.toml --port 0");
        let url = program.url();
        let device = seen_by(&program, &desk.path("device"));
        Self { served: Served { desk, program, url }, device }
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.device.join("ballast")).expect("room for it");
        let block = vec![0; 1 << 16];
        while std::io::Write::write_all(&mut ballast, &block).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.device.join("ballast")).expect("it is there");
    }

    /// How many different requests are on record.
    fn requests_kept(&self) -> u64 {
        let desk = &self.served.desk;
        let copied = desk.shell(&format!("cp -r '{}/store' copy", self.device.display()));
        assert_eq!(copied.code, Some(0), "{}", copied.stderr);
        let question = "SELECT count(*) AS kept, count(DISTINCT request_id) AS apart FROM requests";
        let end = desk.prony_in(&[], &["query", "--store", "copy", "--format", "jsonl", question]);
        let row: Value = serde_json::from_str(&end.stdout).expect("one row");
        assert_eq!(row["kept"], row["apart"], "some are there twice");
        integer(&row["kept"])
    }

    fn store_problem(&self) -> Option<String> {
        let status = self.served.get("/api/v1/status");
        status["store"]["problem"].as_str().map(str::to_owned)
    }
}

/// A path as another process sees it, on devices that only that process has.
fn seen_by(program: &Program, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", program.id()));
    root.join(path.strip_prefix("/").expect("the path of a desk is whole"))
}

#[test]
fn a_full_device_holds_benchmarks_up_and_loses_nothing() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 2ms --itl 1ms --log sim.jsonl");
    let url = sim.url.clone();
    let cramped = Cramped::start(desk, &url);
    let id = cramped.served.create(&benchmark(2.0, 8));
    until("some requests are answered", || {
        integer(&cramped.served.benchmark(&id)["progress"]["completed"]) > 100
    });
    cramped.fill();
    until("the status tells", || cramped.store_problem().is_some());
    let problem = cramped.store_problem().expect("it told");
    assert!(problem.contains("records were not kept"), "{problem}");
    let warning = cramped.served.program.line("warning: records were not kept");
    assert!(warning.contains("No space left on device"), "{warning}");
    let help = cramped.served.program.line("make room on the store's device");
    assert!(help.contains("until then records wait in memory"), "{help}");

    // What needs no room is answered, and what does is refused.
    let (status, refused) = cramped.served.call("POST", "/api/v1/benchmarks", &benchmark(1.0, 1));
    assert_eq!(status, 500, "{refused}");
    assert!(refused.contains("free some space"), "{refused}");
    until("the load is over", || {
        let benchmark = cramped.served.benchmark(&id);
        benchmark["progress"]["share"] == json!(1.0)
            && integer(&benchmark["progress"]["in_flight"]) == 0
    });
    assert_eq!(cramped.served.benchmark(&id)["status"], "running", "its records wait");

    cramped.make_room();
    until("the benchmark has ended", || cramped.served.benchmark(&id)["status"] != "running");
    assert_eq!(cramped.served.benchmark(&id)["status"], "completed");
    until("the status is well again", || cramped.store_problem().is_none());
    let _ = cramped.served.program.line("records are kept again; none was lost");
    let answered = integer(&cramped.served.benchmark(&id)["progress"]["completed"]);
    assert_eq!(cramped.requests_kept(), answered);
    let second = cramped.served.create(&benchmark(0.2, 1));
    until("another takes place", || cramped.served.benchmark(&second)["status"] == "completed");
    let desk = cramped.served.stop();
    sim.stop();
    let (_, served) = desk.sim_log("sim.jsonl");
    assert!(served.len() as u64 > answered, "{} of {answered}", served.len());
}

#[test]
fn a_bench_on_a_full_device_tells_its_results_and_that_they_are_not_kept() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 1ms --itl 1ms");
    std::fs::create_dir(desk.path("device")).expect("there is room for a folder");
    let line = format!(
        "bench --url {} --model sim --scenario short_queries --concurrency 4 --num-prompts 400 \
         --max-tokens 64 --no-progress --store device/store",
        sim.url
    );
    // A new store takes 400 KB, the records of this run 150, and its results some more.
    let program = desk.start_on_device("device", "700k", &line);
    let end = program.finish();
    assert_ne!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("database or disk is full"), "{}", end.stderr);
    assert!(end.stderr.contains("free some space on the device"), "{}", end.stderr);
    assert!(!end.stderr.contains("before the plan was done"), "{}", end.stderr);
    assert!(end.stdout.contains("Successful requests:"), "{}{}", end.stdout, end.stderr);
    sim.stop();
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_with_a_reason() {
    let desk = Desk::new();
    desk.write("file", "no folder");
    desk.write("prony.toml", "[store]\npath = \"file/store\"\n");
    let end = desk.prony("serve --config prony.toml --port 0");
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    insta::assert_snapshot!(end.stderr, @r"
    error: cannot read file/store/FORMAT: Not a directory (os error 20)
      help: name a folder that you may write to
    ");

    std::fs::create_dir(desk.path("device")).expect("there is room for a folder");
    desk.write("prony.toml", "[store]\npath = \"device/store\"\n");
    let program = desk.start_on_device("device", "1m,ro", "serve --config prony.toml --port 0");
    let end = program.finish();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    insta::assert_snapshot!(end.stderr, @r"
    error: cannot create device/store: Read-only file system (os error 30)
      help: name a folder that you may write to
    ");
}

/// Bytes of every file below a folder, by name.
fn bytes_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(bytes_below(&path));
        } else if path.is_file() {
            found.push((path.clone(), std::fs::read(&path).expect("it can be read")));
        }
    }
    found.sort();
    found
}

#[test]
fn a_store_of_a_newer_version_is_left_alone_by_every_command() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 1ms");
    let bench =
        format!("bench --url {} --model sim --num-prompts 5 --no-progress --store store", sim.url);
    assert_eq!(desk.prony(&bench).code, Some(0));
    desk.write("store/FORMAT", "prony-store 99\n");
    desk.write("prony.toml", "[store]\npath = \"store\"\n");
    let before = bytes_below(&desk.path("store"));
    for line in [
        "serve --config prony.toml --port 0",
        "query --store store SELECT",
        "runs list --store store",
        &bench,
    ] {
        let end = desk.prony(line);
        assert_eq!(end.code, Some(3), "{line}: {}", end.stderr);
        assert!(end.stderr.contains("newer"), "{line}: {}", end.stderr);
        assert!(end.stdout.is_empty(), "{line}: {}", end.stdout);
    }
    assert!(bytes_below(&desk.path("store")) == before, "the store was touched");
    sim.stop();
}

#[test]
fn a_server_goes_on_beside_a_damaged_partition_and_names_it() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 1ms");
    for seed in [1, 2] {
        let end = desk.prony(&format!(
            "bench --url {} --model sim --num-prompts 20 --seed {seed} --no-progress --store store",
            sim.url
        ));
        assert_eq!(end.code, Some(0), "{}", end.stderr);
    }
    let partitions = |desk: &Desk| -> Vec<PathBuf> {
        let all = std::fs::read_dir(desk.path("store/partitions")).expect("it is a folder");
        let mut all: Vec<PathBuf> = all.map(|entry| entry.expect("listed").path()).collect();
        all.sort();
        all
    };
    let hurt = partitions(&desk).into_iter().next().expect("a bench seals what it kept");
    let mut bytes = std::fs::read(&hurt).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    std::fs::write(&hurt, bytes).expect("it can be written");
    let served = Served::start_with(desk, &sim.url, "[store]\npath = \"store\"\n");
    let id = served.create(&benchmark(0.2, 1));
    until("a benchmark takes place", || served.benchmark(&id)["status"] == "completed");
    let desk = served.stop();
    let end = desk.prony_in(
        &[],
        &["query", "--store", "store", "SELECT count(*) AS n FROM requests WHERE ttft_ms > 0"],
    );
    let name = hurt.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(end.stderr.contains(name), "{}", end.stderr);
    assert!(text(&json!(end.stdout)).contains('n'), "{}", end.stdout);
    sim.stop();
}
