//! One value of each public error, with its cause.

use std::error::Error as StdError;
use std::io;

use axum::extract::FromRequestParts;
use axum_websocket::rejection::{self, WebSocketUpgradeRejection};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, Request, StatusCode, Uri};
use permessage_deflate::WindowBits;
use tower_websocket::client::ConnectError;
use tower_websocket::error::AbnormalEnd;
use tower_websocket::limit::{ConnectionLimit, TooManyConnections};
use tower_websocket::origin::{OriginRefusal, PatternError};
use tower_websocket::server::{AcceptError, PlainHttp, UpgradeError, UpgradeRefusal};
use tower_websocket::typed::{DecodeError, EncodeError, TypedError};
use tower_websocket::{CloseCause, Error};
use websocket_driver::extensions::{
    DuplicateExtension, ExtensionError, ExtensionFault, Extensions, HeaderError, parse_header,
};
use websocket_driver::{
    ClientError, CloseCode, HandshakeError, HeadError, InvalidUtf8, ProtocolError, ProxyError, ResponseError,
    ResponseFault, SendError, UrlError, UsageError, Utf8Bytes,
};

pub(crate) struct Checked {
    pub(crate) name: &'static str,
    pub(crate) error: Box<dyn StdError>,
    /// The cause, if there is one.
    pub(crate) cause: Option<Box<dyn StdError>>,
}

macro_rules! checked {
    ($($type:ident $(:: $variant:ident)? = $error:expr $(, because $cause:expr)?;)*) => {
        vec![$(Checked {
            name: concat!(stringify!($type) $(, "::", stringify!($variant))?),
            error: Box::new($error),
            cause: None $(.or(Some(Box::new($cause) as Box<dyn StdError>)))?,
        },)*]
    };
}

pub(crate) fn all() -> Vec<Checked> {
    let parts =
        [extensions(), driver_peers(), driver_calls(), client_responses(), sockets(), handshakes(), connecting()];
    let more = [origins(), rejections(), axum_shapes(), hub(), hub_redis(), hub_nats()];
    parts.into_iter().chain(more).flatten().collect()
}

fn header_error() -> HeaderError {
    parse_header([b";".as_slice()]).expect_err("no header")
}

fn extension_error() -> ExtensionError {
    ExtensionError::new("x", ExtensionFault::Unknown)
}

fn response_error() -> ResponseError {
    ResponseError::new(ResponseFault::Ended)
}

fn http_error() -> http::Error {
    "a b".parse::<Uri>().expect_err("no URL").into()
}

fn broken_pipe() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

fn not_upgraded() -> hyper::Error {
    hyper::upgrade::on(Request::new(())).now_or_never().expect("at once").expect_err("not upgraded")
}

fn duplicate() -> DuplicateExtension {
    let mut extensions = Extensions::new();
    let mut register = || extensions.register(permessage_deflate::PermessageDeflate::new());
    register().expect("the first");
    register().expect_err("the second")
}

fn extensions() -> Vec<Checked> {
    checked! {
        ExtensionError = extension_error(), because ExtensionFault::Unknown;
        ExtensionFault::Unknown = ExtensionFault::Unknown;
        ExtensionFault::NotOffered = ExtensionFault::NotOffered;
        ExtensionFault::RsvConflict = ExtensionFault::RsvConflict { other: "x".into() };
        ExtensionFault::Parameter = ExtensionFault::Parameter { name: "a".into(), value: Some("1".into()) };
        ExtensionFault::MessageTooBig = ExtensionFault::MessageTooBig { limit: 1 };
        ExtensionFault::InvalidUtf8 = ExtensionFault::InvalidUtf8;
        ExtensionFault::InvalidData = ExtensionFault::InvalidData("truncated data");
        ExtensionFault::Encode = ExtensionFault::Encode("out of memory");
        HeaderError = header_error();
        DuplicateExtension = duplicate();
        InvalidWindowBits = "16".parse::<WindowBits>().expect_err("too many");
    }
}

