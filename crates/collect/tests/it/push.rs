//! Pushing to a receiver that takes, refuses, breaks off or hangs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use collect::otlp::{Failure, Pusher, Settings, SettingsError, Status};
use domain::Secret;
use testkit::clock::START_UNIX_NANOS;
use testkit::server::unused_address;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::fixture::{Bench, series};
use crate::receiver::{Answer, Push, Receiver};

/// When the bench's clock stands still.
const NOW: u64 = START_UNIX_NANOS / 1_000_000;

fn bench() -> Bench {
    Bench::new(collect::Settings::default())
}

fn pusher(settings: Settings, bench: &Bench) -> Pusher {
    Pusher::new(settings, Arc::clone(&bench.collector)).unwrap()
}

/// Lets the pusher run until the test is through with it, and then to its end.
async fn while_pushing<T>(pusher: &Pusher, test: impl Future<Output = T>) -> T {
    let (stop, stopped) = oneshot::channel::<()>();
    let run = pusher.run(async {
        // Fails where the test has dropped the sender, which stops as well.
        let _ = stopped.await;
    });
    let test = async {
        let result = test.await;
        drop(stop);
        result
    };
    tokio::join!(run, test).1
}

/// How pushing fares once so many pushes have been taken or not.
async fn status_after(pusher: &Pusher, pushes: u64) -> Status {
    let mut watch = pusher.watch();
    watch.wait_for(|status| status.taken + status.failures >= pushes).await.unwrap().clone()
}

