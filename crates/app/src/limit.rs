//! File descriptors: one a connection, and the system's default is too few for a large load.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::failure::{Exit, UserError};

/// Descriptors needed beside the connections: files, timers, the runtime.
const SPARE: u64 = 64;

/// Raises the limit of open files as far as `connections` need.
///
/// # Errors
/// Where even the hard limit is too low.
pub(crate) fn raise_for(connections: u64) -> Result<(), UserError> {
    let needed = connections + SPARE;
    let Some(hard) = raise_towards(needed) else { return Ok(()) };
    Err(UserError::new(
        Exit::Resources,
        format!("{connections} connections need {needed} open files; the limit is {hard}"),
    )
    .hint(format!("raise it for this shell with `ulimit -Hn {needed}` as root, or ask for fewer")))
}

/// Raises the limit of open files as far as `connections` need or the hard limit allows: a server
/// does not know how many clients will come.
pub(crate) fn raise_for_up_to(connections: u64) {
    let _ = raise_towards(connections + SPARE);
}

/// Raises the limit to the hard one where it is below `needed`, and returns that one where it is
/// still too low.
fn raise_towards(needed: u64) -> Option<u64> {
    // A system that does not tell its limits will say so when a file cannot be opened.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if soft >= needed {
        return None;
    }
    let is_raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    (!is_raised || hard < needed).then_some(hard)
}
