//! Resources, of this process and of one beside it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collect::metrics::Form;
use collect::resource::{Gpus, Sampler, SamplerError, cpu_percent, families};
use domain::{Clock as _, SystemClock, Timestamp};
use testkit::Program;

#[test]
fn this_process_is_seen_to_work() {
    let sampler = Sampler::of_self(Arc::new(SystemClock), Gpus::open()).unwrap();
    let before = sampler.sample().unwrap();
    let ballast = vec![1_u8; 64 << 20];
    // Works for as long as it takes to be given some of a processor.
    let mut sum = 0_u64;
    let until = before.process.cpu + Duration::from_millis(50);
    let after = loop {
        sum = ballast.iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
        let after = sampler.sample().unwrap();
        if after.process.cpu >= until {
            break after;
        }
    };
    assert!(sum > 0 && before.at < after.at);
    assert!(after.process.resident_bytes >= before.process.resident_bytes + (60 << 20));
    let proportional =
        |sample: &collect::resource::ResourceSample| sample.process.proportional_bytes.unwrap();
    assert!(proportional(&after) >= proportional(&before) + (60 << 20));
    assert!(after.machine.busy > before.machine.busy);
    assert!(after.machine.processors > 0 && after.process.threads > 0);
    assert!(after.machine.memory_available_bytes < after.machine.memory_bytes);

    let text = String::from_utf8(Form::Text.encode(&families(&after))).unwrap();
    assert!(text.contains("process_cpu_seconds_total "), "{text}");
}

#[test]
fn a_process_that_ends_is_missed() {
    let folder = std::env::temp_dir();
    let program = Program::start(
        Path::new("/bin/sh"),
        &["-c", "echo process $$ >&2; exec sleep 1000"],
        &[],
        &folder,
    );
    let number: u32 = program.line("process ")["process ".len()..].parse().unwrap();
    let sampler = Sampler::new(number, Arc::new(SystemClock), None).unwrap();
    assert!(sampler.sample().unwrap().process.resident_bytes > 0);
    let _ = program.kill();
    assert!(matches!(sampler.sample(), Err(SamplerError::Ended(ended)) if ended == number));
    let never = Sampler::new(u32::MAX, Arc::new(SystemClock), None);
    assert!(matches!(never, Err(SamplerError::Ended(u32::MAX))));
}

#[test]
fn a_percentage_is_of_one_processor() {
    let now = SystemClock.now();
    let at = |ms| now + Duration::from_millis(ms);
    let percent =
        |taken: [u64; 2], at: [Timestamp; 2]| cpu_percent(taken.map(Duration::from_millis), at);
    assert_eq!(percent([100, 1_100], [at(0), at(500)]), Some(200.0));
    assert_eq!(percent([100, 100], [at(0), at(500)]), Some(0.0));
    assert_eq!(percent([100, 200], [at(0), at(0)]), None);
}
