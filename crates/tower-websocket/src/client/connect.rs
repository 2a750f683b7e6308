use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response, Uri};
use tokio::net::TcpStream;
use tokio::time::Instant;
use websocket_driver::{Config, Driver, Event, ProtocolError, UrlError};

use super::error::ConnectError;
use super::tls::{self, TlsConfig};
use super::tunnel::{self, ProxyChoice};
use crate::connection::Connection;
use crate::socket::WebSocket;
use crate::upgraded::{Transmit, Upgraded};

/// Connects to a `ws:` or `wss:` URL: await what it gives, after setting what is to be other than usual.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_websocket::connect;
///
/// let (mut socket, response) = connect("wss://example.com/feed").protocols(["chat"]).await?;
/// println!("{}: {:?}", response.status(), socket.protocol());
/// socket.send("hello").await?;
/// while let Some(message) = socket.recv().await {
///     println!("{:?}", message?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// `wss:` needs one of the crate's TLS features.
pub fn connect(url: impl TryInto<Uri, Error: Into<http::Error>>) -> Connect {
    Connect {
        url: url.try_into().map_err(|error| ConnectError::MalformedUrl(error.into())),
        config: Config::client(),
        headers: Vec::new(),
        proxy: ProxyChoice::None,
        tls: None,
        io: None,
        timeout: None,
    }
}

/// A connection to be made; see [`connect`].
#[must_use = "nothing is connected before this is awaited"]
pub struct Connect {
    url: Result<Uri, ConnectError>,
    config: Config,
    headers: Vec<(HeaderName, HeaderValue)>,
    proxy: ProxyChoice,
    tls: Option<TlsConfig>,
    io: Option<Box<dyn Transmit>>,
    timeout: Option<Duration>,
}

impl Connect {
    /// Limits, extensions and all else: [`Config::client`] by default. Call it before [`protocols`](Self::protocols), which
    /// are part of it.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// The subprotocols to offer, best first.
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { config: self.config.protocols(protocols), ..self }
    }

    /// Adds a header to the request. What makes a bad name or value, or belongs to the handshake, is told when this is
    /// awaited.
    pub fn header<K, V>(mut self, name: K, value: V) -> Self
    where
        K: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let name = name.try_into().map_err(Into::into);
        let value = value.try_into().map_err(Into::into);
        match name.and_then(|name| Ok((name, value?))) {
            Ok(header) => self.headers.push(header),
            Err(error) => self.url = self.url.and(Err(ConnectError::MalformedHeader(error))),
        }
        self
    }

    /// Goes through an HTTP proxy, by CONNECT, for `ws:` as well. The user and password of its URL are sent to it. The URL is
    /// one of `http:`: there is no TLS to the proxy itself.
    pub fn proxy(self, proxy: Uri) -> Self {
        Self { proxy: ProxyChoice::Url(proxy), ..self }
    }

    /// Goes through the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name, if they name one.
    pub fn proxy_from_env(self) -> Self {
        Self { proxy: ProxyChoice::Environment, ..self }
    }

    /// Goes through no proxy, as by default.
    pub fn no_proxy(self) -> Self {
        Self { proxy: ProxyChoice::None, ..self }
    }

    /// Does TLS by this configuration, in place of one with the roots of the crate's features.
    pub fn tls(self, config: TlsConfig) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Talks over a stream that is connected already, with TLS done where there is any, in place of one of its own: a
    /// Unix socket, say. The URL's host only goes into the request then.
    pub fn over(
        self,
        io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + fmt::Debug + Send + Unpin + 'static,
    ) -> Self {
        Self { io: Some(Box::new(io)), ..self }
    }

    /// How long all of it may take, from looking up the host to the answer of the server: the
    /// [handshake timeout](Config::handshake_timeout) of the configuration, 10 s, by default.
    pub fn timeout(self, limit: Duration) -> Self {
        Self { timeout: Some(limit), ..self }
    }

    async fn run(self, deadline: Instant) -> Result<(WebSocket, Response<()>), ConnectError> {
        let url = self.url?;
        let mut driver = Driver::client(&url, self.config)?;
        for (name, value) in self.headers {
            driver.set_header(name, value)?;
        }
        let (io, mut driver) = match self.io {
            Some(io) => (Upgraded::from_boxed(io), driver),
            None => dial(&url, driver, &self.proxy, self.tls).await?,
        };
        driver.start()?;
        let host = url.host().unwrap_or_default().to_owned();
        open(Connection::new(io, driver), host, deadline).await
    }
}

