//! The connections that a [`Shutdown`](crate::Shutdown) closes.

use std::fmt;
use std::sync::{Arc, Weak};

use slab::Slab;
use tokio::sync::Notify;
use websocket_driver::CloseCode;

use crate::sync::{Mutex, lock};

/// A connection, whatever its transport.
pub(crate) trait Drain: Send + Sync {
    fn close(self: Arc<Self>, code: CloseCode, reason: &str);
    fn cut(self: Arc<Self>);
}

/// The members, and the close frame that they are sent once the shutdown has begun.
#[derive(Default)]
pub(super) struct Members {
    state: Mutex<State>,
    /// Notified when the last member has left.
    pub(super) empty: Notify,
}

#[derive(Default)]
struct State {
    close: Option<(CloseCode, Arc<str>)>,
    /// Connections, or `None` for handshakes that may become one.
    connections: Slab<Option<Weak<dyn Drain>>>,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        lock(&self.state).connections.len()
    }

    pub(super) fn has_begun(&self) -> bool {
        lock(&self.state).close.is_some()
    }

    /// Sets the close frame for later members. Returns the open connections, or none if it was set
    /// before.
    pub(super) fn begin(&self, code: CloseCode, reason: &str) -> Vec<Arc<dyn Drain>> {
        let mut state = lock(&self.state);
        if state.close.is_some() {
            return Vec::new();
        }
        state.close = Some((code, reason.into()));
        state.open_connections()
    }

    pub(super) fn open_connections(&self) -> Vec<Arc<dyn Drain>> {
        lock(&self.state).open_connections()
    }

    /// Reserves a slot for a connection or for a handshake that may become one.
    pub(super) fn join(self: &Arc<Self>) -> Membership {
        let key = lock(&self.state).connections.insert(None);
        Membership { members: self.clone(), key }
    }
}

impl State {
    fn open_connections(&self) -> Vec<Arc<dyn Drain>> {
        self.connections.iter().filter_map(|(_, connection)| connection.as_ref()?.upgrade()).collect()
    }
}

/// A connection's slot among the members. Dropping it frees the slot.
pub(crate) struct Membership {
    members: Arc<Members>,
    key: usize,
}

impl Membership {
    /// Fills the slot. The connection is closed if the shutdown has begun in the meantime.
    pub(crate) fn set_connection(&self, connection: Arc<dyn Drain>) {
        let mut state = lock(&self.members.state);
        state.connections[self.key] = Some(Arc::downgrade(&connection));
        let close = state.close.clone();
        drop(state);
        if let Some((code, reason)) = close {
            connection.close(code, &reason);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = lock(&self.members.state);
        state.connections.remove(self.key);
        if state.connections.is_empty() {
            self.members.empty.notify_waiters();
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("key", &self.key).finish_non_exhaustive()
    }
}
