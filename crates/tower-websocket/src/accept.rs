use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::Pin;

use bytes::BytesMut;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{Driver, Event, HandshakeError, ProtocolError, ServerConfig};

use crate::acceptance::{Acceptance, OnRequest};
use crate::connection::Connection;
use crate::connection::shared::Owner;
use crate::origin::guard::OriginGuard;
use crate::shutdown::Shutdown;
use crate::shutdown::members::Membership;
use crate::socket::WebSocket;
use crate::upgrade::error::UpgradeRefusal;

/// Performs the server's handshake on a connection that nothing was read from, such as a
/// `TcpStream` or a TLS stream over one. Reads the request, limited in size and time, and answers
/// it. No HTTP stack is involved; the protocol is HTTP/1.1.
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
/// [`AcceptError::PlainHttp`] returns the connection if the request is plain HTTP. In all other
/// cases the connection is closed, after a response with the reason if one is possible.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub fn accept<T>(io: T, config: ServerConfig) -> Accept<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Accept { io, config, shutdown: None, guard: None, on_request: None }
}

/// A connection that is to become a WebSocket; see [`accept`].
#[must_use = "nothing is read before this is awaited"]
pub struct Accept<T> {
    io: T,
    config: ServerConfig,
    shutdown: Option<Shutdown>,
    guard: Option<OriginGuard>,
    on_request: Option<OnRequest>,
}

