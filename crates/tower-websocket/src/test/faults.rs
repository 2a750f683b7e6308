//! What a peer does to the transport.

use super::peer::Peer;

impl Peer {
    /// Cuts everything into pieces of so many bytes, from here on: the other side reads no more at once, and what it
    /// writes is taken no more at once, with a turn for all other tasks between two pieces. [`usize::MAX`] ends it.
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
    /// For pieces of 0 bytes.
    #[track_caller]
    pub fn chop(&mut self, bytes: usize) {
        assert!(bytes > 0, "pieces of no bytes");
        self.io.write.set_piece(bytes);
        self.io.read.set_piece(bytes);
    }

    /// Stops reading: what the other side writes is not taken any more, and it waits, until its timeouts expire.
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

    /// Reads again, after a [`stall`](Self::stall).
    pub fn resume(&mut self) {
        self.io.read.set_stalled(false);
    }

    /// Sets how much of what the other side writes is held until something is expected: 1 MiB by default. Beyond it,
    /// writing waits.
    pub fn capacity(&mut self, bytes: usize) {
        self.io.read.set_capacity(bytes);
    }

    /// Ends the output: the other side reads what was sent, and then the end. The peer goes on reading.
    pub fn end(&mut self) {
        self.io.write.end();
    }

    /// Cuts the connection, without a close: the other side reads what was sent, and then the end, and fails to write with
    /// `BrokenPipe`. So does a peer that is dropped.
    pub fn cut(&mut self) {
        self.io.write.end();
        self.io.read.leave();
    }

    /// Makes the transport fail: the other side reads what was sent, and then an error, `ConnectionReset`, which it gets
    /// for writing at once.
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
