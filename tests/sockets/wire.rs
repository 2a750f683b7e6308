//! The client's end of a connection, byte by byte.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use websocket_tests::wire::{Answer, ServerFrame, server_frame};

/// A transport: TCP, TLS, an HTTP/2 stream, or memory.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// Writes bytes, and parses what is received.
pub(crate) struct Wire {
    io: Box<dyn Transport>,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(io: impl Transport + 'static) -> Self {
        Self { io: Box::new(io), read: Vec::new() }
    }

    /// Returns the transport. Nothing was read ahead.
    pub(crate) fn into_io(self) -> Box<dyn Transport> {
        assert!(self.read.is_empty());
        self.io
    }

    /// Writes all bytes at once.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.expect("the server still takes bytes");
    }

    /// Like [`write`](Self::write), if the server may be gone.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.io.write_all(bytes.as_ref()).await?;
        self.io.flush().await
    }

    /// Closes the output and continues to read.
    pub(crate) async fn half_close(&mut self) {
        self.io.shutdown().await.expect("the end can be told");
    }

    /// Returns the next `count` bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.more().await;
        }
        self.read.drain(..count).collect()
    }

    /// Returns the head of a response as bytes.
    pub(crate) async fn head(&mut self) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                return self.read.drain(..at + 4).collect();
            }
            self.more().await;
        }
    }

    /// Returns a response: its head, and the body declared by `Content-Length`.
    pub(crate) async fn response(&mut self) -> (Answer, String) {
        let head = self.head().await;
        let (answer, _) = Answer::read(&head).expect("a whole head");
        let length = answer.all("Content-Length").first().map_or(0, |length| length.parse().expect("a number"));
        let body = self.bytes(length).await;
        (answer, String::from_utf8(body).expect("a body of text"))
    }

    /// Returns the next frame of RFC 6455.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        loop {
            if let Some((frame, length)) = server_frame(&self.read) {
                self.read.drain(..length);
                return frame;
            }
            self.more().await;
        }
    }

    /// Returns the next text frame of the hixie drafts.
    pub(crate) async fn hixie_text(&mut self) -> String {
        assert_eq!(self.bytes(1).await, [0x00]);
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == 0xff) {
                let text = self.read.drain(..=end).take(end).collect();
                return String::from_utf8(text).expect("UTF-8");
            }
            self.more().await;
        }
    }

    /// Expects the server to close the connection in order, without further data.
    pub(crate) async fn eof(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "unexpected: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Returns all remaining bytes until the server closes the connection in order.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        self.io.read_to_end(&mut self.read).await.expect("an end, and no reset");
        std::mem::take(&mut self.read)
    }

    /// Returns all remaining bytes until the connection ends in any way.
    pub(crate) async fn any_end(&mut self) -> Vec<u8> {
        let _ = self.io.read_to_end(&mut self.read).await;
        std::mem::take(&mut self.read)
    }

    async fn more(&mut self) {
        let read = self.io.read_buf(&mut self.read).await.expect("bytes, and no reset");
        assert!(read > 0, "the server ended the connection behind {:?}", String::from_utf8_lossy(&self.read));
    }
}
