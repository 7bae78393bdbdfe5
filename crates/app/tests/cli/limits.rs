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

#[test]
fn a_schedule_without_a_bound_gets_all_the_files_there_are() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 1s");
    let line = format!(
        "bench --url {} --request-rate 5000/s --num-prompts 250 --max-tokens 1 --output json",
        sim.url
    );
    let run = desk.prony_after("ulimit -Sn 100 && ulimit -Hn 400", &line);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(integer(&printed(&run)["runs"][0]["completed"]), 250);
    assert!(!run.stderr.contains("warning: if the server"), "400 are enough: {}", run.stderr);

    // Too few, should the server be slow: told before, and no fault of the server's after.
    let told = "warning: if the server is slow, 250 connections need 314 open files; the limit is";
    let run = desk.prony_after("ulimit -n 128", &format!("{line} --cold-connections"));
    assert!(run.stderr.contains(&format!("{told} 128")), "{}", run.stderr);
    assert!(run.stderr.contains("help: raise it for this shell with `ulimit -Hn 314`"));
    assert_eq!(run.code, Some(5), "{}", run.stderr);
    let summary = printed(&run);
    let errors = &summary["runs"][0]["errors"];
    assert_eq!(errors["client_resources"], summary["runs"][0]["failed"], "{errors}");
}

#[test]
fn more_users_than_requests_open_no_more_connections() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let line = format!("bench --url {} --concurrency 100000 --num-prompts 20", sim.url);
    let run = desk.prony_after("ulimit -n 128", &line);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
