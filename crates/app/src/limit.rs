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

/// Raises the limit of open files as far as the system lets it. Where `connections` may need more
/// than that, the user is warned.
///
/// # Errors
/// Where connections that are certain need more.
pub(crate) fn raise_for(connections: Connections) -> Result<(), UserError> {
    let (Connections::Certain(count) | Connections::AtWorst(count)) = connections;
    let needed = count.saturating_add(SPARE);
    let Some(limit) = raise().filter(|limit| *limit < needed) else { return Ok(()) };
    let remedy = format!("raise it for this shell with `ulimit -Hn {needed}` as root");
    match connections {
        Connections::Certain(_) => Err(UserError::new(
            Exit::Resources,
            format!("{count} connections need {needed} open files; the limit is {limit}"),
        )
        .hint(format!("{remedy}, or ask for fewer"))),
        Connections::AtWorst(_) => {
            output::talk(&format!(
                "warning: if the server is slow, {count} connections need {needed} open files; the \
                 limit is {limit}\n  help: {remedy}, or bound what is in flight with --concurrency"
            ));
            Ok(())
        }
    }
}

/// Raises the limit of open files as far as the system lets it, and returns what it is then. `None`
/// where the system does not tell: it will say so when a file cannot be opened.
pub(crate) fn raise() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let is_raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    Some(if is_raised { hard } else { soft })
}
