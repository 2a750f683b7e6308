//! The errors of `tower-websocket`.

use futures_util::FutureExt;
use http::{Request, Uri};
use tower_websocket::client::ConnectError;
use tower_websocket::error::AbnormalEnd;
use tower_websocket::limit::{ConnectionLimit, TooManyConnections};
use tower_websocket::origin::{OriginRefusal, PatternError};
use tower_websocket::server::{AcceptError, PlainHttp, UpgradeError, UpgradeRefusal};
use tower_websocket::typed::{DecodeError, EncodeError, TypedError};
use tower_websocket::{CloseCause, Error};
use websocket_driver::{HandshakeError, ProtocolError, ProxyError, ResponseFault, SendError, UrlError, UsageError};

use super::{Checked, broken_pipe, response_error};

pub(super) fn all() -> impl Iterator<Item = Vec<Checked>> {
    [sockets(), handshakes(), connecting(), origins()].into_iter()
}

fn sockets() -> Vec<Checked> {
    checked! {
        Error::Io = Error::Io(broken_pipe()), because broken_pipe();
        Error::Protocol = Error::Protocol(ProtocolError::ReservedBits), because ProtocolError::ReservedBits;
        AbnormalEnd = AbnormalEnd::from(CloseCause::Reset);
        Error::Interrupted = Error::Interrupted;
        Error::NoPong = Error::NoPong;
        Error::Send = Error::Send(SendError::Closed), because SendError::Closed;
        TypedError::Socket = TypedError::from(Error::NoPong);
        TypedError::Decode = TypedError::from(DecodeError::invalid_data(ResponseFault::Ended)), because ResponseFault::Ended;
        TypedError::Encode = TypedError::from(EncodeError::new(ResponseFault::Ended)), because ResponseFault::Ended;
        DecodeError = DecodeError::invalid_data(ResponseFault::Ended), because ResponseFault::Ended;
        EncodeError = EncodeError::new(ResponseFault::Ended), because ResponseFault::Ended;
    }
}

fn handshakes() -> Vec<Checked> {
    type Accepting = AcceptError<()>;
    let plain = || PlainHttp { request: Request::new(()), io: (), read: Default::default() };
    let refused = || ProtocolError::from(HandshakeError::Method);
    checked! {
        AcceptError::PlainHttp = Accepting::PlainHttp(Box::new(plain()));
        AcceptError::Refused = Accepting::Refused(refused()), because refused();
        AcceptError::TimedOut = Accepting::TimedOut;
        AcceptError::Io = Accepting::Io(broken_pipe()), because broken_pipe();
        UpgradeRefusal::Handshake = refusal(HandshakeError::Method), because HandshakeError::Method;
        UpgradeRefusal::NotUpgradable = UpgradeRefusal::NotUpgradable;
        UpgradeRefusal::DeclaredBody = UpgradeRefusal::DeclaredBody;
        UpgradeRefusal::ShuttingDown = UpgradeRefusal::ShuttingDown;
        UpgradeError::Hyper = UpgradeError::Hyper(not_upgraded()), because not_upgraded();
        UpgradeError::Body = UpgradeError::Body;
        UpgradeError::TimedOut = UpgradeError::TimedOut;
        UpgradeError::Io = UpgradeError::Io(broken_pipe()), because broken_pipe();
    }
}

fn connecting() -> Vec<Checked> {
    use ConnectError as E;
    let host = || "example.com".to_owned();
    let refused = || ProtocolError::from(response_error());
    checked! {
        ConnectError::Url = E::Url(UrlError::Host), because UrlError::Host;
        ConnectError::Protocol = E::Protocol("a b".into());
        ConnectError::MalformedUrl = E::MalformedUrl(http_error()), because http_error();
        ConnectError::MalformedHeader = E::MalformedHeader(http_error()), because http_error();
        ConnectError::Header = E::Header(UsageError::AlreadyAnswered), because UsageError::AlreadyAnswered;
        ConnectError::Io = E::Io { host: host(), error: broken_pipe() }, because broken_pipe();
        ConnectError::Tls = E::Tls { host: host(), error: broken_pipe() }, because broken_pipe();
        ConnectError::NoTls = E::NoTls;
        ConnectError::NoRoots = E::NoRoots { reason: "no certificates".into() };
        ConnectError::NoHttp2 = E::NoHttp2 { host: host() };
        ConnectError::NoExtendedConnect = E::NoExtendedConnect { host: host() };
        ConnectError::OtherServer = E::OtherServer { connected: host() };
        ConnectError::ProxyFromEnv = E::ProxyFromEnv { variable: "http_proxy", problem: "malformed URL".into() };
        ConnectError::Proxy = E::Proxy(ProxyError::Ended), because ProxyError::Ended;
        ConnectError::Refused = E::Refused(refused()), because refused();
        ConnectError::ShuttingDown = E::ShuttingDown;
        ConnectError::TimedOut = E::TimedOut;
    }
}

fn origins() -> Vec<Checked> {
    checked! {
        OriginRefusal::CrossOrigin = OriginRefusal::CrossOrigin;
        OriginRefusal::Null = OriginRefusal::Null;
        OriginRefusal::Missing = OriginRefusal::Missing;
        OriginRefusal::Malformed = OriginRefusal::Malformed;
        OriginRefusal::Several = OriginRefusal::Several;
        OriginRefusal::Host = OriginRefusal::Host;
        OriginRefusal::MalformedHost = OriginRefusal::MalformedHost;
        TooManyConnections = too_many();
        PatternError::Origin = PatternError::Origin("x".into());
        PatternError::Null = PatternError::Null;
        PatternError::Wildcard = PatternError::Wildcard("*".into());
        PatternError::Host = PatternError::Host("a b".into());
    }
}

pub(super) fn too_many() -> TooManyConnections {
    ConnectionLimit::new(0).acquire(()).expect_err("none is allowed")
}

pub(super) fn refusal(error: HandshakeError) -> UpgradeRefusal {
    UpgradeRefusal::Handshake { error, is_http1: true }
}

fn not_upgraded() -> hyper::Error {
    hyper::upgrade::on(Request::new(())).now_or_never().expect("at once").expect_err("not upgraded")
}

fn http_error() -> http::Error {
    "a b".parse::<Uri>().expect_err("no URL").into()
}
