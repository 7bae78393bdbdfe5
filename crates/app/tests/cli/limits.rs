//! The system's limit of open files.

use crate::desk::{Desk, integer, printed};

#[test]
fn a_hard_limit_that_is_too_low_is_told_before_the_load() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let line = format!("bench --url {} --concurrency 100 --output-dir never", sim.url);
    let run = desk.prony_after("ulimit -n 64", &line);
    assert_eq!((run.code, &*run.stdout), (Some(5), ""), "{}", run.stderr);
    assert!(run.stderr.contains("100 connections need 164 open files; the limit is 64"));
    assert!(run.stderr.contains("help: raise it for this shell with `ulimit -Hn 164`"));
    assert!(!desk.path("never").exists());
}

#[test]
fn a_soft_limit_is_raised() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 20ms");
    let line = format!(
        "bench --url {} --concurrency 100 --num-prompts 200 --max-tokens 1 --output json",
        sim.url
    );
    let run = desk.prony_after("ulimit -Sn 64", &line);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(integer(&printed(&run)["runs"][0]["completed"]), 200);
}

#[test]
fn a_server_starts_whatever_the_limit() {
    // It cannot know how many clients will come.
    let desk = Desk::new();
    let server = desk.start_after("ulimit -n 64", "sim --port 0");
    let run = desk.prony(&format!("bench --url {} --num-prompts 2", server.url()));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    server.interrupt();
    assert_eq!(server.finish().code, Some(0));
}
