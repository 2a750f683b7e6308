use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response, Uri};
use hyper::rt::{Read, Write};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;
use websocket_driver::{ClientConfig, Config, Driver, Event, ProtocolError};

use super::address::host_and_port;
use super::connector::Connector;
use super::deadline::Deadline;
use super::dial::Route;
use super::error::ConnectError;
#[cfg(feature = "http2")]
use super::http2::Http2Connection;
use super::tls::{Alpn, TlsConfig};
use super::tunnel::ProxyChoice;
use crate::connection::Connection;
use crate::shutdown::Shutdown;
use crate::socket::WebSocket;
use crate::transport::upgraded::{Transmit, Upgraded};

/// Connects to a `ws:` or `wss:` URL. Returns a builder: set options on it, then await it.
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
///
/// # Cancel safety
///
/// The future can be dropped at any time, which also drops the connection.
pub fn connect(url: impl TryInto<Uri, Error: Into<http::Error>>) -> Connect {
    Connect {
        url: url.try_into().map_err(|error| ConnectError::MalformedUrl(error.into())),
        config: Config::client(),
        protocols: None,
        headers: Vec::new(),
        route: Route::default(),
        io: None,
        http: Http::One,
        timeout: None,
        shutdown: None,
    }
}

/// A connection to be established; see [`connect`].
#[must_use = "nothing is connected before this is awaited"]
pub struct Connect {
    pub(super) url: Result<Uri, ConnectError>,
    pub(super) config: ClientConfig,
    /// Instead of those of the configuration.
    pub(super) protocols: Option<Vec<String>>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) route: Route,
    pub(super) io: Option<Box<dyn Transmit>>,
    pub(super) http: Http,
    pub(super) timeout: Option<Duration>,
    pub(super) shutdown: Option<Shutdown>,
}

/// The version of HTTP for the handshake.
pub(super) enum Http {
    One,
    #[cfg(feature = "http2")]
    Two,
    /// HTTP/2 on an existing connection.
    #[cfg(feature = "http2")]
    Shared(Http2Connection),
}

impl Connect {
    /// Sets the limits, timeouts, extensions and everything else that a configuration has. Default:
    /// [`Config::client`].
    pub fn config(self, config: ClientConfig) -> Self {
        Self { config, ..self }
    }

