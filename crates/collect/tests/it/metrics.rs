//! The metrics' forms: what they say, and that readers can read them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use analysis::Sketch;
use collect::Settings;
use collect::metrics::{Family, Form, Kind, Labels, Sample, UnknownForm, Value};
use domain::FailureKind;

use crate::fixture::{Bench, failed, series};

/// A collector that has seen three successes and a time-out.
fn bench() -> Bench {
    let mut bench = Bench::new(Settings::default());
    let tracked = bench.collector.track(&series("a \"b\"\\c\nd"));
    let mut records = bench.records(&tracked, 0..3);
    records.push(failed(bench.records(&tracked, 3..4).remove(0), FailureKind::Timeout));
    bench.collector.try_submit(&mut records).unwrap();
    bench.turn_after(200);
    bench
}

fn text(form: Form, families: &[Family]) -> String {
    String::from_utf8(form.encode(families)).unwrap()
}

/// The lines of one family, with the labels that all share taken out.
fn lines(name: &str, form: Form) -> String {
    let mut families = bench().collector.families();
    families.retain(|family| family.name == name);
    assert_eq!(families.len(), 1, "{name}");
    let shared = r#"model="a \"b\"\\c\nd",provider="openai",region="eu-west",vantage="client",vantage_region="home",scenario="short_queries",source="bench""#;
    text(form, &families).replace(shared, "…")
}

#[test]
fn text_says_what_was_counted() {
    insta::assert_snapshot!(lines("llm_requests_total", Form::Text), @r#"
    # HELP llm_requests_total Requests that ended, by outcome.
    # TYPE llm_requests_total counter
    llm_requests_total{…,outcome="success"} 3
    llm_requests_total{…,outcome="failure"} 1
    "#);
    insta::assert_snapshot!(lines("llm_cost_dollars_total", Form::OpenMetrics), @r"
    # HELP llm_cost_dollars What requests cost; zero, as no prices are known yet.
    # TYPE llm_cost_dollars counter
    llm_cost_dollars_total{…} 0
    # EOF
    ");
    insta::assert_snapshot!(lines("llm_time_to_first_token_seconds", Form::Text), @r#"
    # HELP llm_time_to_first_token_seconds Time to the first token.
    # TYPE llm_time_to_first_token_seconds histogram
    llm_time_to_first_token_seconds_bucket{…,le="0.001"} 0
    llm_time_to_first_token_seconds_bucket{…,le="0.002"} 0
    llm_time_to_first_token_seconds_bucket{…,le="0.005"} 0
    llm_time_to_first_token_seconds_bucket{…,le="0.01"} 0
    llm_time_to_first_token_seconds_bucket{…,le="0.025"} 0
    llm_time_to_first_token_seconds_bucket{…,le="0.05"} 3
    llm_time_to_first_token_seconds_bucket{…,le="0.1"} 3
    llm_time_to_first_token_seconds_bucket{…,le="0.25"} 3
    llm_time_to_first_token_seconds_bucket{…,le="0.5"} 3
    llm_time_to_first_token_seconds_bucket{…,le="1"} 3
    llm_time_to_first_token_seconds_bucket{…,le="2"} 3
    llm_time_to_first_token_seconds_bucket{…,le="4"} 3
    llm_time_to_first_token_seconds_bucket{…,le="8"} 3
    llm_time_to_first_token_seconds_bucket{…,le="15"} 3
    llm_time_to_first_token_seconds_bucket{…,le="30"} 3
    llm_time_to_first_token_seconds_bucket{…,le="60"} 3
    llm_time_to_first_token_seconds_bucket{…,le="120"} 3
    llm_time_to_first_token_seconds_bucket{…,le="+Inf"} 3
    llm_time_to_first_token_seconds_sum{…} 0.12
    llm_time_to_first_token_seconds_count{…} 3
    "#);
    insta::assert_snapshot!(lines("prony_records_kept_total", Form::Text), @r"
    # HELP prony_records_kept_total Records that were kept.
    # TYPE prony_records_kept_total counter
    prony_records_kept_total 4
    ");
}

#[test]
fn a_reader_gets_the_form_it_can_read() {
    let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                  encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
                  text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (named, accept, form) in [
        (None, None, Form::Text),
        (None, Some("*/*"), Form::Text),
        (None, Some(native), Form::OpenMetrics),
        (Some("protobuf"), Some(native), Form::Protobuf),
        (Some("text"), Some(native), Form::Text),
    ] {
        assert_eq!(Form::choose(named, accept), Ok(form), "{named:?} {accept:?}");
    }
    assert_eq!(Form::choose(Some("xml"), None), Err(UnknownForm("xml".to_owned())));
}

#[test]
fn promtool_finds_no_fault() {
    let mut check = match Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    {
        Ok(check) => check,
        Err(error) => return println!("skipped: promtool does not start: {error}"),
    };
    let metrics = Form::Text.encode(&bench().collector.families());
    check.stdin.take().unwrap().write_all(&metrics).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn powers_of_two_are_exact_bounds() {
    for seconds in [0.25, 0.5, 1.0, 2.0, 4.0, 8.0] {
        let mut durations = Sketch::default();
        durations.record((seconds * 1e9) as u64);
        durations.record((seconds * 1e9) as u64 + 1);
        let value = Value::Durations(durations);
        let samples = vec![Sample { labels: Labels::default(), own: None, value }];
        let family = Family { name: "x", help: "X.", kind: Kind::Histogram, samples };
        let line = format!("x_bucket{{le=\"{seconds}\"}} 1\n");
        assert!(text(Form::Text, &[family]).contains(&line), "{line}");
    }
}
