//! A real Prometheus reads the metrics, and the queries that users have must find something.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use collect::Settings;
use collect::metrics::Form;
use domain::FailureKind;
use testkit::monitoring::Prometheus;
use testkit::program::until;

use crate::fixture::{Bench, failed, series};

/// Serves the metrics of a collector that sees three requests more each time it is read, one of
/// which fails, until told to stop.
fn serve(listener: &TcpListener, is_over: &AtomicBool) {
    let mut bench = Bench::new(Settings::default());
    let tracked = bench.collector.track(&series("model"));
    for stream in listener.incoming() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let mut stream = stream.unwrap();
        let head = BufReader::new(&stream).lines().map(Result::unwrap);
        let head = Vec::from_iter(head.take_while(|line| !line.is_empty()));
        let named = head[0].split_once("format=").and_then(|(_, rest)| rest.split(' ').next());
        let accept = head.iter().find_map(|line| line.strip_prefix("Accept: "));
        let form = Form::choose(named, accept).unwrap();

        let mut records = bench.records(&tracked, 0..2);
        records.push(failed(bench.records(&tracked, 2..3).remove(0), FailureKind::RateLimited));
        bench.collector.try_submit(&mut records).unwrap();
        bench.turn_after(1_000);
        let body = form.encode(&bench.collector.families());
        let kind = form.content_type();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n")
            .unwrap();
        stream.write_all(&body).unwrap();
    }
}

#[test]
fn the_queries_that_users_have_find_something() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let server = thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || serve(&listener, &is_over)
    });
    let job = |name, more| {
        format!("  - job_name: {name}\n    static_configs: [{{targets: ['{target}']}}]\n{more}")
    };
    let jobs = [job("plain", ""), job("native", "    params: {format: [protobuf]}\n")].concat();
    let config = format!("global: {{scrape_interval: 250ms}}\nscrape_configs:\n{jobs}");
    let prometheus = Prometheus::start(&config, &[], &["native-histograms"]);

    // Each finds so many series, with figures in the range: answers take 0.1 s, first tokens 0.04 s.
    // The last are of native histograms, whose quantiles are true to 4.4 %.
    for (asked, series, range) in [
        (
            r#"histogram_quantile(0.95, llm_request_duration_seconds_bucket{job="plain"})"#,
            2,
            0.05..=0.25,
        ),
        (
            r#"histogram_quantile(0.95, rate(llm_request_duration_seconds_bucket{job="plain"}[5m]))"#,
            2,
            0.05..=0.25,
        ),
        (r#"rate(llm_requests_total{job="plain"}[5m])"#, 2, 1e-3..=1e3),
        (r#"increase(llm_cost_dollars_total{job="plain"}[1h])"#, 1, 0.0..=0.0),
        (r#"llm_request_errors_total{job="plain",kind="rate_limited"}"#, 1, 1.0..=1e6),
        (r#"rate(llm_tokens_total{job="plain"}[5m])"#, 2, 1e-3..=1e4),
        (r#"llm_active_requests{job="plain"}"#, 1, 0.0..=0.0),
        (
            r#"histogram_quantile(0.5, llm_request_duration_seconds{job="native"})"#,
            2,
            0.095..=0.105,
        ),
        (
            r#"histogram_quantile(0.5, llm_time_to_first_token_seconds{job="native"})"#,
            1,
            0.038..=0.042,
        ),
        (r#"histogram_count(llm_time_per_output_token_seconds{job="native"})"#, 1, 2.0..=1e6),
    ] {
        let mut found = Vec::new();
        until(asked, || {
            found = prometheus.query(asked).iter().map(|one| one.value).collect();
            found.len() == series && found.iter().all(|value| range.contains(value))
        });
    }
    drop(prometheus);
    is_over.store(true, Ordering::Relaxed);
    drop(TcpStream::connect(target));
    server.join().unwrap();
}
