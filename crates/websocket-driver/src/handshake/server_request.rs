//! The request of a handshake as received by a server, parsed once and accepted with any
//! configuration.

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Extensions, Method, Request, Uri, Version as HttpVersion};

use crate::config::ServerConfig;
use crate::config::settings::{DeclineExtensions, Settings};
use crate::error::HandshakeError;
use crate::error::head::HeadError;
use crate::handshake::connect_protocol::ConnectProtocol;
use crate::handshake::hixie::HixieRequest;
use crate::handshake::rfc6455::{self, HybiRequest};
use crate::handshake::{DeclaredBody, Negotiated, extensions, has_token, subprotocol, target};
use crate::version::Version;

/// A WebSocket handshake request that an HTTP stack has read. It can be inspected, and accepted
/// with any [`ServerConfig`].
///
/// ```
/// use http::Request;
/// use websocket_driver::{Config, Driver, Handshake, HandshakeError};
///
/// fn answer(request: &Request<()>) -> Result<(http::Response<()>, Driver), HandshakeError> {
///     let handshake = Handshake::parse(request)?;
///     let config = if handshake.uri().path() == "/admin" {
///         Config::server().max_message_size(1024)
///     } else {
///         Config::server().protocols(["chat"])
///     };
///     handshake.accept(&config)
/// }
/// # let request = Request::get("/").body(())?;
/// # assert!(answer(&request).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It holds the parts of the request that the handshake needs, and neither the other headers nor
/// the body.
#[derive(Clone)]
pub struct Handshake {
    kind: Kind,
    uri: Uri,
    /// The size of the header fields in bytes, in their shortest encoding.
    fields_size: usize,
    fields: usize,
    protocols: Vec<Box<str>>,
    choice: Choice,
}

#[derive(Clone)]
enum Kind {
    /// RFC 6455 or one of the hybi drafts, on HTTP/1.1.
    Upgrade(HybiRequest),
    /// An extended CONNECT (RFC 8441 §5).
    Connect(HybiRequest),
    Hixie(HixieRequest),
}

/// What selects the subprotocol.
#[derive(Clone)]
enum Choice {
    Config,
    /// The caller has selected one of the offered subprotocols, or none.
    Made(Option<Box<str>>),
}

impl Handshake {
    /// Parses the head of a request. The URI is taken from an [`OriginalUri`](crate::OriginalUri)
    /// in the request's extensions, if there is one.
    ///
    /// On HTTP/2 and later, the pseudo-header `:protocol` is taken from a [`ConnectProtocol`] in
    /// the extensions. Without one, the caller must have checked it, as it is not part of an
    /// [`http::Request`].
    ///
    /// # Errors
    ///
    /// If the request is not a valid handshake of any version, including those that a
    /// [`ServerConfig`] may not allow. The response to send is [`HandshakeError::to_response`].
    /// [`HandshakeError::is_plain_http`] returns whether the request is not a WebSocket handshake
    /// at all.
    pub fn parse<B>(request: &Request<B>) -> Result<Self, HandshakeError> {
        Self::parse_head(request.method(), request.uri(), request.version(), request.headers(), request.extensions())
    }

    /// Parses the head of a request that was split into parts, like [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// Same as [`parse`](Self::parse).
    pub fn parse_parts(parts: &Parts) -> Result<Self, HandshakeError> {
        Self::parse_head(&parts.method, &parts.uri, parts.version, &parts.headers, &parts.extensions)
    }

