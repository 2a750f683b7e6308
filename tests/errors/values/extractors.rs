//! The errors of `axum-websocket`.

use axum::extract::FromRequestParts;
use axum_websocket::rejection::{self, WebSocketUpgradeRejection};
use futures_util::FutureExt;
use http::Request;
use tower_websocket::origin::OriginRefusal;
use tower_websocket::server::UpgradeRefusal;
use websocket_driver::{HandshakeError, HeadError};

use super::sockets::{refusal, too_many};
use super::{Checked, header_error};

pub(super) fn all() -> impl Iterator<Item = Vec<Checked>> {
    [rejections(), extractors(), axum_shapes()].into_iter()
}

/// Both the type and the variant of each rejection, from the refusal that it wraps.
macro_rules! rejected {
    ($($name:ident from $refusal:expr, because $cause:expr;)*) => {
        [$({
            let both = WebSocketUpgradeRejection::from($refusal);
            let WebSocketUpgradeRejection::$name(one) = both.clone() else { panic!("{both:?}") };
            [
                Checked { name: stringify!($name), error: Box::new(one), cause: Some(Box::new($cause)) },
                Checked {
                    name: concat!("WebSocketUpgradeRejection::", stringify!($name)),
                    error: Box::new(both),
                    cause: Some(Box::new($cause)),
                },
            ]
        },)*].into_iter().flatten().collect()
    };
}

fn rejections() -> Vec<Checked> {
    use HandshakeError as E;
    let http2 = UpgradeRefusal::Handshake { error: E::Upgrade, is_http1: false };
    let version = || E::UnsupportedVersion { supported: "13" };
    rejected! {
        MethodNotGet from refusal(E::Method), because E::Method;
        HttpVersionNotSupported from refusal(E::HttpVersion), because E::HttpVersion;
        InvalidConnectionHeader from refusal(E::Connection), because E::Connection;
        InvalidUpgradeHeader from refusal(E::Upgrade), because E::Upgrade;
        InvalidProtocolPseudoheader from http2, because E::Upgrade;
        InvalidHostHeader from refusal(E::Host), because E::Host;
        InvalidWebSocketVersionHeader from refusal(version()), because version();
        WebSocketKeyHeaderMissing from refusal(E::MissingKey), because E::MissingKey;
        InvalidWebSocketKeyHeader from refusal(E::InvalidKey), because E::InvalidKey;
        InvalidWebSocketProtocolHeader from refusal(E::InvalidProtocol), because E::InvalidProtocol;
        InvalidWebSocketExtensionsHeader from refusal(header_error().into()), because header_error();
        RequestHeadTooLarge from refusal(HeadError::Malformed.into()), because HeadError::Malformed;
        BodyNotSupported from UpgradeRefusal::DeclaredBody, because UpgradeRefusal::DeclaredBody;
        ConnectionNotUpgradable from UpgradeRefusal::NotUpgradable, because UpgradeRefusal::NotUpgradable;
        ServerAtCapacity from refusal(E::Busy { retry_after: 1 }), because E::Busy { retry_after: 1 };
        ServerShuttingDown from UpgradeRefusal::ShuttingDown, because UpgradeRefusal::ShuttingDown;
    }
}

/// Returns the errors that only `axum_websocket::ws` has.
fn axum_shapes() -> Vec<Checked> {
    use axum_websocket::ws::rejection::WebSocketUpgradeRejection as Rejection;

    let rejected = |request: http::request::Builder| {
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let extracted = axum_websocket::ws::WebSocketUpgrade::from_request_parts(&mut parts, &());
        extracted.now_or_never().expect("at once").expect_err("a rejection")
    };
    let method = rejected(Request::get("/").version(http::Version::HTTP_2));
    let Rejection::MethodNotConnect(not_connect) = method.clone() else { panic!("{method:?}") };
    let handshake = Request::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    let other = rejected(handshake.header("sec-websocket-version", "13"));
    let Rejection::OtherRejection(no_host) = other.clone() else { panic!("{other:?}") };
    checked! {
        MethodNotConnect = not_connect, because HandshakeError::Method;
        WebSocketUpgradeRejection::MethodNotConnect = method, because HandshakeError::Method;
        OtherRejection = no_host, because HandshakeError::Host;
        WebSocketUpgradeRejection::OtherRejection = other, because HandshakeError::Host;
    }
}

fn extractors() -> Vec<Checked> {
    checked! {
        OriginRejection = rejection::OriginRejection::from(OriginRefusal::Null), because OriginRefusal::Null;
        LimitRejection = rejection::LimitRejection::from(too_many());
        TokenRejection::Missing = rejection::TokenRejection::Missing;
        TokenRejection::Malformed = rejection::TokenRejection::Malformed;
        TokenRejection::Invalid = rejection::TokenRejection::Invalid;
        TokenRejection::Forbidden = rejection::TokenRejection::Forbidden;
    }
}