/// Without the URLs and headers, which may hold passwords.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("config", &self.config).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl IntoFuture for Connect {
    type Output = Result<(WebSocket, Response<()>), ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let limit = self.timeout.unwrap_or_else(|| self.config.get_handshake_timeout());
        Box::pin(async move {
            let deadline = Instant::now() + limit;
            let connected = tokio::time::timeout_at(deadline, self.run(deadline)).await;
            connected.map_err(|_| ConnectError::TimedOut)?
        })
    }
}

/// Connects to the server, or to the proxy and through it.
async fn dial(
    url: &Uri,
    driver: Driver,
    proxy: &ProxyChoice,
    tls: Option<TlsConfig>,
) -> Result<(Upgraded, Driver), ConnectError> {
    let hop = proxy.hop(url);
    // Nothing is said in the clear to a proxy that wants TLS.
    if hop.as_ref().is_some_and(|hop| hop.url.scheme_str() != Some("http")) {
        return Err(UrlError::Scheme { expected: "http, for a proxy" }.into());
    }
    let mut stream = tcp(hop.as_ref().map_or(url, |hop| &hop.url)).await?;
    let mut driver = match hop {
        Some(hop) => tunnel::open(&mut stream, hop, driver, url).await?,
        None => driver,
    };
    let io = if is_secure(url) {
        // Nobody vouches for what came before TLS.
        if !driver.input().is_empty() {
            let error = io::Error::new(io::ErrorKind::InvalidData, "there are bytes before TLS");
            return Err(ConnectError::Tls { host: url.host().unwrap_or_default().to_owned(), error });
        }
        Upgraded::from_boxed(tls::wrap(stream, url.host().unwrap_or_default(), tls).await?)
    } else {
        Upgraded::from_tcp(stream)
    };
    Ok((io, driver))
}

async fn tcp(url: &Uri) -> Result<TcpStream, ConnectError> {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = url.port_u16().unwrap_or(if is_secure(url) { 443 } else { 80 });
    let failed = |error| ConnectError::Io { host: format!("{host}:{port}"), error };
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

fn is_secure(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("wss" | "https"))
}

/// Waits for the server's answer.
async fn open(
    mut connection: Connection<Upgraded>,
    host: String,
    deadline: Instant,
) -> Result<(WebSocket, Response<()>), ConnectError> {
    let next = tokio::time::timeout_at(deadline, poll_fn(|cx| connection.poll_event(cx))).await;
    let Ok(event) = next else {
        // A refusal whose body is still coming is told with what there is of it.
        let driver = connection.driver_mut();
        driver.receive_eof();
        return Err(match driver.poll_event() {
            Some(Event::Error(ProtocolError::Response(error))) if error.status.is_some() => {
                ConnectError::Refused(ProtocolError::Response(error))
            }
            _ => ConnectError::TimedOut,
        });
    };
    match event {
        Some(Ok(Event::Open)) => {
            let response = connection.driver_mut().take_response().unwrap_or_default();
            Ok((WebSocket::new(connection), response))
        }
        Some(Ok(Event::Error(error))) => Err(ConnectError::Refused(error)),
        Some(Err(error)) => Err(ConnectError::Io { host, error }),
        _ => Err(ConnectError::Io { host, error: io::ErrorKind::UnexpectedEof.into() }),
    }
}
