use std::fmt;

use bytes::{Buf, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};

use crate::driver::Driver;
use crate::error::head::HeadError;
use crate::error::response::joined;
use crate::error::usage::UsageError;
use crate::framing::output::Output;
use crate::handshake::head::{self, ResponseReadError, ResponseReader};
use crate::handshake::is_reserved;
use crate::handshake::url::{Target, UrlError};

/// A tunnel through an HTTP proxy (RFC 9110 §9.3.6), which becomes a client's [`Driver`] once it is
/// established.
///
/// Use it like a driver: call [`start`](Self::start), write the [`output`](Self::output), pass
/// input to [`receive`](Self::receive), and call [`poll`](Self::poll) until it returns a result.
/// Then [`into_driver`](Self::into_driver) returns the driver, which has received any input that
/// followed the proxy's response. For a `wss:` URL, the caller performs the TLS handshake on the
/// tunnel before it starts the driver.
///
/// ```
/// use bytes::Buf;
/// use websocket_driver::{Config, Driver, Proxy};
///
/// let url = "wss://example.com/feed".parse()?;
/// let driver = Driver::client(&url, Config::client())?;
/// let mut proxy = Proxy::new(driver, &url, &"http://user:secret@proxy.example:3128".parse()?)?;
/// proxy.start();
/// let output = proxy.output();
/// let request = output.copy_to_bytes(output.remaining());
/// assert!(request.starts_with(b"CONNECT example.com:443 HTTP/1.1\r\n"));
/// // Write that to the proxy. It answers:
/// proxy.receive(&b"HTTP/1.1 200 Connection established\r\n\r\n"[..]);
/// assert_eq!(proxy.poll(), Some(Ok(())));
/// let mut driver = proxy.into_driver().unwrap();
/// driver.start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Proxy {
    driver: Driver,
    request: Request<()>,
    authority: String,
    input: BytesMut,
    output: Output,
    stage: Stage,
    eof: bool,
    status: Option<StatusCode>,
    headers: HeaderMap,
}

#[derive(Debug)]
enum Stage {
    Prepared,
    Head(ResponseReader),
    Open,
    Failed,
}

/// The reason why a proxy did not establish a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy requires credentials, or rejected those that were sent: 407 (RFC 9110 §15.5.8).
    #[error("proxy authentication required: 407{}", challenge.as_ref().map(|c| format!(" ({c})")).unwrap_or_default())]
    Authentication {
        /// All challenges: the `Proxy-Authenticate` headers, joined by commas (RFC 9110 §5.3).
        challenge: Option<String>,
        /// The headers of the response.
        headers: HeaderMap,
    },
    /// The status of the response is not 2xx.
    #[error("proxy refused the tunnel: {status}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The headers of the response, such as `Retry-After`.
        headers: HeaderMap,
    },
    /// The head of the response is invalid.
    #[error("invalid response from the proxy")]
    Head(#[from] HeadError),
    /// The transport ended before the response was received.
    #[error("proxy closed the connection without a response")]
    Ended,
}

impl Proxy {
    /// Creates a tunnel for a driver's connection to `url`, through the proxy at `proxy`. A user
    /// and password in the proxy's URL are sent as `Proxy-Authorization`.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if `url` is not a valid WebSocket URL or `proxy` is not a valid proxy URL.
    pub fn new(driver: Driver, url: &Uri, proxy: &Uri) -> Result<Self, UrlError> {
        let target = Target::websocket(url)?;
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        let host = HeaderValue::try_from(target.authority.as_str()).map_err(|_| UrlError::Characters)?;
        request.headers_mut().insert(header::HOST, host);
        if let Some(authorization) = Target::proxy(proxy)?.authorization {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
        }
        Ok(Self {
            driver,
            request,
            authority: target.authority,
            input: BytesMut::new(),
            output: Output::default(),
            stage: Stage::Prepared,
            eof: false,
            status: None,
            headers: HeaderMap::new(),
        })
    }

    /// Adds a header to the request, or replaces the `Proxy-Authorization` derived from the URL.
    ///
    /// # Errors
    ///
    /// Same as [`Driver::set_header`].
    pub fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), UsageError> {
        if is_reserved(&name) || name == header::HOST {
            return Err(UsageError::ReservedHeader(name));
        }
        if !matches!(self.stage, Stage::Prepared) {
            return Err(UsageError::AlreadyAnswered);
        }
        if name == header::PROXY_AUTHORIZATION {
            self.request.headers_mut().insert(name, value);
        } else {
            self.request.headers_mut().append(name, value);
        }
        Ok(())
    }

    /// Writes the request to the output. A second call does nothing.
    pub fn start(&mut self) {
        if matches!(self.stage, Stage::Prepared) {
            head::write_request(&mut self.output, &self.request, &self.authority);
            self.stage = Stage::Head(ResponseReader::default());
        }
    }

    /// Receives bytes from the transport.
    pub fn receive(&mut self, data: impl Into<BytesMut>) {
        self.input.unsplit(data.into());
    }

    /// Reports that the transport has ended.
    pub fn receive_eof(&mut self) {
        self.eof = true;
    }

    /// Returns the bytes to write to the transport. Advance it by the number of bytes written.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Returns the result once the proxy has responded, and `None` before that and after the result
    /// was returned.
    pub fn poll(&mut self) -> Option<Result<(), ProxyError>> {
        let Stage::Head(reader) = &mut self.stage else {
            return None;
        };
        let response = match reader.read(&mut self.input, self.driver.settings()) {
            Ok(Some(response)) => response,
            Ok(None) if self.eof => return Some(self.fail(ProxyError::Ended)),
            Ok(None) => return None,
            Err(ResponseReadError::NotHttp) => return Some(self.fail(HeadError::Malformed.into())),
            Err(ResponseReadError::Head(error, _)) => return Some(self.fail(error.into())),
        };
        let (parts, ()) = response.into_parts();
        self.status = Some(parts.status);
        self.headers = parts.headers;
        if parts.status.is_success() {
            self.stage = Stage::Open;
            return Some(Ok(()));
        }
        let headers = self.headers.clone();
        Some(self.fail(match parts.status {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                ProxyError::Authentication { challenge: joined(&headers, header::PROXY_AUTHENTICATE), headers }
            }
            status => ProxyError::Refused { status, headers },
        }))
    }

    /// Returns the status of the proxy's response, once it was received.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Returns the headers of the proxy's response. Empty until it was received.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the driver, once the tunnel is established.
    ///
    /// # Errors
    ///
    /// Returns the proxy itself if the tunnel is not established or there is output left to write.
    pub fn into_driver(mut self) -> Result<Driver, Box<Self>> {
        if !matches!(self.stage, Stage::Open) || self.output.has_remaining() {
            return Err(Box::new(self));
        }
        self.driver.receive(self.input);
        if self.eof {
            self.driver.receive_eof();
        }
        Ok(self.driver)
    }

    fn fail(&mut self, error: ProxyError) -> Result<(), ProxyError> {
        self.stage = Stage::Failed;
        Err(error)
    }
}

/// Omits the headers, which may contain credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("authority", &self.authority)
            .field("status", &self.status)
            .field("input", &self.input.len())
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
