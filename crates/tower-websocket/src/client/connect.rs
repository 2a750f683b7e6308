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
///
/// # Cancel safety
///
/// What is awaited can be dropped at any time, which drops the connection as well. There is nothing else to it.
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

/// A connection to be made; see [`connect`].
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

/// The version of HTTP that the handshake is made by.
pub(super) enum Http {
    One,
    #[cfg(feature = "http2")]
    Two,
    /// HTTP/2 on a connection that others use as well.
    #[cfg(feature = "http2")]
    Shared(Http2Connection),
}

impl Connect {
    /// Sets the limits, timeouts, extensions and everything else that a configuration has. Default:
    /// [`Config::client`].
    pub fn config(self, config: ClientConfig) -> Self {
        Self { config, ..self }
    }

    /// Sets the subprotocols to offer, best first, instead of those of the [`config`](Self::config).
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { protocols: Some(protocols.into_iter().map(Into::into).collect()), ..self }
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

    /// Goes through an HTTP proxy, by CONNECT, for `ws:` as well. The user and password of its URL are sent to it. Where the
    /// URL is one of `https:`, TLS is spoken to the proxy itself, by the same [configuration](Self::tls).
    pub fn proxy(mut self, proxy: Uri) -> Self {
        self.route.proxy = ProxyChoice::Url(proxy);
        self
    }

    /// Goes through the proxy that the environment names, if it names one for the URL.
    ///
    /// `HTTP_PROXY` is for `ws:` and `HTTPS_PROXY` for `wss:`; without it, `ALL_PROXY` is for both. Each may be written in lower
    /// case, which counts if the upper case is missing or empty. The value is as in [`proxy`](Self::proxy), or host and port
    /// alone. `NO_PROXY` lists what is connected to directly, with commas or spaces between the entries:
    ///
    /// - `*`: every host, addresses as well
    /// - `example.com` or `.example.com`: the domain and its subdomains
    /// - `*.example.com`: its subdomains only
    /// - `192.0.2.7`, `2001:db8::7` or `[2001:db8::7]`: the address, if the URL has it; names are not looked up
    /// - `192.0.2.0/24` or `2001:db8::/32`: the addresses of the network
    /// - any of these but networks with `:port` behind it: only this port
    ///
    /// A program that runs as a CGI script, with `REQUEST_METHOD` set, uses no proxy, as `HTTP_PROXY` may be a header of the
    /// request there. Connecting fails with [`ConnectError::ProxyFromEnv`] if the value is not a URL, or one with another
    /// scheme, such as `socks5:`.
    pub fn proxy_from_env(mut self) -> Self {
        self.route.proxy = ProxyChoice::Environment;
        self
    }

    /// Goes through no proxy, as by default.
    pub fn no_proxy(mut self) -> Self {
        self.route.proxy = ProxyChoice::None;
        self
    }

    /// Is told of the proxy's answer when the tunnel stands, before anything goes through it.
    pub fn on_tunnel(mut self, told: impl FnOnce(&Response<()>) + Send + 'static) -> Self {
        self.route.on_tunnel = Some(Box::new(told));
        self
    }

    /// Does TLS by this configuration, in place of one with the roots of the crate's features.
    pub fn tls(mut self, config: TlsConfig) -> Self {
        self.route.tls = Some(config);
        self
    }

    /// Makes the stream to the server, or to the proxy, by this connector, instead of one for TCP that tries every address of
    /// the host, of both families in turn, each 250 ms after the one before or as soon as that has failed (RFC 8305). Any
    /// connector of hyper's clients will do. It is asked for an `http:` URL with host and port and no more: TLS and the
    /// proxy's tunnel are made on the stream that it returns. The zone of an IPv6 address is written as in `[fe80::1%eth0]`.
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

    /// Talks over a stream that is connected already, with TLS done where there is any, in place of one of its own: a
    /// Unix socket, say. The URL's host only goes into the request then.
    pub fn over(self, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { io: Some(Box::new(io)), ..self }
    }

    /// Sets how long connecting may take in all, from the lookup of the host to the answer of the server. The default is the
    /// [handshake timeout](Config::handshake_timeout) of the configuration, 10 s; [`Duration::MAX`] means never. It fails with
    /// [`ConnectError::TimedOut`] then.
    pub fn timeout(self, limit: Duration) -> Self {
        Self { timeout: Some(limit), ..self }
    }

    /// Puts the socket among those that a shutdown closes. Once it was begun, nothing is connected.
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
                        let (io, driver, _) = self.route.dial(&url, driver, Alpn::Http1).await?;
                        (io, driver)
                    }
                };
                driver.start()?;
                (io, driver)
            }
            #[cfg(feature = "http2")]
            (Http::Two, io) => {
                let (connection, mut driver) = Http2Connection::dial(io, self.route, &url, driver).await?;
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
        let limit = self.limit();
        Box::pin(async move {
            let deadline = Deadline::after(limit);
            let connected = deadline.limit(self.run(deadline)).await;
            connected.map_err(|_| ConnectError::TimedOut)?
        })
    }
}

/// Waits for the server's answer.
async fn open(
    mut connection: Connection<Upgraded>,
    host: String,
    deadline: Deadline,
) -> Result<(WebSocket, Response<()>), ConnectError> {
    let next = deadline.limit(poll_fn(|cx| connection.poll_opening(cx))).await;
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
        Some(Err(error)) => Err(ConnectError::of_transport(host, error)),
        _ => Err(ConnectError::Io { host, error: io::ErrorKind::UnexpectedEof.into() }),
    }
}
