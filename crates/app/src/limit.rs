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
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    if soft >= needed {
        return Ok(());
    }
    if hard >= needed && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Ok(());
    }
    Err(UserError::new(
        Exit::Resources,
        format!("{connections} connections need {needed} open files; the limit is {hard}"),
    )
    .hint(format!("raise it for this shell with `ulimit -Hn {needed}` as root, or ask for fewer")))
}