fn driver_peers() -> Vec<Checked> {
    use ProtocolError as E;
    checked! {
        ProtocolError::ReservedBits = E::ReservedBits;
        ProtocolError::UnknownOpcode = E::UnknownOpcode(3);
        ProtocolError::FragmentedControl = E::FragmentedControl;
        ProtocolError::ControlTooLong = E::ControlTooLong;
        ProtocolError::MaskedFrame = E::MaskedFrame;
        ProtocolError::UnmaskedFrame = E::UnmaskedFrame;
        ProtocolError::LengthNotMinimal = E::LengthNotMinimal;
        ProtocolError::LengthTopBit = E::LengthTopBit;
        ProtocolError::UnexpectedContinuation = E::UnexpectedContinuation;
        ProtocolError::ExpectedContinuation = E::ExpectedContinuation;
        ProtocolError::InvalidUtf8 = E::InvalidUtf8;
        ProtocolError::TruncatedCloseCode = E::TruncatedCloseCode;
        ProtocolError::InvalidCloseCode = E::InvalidCloseCode(CloseCode::ABNORMAL);
        ProtocolError::InvalidCloseReason = E::InvalidCloseReason;
        ProtocolError::FrameTooBig = E::FrameTooBig { size: 2, limit: 1 };
        ProtocolError::MessageTooBig = E::MessageTooBig { size: 2, limit: 1 };
        ProtocolError::TooManyFragments = E::TooManyFragments { limit: 1 };
        ProtocolError::TooMuchMemory = E::TooMuchMemory { size: 2, limit: 1 };
        ProtocolError::TooManyFrames = E::TooManyFrames { limit: 1 };
        ProtocolError::TooManyControlFrames = E::TooManyControlFrames { limit: 1 };
        ProtocolError::LengthUnterminated = E::LengthUnterminated;
        ProtocolError::Extension = E::from(extension_error()), because extension_error();
        ProtocolError::Response = E::from(response_error()), because response_error();
        ProtocolError::Handshake = E::from(HandshakeError::Method), because HandshakeError::Method;
        HeadError::TooLarge = HeadError::TooLarge { limit: 1 };
        HeadError::TooManyHeaders = HeadError::TooManyHeaders { limit: 1 };
        HeadError::Malformed = HeadError::Malformed;
        HandshakeError::Method = HandshakeError::Method;
        HandshakeError::HttpVersion = HandshakeError::HttpVersion;
        HandshakeError::Connection = HandshakeError::Connection;
        HandshakeError::Upgrade = HandshakeError::Upgrade;
        HandshakeError::Host = HandshakeError::Host;
        HandshakeError::UnsupportedVersion = HandshakeError::UnsupportedVersion { supported: "13" };
        HandshakeError::MissingKey = HandshakeError::MissingKey;
        HandshakeError::InvalidKey = HandshakeError::InvalidKey;
        HandshakeError::InvalidHixieKey = HandshakeError::InvalidHixieKey;
        HandshakeError::InvalidProtocol = HandshakeError::InvalidProtocol;
        HandshakeError::InvalidExtensions = HandshakeError::from(header_error()), because header_error();
        HandshakeError::Body = HandshakeError::Body;
        HandshakeError::Head = HandshakeError::from(HeadError::Malformed), because HeadError::Malformed;
        HandshakeError::Busy = HandshakeError::Busy { retry_after: 1 };
        HandshakeError::Refused = HandshakeError::Refused(StatusCode::FORBIDDEN);
    }
}

