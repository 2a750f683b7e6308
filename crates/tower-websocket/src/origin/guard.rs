use std::sync::Arc;

use http::Request;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::authority::{SerializedOrigin, target_authority};
use super::pattern::{AuthorityPattern, OriginPattern, PatternError};
use super::refusal::OriginRefusal;

/// The header for the origin in hybi-7 and hybi-8 (draft-ietf-hybi-thewebsocketprotocol-07 §5.1,
/// item 8).
const SEC_WEBSOCKET_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");

/// Restricts which web pages may open WebSockets. By default, those of the server's own origin.
/// Cheap to clone (reference-counted).
///
/// A browser lets any page open a WebSocket to any server, and sends that server's cookies with the
/// request. CORS does not apply. Instead, the browser sends the origin of the page in a header that
/// scripts cannot change, and the server has to check it (RFC 6455 §10.2). This is necessary for
/// servers that identify users by cookies or by their network.
///
/// Use it as a Tower layer before [`WebSocketLayer`](crate::WebSocketLayer), an axum router or any
/// other service. It refuses WebSocket handshakes with 403 and a line of text, keeps the connection
/// open, and passes every other request through unchanged. The [`OriginRefusal`] is in the
/// extensions of the response, so that outer layers can count or log refusals. Without a layer,
/// call [`check`](Self::check).
///
/// ```
/// use http::Request;
/// use tower::ServiceBuilder;
/// use tower_websocket::origin::PatternError;
/// use tower_websocket::{OriginGuard, WebSocket, WebSocketLayer};
///
/// async fn chat(mut socket: WebSocket, _request: Request<()>) {
///     let _ = socket.send("hello").await;
/// }
///
/// fn layers() -> Result<(), PatternError> {
///     let guard = OriginGuard::new().allow("https://*.example.com")?;
///     let builder = ServiceBuilder::new().layer(guard).layer(WebSocketLayer::new(chat));
/// #   let _ = builder;
///     Ok(())
/// }
/// # layers().unwrap();
/// ```
///
/// # Same-origin requests
///
/// A page has the server's own origin if its host and port are those that the request is sent to:
/// those of an absolute request target, otherwise of `:authority` (HTTP/2) or `Host`. Hosts are
/// compared case-insensitively but not resolved: `localhost` and `127.0.0.1` are different, and so
/// are `example.com` and `example.com.`, as in browsers. A missing port is the default port of the
/// origin's scheme, since the server cannot know whether a proxy has terminated TLS. If you do
/// know, set [`secure`](Self::secure).
///
/// `Forwarded` and `X-Forwarded-Host` are ignored. Behind a proxy that replaces `Host`, no page has
/// the server's own origin: configure the proxy to preserve it, or [`allow`](Self::allow) the
/// public origin.
///
/// # Other clients
///
/// A request without an `Origin` was not sent by a browser, and could contain any value: it is
/// accepted, unless [`require_origin`](Self::require_origin) is set. So this is not authentication.
/// It prevents other sites from using a browser's credentials. In hybi-7 and hybi-8 the header is
/// `Sec-WebSocket-Origin`; both headers are checked for every version.
///
/// # Tools on localhost
///
/// A page whose domain is made to resolve to 127.0.0.1 after it was loaded has the same origin as a
/// server there (DNS rebinding). It cannot change the `Host`, so servers that are protected only by
/// their address should set [`hosts`](Self::hosts). The other HTTP requests of such a server need
/// the same protection, which this type does not provide.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct OriginGuard(Arc<Rules>);

#[derive(Debug, Clone, Default)]
struct Rules {
    origins: Vec<OriginPattern>,
    allow_null: bool,
    allow_any: bool,
    require_origin: bool,
    secure: Option<bool>,
    hosts: Option<Vec<AuthorityPattern>>,
}

impl OriginGuard {
    /// Creates a guard that allows pages of the server's own origin, and clients that send no
    /// `Origin`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows pages of other origins. Can be called several times.
    ///
    /// | pattern | allows |
    /// |---|---|
    /// | `https://example.com` | this scheme and host, port 443 |
    /// | `http://localhost:3000` | this scheme and host, port 3000 |
    /// | `http://localhost:*` | any port |
    /// | `https://*.example.com` | all subdomains, such as `a.example.com` and `b.a.example.com`, but not `example.com` |
    /// | `chrome-extension://<id>` | an extension; other schemes of applications work alike |
    /// | `file://` | local files in WebViews that do not send `null` |
    ///
    /// Schemes and names are case-insensitive. A subdomain is only as trustworthy as everything
    /// that runs on it, or on the address that its DNS entry still refers to.
    ///
    /// # Errors
    ///
    /// [`PatternError`] if the pattern is none of these, for example has a `*` elsewhere, a path,
    /// even `/`, user information, or a name that is not ASCII.
    pub fn allow(self, pattern: &str) -> Result<Self, PatternError> {
        let pattern = OriginPattern::parse(pattern)?;
        Ok(self.with(|rules| rules.origins.push(pattern)))
    }

