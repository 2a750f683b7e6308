use std::future::poll_fn;
use std::io;

use bytes::BytesMut;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{Config, Driver, Event, ProtocolError, is_handshake};

use crate::connection::Connection;
use crate::socket::WebSocket;

/// Makes a WebSocket of a connection that nothing was read from, such as a `TcpStream` or a TLS stream over one: reads
/// the request, bounded in size and time, and answers it. There is no HTTP stack behind it, and it speaks HTTP/1.1.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_websocket::{Config, accept};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     stream.set_nodelay(true)?;
///     tokio::spawn(async move {
///         let mut socket = match accept(stream, Config::server()).await {
///             Ok(socket) => socket,
///             Err(error) => return eprintln!("no WebSocket: {error}"),
///         };
///         while let Some(Ok(message)) = socket.recv().await {
///             if socket.send(message).await.is_err() {
///                 break;
///             }
///         }
///     });
/// }
/// # }
/// ```
///
/// # Errors
///
/// [`AcceptError::PlainHttp`] gives the connection back where the request asks for something else. In all other cases
/// the connection is closed, after an answer that says why where one is possible.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn accept<T>(io: T, config: Config) -> Result<WebSocket<T>, AcceptError<T>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = config.get_handshake_timeout();
    let mut connection = Connection::new(io, Driver::server(config));
    let opened = async {
        loop {
            match poll_fn(|cx| connection.poll_opening(cx)).await {
                Some(Ok(Event::Connect)) => {
                    if !connection.driver().request().is_some_and(is_handshake) {
                        return Ok(false);
                    }
                    // It can fail only before `Connect`, or when called twice.
                    let _ = connection.driver_mut().start();
                }
                Some(Ok(Event::Open)) => {
                    poll_fn(|cx| connection.poll_flush(cx)).await?;
                    return Ok(true);
                }
                Some(Ok(Event::Error(error))) => return Err(AcceptError::Refused(error)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(AcceptError::Io(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    };
    let is_websocket = tokio::time::timeout(limit, opened).await.map_err(|_| AcceptError::TimedOut)??;
    if is_websocket {
        return Ok(WebSocket::new(connection));
    }
    let request = connection.driver_mut().take_request();
    let (io, read) = connection.into_parts();
    match request {
        Some(request) => Err(AcceptError::PlainHttp(Box::new(PlainHttp { request, io, read }))),
        None => Err(AcceptError::Io(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Why [`accept`] made no WebSocket of a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError<T> {
    /// The request is plain HTTP; nothing has been answered.
    #[error("the request asks for no WebSocket")]
    PlainHttp(Box<PlainHttp<T>>),
    /// The handshake was refused, with an answer that says the same.
    #[error(transparent)]
    Refused(ProtocolError),
    /// The handshake was not done within [`Config::handshake_timeout`].
    #[error("the handshake took too long")]
    TimedOut,
    /// The transport failed or ended.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
}

/// A request for something else than a WebSocket, and the connection to answer it on.
#[derive(Debug)]
pub struct PlainHttp<T> {
    /// The head of the request.
    pub request: Request<()>,
    /// The transport.
    pub io: T,
    /// What was read beyond the head: the beginning of the body, or of the next request.
    pub read: BytesMut,
}
