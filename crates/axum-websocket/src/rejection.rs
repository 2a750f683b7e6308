//! The rejections of [`WebSocketUpgrade`](crate::WebSocketUpgrade): one type per reason.
//!
//! Each becomes a response with a line of plain text: 405 for a wrong method, 426 for an
//! unsupported version, 500 if the server is misconfigured, 503 if it is shutting down or at
//! capacity, and 400 otherwise. [`OriginRejection`], [`TokenRejection`] and [`LimitRejection`] are
//! separate. The rejection is in the extensions of the response, for layers that count or log
//! rejections.

use std::error::Error;
use std::fmt;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tower_websocket::limit::TooManyConnections;
use tower_websocket::origin::OriginRefusal;
use tower_websocket::server::{HandshakeError, UpgradeRefusal};

macro_rules! rejections {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(UpgradeRefusal);

            impl $name {
                /// Returns the status of the response.
                pub fn status(&self) -> StatusCode {
                    self.0.status()
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    // The type already states that the handshake is refused, so the text is the
                    // reason.
                    match &self.0 {
                        UpgradeRefusal::Handshake { error, .. } => error.fmt(f),
                        refusal => refusal.fmt(f),
                    }
                }
            }

            impl Error for $name {
                fn source(&self) -> Option<&(dyn Error + 'static)> {
                    match &self.0 {
                        UpgradeRefusal::Handshake { error, .. } => error.source(),
                        refusal => refusal.source(),
                    }
                }
            }

            impl IntoResponse for $name {
                fn into_response(self) -> Response {
                    WebSocketUpgradeRejection::$name(self).into_response()
                }
            }
        )*

        /// The rejection of [`WebSocketUpgrade`](crate::WebSocketUpgrade): the reason why a request
        /// is not accepted.
        ///
        /// It is in the extensions of the response, so that outer layers can count rejections:
        ///
        /// ```
        /// use axum_core::response::Response;
        /// use axum_websocket::rejection::WebSocketUpgradeRejection;
        ///
        /// fn count(response: &Response) {
        ///     if let Some(rejection) = response.extensions().get::<WebSocketUpgradeRejection>() {
        ///         println!("no WebSocket: {rejection}");
        ///     }
        /// }
        /// ```
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum WebSocketUpgradeRejection {
            $(
                #[allow(missing_docs, reason = "documented at the type of the same name")]
                #[error(transparent)]
                $name(#[from] $name),
            )*
        }

        impl WebSocketUpgradeRejection {
            /// Returns the status of the response.
            pub fn status(&self) -> StatusCode {
                match self {
                    $(Self::$name(rejection) => rejection.status(),)*
                }
            }

            fn refusal(&self) -> &UpgradeRefusal {
                match self {
                    $(Self::$name(rejection) => &rejection.0,)*
                }
            }
        }

        impl IntoResponse for WebSocketUpgradeRejection {
            fn into_response(self) -> Response {
                let mut response = self.refusal().to_response().map(Body::from);
                response.extensions_mut().insert(self);
                response
            }
        }
    };
}

rejections! {
    /// The method is not GET, or CONNECT on HTTP/2 (RFC 9110 §15.5.6): 405.
    MethodNotGet,
    /// The request is HTTP/1.0, which has no upgrades.
    HttpVersionNotSupported,
    /// No `Connection` header contains `upgrade`.
    InvalidConnectionHeader,
    /// No `Upgrade` header contains `websocket`.
    InvalidUpgradeHeader,
    /// The pseudo-header `:protocol` of an HTTP/2 request is not `websocket`.
    InvalidProtocolPseudoheader,
    /// The `Host` header is missing or malformed, or on HTTP/2 differs from `:authority` (RFC 9113
    /// §8.3.1).
    InvalidHostHeader,
    /// `Sec-WebSocket-Version` is not supported.
    InvalidWebSocketVersionHeader,
    /// `Sec-WebSocket-Key` is missing.
    WebSocketKeyHeaderMissing,
    /// `Sec-WebSocket-Key`, or one of the two of hixie-76, is malformed.
    InvalidWebSocketKeyHeader,
    /// `Sec-WebSocket-Protocol` is malformed.
    InvalidWebSocketProtocolHeader,
    /// `Sec-WebSocket-Extensions` is malformed (RFC 6455 §9.1).
    InvalidWebSocketExtensionsHeader,
    /// The head of the request exceeds `Config::max_head_size` or `Config::max_headers`. It is the
    /// response of [`on_upgrade`](crate::WebSocketUpgrade::on_upgrade), which knows the
    /// configuration, and not a rejection of the extractor.
    RequestHeadTooLarge,
    /// The request declares a body, which a handshake does not have. A hixie-76 handshake may have
    /// one, but only [`WebSocketLayer`](https://docs.rs/tower-websocket) can read it.
    BodyNotSupported,
    /// hyper's upgrade is missing: a middleware dropped the request's extensions, or the server is
    /// not hyper.
    ConnectionNotUpgradable,
    /// The `Budget` of the server is used up: 503, with `Retry-After`. It is the response of
    /// [`on_upgrade`](crate::WebSocketUpgrade::on_upgrade), which knows the configuration, and not
    /// a rejection of the extractor.
    ServerAtCapacity,
    /// The [`Shutdown`](crate::Shutdown) of the server has begun.
    ServerShuttingDown,
}

