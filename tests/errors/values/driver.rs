//! The errors of the extension framework, permessage-deflate and the driver.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use permessage_deflate::WindowBits;
use websocket_driver::extensions::{DuplicateExtension, ExtensionFault, Extensions};
use websocket_driver::{
    ClientError, CloseCode, HandshakeError, HeadError, InvalidUtf8, ProtocolError, ProxyError, ResponseFault,
    SendError, UrlError, UsageError, Utf8Bytes,
};

use super::{Checked, extension_error, header_error, response_error};

pub(super) fn all() -> impl Iterator<Item = Vec<Checked>> {
    [extensions(), driver_peers(), driver_calls(), client_responses()].into_iter()
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

fn duplicate() -> DuplicateExtension {
    let mut extensions = Extensions::new();
    let mut register = || extensions.register(permessage_deflate::PermessageDeflate::new());
    register().expect("the first");
    register().expect_err("the second")
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
