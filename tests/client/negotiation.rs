//! A client's reaction to the extensions in a server's response (RFC 6455 §4.1, RFC 7692 §7.1).

use permessage_deflate::{PermessageDeflate, WindowBits};
use websocket_driver::extensions::{ExtensionError, ExtensionFault};
use websocket_driver::{ClientConfig, Event, ResponseFault};
use websocket_tests::chain::chain;
use websocket_tests::wire::Frame;

use crate::session::{Client, Reply, config, refusal, text};

fn answered(config: ClientConfig, lines: &[&str]) -> (Client, Vec<Event>) {
    let mut client = Client::started(config);
    let reply = lines.iter().fold(Reply::right(), |reply, line| reply.with("Sec-WebSocket-Extensions", line));
    let events = client.feed(reply.bytes());
    (client, events)
}

fn with(deflate: PermessageDeflate) -> ClientConfig {
    config().extension(deflate).unwrap()
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

fn parameter(name: &str, value: Option<&str>) -> ExtensionFault {
    ExtensionFault::Parameter { name: name.into(), value: value.map(Into::into) }
}

/// Asserts a failure with 1010, which is only reported by the driver's events, since there is no
/// connection to send a close frame on.
#[track_caller]
fn assert_refused(config: ClientConfig, lines: &[&str], extension: &str, reason: ExtensionFault) {
    let (mut client, events) = answered(config, lines);
    let (error, code) = refusal(&lines.join(" | "), &events);
    let expected = ExtensionError::new(extension, reason);
    assert_eq!((&error.fault, code), (&ResponseFault::Extension(expected.clone()), 1010), "{lines:?}");
    assert_eq!(chain(&error), format!("handshake answered with 101 Switching Protocols: {}", chain(&expected)));
    assert!(chain(&error).contains(extension), "{error}");
    if let ExtensionFault::Parameter { name, .. } = expected.reason {
        assert!(chain(&error).contains(&name), "{error}");
    }
    assert_eq!(error.status.map(|status| status.as_u16()), Some(101));
    assert!(error.headers.contains_key("sec-websocket-extensions"));
    assert!(client.driver.is_closed() && client.written().is_empty());
}

#[test]
fn unoffered_extensions_are_refused_with_1010() {
    let deflate = || with(PermessageDeflate::new());
    assert_refused(config(), &["permessage-deflate"], "permessage-deflate", ExtensionFault::Unknown);
    assert_refused(config(), &["x-unknown; a=1"], "x-unknown", ExtensionFault::Unknown);
    assert_refused(deflate(), &["x-unknown"], "x-unknown", ExtensionFault::Unknown);
    assert_refused(deflate(), &["Permessage-Deflate"], "Permessage-Deflate", ExtensionFault::Unknown);
    assert_refused(deflate(), &["permessage-deflate, x-unknown"], "x-unknown", ExtensionFault::Unknown);
    assert_refused(deflate(), &["permessage-deflate", "x-unknown"], "x-unknown", ExtensionFault::Unknown);
    assert_refused(
        deflate(),
        &["permessage-deflate, permessage-deflate"],
        "permessage-deflate",
        ExtensionFault::NotOffered,
    );
    assert_refused(
        deflate(),
        &["permessage-deflate", "permessage-deflate"],
        "permessage-deflate",
        ExtensionFault::NotOffered,
    );
}

#[test]
fn unacceptable_parameters_are_refused_with_1010() {
    // Including CVE-2026-2229.
    let rows = [
        ("x", "x", None),
        ("x=1", "x", Some("1")),
        ("server_max_window_bits", "server_max_window_bits", None),
        ("server_max_window_bits=7", "server_max_window_bits", Some("7")),
        ("server_max_window_bits=16", "server_max_window_bits", Some("16")),
        ("server_max_window_bits=09", "server_max_window_bits", Some("09")),
        ("server_max_window_bits=+9", "server_max_window_bits", Some("+9")),
        ("server_max_window_bits=1e1", "server_max_window_bits", Some("1e1")),
        ("server_max_window_bits=999999999999999999999", "server_max_window_bits", Some("999999999999999999999")),
        ("server_max_window_bits=10; server_max_window_bits=10", "server_max_window_bits", Some("10")),
        ("client_max_window_bits", "client_max_window_bits", None),
        ("client_max_window_bits=0", "client_max_window_bits", Some("0")),
        ("client_max_window_bits=16", "client_max_window_bits", Some("16")),
        ("server_no_context_takeover=1", "server_no_context_takeover", Some("1")),
        ("client_no_context_takeover=true", "client_no_context_takeover", Some("true")),
        ("client_no_context_takeover; client_no_context_takeover", "client_no_context_takeover", None),
        ("Server_No_Context_Takeover", "Server_No_Context_Takeover", None),
    ];
    for (params, name, value) in rows {
        let line = format!("permessage-deflate; {params}");
        let reason = parameter(name, value);
        assert_refused(with(PermessageDeflate::new()), &[&line], "permessage-deflate", reason);
    }
}

#[test]
fn responses_that_violate_the_offer_are_refused_with_1010() {
    let new = PermessageDeflate::new;
    let rows = [
        (new().request_no_context_takeover(true), "", parameter("server_no_context_takeover", None)),
        (new().request_max_window_bits(bits(10)), "", parameter("server_max_window_bits", None)),
        (
            new().request_max_window_bits(bits(10)),
            "; server_max_window_bits=11",
            parameter("server_max_window_bits", Some("11")),
        ),
        (
            new().max_window_bits(bits(10)),
            "; client_max_window_bits=11",
            parameter("client_max_window_bits", Some("11")),
        ),
    ];
    for (deflate, params, reason) in rows {
        assert_refused(with(deflate), &[&format!("permessage-deflate{params}")], "permessage-deflate", reason);
    }
}

#[test]
fn malformed_header_is_refused_with_1010() {
    let rows = [
        (";", 0),
        ("permessage-deflate;", 19),
        ("permessage-deflate; =1", 20),
        ("permessage-deflate; a=", 22),
        ("permessage-deflate; a=\"b", 24),
        ("permessage-deflate; a=\"\"", 23),
        ("permessage-deflate a", 19),
        ("perm/x", 4),
    ];
    for (line, at) in rows {
        for config in [config(), with(PermessageDeflate::new())] {
            let (_, events) = answered(config, &["", line]);
            let (error, code) = refusal(line, &events);
            let ResponseFault::ExtensionHeader(fault) = error.fault else { panic!("{error:?}") };
            assert_eq!((fault.at, code), (at, 1010), "{line}");
        }
    }
}

/// "Hello", compressed, as in RFC 7692 §7.2.3.1.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn acceptable_responses_open_the_connection_and_it_inflates() {
    let new = PermessageDeflate::new;
    let rows = [
        (new(), ""),
        (new(), "; server_no_context_takeover; client_no_context_takeover"),
        (new(), "; server_max_window_bits=8; client_max_window_bits=8"),
        (new(), "; server_max_window_bits=\"10\"; client_max_window_bits=15"),
        (new().request_no_context_takeover(true), "; server_no_context_takeover"),
        (new().request_max_window_bits(bits(10)), "; server_max_window_bits=10"),
        (new().request_max_window_bits(bits(10)), ";server_max_window_bits=9"),
        (new().max_window_bits(bits(10)), ""),
        (new().max_window_bits(bits(10)), "; client_max_window_bits=10"),
    ];
    for (deflate, params) in rows {
        let (mut client, events) = answered(with(deflate), &["", &format!("permessage-deflate{params}")]);
        assert_eq!(events, [Event::Open], "{params}");
        let frame = Frame::text(HELLO).rsv(0x40).unmasked().bytes();
        assert_eq!(client.feed(frame), [text("Hello")], "{params}");
    }
}

#[test]
fn server_without_extensions_receives_nothing_compressed() {
    let (mut client, events) = answered(with(PermessageDeflate::new().threshold(0)), &[]);
    assert_eq!(events, [Event::Open]);
    client.driver.send("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    assert_eq!(client.frames()[0].first, 0x81);
    let events = client.feed(Frame::text(HELLO).rsv(0x40).unmasked().bytes());
    assert!(matches!(events[..], [Event::Error(websocket_driver::ProtocolError::ReservedBits), _]), "{events:?}");
}
