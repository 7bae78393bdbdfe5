//! Reads the texts of Linux's `/proc` and of control groups. Pure; `None` stands for a text that is
//! not as documented in `proc(5)` and the kernel's cgroup-v2 guide.

use std::time::Duration;

use super::{CgroupSample, MachineSample, NetworkSample};

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) cpu: Duration,
    pub(super) threads: u64,
    /// When the process began, in ticks: tells it from a later one of the same number.
    pub(super) began: u64,
}

/// Reads `/proc/PID/stat`, counted in ticks of `tick`.
pub(super) fn stat(text: &str, tick: Duration) -> Option<Stat> {
    // The second field is the program's name in parentheses, which may itself hold both.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Fields are numbered from 1 in proc(5), and the first after the name is the third.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat { cpu: ticks(field(14)? + field(15)?, tick), threads: field(20)?, began: field(22)? })
}

fn ticks(count: u64, tick: Duration) -> Duration {
    Duration::from_nanos(count.saturating_mul(u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX)))
}

/// Reads a line such as `Pss:   210 kB`, as of `/proc/PID/smaps_rollup`, `/proc/PID/status` and
/// `/proc/meminfo`.
pub(super) fn bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

/// Finds a process's control group in `/proc/PID/cgroup`, as a path from the root of the hierarchy
/// without its leading slash. `None` for the root itself, which has no figures.
pub(super) fn cgroup_path(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (!path.is_empty()).then_some(path)
}

/// Reads `cpu.stat`, `memory.current` and `memory.max` of a control group.
pub(super) fn cgroup(cpu: &str, memory: &str, memory_max: &str) -> Option<CgroupSample> {
    let micros = |name: &str| {
        let mut lines = cpu.lines().filter_map(|line| line.split_once(' '));
        let (_, count) = lines.find(|(known, _)| *known == name)?;
        count.trim().parse().ok().map(Duration::from_micros)
    };
    Some(CgroupSample {
        cpu: micros("usage_usec")?,
        // Without a CPU limit there is no such line.
        throttled: micros("throttled_usec").unwrap_or_default(),
        memory_bytes: memory.trim().parse().ok()?,
        memory_bytes_max: memory_max.trim().parse().ok(),
    })
}

/// Reads `/proc/PID/net/dev`.
pub(super) fn network(text: &str) -> Option<NetworkSample> {
    let mut network = NetworkSample::default();
    for line in text.lines().skip(2) {
        let (interface, counters) = line.split_once(':')?;
        let counters: Vec<&str> = counters.split_ascii_whitespace().collect();
        let counter = |place: usize| counters.get(place)?.parse::<u64>().ok();
        let traffic = match interface.trim() {
            "lo" => &mut network.loopback,
            _ => &mut network.outside,
        };
        traffic.received_bytes += counter(0)?;
        traffic.sent_bytes += counter(8)?;
    }
    Some(network)
}

/// Reads `/proc/stat`, counted in ticks of `tick`, and `/proc/meminfo`.
pub(super) fn machine(stat: &str, meminfo: &str, tick: Duration) -> Option<MachineSample> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let states: Vec<u64> =
        all.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    // Guests' time is in user time already; idle time and waiting for disks is not busy.
    let [user, nice, system, _, _, interrupts, soft_interrupts, stolen] = *states.first_chunk()?;
    let busy = user + nice + system + interrupts + soft_interrupts;
    let is_processor = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    Some(MachineSample {
        processors: stat.lines().filter(is_processor).count() as u64,
        busy: ticks(busy, tick),
        stolen: ticks(stolen, tick),
        memory_bytes: bytes(meminfo, "MemTotal")?,
        memory_available_bytes: bytes(meminfo, "MemAvailable")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Traffic;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let text = "4242 (a) R (b) S 1 4242 4242 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 17 0 9001 \
                    1000000 500 18446744073709551615 1 1 0\n";
        let read = Stat { cpu: Duration::from_secs(2), threads: 17, began: 9_001 };
        assert_eq!(stat(text, TICK), Some(read));
        assert_eq!(stat("4242 (cut", TICK), None);
        assert_eq!(stat("4242 (cut) S 1 2", TICK), None);
    }

    #[test]
    fn memory_is_read_by_its_name() {
        let text = "[rollup]\nRss:   1776 kB\nPss:    210 kB\nPss_Dirty:   112 kB\n";
        assert_eq!(bytes(text, "Pss"), Some(215_040));
        assert_eq!(bytes(text, "Rss"), Some(1_818_624));
        assert_eq!(bytes(text, "Swap"), None);
    }

    #[test]
    fn a_control_group_is_read_with_and_without_limits() {
        let mixed = "9:name=systemd:/\n4:memory:/v1\n0::/system.slice/prony.service\n";
        assert_eq!(cgroup_path(mixed), Some("system.slice/prony.service"));
        assert_eq!(cgroup_path("0::/\n"), None);
        let limited = "usage_usec 2500000\nuser_usec 1\nnr_throttled 3\nthrottled_usec 40000\n";
        let sample = CgroupSample {
            cpu: Duration::from_millis(2_500),
            throttled: Duration::from_millis(40),
            memory_bytes: 4_096,
            memory_bytes_max: Some(8_192),
        };
        assert_eq!(cgroup(limited, "4096\n", "8192\n"), Some(sample));
        let free = CgroupSample { throttled: Duration::ZERO, memory_bytes_max: None, ..sample };
        assert_eq!(cgroup("usage_usec 2500000\n", "4096\n", "max\n"), Some(free));
        assert_eq!(cgroup("", "4096\n", "max\n"), None);
    }

    #[test]
    fn interfaces_are_added_up_but_for_loopback() {
        let text = "Inter-|   Receive      |  Transmit\n face |bytes packets |bytes\n    \
                    lo:     100 1 0 0 0 0 0 0      100 1 0 0 0 0 0 0\n  \
                    eth0:7000 1 0 0 0 0 0 0      30 1 0 0 0 0 0 0\n  \
                    eth1: 500 1 0 0 0 0 0 0       2 1 0 0 0 0 0 0\n";
        let read = NetworkSample {
            loopback: Traffic { received_bytes: 100, sent_bytes: 100 },
            outside: Traffic { received_bytes: 7_500, sent_bytes: 32 },
        };
        assert_eq!(network(text), Some(read));
    }

    #[test]
    fn a_machine_is_read() {
        let stat = "cpu  100 20 30 5000 60 7 3 11 50 0\ncpu0 1 2\ncpu1 1 2\nintr 5\ncpux 3\n";
        let meminfo = "MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:  60 kB\n";
        let read = MachineSample {
            processors: 2,
            busy: Duration::from_millis(1_600),
            stolen: Duration::from_millis(110),
            memory_bytes: 102_400,
            memory_available_bytes: 61_440,
        };
        assert_eq!(machine(stat, meminfo, TICK), Some(read));
        assert_eq!(machine("cpu 1 2\n", meminfo, TICK), None);
    }
}
