//! File descriptors: one a connection, and the system's default is too few for a large load.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::failure::{Exit, UserError};
use crate::output;

/// Descriptors needed beside the connections: files, timers, the runtime.
const SPARE: u64 = 64;

/// How many connections a load opens at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// As many as this, by the load itself.
    Certain(u64),
    /// As many as a slow server makes of it, at worst this many.
    AtWorst(u64),
}

/// Raises the limit of open files to the hard limit where `connections` need that. Where they only
/// may need more than even that, the user is warned.
///
/// # Errors
/// Where connections that are certain need more than the hard limit.
pub(crate) fn raise_for(connections: Connections) -> Result<(), UserError> {
    let (Connections::Certain(count) | Connections::AtWorst(count)) = connections;
    let needed = count.saturating_add(SPARE);
    let Some(hard) = raise_towards(needed) else { return Ok(()) };
    let remedy = format!("raise it for this shell with `ulimit -Hn {needed}` as root");
    match connections {
        Connections::Certain(_) => Err(UserError::new(
            Exit::Resources,
            format!("{count} connections need {needed} open files; the limit is {hard}"),
        )
        .hint(format!("{remedy}, or ask for fewer"))),
        Connections::AtWorst(_) => {
            output::talk(&format!(
                "warning: if the server is slow, {count} connections need {needed} open files; the \
                 limit is {hard}\n  help: {remedy}, or bound what is in flight with --concurrency"
            ));
            Ok(())
        }
    }
}

/// Raises the limit of open files as far as `connections` need or the hard limit allows: a server
/// does not know how many clients will come.
pub(crate) fn raise_for_up_to(connections: u64) {
    let _ = raise_towards(connections.saturating_add(SPARE));
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