    /// Sets whether to allow `Origin: null`. Default: `false`. Local files send it, but so do
    /// sandboxed frames, which any page can create: it effectively allows every page.
    pub fn allow_null(self, allow: bool) -> Self {
        self.with(|rules| rules.allow_null = allow)
    }

    /// Allows pages of all origins and ignores the value of `Origin`. [`hosts`](Self::hosts) and
    /// [`require_origin`](Self::require_origin) still apply.
    ///
    /// Cookies alone must then not authenticate a client: require a token that the page has to
    /// know, or set them `SameSite=Strict`, which still includes subdomains.
    pub fn allow_any(self) -> Self {
        self.with(|rules| rules.allow_any = true)
    }

    /// Sets whether to refuse requests without an `Origin`. Default: `false`, since only browsers
    /// have to send one (RFC 6455 §4.1).
    pub fn require_origin(self, require: bool) -> Self {
        self.with(|rules| rules.require_origin = require)
    }

    /// Sets whether clients reach the server over TLS, directly or through a proxy. Pages of the
    /// server's own origin must then use `https:`, otherwise `http:`, so that a forged `http:` page
    /// cannot open the sockets of an `https:` server. Default: unknown, both are accepted.
    pub fn secure(self, secure: bool) -> Self {
        self.with(|rules| rules.secure = Some(secure))
    }

    /// Sets the host names of the server, such as `["localhost", "127.0.0.1", "[::1]"]`. A
    /// handshake for another host is refused, whatever its origin. Default: any host. A second call
    /// replaces the list.
    ///
    /// A host without a port matches any port. `*.example.com` matches all subdomains.
    ///
    /// # Errors
    ///
    /// [`PatternError::Host`] with the first invalid host.
    pub fn hosts<I>(self, hosts: I) -> Result<Self, PatternError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let hosts = hosts.into_iter().map(|host| AuthorityPattern::parse(host.as_ref())).collect::<Result<_, _>>()?;
        Ok(self.with(|rules| rules.hosts = Some(hosts)))
    }

    /// Checks the head of a request, whether it is a handshake or not.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower_websocket::{Config, OriginGuard, upgrade};
    ///
    /// fn handle<B>(guard: &OriginGuard, mut request: Request<B>) -> Response<String> {
    ///     if let Err(refusal) = guard.check(&request) {
    ///         return refusal.to_response();
    ///     }
    ///     match upgrade(&mut request, &Config::server()) {
    ///         Ok((response, upgrade)) => {
    ///             tokio::spawn(async move {
    ///                 if let Ok(mut socket) = upgrade.await {
    ///                     let _ = socket.send("hello").await;
    ///                 }
    ///             });
    ///             response.map(|()| String::new())
    ///         }
    ///         Err(refusal) => refusal.to_response(),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The [`OriginRefusal`] to respond with.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), OriginRefusal> {
        let rules = &*self.0;
        rules.check_host(request)?;
        let mut origins = origins(request.headers());
        match (origins.next(), origins.next()) {
            (None, _) if rules.require_origin => Err(OriginRefusal::Missing),
            (None, _) => Ok(()),
            _ if rules.allow_any => Ok(()),
            (Some(origin), None) => rules.check_origin(origin, request),
            (Some(_), Some(_)) => Err(OriginRefusal::Several),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Rules {
    fn check_host<B>(&self, request: &Request<B>) -> Result<(), OriginRefusal> {
        let Some(hosts) = &self.hosts else {
            return Ok(());
        };
        let target = target_authority(request).ok_or(OriginRefusal::MalformedHost)?;
        let is_known = hosts.iter().any(|host| host.matches(&target, self.secure));
        if is_known { Ok(()) } else { Err(OriginRefusal::Host) }
    }

    fn check_origin<B>(&self, value: &HeaderValue, request: &Request<B>) -> Result<(), OriginRefusal> {
        let text = value.to_str().map_err(|_| OriginRefusal::Malformed)?.trim_matches([' ', '\t']);
        if text.contains([' ', ',']) {
            // RFC 6454 §7.1 allows lists separated by spaces, and joining headers separates them by
            // commas (RFC 9110 §5.3).
            return Err(OriginRefusal::Several);
        }
        if text == "null" {
            return if self.allow_null { Ok(()) } else { Err(OriginRefusal::Null) };
        }
        let origin = SerializedOrigin::parse(text).ok_or(OriginRefusal::Malformed)?;
        if self.origins.iter().any(|pattern| pattern.matches(&origin)) {
            return Ok(());
        }
        let target = target_authority(request).ok_or(OriginRefusal::MalformedHost)?;
        if origin.is_same(&target, self.secure) { Ok(()) } else { Err(OriginRefusal::CrossOrigin) }
    }
}

/// Returns the values of all headers for the origin.
fn origins(headers: &HeaderMap) -> impl Iterator<Item = &HeaderValue> {
    headers.get_all(header::ORIGIN).iter().chain(headers.get_all(SEC_WEBSOCKET_ORIGIN))
}
