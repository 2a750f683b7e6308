use std::fmt;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{Driver, Event, Version};

use crate::connection::Connection;
use crate::held::Held;
use crate::shutdown::Shutdown;
use crate::shutdown::members::Membership;
use crate::socket::WebSocket;
use crate::upgrade::error::UpgradeError;

/// An answered handshake that waits for its connection: see [`answer`](fn@crate::answer).
#[must_use = "there is no socket before this is opened"]
pub struct PendingSocket {
    driver: Driver,
    is_multiplexed: bool,
    membership: Option<Membership>,
    held: Held,
}

impl PendingSocket {
    pub(super) fn new(driver: Driver, is_multiplexed: bool) -> Self {
        Self { driver, is_multiplexed, membership: None, held: Held::default() }
    }

    /// Adds the socket to those that a shutdown closes, from here on. If that [has
    /// begun](Shutdown::has_begun), send
    /// [`UpgradeRefusal::ShuttingDown`](crate::server::UpgradeRefusal::ShuttingDown) instead of the
    /// response.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { membership: Some(shutdown.join()), ..self }
    }

    /// Keeps a guard, such as a [`ConnectionPermit`](crate::limit::ConnectionPermit), until the
    /// socket is dropped and its last bytes are written, or until the handshake fails.
    pub fn hold(mut self, guard: impl Send + 'static) -> Self {
        self.held.push(guard);
        self
    }

    /// Returns the version of the protocol.
    #[must_use]
    pub fn version(&self) -> Version {
        self.driver.version().unwrap_or(Version::Hybi13)
    }

    /// Returns the negotiated subprotocol.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.driver.protocol()
    }

    /// Opens the socket over the connection that the response was sent on. `leftover` contains
    /// the bytes that the HTTP stack has read after the request, often none.
    ///
    /// A socket of hixie-76 opens when 8 more bytes have been received and answered, all others at
    /// once. It takes no longer than
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
    ///
    /// # Errors
    ///
    /// [`UpgradeError::Io`] if the transport has failed or ended, and [`UpgradeError::TimedOut`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn open<T>(self, io: T, leftover: impl Into<Bytes>) -> Result<WebSocket<T>, UpgradeError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (limit, leftover) = (self.timeout(), leftover.into());
        tokio::time::timeout(limit, self.complete(io, [leftover])).await.map_err(|_| UpgradeError::TimedOut)?
    }

    /// Returns the time that the handshake may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.driver.timeouts().handshake
    }

    /// Like [`open`](Self::open), without a timeout.
    pub(crate) async fn complete<T, B, const N: usize>(self, io: T, read: [B; N]) -> Result<WebSocket<T>, UpgradeError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        B: Into<Bytes>,
    {
        let mut driver = self.driver;
        for bytes in read.map(Into::into) {
            // An empty buffer of the HTTP stack would only be kept alive.
            if !bytes.is_empty() {
                driver.receive(bytes);
            }
        }
        let mut connection = Connection::new(io, driver);
        if self.is_multiplexed {
            connection.set_multiplexed();
        }
        connection.hold(self.held);
        // In hixie-76 the connection opens only when the 8 bytes have been received.
        match poll_fn(|cx| connection.poll_opening(cx)).await {
            Some(Ok(Event::Open)) => {
                poll_fn(|cx| connection.poll_flush(cx)).await?;
                let mut socket = WebSocket::new(connection);
                if let Some(membership) = self.membership {
                    socket.join(membership);
                }
                Ok(socket)
            }
            Some(Err(error)) => Err(error.into()),
            _ => Err(UpgradeError::Io(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl fmt::Debug for PendingSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSocket").field("version", &self.version()).finish_non_exhaustive()
    }
}