fn driver_calls() -> Vec<Checked> {
    let name = || HeaderName::from_static("upgrade");
    let invalid_utf8 = || -> InvalidUtf8 { Utf8Bytes::try_from(Bytes::from_static(b"\xff")).expect_err("no text") };
    checked! {
        SendError::Closed = SendError::Closed;
        SendError::OutputFull = SendError::OutputFull;
        SendError::NotSupported = SendError::NotSupported { version: "hixie-75" };
        SendError::MessageUnfinished = SendError::MessageUnfinished;
        SendError::MessageNotStarted = SendError::MessageNotStarted;
        SendError::NotOpen = SendError::NotOpen;
        SendError::InvalidUtf8 = SendError::InvalidUtf8;
        SendError::ControlTooLong = SendError::ControlTooLong;
        SendError::InvalidCloseCode = SendError::InvalidCloseCode(CloseCode::ABNORMAL);
        SendError::Extension = SendError::from(extension_error()), because extension_error();
        SendError::ReasonTooLong = SendError::ReasonTooLong;
        UsageError::ReservedHeader = UsageError::ReservedHeader(name());
        UsageError::NotRequested = UsageError::NotRequested;
        UsageError::AlreadyAnswered = UsageError::AlreadyAnswered;
        UrlError::Scheme = UrlError::Scheme { expected: "ws, wss" };
        UrlError::Host = UrlError::Host;
        UrlError::Port = UrlError::Port;
        UrlError::Characters = UrlError::Characters;
        ClientError::Url = ClientError::Url(UrlError::Host), because UrlError::Host;
        ClientError::Subprotocol = ClientError::Subprotocol("a b".into());
        InvalidUtf8 = invalid_utf8();
    }
}

fn client_responses() -> Vec<Checked> {
    let headers = HeaderMap::new;
    checked! {
        ResponseError = response_error(), because ResponseFault::Ended;
        ResponseFault::NotHttp = ResponseFault::NotHttp;
        ResponseFault::Head = ResponseFault::Head(HeadError::Malformed), because HeadError::Malformed;
        ResponseFault::Status = ResponseFault::Status;
        ResponseFault::HttpVersion = ResponseFault::HttpVersion;
        ResponseFault::Upgrade = ResponseFault::Upgrade;
        ResponseFault::Connection = ResponseFault::Connection;
        ResponseFault::Accept = ResponseFault::Accept;
        ResponseFault::Protocol = ResponseFault::Protocol;
        ResponseFault::ExtensionHeader = ResponseFault::ExtensionHeader(header_error()), because header_error();
        ResponseFault::Extension = ResponseFault::Extension(extension_error()), because extension_error();
        ResponseFault::Ended = ResponseFault::Ended;
        ProxyError::Authentication = ProxyError::Authentication { challenge: Some("Basic".into()), headers: headers() };
        ProxyError::Refused = ProxyError::Refused { status: StatusCode::FORBIDDEN, headers: headers() };
        ProxyError::Head = ProxyError::Head(HeadError::Malformed), because HeadError::Malformed;
        ProxyError::Ended = ProxyError::Ended;
    }
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
        OriginRejection = rejection::OriginRejection::from(OriginRefusal::Null), because OriginRefusal::Null;
        TooManyConnections = too_many();
        LimitRejection = rejection::LimitRejection::from(too_many());
        TokenRejection::Missing = rejection::TokenRejection::Missing;
        TokenRejection::Malformed = rejection::TokenRejection::Malformed;
        TokenRejection::Invalid = rejection::TokenRejection::Invalid;
        TokenRejection::Forbidden = rejection::TokenRejection::Forbidden;
        PatternError::Origin = PatternError::Origin("x".into());
        PatternError::Null = PatternError::Null;
        PatternError::Wildcard = PatternError::Wildcard("*".into());
        PatternError::Host = PatternError::Host("a b".into());
    }
}

fn too_many() -> TooManyConnections {
    ConnectionLimit::new(0).acquire(()).expect_err("none is allowed")
}

