use std::sync::Arc;

use http::Request;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::authority::{SerializedOrigin, target_authority};
use super::pattern::{AuthorityPattern, OriginPattern, PatternError};
use super::refusal::OriginRefusal;

/// Where hybi-7 and hybi-8 have the origin (draft-ietf-hybi-thewebsocketprotocol-07 §5.1, item 8).
const SEC_WEBSOCKET_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");

/// Says which pages may open WebSockets: those of the server's own origin, unless it is told otherwise. Cheap to clone: it
/// is one reference.
///
/// A browser lets any page open a WebSocket to any server, and sends that server's cookies along; CORS does not come into
/// it. What it does is to name the origin of the page, in a header that no script can change, for the server to judge (RFC
/// 6455 §10.2). A server that knows its users by cookies, or by the network they are in, must do that.
///
/// As a Tower layer it stands before [`WebSocketLayer`](crate::WebSocketLayer), an axum router or any other service. It
/// refuses WebSocket handshakes, with 403 and a line of text, and leaves the connection as it is; every other request goes
/// through untouched. The [`OriginRefusal`] is in the extensions of the response, so that outer layers can count or log
/// refusals. Elsewhere, ask [`check`](Self::check).
///
/// ```
/// use http::Request;
/// use tower::ServiceBuilder;
/// use tower_websocket::{OriginGuard, PatternError, WebSocket, WebSocketLayer};
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
/// # The server's own origin
///
/// A page is of the server's own origin where host and port are those that the request is meant for: of an absolute request
/// target, else of `:authority` (HTTP/2) or `Host`. Hosts are compared in any case, but not resolved: `localhost` and
/// `127.0.0.1` are two, and so are `example.com` and `example.com.`, as they are to browsers. A port that is left out is the
/// one of the origin's scheme, since the server cannot know whether something before it has ended TLS; set
/// [`secure`](Self::secure) where you know.
///
/// `Forwarded` and `X-Forwarded-Host` are not believed. Behind a proxy that puts another `Host` in, no page is of the
/// server's own origin: let the proxy keep it, or [`allow`](Self::allow) the public origin.
///
/// # Who else gets in
///
/// A request without an `Origin` comes from no browser, and could name any that it likes: it is let through, unless
/// [`require_origin`](Self::require_origin) is set. So this is no authentication: it keeps browsers from lending their
/// users' rights to the pages of others. In the drafts hybi-7 and hybi-8 the header is `Sec-WebSocket-Origin`; both are
/// looked at, whatever the version.
///
/// # Tools on localhost
///
/// A page whose name resolves to 127.0.0.1, after a moment, is of the same origin as a server there (DNS rebinding). What
/// it cannot do is to change the `Host`, so servers that are protected by their address alone should name
/// [`hosts`](Self::hosts). The plain HTTP of such a server needs the same, which is not done here.
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
    /// Lets in the server's own pages, and whoever is no browser.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets in the pages of other origins, too. It may be called several times.
    ///
    /// | pattern | for |
    /// |---|---|
    /// | `https://example.com` | this scheme, host and port, 443 |
    /// | `http://localhost:3000` | as above, port 3000 |
    /// | `http://localhost:*` | any port |
    /// | `https://*.example.com` | all names below it, as `a.example.com` and `b.a.example.com`, but not itself |
    /// | `chrome-extension://<id>` | an extension, and likewise the schemes of applications |
    /// | `file://` | local files, in the WebViews that do not say `null` |
    ///
    /// Schemes and names count in any case. A subdomain is as trusted as what runs on it, or on what its DNS entry was left
    /// pointing at.
    ///
    /// # Errors
    ///
    /// [`PatternError`] where it is none of these: a `*` elsewhere, a path, even `/`, a user, a name that is not ASCII.
    pub fn allow(self, pattern: &str) -> Result<Self, PatternError> {
        let pattern = OriginPattern::parse(pattern)?;
        Ok(self.with(|rules| rules.origins.push(pattern)))
    }

    /// Whether to let in `Origin: null`: not by default. It is what local files have, and sandboxed frames, which any page
    /// can make: it lets in everybody.
    pub fn allow_null(self, allow: bool) -> Self {
        self.with(|rules| rules.allow_null = allow)
    }

    /// Lets in the pages of all origins, and does not look at what `Origin` says. [`hosts`](Self::hosts) and
    /// [`require_origin`](Self::require_origin) still hold.
    ///
    /// Cookies alone must then prove nothing: ask for a token that the page has to know, or set them `SameSite=Strict`,
    /// which still lets subdomains use them.
    pub fn allow_any(self) -> Self {
        self.with(|rules| rules.allow_any = true)
    }

    /// Whether to refuse requests without an `Origin`: not by default, since only browsers have to send one (RFC 6455 §4.1).
    pub fn require_origin(self, require: bool) -> Self {
        self.with(|rules| rules.require_origin = require)
    }

    /// Whether clients reach the server over TLS, directly or through a proxy. The server's own pages must then be of
    /// `https:`, or else of `http:`, so that nobody who forges a page of `http:` gets into the sockets of `https:`. By
    /// default that is not known, and either will do.
    pub fn secure(self, secure: bool) -> Self {
        self.with(|rules| rules.secure = Some(secure))
    }

    /// Sets the hosts that the server is called by, such as `["localhost", "127.0.0.1", "[::1]"]`: a handshake for another
    /// host is refused, whatever its origin. By default any host will do. Called again, it replaces the list.
    ///
    /// A host may have a port, and is of any port where it has none. `*.example.com` stands for all names below it.
    ///
    /// # Errors
    ///
    /// [`PatternError::Host`] with the first that is none.
    pub fn hosts<I>(self, hosts: I) -> Result<Self, PatternError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let hosts = hosts.into_iter().map(|host| AuthorityPattern::parse(host.as_ref())).collect::<Result<_, _>>()?;
        Ok(self.with(|rules| rules.hosts = Some(hosts)))
    }

    /// Judges a request, whether it is a handshake or not, by nothing but its head.
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
    /// Why it is to be refused, as a response to send.
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
            // RFC 6454 §7.1 has lists, by spaces, and whoever joins headers does it by commas (RFC 9110 §5.3).
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

/// All that the headers have for an origin.
fn origins(headers: &HeaderMap) -> impl Iterator<Item = &HeaderValue> {
    headers.get_all(header::ORIGIN).iter().chain(headers.get_all(SEC_WEBSOCKET_ORIGIN))
}
