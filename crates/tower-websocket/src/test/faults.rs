//! Faults of the transport, injected by a peer.

use super::peer::Peer;

impl Peer {
    /// Splits everything that is transferred from now on into pieces of `bytes` bytes: the other
    /// side reads and writes no more at once, and all other tasks are polled between two pieces.
    /// [`usize::MAX`] disables it.
    ///
    /// ```
    /// # use tower_websocket::{Config, test};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (mut socket, mut peer) = test::server("/", Config::server()).await;
    /// peer.chop(1);
    /// peer.send_text("byte by byte");
    /// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("byte by byte"));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If `bytes` is 0.
    #[track_caller]
    pub fn chop(&mut self, bytes: usize) {
        assert!(bytes > 0, "pieces must not be empty");
        self.io.write.set_piece(bytes);
        self.io.read.set_piece(bytes);
    }

    /// Stops reading: writes of the other side are not accepted any more and wait, until its
    /// timeouts expire.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_websocket::{Config, test};
    /// use tokio::time::timeout;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let (mut socket, mut peer) = test::server("/", Config::server()).await;
    /// peer.stall();
    /// assert!(timeout(Duration::from_secs(30), socket.send("hello")).await.is_err());
    /// peer.resume();
    /// socket.flush().await.unwrap();
    /// peer.expect_text("hello").await;
    /// # }
    /// ```
    pub fn stall(&mut self) {
        self.io.read.set_stalled(true);
    }

    /// Resumes reading after [`stall`](Self::stall).
    pub fn resume(&mut self) {
        self.io.read.set_stalled(false);
    }

    /// Sets the capacity of the buffer for the other side's output in bytes. Default: 1 MiB. Writes
    /// wait while it is full.
    pub fn capacity(&mut self, bytes: usize) {
        self.io.read.set_capacity(bytes);
    }

    /// Closes the output: the other side reads the data sent so far, then the end. The peer
    /// continues to read.
    pub fn end(&mut self) {
        self.io.write.end();
    }

    /// Cuts the connection without a close frame: the other side reads the data sent so far, then
    /// the end, and its writes fail with `BrokenPipe`. Dropping the peer does the same.
    pub fn cut(&mut self) {
        self.io.write.end();
        self.io.read.leave();
    }

    /// Resets the transport: the other side reads the data sent so far, then the error
    /// `ConnectionReset`. Its writes fail with the same error at once.
    ///
    /// ```
    /// # use std::io::ErrorKind;
    /// # use tower_websocket::{Config, Error, test};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (mut socket, mut peer) = test::server("/", Config::server()).await;
    /// peer.reset();
    /// let error = socket.recv().await.unwrap().unwrap_err();
    /// assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
    /// # }
    /// ```
    pub fn reset(&mut self) {
        self.io.write.reset();
        self.io.read.reset();
    }
}