impl From<UpgradeRefusal> for WebSocketUpgradeRejection {
    fn from(refusal: UpgradeRefusal) -> Self {
        let UpgradeRefusal::Handshake { error, is_http1 } = refusal else {
            return match refusal {
                UpgradeRefusal::DeclaredBody => BodyNotSupported(refusal).into(),
                UpgradeRefusal::ShuttingDown => ServerShuttingDown(refusal).into(),
                _ => ConnectionNotUpgradable(refusal).into(),
            };
        };
        let refusal = UpgradeRefusal::Handshake { error: error.clone(), is_http1 };
        match error {
            HandshakeError::Method => MethodNotGet(refusal).into(),
            HandshakeError::HttpVersion => HttpVersionNotSupported(refusal).into(),
            HandshakeError::Connection => InvalidConnectionHeader(refusal).into(),
            HandshakeError::Upgrade if !is_http1 => InvalidProtocolPseudoheader(refusal).into(),
            HandshakeError::Upgrade => InvalidUpgradeHeader(refusal).into(),
            HandshakeError::UnsupportedVersion { .. } => InvalidWebSocketVersionHeader(refusal).into(),
            HandshakeError::MissingKey => WebSocketKeyHeaderMissing(refusal).into(),
            HandshakeError::InvalidKey | HandshakeError::InvalidHixieKey => InvalidWebSocketKeyHeader(refusal).into(),
            HandshakeError::InvalidProtocol => InvalidWebSocketProtocolHeader(refusal).into(),
            HandshakeError::Body => BodyNotSupported(refusal).into(),
            HandshakeError::Host => InvalidHostHeader(refusal).into(),
            HandshakeError::InvalidExtensions(_) => InvalidWebSocketExtensionsHeader(refusal).into(),
            HandshakeError::Head(_) => RequestHeadTooLarge(refusal).into(),
            HandshakeError::Busy { .. } => ServerAtCapacity(refusal).into(),
            // Errors of other operations, which do not occur here.
            _ => ConnectionNotUpgradable(refusal).into(),
        }
    }
}

/// The rejection of an [`OriginGuard`](crate::OriginGuard): 403, or 400 if `Host` is malformed,
/// with a line of plain text.
///
/// It is in the extensions of the response, so that outer layers can count rejections.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct OriginRejection(#[from] OriginRefusal);

impl OriginRejection {
    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Returns the reason.
    #[must_use]
    pub fn refusal(&self) -> OriginRefusal {
        self.0
    }
}

impl IntoResponse for OriginRejection {
    fn into_response(self) -> Response {
        let mut response = self.0.to_response().map(Body::from);
        response.extensions_mut().insert(self);
        response
    }
}

/// The rejection of a [`ConnectionLimit`](crate::limit::ConnectionLimit): 429, with `Retry-After`
/// (RFC 6585 §4).
///
/// The response has it in its extensions, so that outer layers can count rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct LimitRejection(#[from] TooManyConnections);

impl IntoResponse for LimitRejection {
    fn into_response(self) -> Response {
        let mut response = self.0.to_response().map(Body::from);
        response.extensions_mut().insert(self);
        response
    }
}

/// The reason why a request is not authorized: the rejection of a [`Token`](crate::Token), or the
/// answer of the application to a token that it does not accept.
///
/// The response has a `WWW-Authenticate` header with the error code of RFC 6750 §3, and the
/// rejection in its extensions, so that outer layers can count rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRejection {
    /// The request has no token in any of the [`TokenSources`](crate::TokenSources): 401.
    #[error("missing token")]
    Missing,
    /// The token is malformed, or a source has more than one: 400.
    #[error("malformed token")]
    Malformed,
    /// The application does not know the token, or it has expired or was revoked: 401.
    #[error("invalid token")]
    Invalid,
    /// The token is valid, and does not permit this: 403.
    #[error("insufficient permission")]
    Forbidden,
}

impl TokenRejection {
    /// Returns the status of the response (RFC 6750 §3.1).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }
}

impl IntoResponse for TokenRejection {
    fn into_response(self) -> Response {
        let challenge = match self {
            // RFC 6750 §3.1: no error code if the request has no authentication information.
            Self::Missing => "Bearer",
            Self::Malformed => "Bearer error=\"invalid_request\"",
            Self::Invalid => "Bearer error=\"invalid_token\"",
            Self::Forbidden => "Bearer error=\"insufficient_scope\"",
        };
        let mut response = Response::new(Body::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response.extensions_mut().insert(self);
        response
    }
}
