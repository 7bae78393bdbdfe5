//! What holding streams costs the simulated server: CPU per token, lateness, memory, log.
//!
//! The server has this process's main thread to itself; a client that only reads is another process.
//! The kernel's work on loopback, the receiver's side included, happens inside the server's writes
//! and is part of its CPU time.
//!
//! `cargo bench -p sim --bench cost -- [STREAMS]`

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::{Clock as _, SystemClock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use sim::{Draw, Served, Service, Sim, SimConfig, Time, Timetable};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One measurement: so many connections, each with so many requests one after another.
#[derive(Clone, Copy)]
struct Case {
    streams: usize,
    requests_each: usize,
    ttft_ms: u64,
    itl_ms: u64,
    ramp_ms: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--client") {
        return client(&arguments[at + 1..]);
    }
    let streams = arguments.iter().skip(1).find_map(|text| text.parse().ok()).unwrap_or(10_000);
    println!("streams  ttft/itl ms  cpu us/token  late p50/p99/max us  log us/request  rss MiB");
    let idle = Case { streams: 64, requests_each: 200, ttft_ms: 0, itl_ms: 0, ramp_ms: 0 };
    let busy = Case { streams: 1_000, requests_each: 1, ttft_ms: 50, itl_ms: 10, ramp_ms: 2_000 };
    let full = Case { streams, requests_each: 1, ttft_ms: 500, itl_ms: 100, ramp_ms: 5_000 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    [idle, busy, full].into_iter().try_for_each(|case| runtime.block_on(measure(case)))
}

async fn measure(case: Case) -> Result<(), Box<dyn Error>> {
    let timetable = Timetable {
        ttft: Draw::Fixed(Duration::from_millis(case.ttft_ms)),
        itl: Draw::Fixed(Duration::from_millis(case.itl_ms)),
    };
    let config = SimConfig { service: Service::Timetable(timetable), ..SimConfig::default() };
    let sim = Sim::bind(config, SocketAddr::from(([127, 0, 0, 1], 0)), &Time::Machine)?.start();
    let before_us = cpu_us();
    let client = Command::new(std::env::current_exe()?)
        .args(["--client", &sim.local_addr().to_string()])
        .args([case.streams, case.requests_each].map(|number| number.to_string()))
        .arg(case.ramp_ms.to_string())
        .stdout(Stdio::inherit())
        .spawn()?;
    let status = wait(client).await?;
    let cpu_us = cpu_us() - before_us;
    let anchor = sim.log().anchor();
    let records = sim.stop().await?;
    assert!(status.success() && records.len() == case.streams * case.requests_each);
    report(case, cpu_us, &records, anchor)
}

/// Waits for `child` while the runtime serves it.
async fn wait(mut child: std::process::Child) -> std::io::Result<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn report(
    case: Case,
    cpu_us: f64,
    records: &[Served],
    anchor: domain::WallAnchor,
) -> Result<(), Box<dyn Error>> {
    let tokens = || records.iter().flat_map(|record| &record.tokens);
    let mut late_ns: Vec<u64> =
        tokens().map(|token| token.write.after.as_nanos() - token.due.as_nanos()).collect();
    late_ns.sort_unstable();
    let late_us = |share: f64| late_ns[((late_ns.len() - 1) as f64 * share) as usize] / 1_000;
    let before_us = self::cpu_us();
    for record in records {
        sim::log_writer::write_record(record, anchor, &mut std::io::sink())?;
    }
    let log_us = (self::cpu_us() - before_us) / records.len() as f64;
    #[expect(clippy::disallowed_methods, reason = "the kernel's own file about this process")]
    let status = std::fs::read_to_string("/proc/self/status")?;
    let rss_kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    println!(
        "{:7}  {:5}/{:<5}  {:12.2}  {:6}/{}/{}  {log_us:14.2}  {:7.1}",
        case.streams,
        case.ttft_ms,
        case.itl_ms,
        cpu_us / late_ns.len() as f64,
        late_us(0.5),
        late_us(0.99),
        late_us(1.0),
        rss_kib as f64 / 1024.0,
    );
    Ok(())
}

/// Sends requests and reads the answers to their end marks.
fn client(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [address, streams, requests_each, ramp_ms] = arguments else {
        return Err("--client ADDRESS STREAMS REQUESTS RAMP_MS".into());
    };
    let address: SocketAddr = address.parse()?;
    let (streams, requests_each): (usize, usize) = (streams.parse()?, requests_each.parse()?);
    let ramp = Duration::from_millis(ramp_ms.parse()?);
    let body = r#"{"model":"sim","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    let request: Arc<str> = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answered = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let start = SystemClock.now();
        let mut users = JoinSet::new();
        for user in 0..streams {
            let due = start
                + ramp * u32::try_from(user).unwrap_or(0) / u32::try_from(streams).unwrap_or(1);
            tokio::time::sleep(due.since(SystemClock.now())).await;
            let (request, answered) = (Arc::clone(&request), Arc::clone(&answered));
            users.spawn(async move {
                let mut socket = TcpStream::connect(address).await?;
                for _ in 0..requests_each {
                    socket.write_all(request.as_bytes()).await?;
                    read_answer(&mut socket).await?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), std::io::Error>(())
            });
        }
        while let Some(ended) = users.join_next().await {
            ended??;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    assert_eq!(answered.load(Ordering::Relaxed), streams * requests_each);
    Ok(())
}

async fn read_answer(socket: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let mut buffer = [0_u8; 4096];
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if buffer[..count].ends_with(b"\r\n0\r\n\r\n") {
            return Ok(());
        }
    }
}
