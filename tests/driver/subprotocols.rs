//! RFC 6455 §1.9 and §4.2.2: subprotocols. The hixie drafts have a single name instead of a list.

use websocket_driver::{Config, HandshakeError, ServerConfig, Version};
use websocket_tests::wire::{HYBI, Handshake, VERSIONS};

use crate::handshake::shake;

/// Returns a handshake with these header lines.
fn offering(version: Version, lines: &[&str]) -> Handshake {
    let name = if version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" };
    lines.iter().fold(Handshake::of(version), |handshake, line| handshake.with(name, line))
}

/// Returns the negotiated subprotocol, after checking that the response contains it exactly once,
/// or not at all.
#[track_caller]
fn agreed(handshake: &Handshake, config: &ServerConfig) -> Option<String> {
    let outcome = shake(handshake, &config.clone().allow_drafts(true));
    let (version, protocol) = outcome.result.expect("the handshake is right");
    let (name, other) = match version {
        Version::Hixie75 => ("WebSocket-Protocol", "Sec-WebSocket-Protocol"),
        _ => ("Sec-WebSocket-Protocol", "WebSocket-Protocol"),
    };
    assert_eq!(outcome.answer.all(name), Vec::from_iter(protocol.as_deref()));
    assert_eq!(outcome.answer.all(other), [""; 0]);
    protocol
}

#[test]
fn server_preference_selects_among_offers() {
    let config = Config::server().protocols(["v3", "v2", "v1"]);
    for version in HYBI {
        for (lines, expected) in [
            (&["v1, v2"][..], Some("v2")),
            (&["v2,v1"], Some("v2")),
            (&["v1", "x, v3", "v2"], Some("v3")),
            (&[" ,, v1 , "], Some("v1")),
            (&["\tv1\t,\tv2"], Some("v2")),
            (&["x, y"], None),
            (&["V1, v1.0, v, v11"], None),
            (&["", ","], None),
            (&[], None),
        ] {
            assert_eq!(agreed(&offering(version, lines), &config).as_deref(), expected, "{lines:?}");
        }
    }
}

#[test]
fn hixie_client_offers_a_single_name() {
    let config = Config::server().protocols(["v2", "v1"]);
    for version in [Version::Hixie76, Version::Hixie75] {
        for (lines, expected) in [
            (&["v1"][..], Some("v1")),
            (&["v2"], Some("v2")),
            (&["x"], None),
            (&["V1"], None),
            (&["v1, v2"], None),
            (&[], None),
        ] {
            assert_eq!(agreed(&offering(version, lines), &config).as_deref(), expected, "{lines:?}");
        }
        assert_eq!(agreed(&Handshake::of(version).with("Sec-WebSocket-Protocol", b"\xff"), &config), None);
    }
    // Each draft has a different header.
    let other = Handshake::of(Version::Hixie75).with("Sec-WebSocket-Protocol", "v1");
    assert_eq!(agreed(&other, &config), None);
    let other = Handshake::of(Version::Hixie76).with("WebSocket-Protocol", "v1");
    assert_eq!(agreed(&other, &config), None);
}

#[test]
fn server_without_protocols_selects_none() {
    for version in VERSIONS {
        assert_eq!(agreed(&offering(version, &["chat"]), &Config::server()), None);
        assert_eq!(agreed(&offering(version, &["chat"]), &Config::server().protocols([""; 0])), None);
    }
}

#[test]
fn application_may_select_among_the_offers() {
    for version in VERSIONS {
        let last = Config::server().protocols(["a"]).select_protocol(|offered| offered.last().copied());
        let expected = if version.is_hixie() { "a" } else { "c" };
        let lines: &[&str] = if version.is_hixie() { &["a"] } else { &["a, b", "c"] };
        assert_eq!(agreed(&offering(version, lines), &last).as_deref(), Some(expected));
        assert_eq!(agreed(&offering(version, &[]), &last), None);
        let none = Config::server().protocols(["a"]).select_protocol(|_| None);
        assert_eq!(agreed(&offering(version, lines), &none), None);
    }
}

#[test]
fn selection_that_was_not_offered_counts_as_none() {
    for version in VERSIONS {
        for choice in ["b", "A", "", "a\r\nSet-Cookie: x"] {
            let config = Config::server().select_protocol(move |_| Some(choice));
            assert_eq!(agreed(&offering(version, &["a"]), &config), None);
            assert_eq!(agreed(&offering(version, &[]), &config), None);
        }
    }
}

#[test]
fn malformed_list_is_refused() {
    for version in HYBI {
        for line in ["a b", "a, b c", "a;b", "\"a\"", "a/b", "(a)", "a=b", "[a]", "a@b", "{}", "a\\b", "a:b"] {
            for lines in [&[line][..], &["good", line]] {
                let outcome = shake(&offering(version, lines), &Config::server().allow_drafts(true));
                assert_eq!(outcome.answer.status, 400, "{lines:?}");
                assert_eq!(outcome.result, Err(HandshakeError::InvalidProtocol));
            }
        }
        let bytes = Handshake::of(version).with("Sec-WebSocket-Protocol", b"caf\xc3\xa9");
        let outcome = shake(&bytes, &Config::server().allow_drafts(true));
        assert_eq!(outcome.result, Err(HandshakeError::InvalidProtocol));
    }
}

#[test]
fn every_token_character_is_accepted_in_a_name() {
    let name = "!#$%&'*+-.^_`|~09azAZ";
    let config = Config::server().protocols([name]);
    assert_eq!(agreed(&offering(Version::Hybi13, &["a", name]), &config).as_deref(), Some(name));
}

#[test]
fn offered_protocols_are_available_before_the_response() {
    for version in HYBI {
        let request = offering(version, &["a, b", "c"]).request();
        assert_eq!(requested(&request).unwrap(), ["a", "b", "c"]);
        let malformed = offering(version, &["a b"]).request();
        assert_eq!(requested(&malformed), Err(HandshakeError::InvalidProtocol));
    }
    for version in [Version::Hixie76, Version::Hixie75] {
        assert_eq!(requested(&offering(version, &["a"]).request()).unwrap(), ["a"]);
        assert_eq!(requested(&offering(version, &[]).request()).unwrap(), [""; 0]);
    }
}

#[test]
fn selected_protocol_overrides_config() {
    let config = Config::server().allow_drafts(true).protocols(["a"]);
    for version in HYBI {
        let request = offering(version, &["a, b"]).request();
        for (choice, selected) in [(Some("b"), Some("b")), (Some("c"), None), (None, None)] {
            let mut handshake = websocket_driver::Handshake::parse(&request).unwrap();
            assert_eq!(handshake.protocol(&config), Some("a"));
            handshake.set_protocol(choice);
            assert_eq!(handshake.protocol(&config), selected);
            let (response, driver) = handshake.accept(&config).unwrap();
            let named = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
            assert_eq!((driver.protocol(), named), (selected, selected), "{version}");
        }
    }
}

fn requested(request: &http::Request<()>) -> Result<Vec<String>, HandshakeError> {
    Ok(websocket_driver::Handshake::parse(request)?.protocols().map(Into::into).collect())
}
