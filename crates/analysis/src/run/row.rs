//! What is kept of each request.

/// What is kept of each request, 40 bytes; times in nanoseconds after the window began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) planned: i64,
    pub(super) started: i64,
    pub(super) finished: i64,
    /// Not a number where undefined, as is `tpot_ms`. Single precision is off by a nanosecond in
    /// sixteen milliseconds.
    pub(super) ttft_ms: f32,
    pub(super) tpot_ms: f32,
    /// Output tokens, as far as they fit.
    pub(super) output: u32,
    pub(super) outcome: RowOutcome,
}

const _: () = assert!(size_of::<Row>() == 40, "the figure that documentation gives");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowOutcome {
    Failed,
    Succeeded,
    MetSlo,
}

impl Row {
    pub(super) fn is_success(&self) -> bool {
        self.outcome != RowOutcome::Failed
    }
}
