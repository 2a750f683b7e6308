//! The other end of a client's connection: running servers, and a scripted one.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_websocket::{ClientConfig, Config, ServerConfig, WebSocket, accept};
use websocket_tests::wire::ACCEPT;

/// A transport: TCP, TLS, or memory.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// A scripted server.
pub(crate) struct Peer {
    io: Box<dyn Transport>,
    read: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(io: impl Transport + 'static) -> Self {
        Self { io: Box::new(io), read: Vec::new() }
    }

    /// Waits for a connection.
    pub(crate) async fn of(listener: &TcpListener) -> Self {
        Self::new(listener.accept().await.expect("a connection").0)
    }

    /// Returns the head of a request.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.read.drain(..at + 4).collect();
                return String::from_utf8(head).expect("a head of text");
            }
            self.more().await;
        }
    }

    /// Returns the next `count` bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.more().await;
        }
        self.read.drain(..count).collect()
    }

    /// Returns the code of the next frame, which is a close frame without a reason.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let frame = self.bytes(8).await;
        assert_eq!(frame[..2], [0x88, 0x82], "no masked close frame with a code alone");
        u16::from_be_bytes([frame[6] ^ frame[2], frame[7] ^ frame[3]])
    }

    /// Writes all bytes at once.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.expect("the client still takes bytes");
    }

    /// Like [`write`](Self::write), if the client may be gone.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.io.write_all(bytes.as_ref()).await?;
        self.io.flush().await
    }

    /// Waits for any bytes.
    pub(crate) async fn more(&mut self) {
        let read = self.io.read_buf(&mut self.read).await.expect("bytes, and no reset");
        assert!(read > 0, "the client ended the connection behind {:?}", String::from_utf8_lossy(&self.read));
    }

    /// Returns the next bytes that arrive together.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        self.more().await;
        std::mem::take(&mut self.read)
    }

    /// Returns the transport. Nothing was read ahead.
    pub(crate) fn into_io(self) -> Box<dyn Transport> {
        assert!(self.read.is_empty());
        self.io
    }

    /// Returns all remaining bytes until the client closes the connection in order.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        self.io.read_to_end(&mut self.read).await.expect("an end, and no reset");
        std::mem::take(&mut self.read)
    }

    /// Returns all remaining bytes until the connection ends in any way.
    pub(crate) async fn any_end(&mut self) -> Vec<u8> {
        let _ = self.io.read_to_end(&mut self.read).await;
        std::mem::take(&mut self.read)
    }
}

/// Listens on a free port of this host.
pub(crate) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Serves every connection in a separate task.
pub(crate) async fn serve<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// Starts an echo server based on `accept`.
pub(crate) async fn echo_server(config: ServerConfig) -> u16 {
    serve(move |stream| echo(stream, config.clone())).await
}

/// Echoes messages over a connection, if it becomes a WebSocket.
pub(crate) async fn echo(io: impl Transport + 'static, config: ServerConfig) {
    if let Ok(mut socket) = accept(io, config).await {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    }
}

/// Sends a text and expects its echo.
pub(crate) async fn echoes(socket: &mut WebSocket, text: &str) {
    socket.send(text).await.expect("a server that takes it");
    let message = socket.recv().await.expect("an answer").expect("no error");
    assert_eq!(message.as_text(), Some(text));
}

/// Returns a configuration that always uses the [`KEY`] that [`upgraded`] responds to, and the same
/// masking key.
pub(crate) fn sample_config() -> ClientConfig {
    Config::client().random(|bytes| {
        for (byte, sample) in bytes.iter_mut().zip(b"the sample nonce".iter().cycle()) {
            *byte = *sample;
        }
    })
}

/// Returns the response to a client with [`sample_config`], with additional header lines.
pub(crate) fn upgraded(headers: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{headers}\r\n"
    )
}
