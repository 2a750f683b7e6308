//! The reasons why [`WebSocketUpgrade`](super::WebSocketUpgrade) rejects a request, with the names
//! of axum.
//!
//! The responses are those of the [native rejections](crate::rejection), which follow RFC 9110 and
//! RFC 6455: 426 for an unsupported version, for which axum responds with 400; 400 for HTTP/1.0 and
//! 500 for a server that cannot upgrade, for which axum responds with 426.

use axum_core::response::{IntoResponse, Response};
use http::{StatusCode, Version};

use crate::rejection::WebSocketUpgradeRejection as NativeRejection;

macro_rules! rejections {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
            #[error(transparent)]
            pub struct $name(NativeRejection);

            impl $name {
                /// Returns the text of the response.
                pub fn body_text(&self) -> String {
                    self.0.to_string()
                }

                /// Returns the status of the response.
                pub fn status(&self) -> StatusCode {
                    self.0.status()
                }

                /// Returns the native rejection, which is more precise.
                pub fn native(&self) -> &NativeRejection {
                    &self.0
                }
            }

            impl IntoResponse for $name {
                fn into_response(self) -> Response {
                    self.0.into_response()
                }
            }
        )*

        /// The rejection of [`WebSocketUpgrade`](super::WebSocketUpgrade).
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
            /// Returns the text of the response.
            pub fn body_text(&self) -> String {
                self.native().to_string()
            }

            /// Returns the status of the response.
            pub fn status(&self) -> StatusCode {
                self.native().status()
            }

            /// Returns the native rejection, which is more precise.
            pub fn native(&self) -> &NativeRejection {
                match self {
                    $(Self::$name(rejection) => rejection.native(),)*
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
    /// The method of an HTTP/1.1 request is not GET: 405.
    MethodNotGet,
    /// The method of an HTTP/2 request is not CONNECT: 405.
    MethodNotConnect,
    /// No `Connection` header contains `upgrade`: 400.
    InvalidConnectionHeader,
    /// No `Upgrade` header contains `websocket`: 400.
    InvalidUpgradeHeader,
    /// The pseudo-header `:protocol` of an HTTP/2 request is not `websocket`: 400.
    InvalidProtocolPseudoheader,
    /// The `Sec-WebSocket-Version` is not supported: 426.
    InvalidWebSocketVersionHeader,
    /// `Sec-WebSocket-Key` is missing: 400.
    WebSocketKeyHeaderMissing,
    /// The connection cannot be upgraded: the request is HTTP/1.0 (400), or hyper's upgrade is
    /// missing (500).
    ConnectionNotUpgradable,
    /// Any other reason, which axum does not check. [`native`](Self::native) returns it.
    OtherRejection,
}

impl WebSocketUpgradeRejection {
    pub(super) fn new(native: NativeRejection, version: Version) -> Self {
        match native {
            NativeRejection::MethodNotGet(_) if version >= Version::HTTP_2 => MethodNotConnect(native).into(),
            NativeRejection::MethodNotGet(_) => MethodNotGet(native).into(),
            NativeRejection::InvalidConnectionHeader(_) => InvalidConnectionHeader(native).into(),
            NativeRejection::InvalidUpgradeHeader(_) => InvalidUpgradeHeader(native).into(),
            NativeRejection::InvalidProtocolPseudoheader(_) => InvalidProtocolPseudoheader(native).into(),
            NativeRejection::InvalidWebSocketVersionHeader(_) => InvalidWebSocketVersionHeader(native).into(),
            NativeRejection::WebSocketKeyHeaderMissing(_) => WebSocketKeyHeaderMissing(native).into(),
            NativeRejection::HttpVersionNotSupported(_) | NativeRejection::ConnectionNotUpgradable(_) => {
                ConnectionNotUpgradable(native).into()
            }
            _ => OtherRejection(native).into(),
        }
    }
}