/// How many records were kept, by what a push says.
fn kept(push: &Push) -> i64 {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    let metrics = &push.metrics.resource_metrics[0].scope_metrics[0].metrics;
    let metric = metrics.iter().find(|metric| metric.name == "prony.records.kept").unwrap();
    match &metric.data {
        Some(Data::Sum(sum)) => match sum.data_points[0].value {
            Some(Value::AsInt(value)) => value,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn seconds_between(pushes: &[Push]) -> Vec<f64> {
    pushes.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect()
}

#[tokio::test(start_paused = true)]
async fn pushes_come_at_intervals_and_once_more_at_the_end() {
    let mut bench = bench();
    let receiver = Receiver::start([]).await;
    let settings = Settings {
        headers: vec![("X-Scope".to_owned(), Secret::new("team-7"))],
        ..Settings::new(format!("{}/otlp/", receiver.endpoint()), "a1b2")
    };
    let pusher = pusher(settings, &bench);
    while_pushing(&pusher, async {
        status_after(&pusher, 3).await;
        let tracked = bench.collector.track(&series("m"));
        bench.collector.try_submit(&mut bench.records(&tracked, 0..5)).unwrap();
        bench.worker.turn();
    })
    .await;

    let pushes = receiver.pushes(4).await;
    assert_eq!(Vec::from_iter(pushes.iter().map(kept)), [0, 0, 0, 5]);
    let between = seconds_between(&pushes);
    assert!(between[..2].iter().all(|seconds| (seconds - 10.0).abs() < 0.01), "{between:?}");
    assert!(between[2] < 0.01, "{between:?}");
    for push in &pushes {
        assert_eq!(push.path, "/otlp/v1/metrics");
        for (name, value) in [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "gzip"),
            ("x-scope", "team-7"),
        ] {
            assert_eq!(push.headers.get(name).unwrap(), value);
        }
    }
    let status = Status { taken: 4, last_success_unix_ms: Some(NOW), ..Status::default() };
    assert_eq!(pusher.status(), status);
}

#[tokio::test(start_paused = true)]
async fn a_passing_refusal_is_tried_again_no_sooner_than_asked() {
    let bench = bench();
    let busy = |status, after| Answer::Status(status, after, b"later".to_vec());
    let script = [
        busy(503, vec![("retry-after", "70")]),
        busy(429, Vec::new()),
        busy(502, vec![("retry-after", "soon")]),
        busy(504, vec![("retry-after", "0")]),
    ];
    let receiver = Receiver::start(script).await;
    let pusher = pusher(Settings::new(receiver.endpoint(), "a1b2"), &bench);
    while_pushing(&pusher, status_after(&pusher, 6)).await;

    let between = seconds_between(&receiver.pushes(7).await);
    assert!((70.0..70.01).contains(&between[0]), "{between:?}");
    for (seconds, longest) in between[1..4].iter().zip([2.0, 4.0, 8.0]) {
        assert!((longest / 2.0..longest + 0.01).contains(seconds), "{between:?}");
    }
    assert!((between[4] - 10.0).abs() < 0.01, "{between:?}");
    let status = pusher.status();
    assert_eq!((status.taken, status.failures), (3, 4), "the last one among them");
    let message = "answered 504 Gateway Timeout: later".to_owned();
    assert_eq!(status.last_failure, Some(Failure { at_unix_ms: NOW, message }));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_says_why_and_waits_for_the_next_push() {
    let bench = bench();
    // A `google.rpc.Status`: code 3, and a message that quotes the key.
    let said = b"key\nkey-0123456789 is unknown";
    let mut body = vec![0x08, 3, 0x12, said.len() as u8];
    body.extend(said);
    let protobuf = vec![("content-type", "application/x-protobuf")];
    let script = [
        Answer::Status(401, protobuf, body),
        Answer::Status(307, vec![("location", "/")], Vec::new()),
    ];
    let receiver = Receiver::start(script).await;
    let settings = Settings {
        headers: vec![("authorization".to_owned(), Secret::new("Bearer key-0123456789"))],
        ..Settings::new(receiver.endpoint(), "a1b2")
    };
    let pusher = pusher(settings, &bench);
    let mut told = Vec::new();
    while_pushing(&pusher, async {
        for pushes in [1, 2] {
            told.push(status_after(&pusher, pushes).await.last_failure.unwrap().message);
        }
        status_after(&pusher, 3).await
    })
    .await;
    assert_eq!(
        told,
        [
            "answered 401 Unauthorized: key [redacted] is unknown; check the headers",
            "answered 307 Temporary Redirect; redirects are not followed, \
         set the endpoint they lead to",
        ]
    );
    let pushes = receiver.pushes(4).await;
    let between = seconds_between(&pushes[..3]);
    assert!(between.iter().all(|seconds| (seconds - 10.0).abs() < 0.01), "{between:?}");
    assert_eq!(pushes[0].headers["authorization"], "Bearer key-0123456789");
    assert!(!format!("{pusher:?}").contains("key-0123456789"));
}

#[tokio::test(start_paused = true)]
async fn points_that_a_receiver_leaves_out_are_told() {
    let bench = bench();
    // `partial_success`: 300 rejected points, and why.
    let partial = [&[0x08, 0xac, 0x02, 0x12, 7][..], b"too old"].concat();
    let body = [&[0x0a, partial.len() as u8][..], &partial].concat();
    let receiver = Receiver::start([Answer::Status(200, Vec::new(), body)]).await;
    let pusher = pusher(Settings::new(receiver.endpoint(), "a1b2"), &bench);
    let status = while_pushing(&pusher, status_after(&pusher, 1)).await;
    assert_eq!((status.refused_points, status.failures), (300, 0));
    assert_eq!(status.last_success_unix_ms, Some(NOW));
    let message = status.last_failure.unwrap().message;
    assert_eq!(message, "taken but for 300 points: too old");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_holds_nobody_up() {
    let mut bench = bench();
    let receiver = Receiver::start([Answer::Hang, Answer::Hang, Answer::Hang]).await;
    let settings =
        Settings { timeout: Duration::from_secs(20), ..Settings::new(receiver.endpoint(), "a") };
    let pusher = pusher(settings, &bench);
    let stopped = while_pushing(&pusher, async {
        receiver.pushes(1).await;
        // Records are taken in and kept while the push hangs, which shows in the next one.
        let before = Instant::now();
        let tracked = bench.collector.track(&series("m"));
        let mut records = bench.records(&tracked, 0..3);
        let ticket = bench.collector.submit(&mut records).await.unwrap();
        bench.worker.turn();
        assert!(bench.collector.kept(ticket).await);
        assert_eq!(before.elapsed(), Duration::ZERO);
        receiver.pushes(2).await;
        Instant::now()
    })
    .await;
    // The push that hung was given up, and so was the last one, after two seconds.
    assert!(stopped.elapsed() < Duration::from_millis(2_010), "{:?}", stopped.elapsed());
    let pushes = receiver.pushes(3).await;
    assert_eq!(Vec::from_iter(pushes.iter().map(kept)), [0, 3, 3]);
    let first_wait = seconds_between(&pushes)[0];
    assert!((20.5..21.01).contains(&first_wait), "{first_wait}");
    let status = pusher.status();
    assert_eq!((status.taken, status.failures), (0, 2));
    assert_eq!(status.last_failure.unwrap().message, "no answer within 2000 ms");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_not_there_is_told() {
    let bench = bench();
    let pusher = pusher(Settings::new(format!("http://{}", unused_address()), "a"), &bench);
    pusher.run(std::future::ready(())).await;
    let status = pusher.status();
    assert_eq!((status.taken, status.failures, status.last_success_unix_ms), (0, 1, None));
    let message = status.last_failure.unwrap().message;
    assert!(message.starts_with("cannot connect: "), "{message}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let bench = bench();
    let refused = |settings| Pusher::new(settings, Arc::clone(&bench.collector)).unwrap_err();
    for (endpoint, error) in [
        ("127.0.0.1:4318", SettingsError::Endpoint),
        ("/v1/metrics", SettingsError::Endpoint),
        ("https://example.com", SettingsError::Scheme),
        ("http://user:key@example.com", SettingsError::EndpointParts),
        ("http://example.com/?key=1", SettingsError::EndpointParts),
    ] {
        assert_eq!(refused(Settings::new(endpoint, "a")), error, "{endpoint}");
    }
    let usual = Settings::new("http://[::1]:4318", "a");
    for (name, value) in [("a b", "c"), ("a", "b\nc"), ("Content-Type", "text/plain")] {
        let headers = vec![(name.to_owned(), Secret::new(value))];
        let error = refused(Settings { headers, ..usual.clone() });
        assert_eq!(error, SettingsError::Header(name.to_owned()));
    }
    let zero = Settings { interval: Duration::ZERO, ..usual.clone() };
    assert_eq!(refused(zero), SettingsError::Zero);
    assert!(Pusher::new(usual, Arc::clone(&bench.collector)).is_ok());
}
