//! What machine this is, for results: figures without it mean little.

use report::Machine;

/// Reads the machine's description from the system; what it does not tell is "unknown" or 0.
pub(crate) fn read() -> Machine {
    let cores = std::thread::available_parallelism()
        .map_or(0, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    let memory_kib: u64 = field(&text("/proc/meminfo"), "MemTotal")
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    let system = match text("/proc/sys/kernel/osrelease").trim() {
        "" => std::env::consts::OS.to_owned(),
        release => format!("{} {release}", std::env::consts::OS),
    };
    Machine {
        system,
        processor: field(&text("/proc/cpuinfo"), "model name")
            .unwrap_or_else(|| "unknown".to_owned()),
        cores,
        memory_bytes: memory_kib * 1024,
    }
}

/// A file of the system's; empty where there is none.
pub(crate) fn text(path: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "app asks the system what it is")]
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value behind `name:`.
pub(crate) fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}
