//! When waiting requests are let in.

use std::time::Duration;

use crate::config::Batching;

/// Whether requests are let in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// As many as there is place and room for.
    Open,
    /// Not yet, but after this time even if nothing else happens.
    OpensIn(Duration),
    /// Not until something happens: a request comes or ends.
    Closed,
}

impl Gate {
    /// The gate's state while `running` requests run and `waiting` wait, the oldest of them since
    /// `waited`.
    pub(crate) fn of(batching: Batching, running: usize, waiting: usize, waited: Duration) -> Self {
        if waiting == 0 {
            return Self::Closed;
        }
        match batching {
            Batching::Continuous { .. } => Self::Open,
            // A batch runs until its last request is done.
            Batching::Static { .. } | Batching::Dynamic { .. } if running > 0 => Self::Closed,
            Batching::Static { .. } => Self::Open,
            Batching::Dynamic { max_size, max_delay } => {
                if waiting >= max_size as usize || waited >= max_delay {
                    Self::Open
                } else {
                    Self::OpensIn(max_delay - waited)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_opens_when_it_should() {
        let millis = Duration::from_millis;
        let fixed = Batching::Static { size: 4 };
        let dynamic = Batching::Dynamic { max_size: 4, max_delay: millis(10) };
        let continuous = Batching::Continuous { max_size: 4 };
        for (batching, running, waiting, waited, expect) in [
            (fixed, 0, 0, 0, Gate::Closed),
            (fixed, 0, 1, 0, Gate::Open),
            (fixed, 1, 9, 99, Gate::Closed),
            (dynamic, 0, 0, 0, Gate::Closed),
            (dynamic, 0, 3, 4, Gate::OpensIn(millis(6))),
            (dynamic, 0, 3, 10, Gate::Open),
            (dynamic, 0, 4, 0, Gate::Open),
            (dynamic, 1, 9, 99, Gate::Closed),
            (continuous, 0, 0, 0, Gate::Closed),
            (continuous, 3, 1, 0, Gate::Open),
        ] {
            let gate = Gate::of(batching, running, waiting, millis(waited));
            assert_eq!(gate, expect, "{batching:?}: {running} run, {waiting} wait {waited} ms");
        }
    }
}
