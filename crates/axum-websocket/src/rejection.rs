//! Why [`WebSocketUpgrade`](crate::WebSocketUpgrade) rejects a request: one type per reason.
//!
//! Each answers with a status and a line of plain text: 405 for a wrong method, 426 for a version that is not spoken, 500 when
//! the server is set up wrong, 503 when it is shutting down or at capacity, and 400 otherwise. [`OriginRejection`] is separate:
//! 403.

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use tower_websocket::{HandshakeError, OriginRefusal, UpgradeRefusal};

macro_rules! rejections {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
            #[error(transparent)]
            pub struct $name(UpgradeRefusal);

            impl $name {
                /// The status of the answer.
                pub fn status(&self) -> StatusCode {
                    self.0.status()
                }
            }

            impl IntoResponse for $name {
                fn into_response(self) -> Response {
                    self.0.to_response().map(Body::from)
                }
            }
        )*

        /// The rejection of [`WebSocketUpgrade`](crate::WebSocketUpgrade): why a request cannot have a WebSocket.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum WebSocketUpgradeRejection {
            $(
                #[allow(missing_docs, reason = "the type of the same name says it")]
                #[error(transparent)]
                $name(#[from] $name),
            )*
        }

        impl WebSocketUpgradeRejection {
            /// The status of the answer.
            pub fn status(&self) -> StatusCode {
                match self {
                    $(Self::$name(rejection) => rejection.status(),)*
                }
            }
        }

        impl IntoResponse for WebSocketUpgradeRejection {
            fn into_response(self) -> Response {
                match self {
                    $(Self::$name(rejection) => rejection.into_response(),)*
                }
            }
        }
    };
}

rejections! {
    /// The method is not GET, or CONNECT on HTTP/2 (RFC 9110 §15.5.6): 405.
    MethodNotGet,
    /// The request is of HTTP/1.0, which has no upgrades.
    HttpVersionNotSupported,
    /// No `Connection` header names `upgrade`.
    InvalidConnectionHeader,
    /// No `Upgrade` header names `websocket`.
    InvalidUpgradeHeader,
    /// The pseudo-header `:protocol` of an HTTP/2 request is not `websocket`.
    InvalidProtocolPseudoheader,
    /// The `Host` header is missing or malformed, or on HTTP/2 differs from `:authority` (RFC 9113 §8.3.1).
    InvalidHostHeader,
    /// The `Sec-WebSocket-Version` is not one that is spoken.
    InvalidWebSocketVersionHeader,
    /// `Sec-WebSocket-Key` is missing.
    WebSocketKeyHeaderMissing,
    /// `Sec-WebSocket-Key`, or one of the two of hixie-76, is malformed.
    InvalidWebSocketKeyHeader,
    /// `Sec-WebSocket-Protocol` is malformed.
    InvalidWebSocketProtocolHeader,
    /// `Sec-WebSocket-Extensions` is malformed (RFC 6455 §9.1).
    InvalidWebSocketExtensionsHeader,
    /// The head of the request exceeds `Config::max_head_size` or `Config::max_headers`. It is the response of
    /// [`on_upgrade`](crate::WebSocketUpgrade::on_upgrade), which knows the configuration, and not a rejection of the extractor.
    RequestHeadTooLarge,
    /// The request declares a body, which a handshake does not have. A hixie-76 handshake may have one, but only
    /// [`WebSocketLayer`](https://docs.rs/tower-websocket) can read it.
    BodyNotSupported,
    /// hyper's upgrade is missing: a middleware has dropped the request's extensions, or the server is not hyper.
    ConnectionNotUpgradable,
    /// The `Budget` of the server is used up: 503, with `Retry-After`. It is the response of
    /// [`on_upgrade`](crate::WebSocketUpgrade::on_upgrade), which knows the configuration, and not a rejection of the extractor.
    ServerAtCapacity,
    /// The server is about to end: see `tower_websocket::Shutdown`.
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
            // The errors of other commands than accepting a request, which do not occur here.
            _ => ConnectionNotUpgradable(refusal).into(),
        }
    }
}

/// The [`OriginGuard`](crate::OriginGuard) lets nobody open a WebSocket by this request. The answer is 403, or 400 where the
/// `Host` is malformed, and a line of plain text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct OriginRejection(#[from] OriginRefusal);

impl OriginRejection {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Why.
    pub fn refusal(&self) -> OriginRefusal {
        self.0
    }
}

impl IntoResponse for OriginRejection {
    fn into_response(self) -> Response {
        self.0.to_response().map(Body::from)
    }
}
