//! Idle connections, the one used last on top.

use std::sync::{Mutex, PoisonError};

use crate::transport::Transport;

/// Idle HTTP/1.1 connections of one target.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<Transport>>,
}

impl Pool {
    /// Takes an idle connection that is still good; those that are not are dropped.
    pub(crate) fn take(&self) -> Option<Transport> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut transport) = idle.pop() {
            if transport.is_idle() {
                return Some(transport);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, transport: Transport) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(transport);
    }
}