    fn parse_head(
        method: &Method,
        uri: &Uri,
        version: HttpVersion,
        headers: &HeaderMap,
        request_extensions: &Extensions,
    ) -> Result<Self, HandshakeError> {
        check_request_line(method, version, headers, request_extensions)?;
        let uri = target::original_uri(uri, request_extensions);
        let (kind, protocols) = if is_multiplexed(version) {
            target::check_authority(uri, headers)?;
            (Kind::Connect(HybiRequest::parse_connect(headers)?), subprotocol::offered(headers)?)
        } else {
            let host = target::host(headers)?;
            if is_hybi(headers) {
                if !DeclaredBody::of(headers).is_empty() {
                    return Err(HandshakeError::Body);
                }
                (Kind::Upgrade(HybiRequest::parse(headers)?), subprotocol::offered(headers)?)
            } else {
                let (request, protocol) = HixieRequest::parse(uri, host, headers)?;
                (Kind::Hixie(request), Vec::from_iter(protocol))
            }
        };
        Ok(Self {
            kind,
            uri: uri.clone(),
            fields_size: headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ":\n".len()).sum(),
            fields: headers.len(),
            protocols,
            choice: Choice::Config,
        })
    }

    /// Returns the version that the client requests, or `None` if it is not supported.
    pub fn version(&self) -> Option<Version> {
        match &self.kind {
            Kind::Upgrade(request) | Kind::Connect(request) => request.version,
            Kind::Hixie(request) => Some(request.version()),
        }
    }

    /// Returns the requested URI: a path and query on HTTP/1.1.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Sets the requested URI, if that of the request was rewritten. It is used for the `Location`
    /// of hixie clients and the path reported to observers.
    pub fn set_uri(&mut self, uri: Uri) {
        self.uri = uri;
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn protocols(&self) -> impl ExactSizeIterator<Item = &str> {
        self.protocols.iter().map(|name| &**name)
    }

    /// Selects the subprotocol, instead of [`protocols`](ServerConfig::protocols) and
    /// [`select_protocol`](ServerConfig::select_protocol). `None`, or a name that the client did
    /// not offer, selects none.
    pub fn set_protocol(&mut self, protocol: Option<&str>) {
        let offered = protocol.and_then(|protocol| self.protocols.iter().find(|name| ***name == *protocol));
        self.choice = Choice::Made(offered.cloned());
    }

    /// Returns the subprotocol that [`accept`](Self::accept) would select.
    pub fn protocol(&self, config: &ServerConfig) -> Option<&str> {
        self.choose_protocol(config.settings())
    }

    fn choose_protocol(&self, settings: &Settings) -> Option<&str> {
        match &self.choice {
            Choice::Made(protocol) => protocol.as_deref(),
            Choice::Config => subprotocol::select(&self.protocols, settings),
        }
    }

    /// Negotiates the version, subprotocol and extensions.
    pub(crate) fn negotiate(&self, settings: &Settings) -> Result<Negotiated, HandshakeError> {
        if let Some(budget) = settings.budget.as_ref().filter(|budget| budget.is_spent()) {
            return Err(HandshakeError::Busy { retry_after: budget.retry_after_seconds() });
        }
        let protocol = self.choose_protocol(settings);
        let mut negotiated = match &self.kind {
            Kind::Upgrade(request) => request.accept_upgrade(protocol, settings)?,
            Kind::Connect(request) => request.accept_connect(protocol, settings)?,
            Kind::Hixie(_) if !settings.allow_drafts => {
                return Err(HandshakeError::UnsupportedVersion { supported: rfc6455::SUPPORTED });
            }
            Kind::Hixie(request) => request.accept(&self.uri, protocol, settings)?,
        };
        if let Kind::Upgrade(request) | Kind::Connect(request) = &self.kind {
            let is_declined = |decline: &DeclineExtensions| decline(request.user_agent.as_ref());
            if !request.extensions.is_empty() && !settings.decline_extensions.as_deref().is_some_and(is_declined) {
                let headers = negotiated.response.headers_mut();
                negotiated.pipeline = extensions::agree(&request.extensions, settings, headers);
            }
        }
        Ok(negotiated)
    }

    /// Returns whether 8 bytes follow the head, as in draft-hixie-76.
    pub(crate) fn has_trailing_bytes(&self) -> bool {
        self.version() == Some(Version::Hixie76)
    }

    /// Checks a head that an HTTP stack has read against the limits. Its size is that of its
    /// shortest encoding in HTTP/1.1, so that no head is refused that the driver itself would have
    /// accepted.
    pub(crate) fn check_head_limits(&self, settings: &Settings) -> Result<(), HeadError> {
        let Settings { max_head_size, max_headers, .. } = *settings;
        if self.fields > max_headers {
            return Err(HeadError::TooManyHeaders { limit: max_headers });
        }
        let authority = self.uri.authority().map_or(0, |authority| authority.as_str().len());
        let path = self.uri.path_and_query().map_or(0, |path| path.as_str().len());
        let method = if matches!(self.kind, Kind::Connect(_)) { Method::CONNECT } else { Method::GET };
        let line = method.as_str().len() + authority + path + "  HTTP/1.1\n".len();
        let size = line + self.fields_size + "\n".len();
        if size > max_head_size { Err(HeadError::TooLarge { limit: max_head_size }) } else { Ok(()) }
    }
}

/// Omits the headers, the query and the subprotocols, which may contain secrets.
impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake")
            .field("version", &self.version())
            .field("path", &self.uri.path())
            .field("protocols", &self.protocols.len())
            .finish_non_exhaustive()
    }
}

/// Returns whether a request is a WebSocket handshake of any version (RFC 6455 §4.2.1, RFC 8441
/// §4).
///
/// A handshake is a GET request whose `Connection` contains `upgrade` and whose `Upgrade` contains
/// `websocket`, or on HTTP/2 and later a CONNECT request with `Sec-WebSocket-Version`. On HTTP/2,
/// the pseudo-header `:protocol`, which is not part of an [`http::Request`], decides: without a
/// [`ConnectProtocol`] in the extensions, the caller must check it as well. An HTTP/1.0 request is
/// always plain HTTP (RFC 9110 §7.8).
pub fn is_handshake<B>(request: &Request<B>) -> bool {
    check_request_line(request.method(), request.version(), request.headers(), request.extensions()).is_ok()
}

fn check_request_line(
    method: &Method,
    version: HttpVersion,
    headers: &HeaderMap,
    request_extensions: &Extensions,
) -> Result<(), HandshakeError> {
    if is_multiplexed(version) {
        if method != Method::CONNECT {
            return Err(HandshakeError::Method);
        }
        // RFC 8441 §4.
        if request_extensions.get::<ConnectProtocol>().is_some_and(|protocol| !protocol.is_websocket()) {
            return Err(HandshakeError::Upgrade);
        }
        if !headers.contains_key(header::SEC_WEBSOCKET_VERSION) {
            return Err(HandshakeError::UnsupportedVersion { supported: rfc6455::SUPPORTED });
        }
        return Ok(());
    }
    if method != Method::GET {
        return Err(HandshakeError::Method);
    }
    // A server ignores the `Upgrade` field of an HTTP/1.0 request (RFC 9110 §7.8).
    if version != HttpVersion::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(HandshakeError::Connection);
    }
    if !has_token(headers, header::UPGRADE, "websocket") {
        return Err(HandshakeError::Upgrade);
    }
    Ok(())
}

/// Returns whether the version is HTTP/2 or later.
fn is_multiplexed(version: HttpVersion) -> bool {
    version >= HttpVersion::HTTP_2
}

/// Returns whether a request is one of RFC 6455 or the hybi drafts.
fn is_hybi(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_VERSION) || headers.contains_key(header::SEC_WEBSOCKET_KEY)
}