impl<T> Accept<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Adds the socket to those that a shutdown closes. Once the shutdown has begun, handshakes are
    /// refused with 503.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { shutdown: Some(shutdown.clone()), ..self }
    }

    /// Accepts only the origins that the guard allows. Others are refused with 403 and the reason.
    pub fn check_origin(self, guard: &OriginGuard) -> Self {
        Self { guard: Some(guard.clone()), ..self }
    }

    /// Sets a callback that receives the request before it is answered. It accepts the handshake,
    /// and may add headers and select the subprotocol, or refuses it with a response. Default:
    /// every valid handshake is accepted.
    ///
    /// The callback is not called for a request that cannot be accepted, nor for one that the
    /// shutdown or the guard has refused. Its duration counts towards
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
    ///
    /// ```no_run
    /// use http::{Request, Response, StatusCode};
    /// use tokio::net::TcpStream;
    /// use tower_websocket::server::Acceptance;
    /// use tower_websocket::{Config, WebSocket, accept};
    ///
    /// async fn check(request: Request<()>) -> Result<Acceptance, Response<String>> {
    ///     if is_known(request.headers().get("authorization")).await {
    ///         return Ok(Acceptance::new().protocol("chat"));
    ///     }
    ///     let mut response = Response::new("unknown token\n".into());
    ///     *response.status_mut() = StatusCode::UNAUTHORIZED;
    ///     Err(response)
    /// }
    ///
    /// async fn open(stream: TcpStream) -> Option<WebSocket<TcpStream>> {
    ///     accept(stream, Config::server()).on_request(check).await.ok()
    /// }
    /// # async fn is_known(_: Option<&http::HeaderValue>) -> bool { true }
    /// ```
    ///
    /// # Errors
    ///
    /// A refusal is [`AcceptError::Refused`] with [`HandshakeError::Refused`], which has the
    /// status.
    pub fn on_request<F, Fut>(self, callback: F) -> Self
    where
        F: FnOnce(Request<()>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Acceptance, Response<String>>> + Send + 'static,
    {
        Self { on_request: Some(Box::new(move |request| Box::pin(callback(request)))), ..self }
    }

    async fn run(self) -> Result<WebSocket<T>, AcceptError<T>> {
        let limit = self.config.timeouts().handshake;
        let mut connection = Connection::new(self.io, Driver::server(self.config));
        let admission = Admission { shutdown: self.shutdown, guard: self.guard };
        let opened = tokio::time::timeout(limit, open(&mut connection, &admission, self.on_request))
            .await
            .map_err(|_| AcceptError::TimedOut)?;
        if let Err(error @ AcceptError::Refused(_)) = opened {
            // The client may still be sending, and must receive the response nevertheless.
            Owner::abandon(connection);
            return Err(error);
        }
        if let Some(membership) = opened? {
            let mut socket = WebSocket::new(connection);
            if let Some(membership) = membership {
                socket.join(membership);
            }
            return Ok(socket);
        }
        let request = connection.driver_mut().take_request();
        let (io, read) = connection.into_parts();
        match (request, io) {
            (Some(request), Some(io)) => Err(AcceptError::PlainHttp(Box::new(PlainHttp { request, io, read }))),
            _ => Err(AcceptError::Io(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl<T> IntoFuture for Accept<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = Result<WebSocket<T>, AcceptError<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The checks that may refuse a valid handshake.
struct Admission {
    shutdown: Option<Shutdown>,
    guard: Option<OriginGuard>,
}

impl Admission {
    /// Returns the membership in the shutdown, if there is one.
    fn check(&self, request: &Request<()>) -> Result<Option<Membership>, Box<Response<String>>> {
        if self.shutdown.as_ref().is_some_and(Shutdown::has_begun) {
            return Err(UpgradeRefusal::ShuttingDown.to_response().into());
        }
        if let Some(guard) = &self.guard {
            guard.check(request).map_err(|refusal| Box::new(refusal.to_response()))?;
        }
        Ok(self.shutdown.as_ref().map(Shutdown::join))
    }
}

/// Reads the request and answers it. Returns `None` for plain HTTP.
async fn open<T>(
    connection: &mut Connection<T>,
    admission: &Admission,
    mut on_request: Option<OnRequest>,
) -> Result<Option<Option<Membership>>, AcceptError<T>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut membership = None;
    loop {
        match poll_fn(|cx| connection.poll_opening(cx)).await {
            Some(Ok(Event::Connect)) => {
                let driver = connection.driver();
                if driver.refusal().is_some_and(HandshakeError::is_plain_http) {
                    return Ok(None);
                }
                let Some(request) = driver.request() else { continue };
                let mut admitted = admission.check(request);
                // The driver refuses a request of an unsupported version.
                let is_acceptable = admitted.is_ok() && driver.version().is_some();
                let on_request = on_request.take().filter(|_| is_acceptable);
                if let Some(asked) = on_request.map(|on_request| on_request(request.clone())) {
                    let applied = asked.await.map_err(Box::new);
                    admitted = applied.and_then(|acceptance| acceptance.apply(connection.driver_mut())).and(admitted);
                }
                // If the transport has failed, the next event reports it.
                let Ok(driver) = connection.writable() else { continue };
                // Both fail only before `Connect` or on a second call.
                let _ = match admitted {
                    Ok(admitted) => {
                        membership = admitted;
                        driver.start()
                    }
                    Err(response) => driver.refuse(*response),
                };
            }
            Some(Ok(Event::Open)) => {
                poll_fn(|cx| connection.poll_flush(cx)).await?;
                return Ok(Some(membership));
            }
            Some(Ok(Event::Error(error))) => return Err(AcceptError::Refused(error)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(AcceptError::Io(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// The reason why [`accept`] opened no WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError<T> {
    /// The request is plain HTTP. It has not been answered.
    #[error("not a WebSocket handshake")]
    PlainHttp(Box<PlainHttp<T>>),
    /// The handshake was refused, and the response was sent.
    #[error(transparent)]
    Refused(ProtocolError),
    /// The handshake was not completed within
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
    #[error("handshake timed out")]
    TimedOut,
    /// The transport failed or ended.
    #[error("transport failed")]
    Io(#[from] io::Error),
}

impl<T: fmt::Debug> fmt::Debug for Accept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").field("io", &self.io).field("config", &self.config).finish_non_exhaustive()
    }
}

/// A request for plain HTTP, with the connection on which to answer it.
// Exhaustive: an HTTP server needs the request, the transport and the bytes read to continue.
pub struct PlainHttp<T> {
    /// The head of the request.
    pub request: Request<()>,
    /// The transport.
    pub io: T,
    /// The bytes that were read after the head: the start of the body or of the next request.
    pub read: BytesMut,
}

/// Omits the headers, the query and the bytes after the head, which may be confidential.
impl<T: fmt::Debug> fmt::Debug for PlainHttp<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainHttp")
            .field("method", self.request.method())
            .field("path", &self.request.uri().path())
            .field("headers", &self.request.headers().len())
            .field("io", &self.io)
            .field("read", &self.read.len())
            .finish()
    }
}