fn refusal(error: HandshakeError) -> UpgradeRefusal {
    UpgradeRefusal::Handshake { error, is_http1: true }
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

fn hub() -> Vec<Checked> {
    use websocket_hub::HubDropped;
    use websocket_hub::backend::Publication;
    use websocket_hub::{
        BackendError, CatchUpError, DisconnectError, Position, PublishError, SubscribeError, TopicError,
    };

    let backend = || BackendError::new(broken_pipe());
    let invalid = || std::sync::Arc::new(SendError::ReasonTooLong);
    checked! {
        TopicError::Empty = TopicError::Empty;
        TopicError::TooLong = TopicError::TooLong { len: 300, limit: 255 };
        PublishError::Topic = PublishError::Topic(TopicError::Empty), because TopicError::Empty;
        PublishError::Backend = PublishError::Backend(backend()), because backend();
        SubscribeError::Topic = SubscribeError::Topic(TopicError::Empty), because TopicError::Empty;
        SubscribeError::AlreadySubscribed = SubscribeError::AlreadySubscribed;
        SubscribeError::TooManyTopics = SubscribeError::TooManyTopics(1);
        SubscribeError::HubFull = SubscribeError::HubFull(1);
        SubscribeError::Closed = SubscribeError::Closed;
        SubscribeError::Backend = SubscribeError::Backend(backend()), because backend();
        DisconnectError::Close = DisconnectError::Close(invalid()), because SendError::ReasonTooLong;
        DisconnectError::Backend = DisconnectError::Backend(backend()), because backend();
        TooManyConnections = too_many_connections();
        CatchUpError::History = CatchUpError::History(backend()), because backend();
        CatchUpError::HubDropped = CatchUpError::HubDropped(HubDropped);
        HubDropped = HubDropped;
        ParsePositionError = "".parse::<Position>().expect_err("no position");
        DecodeError = Publication::from_bytes(&Bytes::new()).expect_err("no publication");
    }
}

fn hub_redis() -> Vec<Checked> {
    use redis::{IntoConnectionInfo, RedisError};
    use websocket_hub_redis::{RedisBackend, RedisBackendError, RedisConfig};

    let io = || RedisError::from(broken_pipe());
    let with_roots = |url: &str| RedisBackend::new(RedisConfig::new(url).expect("a URL").root_certificates("no PEM"));
    checked! {
        InvalidUrl = RedisConfig::new("http://localhost").expect_err("no URL of Redis"),
            because "http://localhost".into_connection_info().expect_err("no URL of Redis");
        InvalidTls = with_roots("rediss://localhost").expect_err("no certificates"),
            because RedisError::from((redis::ErrorKind::InvalidClientConfig, "no trust anchors"));
        RedisBackendError::Connect = RedisBackendError::Connect(io()), because io();
        RedisBackendError::Command = RedisBackendError::Command(io()), because io();
        RedisBackendError::Disconnected = RedisBackendError::Disconnected;
        RedisBackendError::UnexpectedReply = RedisBackendError::UnexpectedReply;
        RedisBackendError::SilentNodes = RedisBackendError::SilentNodes { answered: 1, nodes: 2 };
    }
}

fn hub_nats() -> Vec<Checked> {
    use async_nats::client::{PublishErrorKind, SubscribeErrorKind};
    use async_nats::{ConnectErrorKind, PublishError, SubscribeError};
    use websocket_hub_nats::{ConfigError, NatsBackendError};

    let connect = || async_nats::ConnectError::with_source(ConnectErrorKind::Io, broken_pipe());
    let publish = || PublishError::new(PublishErrorKind::MaxPayloadExceeded);
    let subscribe = || SubscribeError::new(SubscribeErrorKind::InvalidSubject);
    checked! {
        ConfigError::Address = ConfigError::Address(broken_pipe()), because broken_pipe();
        ConfigError::NoAddress = ConfigError::NoAddress;
        NatsBackendError::Connect = NatsBackendError::Connect(connect()), because connect();
        NatsBackendError::Prefix = NatsBackendError::Prefix;
        NatsBackendError::AlreadyStarted = NatsBackendError::AlreadyStarted;
        NatsBackendError::NotRunning = NatsBackendError::NotRunning;
        NatsBackendError::TopicTooLong = NatsBackendError::TopicTooLong { len: 4000, limit: 3072 };
        NatsBackendError::Publish = NatsBackendError::Publish(publish()), because publish();
        NatsBackendError::Subscribe = NatsBackendError::Subscribe(subscribe()), because subscribe();
        NatsBackendError::Disconnected = NatsBackendError::Disconnected;
        NatsBackendError::TimedOut = NatsBackendError::TimedOut(std::time::Duration::from_secs(5));
    }
}

fn too_many_connections() -> websocket_hub::TooManyConnections {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let hub = websocket_hub::Hub::new(websocket_hub::HubConfig::new().max_members_per_user(0));
        let (socket, _peer) = tower_websocket::test::server("/", tower_websocket::Config::server()).await;
        hub.join_as(socket.sender(), "user").expect_err("nobody may join")
    })
}
