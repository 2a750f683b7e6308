//! Which failures are transient.

use std::future::ready;
use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use hyper_util::rt::TokioIo;
use tower::service_fn;
use tower_websocket::client::{ConnectError, ProxyError, ResponseError, ResponseFault, UrlError};
use tower_websocket::connect;
use tower_websocket::error::{ProtocolError, UsageError};
use tower_websocket::server::HeadError;

use crate::certificates::{Authority, tls_echo_server};
use crate::peer::{Peer, listen, serve};
use crate::run::run;

/// Returns whether a status describes a temporary condition (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC
/// 6585 §4). An unknown status counts as the x00 of its class, and an invalid one as 500 (RFC 9110
/// §15).
fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429) || status >= 500 && !matches!(status, 501 | 505 | 506 | 508 | 510 | 511)
}

fn refused(fault: ResponseFault, status: Option<u16>) -> ConnectError {
    refused_with(fault, status, HeaderMap::new())
}

fn refused_with(fault: ResponseFault, status: Option<u16>, headers: HeaderMap) -> ConnectError {
    let mut error = ResponseError::new(fault);
    error.status = status.map(|status| StatusCode::from_u16(status).expect("a status"));
    error.headers = headers;
    ConnectError::Refused(ProtocolError::from(error))
}

fn proxy_refused(status: u16, headers: HeaderMap) -> ConnectError {
    let status = StatusCode::from_u16(status).expect("a status");
    ConnectError::Proxy(ProxyError::Refused { status, headers })
}

#[test]
fn refusal_with_retry_after_is_transient() {
    let past = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(100));
    for (value, counts) in [("0", true), ("30", true), (&past, true), ("soon", false), ("", false), ("+5", false)] {
        let headers = || HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        for status in 100..1000 {
            let is_transient = is_temporary(status) || counts && !(300..400).contains(&status);
            for error in
                [refused_with(ResponseFault::Status, Some(status), headers()), proxy_refused(status, headers())]
            {
                assert_eq!(error.is_transient(), is_transient, "{status}, {value:?}");
                assert_eq!(error.retry_after().is_some(), counts, "{status}, {value:?}");
            }
        }
        assert!(!refused_with(ResponseFault::Accept, Some(101), headers()).is_transient());
    }
}

#[test]
fn transient_statuses_are_the_temporary_ones() {
    for status in 100..1000 {
        let is_transient = is_temporary(status);
        assert_eq!(refused(ResponseFault::Status, Some(status)).is_transient(), is_transient, "{status}");
        assert_eq!(proxy_refused(status, HeaderMap::new()).is_transient(), is_transient, "{status}");
    }
}

#[test]
fn network_errors_are_transient_and_invalid_arguments_are_not() {
    let host = || "example.com:80".to_owned();
    let io = |kind: ErrorKind| ConnectError::Io { host: host(), error: kind.into() };
    let tls = |kind: ErrorKind| ConnectError::Tls { host: host(), error: io::Error::new(kind, "x") };
    let malformed_url = || http::Uri::try_from("ws://").expect_err("no URL").into();
    let rows = [
        (io(ErrorKind::ConnectionRefused), true),
        (io(ErrorKind::ConnectionReset), true),
        (io(ErrorKind::TimedOut), true),
        (io(ErrorKind::UnexpectedEof), true),
        (io(ErrorKind::Other), true),
        (ConnectError::TimedOut, true),
        // The transport below TLS.
        (tls(ErrorKind::UnexpectedEof), true),
        (tls(ErrorKind::ConnectionReset), true),
        (tls(ErrorKind::BrokenPipe), true),
        // TLS itself, and the name.
        (tls(ErrorKind::InvalidData), false),
        (tls(ErrorKind::Other), false),
        (refused(ResponseFault::Ended, None), true),
        (refused(ResponseFault::NotHttp, None), false),
        (refused(ResponseFault::Head(HeadError::Malformed), None), false),
        (refused(ResponseFault::Protocol, Some(503)), false),
        (refused(ResponseFault::Accept, Some(101)), false),
        (refused(ResponseFault::Upgrade, Some(101)), false),
        (refused(ResponseFault::Connection, Some(101)), false),
        (refused(ResponseFault::HttpVersion, Some(101)), false),
        (refused(ResponseFault::Status, None), false),
        (ConnectError::Proxy(ProxyError::Ended), true),
        (ConnectError::Proxy(ProxyError::Authentication { challenge: None, headers: HeaderMap::new() }), false),
        (ConnectError::Proxy(ProxyError::Head(HeadError::Malformed)), false),
        (ConnectError::Url(UrlError::Host), false),
        (ConnectError::Protocol("a b".to_owned()), false),
        (ConnectError::MalformedUrl(malformed_url()), false),
        (ConnectError::MalformedHeader(malformed_url()), false),
        (ConnectError::Header(UsageError::AlreadyAnswered), false),
        (ConnectError::NoTls, false),
        (ConnectError::NoHttp2 { host: host() }, false),
        (ConnectError::NoExtendedConnect { host: host() }, false),
        (ConnectError::OtherServer { connected: host() }, false),
    ];
    for (error, is_transient) in rows {
        assert_eq!(error.is_transient(), is_transient, "{error:?}");
        assert_eq!(error.retry_after(), None);
    }
}

#[test]
fn unused_port_and_unknown_host_are_transient() {
    run(async || {
        let (listener, port) = listen().await;
        drop(listener);
        for url in [format!("ws://127.0.0.1:{port}/"), format!("ws://{}.invalid/", "a".repeat(64))] {
            let error = connect(url).await.unwrap_err();
            assert!(error.is_transient(), "{error:?}");
        }
    });
}

#[test]
fn end_within_the_tls_handshake_is_transient_and_a_certificate_is_not() {
    run(async || {
        let authority = Authority::new("good");
        for reset in [false, true] {
            let port = serve(move |stream| async move {
                let _ = stream.peek(&mut [0]).await;
                if reset {
                    let _ = stream.set_zero_linger();
                } else {
                    let _ = Peer::new(stream).some().await;
                }
            })
            .await;
            let error = connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).await.unwrap_err();
            assert!(matches!(error, ConnectError::Tls { .. }) && error.is_transient(), "{error:?}");
        }
        for acceptor in [Authority::new("other").acceptor(&["localhost"]), authority.expired()] {
            let port = tls_echo_server(acceptor).await;
            let error = connect(format!("wss://localhost:{port}/")).tls(authority.trusted()).await.unwrap_err();
            assert!(matches!(error, ConnectError::Tls { .. }) && !error.is_transient(), "{error:?}");
        }
        // A name that is not valid in a certificate.
        let (io, _other) = tokio::io::duplex(4096);
        let mut io = Some(TokioIo::new(io));
        let connector = service_fn(move |_: http::Uri| ready(Ok::<_, io::Error>(io.take().expect("called once"))));
        let error = connect("wss://a..b/").tls(authority.trusted()).connector(connector).await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls { .. }) && !error.is_transient(), "{error:?}");
    });
}

#[test]
fn retry_after_of_a_server_is_returned() {
    run(async || {
        for (value, expected) in [("7", Some(7)), ("0", Some(0)), ("never", None)] {
            let (listener, port) = listen().await;
            let server = async {
                let mut peer = Peer::of(&listener).await;
                peer.head().await;
                peer.write(format!("HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n")).await;
            };
            let (opened, ()) = tokio::join!(connect(format!("ws://127.0.0.1:{port}/")).into_future(), server);
            let error = opened.unwrap_err();
            assert_eq!((error.retry_after(), error.is_transient()), (expected.map(Duration::from_secs), true));
        }
    });
}
