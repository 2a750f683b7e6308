//! An HTTP proxy that supports only CONNECT.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::peer::{Transport, serve};

/// A proxy that runs for the duration of the test.
pub(crate) struct Forwarder {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Forwarder {
    /// Starts a proxy without authentication.
    pub(crate) async fn start() -> Self {
        Self::new(None, None).await
    }

    /// Starts a proxy that requires this `Proxy-Authorization`.
    pub(crate) async fn wanting(credentials: &'static str) -> Self {
        Self::new(Some(credentials), None).await
    }

    /// Starts a proxy that is reached over TLS.
    pub(crate) async fn behind_tls(credentials: Option<&'static str>, acceptor: TlsAcceptor) -> Self {
        Self::new(credentials, Some(acceptor)).await
    }

    async fn new(credentials: Option<&'static str>, acceptor: Option<TlsAcceptor>) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let told = requests.clone();
        let port = serve(move |stream| {
            let (told, acceptor) = (told.clone(), acceptor.clone());
            async move {
                // The client checks how a connection ends.
                let _ = match acceptor {
                    None => forward(stream, credentials, &told).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => forward(stream, credentials, &told).await,
                        Err(error) => Err(error),
                    },
                };
            }
        })
        .await;
        Self { port, requests }
    }

    /// Returns the heads of all requests so far, one per connection.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

async fn forward(
    mut stream: impl Transport,
    credentials: Option<&str>,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    // Byte by byte, so that data after the head is left for the server.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).expect("a head of text");
    requests.lock().expect("no panic").push(head.clone());
    let (line, headers) = head.split_once("\r\n").expect("a line");
    let authority = line.strip_prefix("CONNECT ").and_then(|line| line.strip_suffix(" HTTP/1.1")).expect("a CONNECT");
    let sent = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then_some(value)
    });
    if credentials.is_some() && sent != credentials {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"out\"\r\n\
                      Content-Length: 4\r\n\r\nwho?";
        stream.write_all(answer.as_bytes()).await?;
        return stream.flush().await;
    }
    let Ok(mut server) = TcpStream::connect(authority).await else {
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await?;
        return stream.flush().await;
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 forwarder\r\n\r\n").await?;
    stream.flush().await?;
    copy_bidirectional(&mut stream, &mut server).await.map(drop)
}
