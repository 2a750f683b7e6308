//! The client's end of a connection, byte by byte.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use websocket_tests::wire::{Answer, ServerFrame, server_frame};

/// What a connection goes over: TCP, TLS, a stream of HTTP/2, or memory.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// Writes what it is told to, and takes what comes apart.
pub(crate) struct Wire {
    io: Box<dyn Transport>,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(io: impl Transport + 'static) -> Self {
        Self { io: Box::new(io), read: Vec::new() }
    }

    /// The transport below, of which nothing was read in advance.
    pub(crate) fn into_io(self) -> Box<dyn Transport> {
        assert!(self.read.is_empty());
        self.io
    }

    /// Writes all, at once.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.expect("the server still takes bytes");
    }

    /// As [`write`](Self::write), where the server may be gone.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.io.write_all(bytes.as_ref()).await?;
        self.io.flush().await
    }

    /// Ends the output, and goes on reading.
    pub(crate) async fn half_close(&mut self) {
        self.io.shutdown().await.expect("the end can be told");
    }

    /// The next so many bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.more().await;
        }
        self.read.drain(..count).collect()
    }

    /// The head of a response, as it came.
    pub(crate) async fn head(&mut self) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                return self.read.drain(..at + 4).collect();
            }
            self.more().await;
        }
    }

    /// A response: its head, and the body that `Content-Length` declares.
    pub(crate) async fn response(&mut self) -> (Answer, String) {
        let head = self.head().await;
        let (answer, _) = Answer::read(&head).expect("a whole head");
        let length = answer.all("Content-Length").first().map_or(0, |length| length.parse().expect("a number"));
        let body = self.bytes(length).await;
        (answer, String::from_utf8(body).expect("a body of text"))
    }

    /// The next frame of RFC 6455.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        loop {
            if let Some((frame, length)) = server_frame(&self.read) {
                self.read.drain(..length);
                return frame;
            }
            self.more().await;
        }
    }

    /// The next text frame of the hixie drafts.
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

    /// The server ends the connection, in order, and has sent nothing more.
    pub(crate) async fn eof(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "unexpected: {:?}", String::from_utf8_lossy(&rest));
    }

    /// All that comes until the server ends the connection in order.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        self.io.read_to_end(&mut self.read).await.expect("an end, and no reset");
        std::mem::take(&mut self.read)
    }

    /// All that comes until the connection ends, in whatever way.
    pub(crate) async fn any_end(&mut self) -> Vec<u8> {
        let _ = self.io.read_to_end(&mut self.read).await;
        std::mem::take(&mut self.read)
    }

    async fn more(&mut self) {
        let read = self.io.read_buf(&mut self.read).await.expect("bytes, and no reset");
        assert!(read > 0, "the server ended the connection behind {:?}", String::from_utf8_lossy(&self.read));
    }
}
