//! What servers tell of themselves, whatever they call it.

use std::sync::Arc;
use std::time::Duration;

use collect::scrape::{
    Malformed, Reading, ScrapeError, Scraper, ServerMetric, ServerValue, TargetError, read,
};
use domain::{Clock, Secret, SystemClock};
use testkit::server::unused_address;
use testkit::{Ending, FakeServer, Framing, Reply, VirtualClock};

/// Each reading on a line of its own.
fn told(text: &str) -> String {
    let line = |Reading { metric, labels, value }: &Reading| {
        let labels = Vec::from_iter(labels.iter().map(|(name, value)| format!("{name}={value}")));
        let value = match value {
            ServerValue::Number(number) => number.to_string(),
            ServerValue::Histogram { sum, count, buckets } => {
                format!("{sum} of {count}, {buckets:?}")
            }
        };
        format!("{metric:?} {} {value}", labels.join(","))
    };
    Vec::from_iter(read(text).unwrap().iter().map(line)).join("\n")
}

#[test]
fn each_server_is_understood() {
    insta::assert_snapshot!(told(r#"
# HELP vllm:num_requests_running Requests in the batch.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 7.0
vllm:num_requests_running{engine="1",model_name="m"} 9.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 2.0
vllm:gpu_cache_usage_perc{engine="0",model_name="m"} 0.5
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.5
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.2e+06
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} 3.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 4.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 4.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 0.75
vllm:time_to_first_token_seconds_created{engine="0",model_name="m"} 1.7e+09
vllm:time_per_output_token_seconds_sum{engine="0",model_name="m"} 8.0
"#), @r"
    RequestsRunning engine=0,model_name=m 7
    RequestsRunning engine=1,model_name=m 9
    KvCacheUsage engine=0,model_name=m 0.5
    InputTokens engine=0,model_name=m 1200000
    TimeToFirstToken engine=0,model_name=m 0.75 of 4, [(0.1, 3.0), (inf, 4.0)]
    InterTokenLatency engine=0,model_name=m 8 of 0, []
    ");
    insta::assert_snapshot!(told(
        "llamacpp:requests_processing 4\nllamacpp:requests_deferred 46\n\
         llamacpp:tokens_predicted_total 17029\nllamacpp:tokens_predicted_seconds_total 31.5\n\
         llamacpp:n_busy_slots_per_decode 3.8\nllamacpp:kv_cache_usage_ratio nan\n"
    ), @r"
    RequestsRunning  4
    RequestsWaiting  46
    OutputTokens  17029
    DecodeSeconds  31.5
    ");
    insta::assert_snapshot!(told(
        "sglang:num_running_reqs{model_name=\"m\",tp_rank=\"0\"} 2.0\n\
         sglang:token_usage{model_name=\"m\",tp_rank=\"0\"} 0.28\n\
         sglang:num_retracted_requests_total{model_name=\"m\"} 1.0\n\
         tgi_queue_size 3\n\
         tgi_request_generated_tokens_bucket{le=\"10\"} 5\n\
         tgi_request_generated_tokens_sum 41\n\
         tgi_request_queue_duration_sum 0.5\ntgi_request_queue_duration_count 5\n"
    ), @r"
    RequestsRunning model_name=m,tp_rank=0 2
    KvCacheUsage model_name=m,tp_rank=0 0.28
    Preemptions model_name=m 1
    RequestsWaiting  3
    OutputTokens  41
    QueueTime  0.5 of 5, []
    ");
    insta::assert_snapshot!(told(
        "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 85\nDCGM_FI_DEV_FB_USED{gpu=\"0\"} 2\n\
         DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\"} 2500\n\
         DCGM_FI_DEV_SM_CLOCK{gpu=\"0\"} 1410\nDCGM_FI_PROF_PIPE_TENSOR_ACTIVE{gpu=\"0\"} 0.4\n"
    ), @r"
    GpuUtilization gpu=0 0.85
    GpuMemoryUsed gpu=0 2097152
    GpuEnergy gpu=0 2.5
    GpuSmClock gpu=0 1410000000
    GpuTensorActive gpu=0 0.4
    ");
}

#[test]
fn series_told_in_turns_are_told_apart() {
    let text = "vllm:e2e_request_latency_seconds_sum{engine=\"0\"} 1\n\
                vllm:e2e_request_latency_seconds_sum{engine=\"1\"} 2\n\
                vllm:e2e_request_latency_seconds_count{engine=\"0\"} 10\n\
                vllm:e2e_request_latency_seconds_count{engine=\"1\"} 20\n";
    insta::assert_snapshot!(told(text), @r"
    RequestDuration engine=0 1 of 10, []
    RequestDuration engine=1 2 of 20, []
    ");
}

fn scraper(server: &FakeServer, key: Option<&Secret>) -> Scraper {
    Scraper::new(&format!("{}/metrics", server.url()), key, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn a_server_is_asked_each_time_anew() {
    let pages = ["tgi_queue_size 1\n", "tgi_queue_size 2\n"];
    let replies = pages.map(|page| Reply::status(200).framing(Framing::Chunked).bytes(page));
    let server = FakeServer::start(replies).await;
    let key = Secret::new("key-1");
    let scraper = scraper(&server, Some(&key));
    let mut before = SystemClock.now();
    for waiting in [1.0, 2.0] {
        let scrape = scraper.scrape().await.unwrap();
        let [Reading { metric: ServerMetric::RequestsWaiting, value, .. }] = &scrape.readings[..]
        else {
            panic!("{scrape:?}");
        };
        assert_eq!(*value, ServerValue::Number(waiting));
        assert!(before < scrape.at && scrape.at < SystemClock.now());
        before = scrape.at;
    }
    let received = server.finish();
    assert!(received.iter().all(|one| one.header("authorization") == Some("Bearer key-1")));
    assert!(!format!("{scraper:?}").contains("key-1"));
}

#[tokio::test]
async fn what_is_no_answer_says_why() {
    let long = vec![b'x'; (16 << 20) + 1];
    let server = FakeServer::start([
        Reply::status(401),
        Reply::status(200).bytes("<html>"),
        Reply::status(200).bytes([0xff]),
        Reply::status(200).bytes("tgi_queue_size 1").ending(Ending::Truncate),
        Reply::status(200).bytes(long),
    ])
    .await;
    let scraper = scraper(&server, None);
    assert!(matches!(scraper.scrape().await, Err(ScrapeError::Status(status)) if status == 401));
    let malformed = scraper.scrape().await;
    assert!(matches!(malformed, Err(ScrapeError::Malformed(Malformed { line: 1 }))));
    assert!(matches!(scraper.scrape().await, Err(ScrapeError::Body(_))));
    assert!(matches!(scraper.scrape().await, Err(ScrapeError::Body(_))));
    assert!(matches!(scraper.scrape().await, Err(ScrapeError::Body(_))));

    let nobody = format!("http://{}/metrics", unused_address());
    let nobody = Scraper::new(&nobody, None, Arc::new(SystemClock)).unwrap();
    assert!(matches!(nobody.scrape().await, Err(ScrapeError::Connect(_))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let reply = Reply::status(200).bytes("tgi_queue_size 1\n").ending(Ending::Stall);
    let server = FakeServer::start([reply.framing(Framing::Chunked)]).await;
    let clock = Arc::new(VirtualClock::new());
    let handed: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&clock);
    let scraper = Scraper::new(&server.url(), None, handed).unwrap();
    assert!(matches!(scraper.scrape().await, Err(ScrapeError::Timeout)));
    assert_eq!(clock.elapsed(), Duration::from_secs(5));
}

#[test]
fn an_address_must_be_one() {
    let new = |url: &str, key: Option<&str>| {
        let key = key.map(Secret::new);
        Scraper::new(url, key.as_ref(), Arc::new(SystemClock)).err()
    };
    assert_eq!(new("http://[::1]:8000/metrics", Some("key")), None);
    assert_eq!(new("/metrics", None), Some(TargetError::Invalid("/metrics".to_owned())));
    let secure = "https://host/metrics";
    assert_eq!(new(secure, None), Some(TargetError::Scheme(secure.to_owned())));
    assert_eq!(new("http://host/metrics", Some("a\nb")), Some(TargetError::Key));
}
