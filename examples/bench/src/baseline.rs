//! The parts that the baselines share. They know nothing of WebSockets.

use std::io;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// The size of the buffer of a baseline, which all connections share, so that an idle one uses no
/// memory, and a large message is read in few pieces.
pub const BUFFER_SIZE: usize = 512 * 1024;

/// The response to the key of RFC 6455 §1.3, which the load generator uses.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Answers any handshake with a fixed response.
///
/// # Errors
///
/// If the connection fails or ends.
pub async fn handshake<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    stream.write_all(ANSWER).await?;
    stream.flush().await
}

/// Serves a connection of HTTP/2: each stream sends back its data.
///
/// # Errors
///
/// If the connection fails.
pub async fn serve_http2(stream: TcpStream) -> Result<(), h2::Error> {
    let mut connection = Builder::new().enable_connect_protocol().handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, answer) = request?;
        tokio::spawn(async move {
            let _ = echo(request, answer).await;
        });
    }
    Ok(())
}

/// Answers any request with a fixed response. The load generator sends nothing until it has
/// received the previous data, so that the windows are never exhausted.
async fn echo(request: Request<RecvStream>, mut answer: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut received = request.into_body();
    let mut sent = answer.send_response(Response::new(()), false)?;
    while let Some(data) = received.data().await {
        let data = data?;
        received.flow_control().release_capacity(data.len())?;
        sent.send_data(data, false)?;
    }
    Ok(())
}