    /// Sets the subprotocols to offer, best first, instead of those of the
    /// [`config`](Self::config).
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { protocols: Some(protocols.into_iter().map(Into::into).collect()), ..self }
    }

    /// Adds a header to the request. An invalid name or value, or a header that is reserved for the
    /// handshake, is reported when this is awaited.
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

    /// Tunnels through an HTTP proxy with CONNECT, for `ws:` as well. The user and password in its
    /// URL are sent to the proxy. If the URL is `https:`, the connection to the proxy uses TLS,
    /// with the same [configuration](Self::tls).
    pub fn proxy(mut self, proxy: Uri) -> Self {
        self.route.proxy = ProxyChoice::Url(proxy);
        self
    }

    /// Tunnels through the proxy in the environment variables, if they specify one for the URL.
    ///
    /// `HTTP_PROXY` applies to `ws:` and `HTTPS_PROXY` to `wss:`; without it, `ALL_PROXY` applies
    /// to both. The lower-case name is used if the upper-case one is missing or empty. The value is
    /// a URL as in [`proxy`](Self::proxy), or only host and port. `NO_PROXY` lists hosts to connect
    /// to directly, separated by commas or spaces:
    ///
    /// - `*`: every host, including addresses
    /// - `example.com` or `.example.com`: the domain and its subdomains
    /// - `*.example.com`: only its subdomains
    /// - `192.0.2.7`, `2001:db8::7` or `[2001:db8::7]`: the address, if the URL contains it; names
    ///   are not resolved
    /// - `192.0.2.0/24` or `2001:db8::/32`: the addresses of the network
    /// - any of these except networks followed by `:port`: only this port
    ///
    /// In a CGI script, where `REQUEST_METHOD` is set, no proxy is used, since `HTTP_PROXY` may be
    /// a header of the request. Connecting fails with [`ConnectError::ProxyFromEnv`] if the value
    /// is not a URL or has another scheme, such as `socks5:`.
    pub fn proxy_from_env(mut self) -> Self {
        self.route.proxy = ProxyChoice::Environment;
        self
    }

    /// Disables the proxy, which is the default.
    pub fn no_proxy(mut self) -> Self {
        self.route.proxy = ProxyChoice::None;
        self
    }

    /// Sets a callback for the proxy's response once the tunnel is established, before anything is
    /// sent through it.
    pub fn on_tunnel(mut self, callback: impl FnOnce(&Response<()>) + Send + 'static) -> Self {
        self.route.on_tunnel = Some(Box::new(callback));
        self
    }

    /// Sets the TLS configuration, which replaces the default one with the roots of the crate's
    /// features.
    pub fn tls(mut self, config: TlsConfig) -> Self {
        self.route.tls = Some(config);
        self
    }

    /// Sets the connector that opens the stream to the server or the proxy.
    ///
    /// By default, connects by TCP, trying the addresses of both families alternately, each 250 ms
    /// after the previous one or as soon as that has failed (RFC 8305). Any connector of hyper's
    /// clients can be used. It is called with an `http:` URL that contains only host and port; TLS
    /// and the proxy's tunnel are layered on the stream that it returns. The zone of an IPv6
    /// address is written as in `[fe80::1%eth0]`.
    ///
    /// ```
    /// use hyper_util::client::legacy::connect::HttpConnector;
    /// use tower_websocket::connect;
    ///
    /// let mut connector = HttpConnector::new();
    /// connector.set_local_address(Some([192, 0, 2, 7].into()));
    /// let request = connect("wss://example.com/feed").connector(connector);
    /// ```
    pub fn connector<C>(mut self, connector: C) -> Self
    where
        C: Service<Uri, Error: Into<Box<dyn Error + Send + Sync>>, Future: Send> + Send + 'static,
        C::Response: Read + Write + Send + Unpin + 'static,
    {
        self.route.connector = Some(Connector::new(connector));
        self
    }

    /// Uses a stream that is already connected, after any TLS handshake, such as a Unix socket. The
    /// URL's host is then only used for the request.
    pub fn over(self, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { io: Some(Box::new(io)), ..self }
    }

    /// Sets the timeout for connecting, from resolving the host to the server's response. Default:
    /// the [handshake timeout](Config::handshake_timeout) of the configuration, 10 s.
    /// [`Duration::MAX`] disables it. When it expires, connecting fails with
    /// [`ConnectError::TimedOut`].
    pub fn timeout(self, limit: Duration) -> Self {
        Self { timeout: Some(limit), ..self }
    }

    /// Adds the socket to those that a shutdown closes. Once it has begun, connecting fails.
    pub fn shutdown(self, shutdown: &Shutdown) -> Self {
        Self { shutdown: Some(shutdown.clone()), ..self }
    }

    async fn run(self, deadline: Deadline) -> Result<(WebSocket, Response<()>), ConnectError> {
        if self.shutdown.as_ref().is_some_and(Shutdown::has_begun) {
            return Err(ConnectError::ShuttingDown);
        }
        let membership = self.shutdown.as_ref().map(Shutdown::join);
        let url = self.url?;
        let config = match self.protocols {
            Some(protocols) => self.config.protocols(protocols),
            None => self.config,
        };
        let mut driver = Driver::client(&url, config)?;
        for (name, value) in self.headers {
            driver.set_header(name, value)?;
        }
        let is_multiplexed = !matches!(self.http, Http::One);
        let (io, driver) = match (self.http, self.io) {
            (Http::One, io) => {
                let (io, mut driver) = match io {
                    Some(io) => (Upgraded::from_boxed(io), driver),
                    None => {
                        let (io, driver, _) = self.route.connect(&url, driver, Alpn::Http1).await?;
                        (io, driver)
                    }
                };
                driver.start()?;
                (io, driver)
            }
            #[cfg(feature = "http2")]
            (Http::Two, io) => {
                let (connection, mut driver) = Http2Connection::connect(io, self.route, &url, driver).await?;
                (connection.open(&url, &mut driver, deadline).await?, driver)
            }
            #[cfg(feature = "http2")]
            (Http::Shared(connection), _) => (connection.open(&url, &mut driver, deadline).await?, driver),
        };
        let host = host_and_port(&url);
        let mut connection = Connection::new(io, driver);
        if is_multiplexed {
            connection.set_multiplexed();
        }
        let (mut socket, response) = open(connection, host, deadline).await?;
        if let Some(membership) = membership {
            socket.join(membership);
        }
        Ok((socket, response))
    }

    pub(super) fn limit(&self) -> Duration {
        self.timeout.unwrap_or_else(|| self.config.timeouts().handshake)
    }
}

/// Omits the URLs and headers, which may contain passwords.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("config", &self.config).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl IntoFuture for Connect {
    type Output = Result<(WebSocket, Response<()>), ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let limit = self.limit();
        Box::pin(async move {
            let deadline = Deadline::after(limit);
            let connected = deadline.limit(self.run(deadline)).await;
            connected.map_err(|_| ConnectError::TimedOut)?
        })
    }
}

/// Waits for the server's response.
async fn open(
    mut connection: Connection<Upgraded>,
    host: String,
    deadline: Deadline,
) -> Result<(WebSocket, Response<()>), ConnectError> {
    let next = deadline.limit(poll_fn(|cx| connection.poll_opening(cx))).await;
    let Ok(event) = next else {
        // Reports a refusal whose body is incomplete with the part received.
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
        Some(Err(error)) => Err(ConnectError::of_transport(host, error)),
        _ => Err(ConnectError::Io { host, error: io::ErrorKind::UnexpectedEof.into() }),
    }
}
