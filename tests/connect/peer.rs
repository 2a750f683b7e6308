//! The other end of a client's connection: servers that run, and one that does as the test says, byte by byte.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_websocket::{ClientConfig, Config, ServerConfig, WebSocket, accept};
use websocket_tests::wire::ACCEPT;

/// What a connection goes over: TCP, TLS, or memory.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// Does as the test says.
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

    /// The head of a request.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.read.drain(..at + 4).collect();
                return String::from_utf8(head).expect("a head of text");
            }
            self.more().await;
        }
    }

    /// The next so many bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.more().await;
        }
        self.read.drain(..count).collect()
    }

    /// The next close frame, which has a code and no reason.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let frame = self.bytes(8).await;
        assert_eq!(frame[..2], [0x88, 0x82], "no masked close frame with a code alone");
        u16::from_be_bytes([frame[6] ^ frame[2], frame[7] ^ frame[3]])
    }

    /// Writes all, at once.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.expect("the client still takes bytes");
    }

    /// As [`write`](Self::write), where the client may be gone.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.io.write_all(bytes.as_ref()).await?;
        self.io.flush().await
    }

    /// Waits for bytes, whichever.
    pub(crate) async fn more(&mut self) {
        let read = self.io.read_buf(&mut self.read).await.expect("bytes, and no reset");
        assert!(read > 0, "the client ended the connection behind {:?}", String::from_utf8_lossy(&self.read));
    }

    /// Of what comes first, what is there at once.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        self.more().await;
        std::mem::take(&mut self.read)
    }

    /// The transport below, of which nothing was read in advance.
    pub(crate) fn into_io(self) -> Box<dyn Transport> {
        assert!(self.read.is_empty());
        self.io
    }

    /// All that comes until the client ends the connection in order.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        self.io.read_to_end(&mut self.read).await.expect("an end, and no reset");
        std::mem::take(&mut self.read)
    }

    /// All that comes until the connection ends, in whatever way.
    pub(crate) async fn any_end(&mut self) -> Vec<u8> {
        let _ = self.io.read_to_end(&mut self.read).await;
        std::mem::take(&mut self.read)
    }
}

/// A port of its own on this host.
pub(crate) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Serves every connection in a task of its own.
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

/// An echo server by `accept`.
pub(crate) async fn echo_server(config: ServerConfig) -> u16 {
    serve(move |stream| echo(stream, config.clone())).await
}

/// Sends back what comes over a connection, if it becomes a WebSocket.
pub(crate) async fn echo(io: impl Transport + 'static, config: ServerConfig) {
    if let Ok(mut socket) = accept(io, config).await {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    }
}

/// A text comes back as it was sent.
pub(crate) async fn echoes(socket: &mut WebSocket, text: &str) {
    socket.send(text).await.expect("a server that takes it");
    let message = socket.recv().await.expect("an answer").expect("no error");
    assert_eq!(message.as_text(), Some(text));
}

/// A client that always asks with the [`KEY`] that [`upgraded`] answers, and masks with the same bytes.
pub(crate) fn sample_config() -> ClientConfig {
    Config::client().random(|bytes| {
        for (byte, sample) in bytes.iter_mut().zip(b"the sample nonce".iter().cycle()) {
            *byte = *sample;
        }
    })
}

/// The answer to a client with [`sample_config`], with these header lines more.
pub(crate) fn upgraded(headers: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{headers}\r\n"
    )
}
