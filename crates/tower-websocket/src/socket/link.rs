use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::SendError;

use crate::connection::shared::{Owner, Shared, WeakShared};
use crate::error::Error;

/// The reference from a sender to its connection.
pub(super) enum Link<T> {
    /// Keeps the connection open.
    Owner(Owner<T, false>),
    Weak(WeakShared<T>),
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Link<T> {
    /// Calls `poll` with the connection. Fails with [`SendError::Closed`] if that has been dropped.
    pub(super) fn poll_with<R>(
        &self,
        poll: impl FnOnce(&Shared<T>) -> Poll<Result<R, Error>>,
    ) -> Poll<Result<R, Error>> {
        match self.connection() {
            Some(connection) => poll(&connection),
            None => Poll::Ready(Err(SendError::Closed.into())),
        }
    }

    pub(super) fn connection(&self) -> Option<Shared<T>> {
        match self {
            Self::Owner(connection) => Some(connection.shared()),
            Self::Weak(connection) => connection.upgrade(),
        }
    }
}

impl<T> Clone for Link<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Owner(connection) => Self::Owner(connection.clone()),
            Self::Weak(connection) => Self::Weak(connection.clone()),
        }
    }
}
