//! RFC 6455 §4.2.1, draft-hixie-76 §5.2: which requests are accepted, and as which version.

use bytes::Buf;
use websocket_driver::{Config, Driver, Event, HandshakeError as E, ServerConfig, Version, is_handshake};
use websocket_tests::accept;
use websocket_tests::wire::{ACCEPT, Answer, Handshake, KEY, VERSIONS};

use crate::session::failed;

/// The result of a handshake: the response, and the version and subprotocol or the reason of the
/// refusal.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) result: Result<(Version, Option<String>), E>,
}

/// Performs a handshake with a driver that reads the head and with one that is given the request,
/// and asserts that they agree and that a refusal is a valid HTTP response.
#[track_caller]
pub(crate) fn shake(handshake: &Handshake, config: &ServerConfig) -> Outcome {
    let accepted = accept(&handshake.request(), config.clone());

    let mut reading = Driver::server(config.clone());
    reading.receive(&handshake.head()[..]);
    assert_eq!(reading.poll_event(), Some(Event::Connect));
    reading.start().unwrap();
    let output = reading.output();
    let written = output.copy_to_bytes(output.remaining());
    let (answer, length) = Answer::read(&written).expect("a response");
    let body = std::str::from_utf8(&written[length..]).expect("text behind the head");

    match accepted {
        Ok((response, mut given)) => {
            assert!(!given.output().has_remaining(), "accept writes nothing");
            let headers: Vec<_> =
                response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
            let lowered: Vec<_> = answer.headers.iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
            assert_eq!(headers, lowered.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect::<Vec<_>>());
            assert_eq!((response.status().as_u16(), body), (answer.status, ""));
            let version = reading.version().expect("a version");
            assert_eq!((given.version(), given.protocol()), (Some(version), reading.protocol()));
            assert_eq!(answer.reason, version.reason_phrase());
            Outcome { answer, result: Ok((version, reading.protocol().map(Into::into))) }
        }
        Err(error) => {
            let expected = failed(error.clone().into(), 1002);
            assert_eq!(std::iter::from_fn(|| reading.poll_event()).collect::<Vec<_>>(), expected);
            assert!(reading.is_closed());
            let response = error.to_response();
            assert_eq!((response.status().as_u16(), response.body().as_str()), (answer.status, body));
            assert_eq!(response.status(), error.status());
            assert_eq!(body, format!("{error}\n"), "a line of text");
            assert_eq!(body.lines().count(), 1);
            assert_eq!(answer.all("Content-Length"), [body.len().to_string()]);
            assert_eq!(answer.all("Content-Type"), ["text/plain; charset=utf-8"]);
            assert!(answer.all("Connection").join(",").contains("close"));
            assert_eq!(answer.all("Sec-WebSocket-Accept"), [""; 0]);
            // RFC 6455 §4.4, RFC 9110 §15.5.22.
            let is_426 = answer.status == 426;
            assert_eq!(is_426, response.headers().contains_key("Sec-WebSocket-Version"));
            assert_eq!(is_426, response.headers().contains_key("Upgrade"));
            assert_eq!(answer.all("Upgrade"), if is_426 { &["websocket"][..] } else { &[] });
            assert_eq!(is_426, answer.all("Connection").join(",").contains("Upgrade"));
            Outcome { answer, result: Err(error) }
        }
    }
}

fn drafts() -> ServerConfig {
    Config::server().allow_drafts(true)
}

fn right() -> Handshake {
    Handshake::of(Version::Hybi13)
}

/// Asserts that each of the handshakes is refused with 400, or 405 for a method, for this reason,
/// whether drafts are allowed or not.
#[track_caller]
fn assert_refused(handshakes: impl IntoIterator<Item = Handshake>, error: E) {
    // RFC 9110 §15.5.6.
    let (expected, allowed) = if error == E::Method { (405, &["GET"][..]) } else { (400, &[][..]) };
    for handshake in handshakes {
        for config in [Config::server(), drafts()] {
            let outcome = shake(&handshake, &config);
            let (status, result) = (outcome.answer.status, outcome.result);
            assert_eq!(outcome.answer.all("Allow"), allowed);
            assert_eq!(
                (status, result),
                (expected, Err(error.clone())),
                "{:?}",
                String::from_utf8_lossy(&handshake.head())
            );
        }
    }
}

#[test]
fn version_is_selected_by_the_headers() {
    let unsupported = Err(E::UnsupportedVersion { supported: "13, 8, 7" });
    let hixie75 = || Handshake::of(Version::Hixie75);
    let hixie76 = || Handshake::of(Version::Hixie76);
    for (handshake, expected) in [
        (right(), Ok(Version::Hybi13)),
        (Handshake::hybi("8"), Ok(Version::Hybi8)),
        (Handshake::hybi("7"), Ok(Version::Hybi7)),
        (right().without("Sec-WebSocket-Version"), unsupported.clone()),
        (right().without("Sec-WebSocket-Key"), Err(E::MissingKey)),
        (hixie76(), Ok(Version::Hixie76)),
        (hixie76().without("Sec-WebSocket-Key1"), Err(E::InvalidHixieKey)),
        (hixie76().without("Sec-WebSocket-Key2"), Err(E::InvalidHixieKey)),
        (hixie76().with("Sec-WebSocket-Version", "13").with("Sec-WebSocket-Key", KEY), Ok(Version::Hybi13)),
        (hixie76().with("Sec-WebSocket-Version", "13"), Err(E::MissingKey)),
        (hixie76().with("Sec-WebSocket-Key", KEY), unsupported),
        (hixie75(), Ok(Version::Hixie75)),
        (hixie75().with("Sec-WebSocket-Protocol", "chat"), Ok(Version::Hixie75)),
    ] {
        assert!(is_handshake(&handshake.request()));
        let outcome = shake(&handshake, &drafts());
        assert_eq!(outcome.result.map(|(version, _)| version), expected);
    }
}

#[test]
fn version_names_are_stable() {
    let names = ["hybi-13", "hybi-8", "hybi-7", "hixie-76", "hixie-75"];
    for (version, name) in VERSIONS.into_iter().zip(names) {
        let (served, _) = shake(&Handshake::of(version), &drafts()).result.unwrap();
        assert_eq!((served, served.to_string().as_str(), served.as_str()), (version, name, name));
    }
}

#[test]
fn drafts_are_refused_unless_allowed() {
    for version in VERSIONS {
        let outcome = shake(&Handshake::of(version), &Config::server());
        if version.is_draft() {
            assert_eq!(outcome.result, Err(E::UnsupportedVersion { supported: "13" }));
            assert_eq!((outcome.answer.status, outcome.answer.all("Sec-WebSocket-Version")), (426, vec!["13"]));
        } else {
            assert_eq!(outcome.result, Ok((version, None)));
        }
    }
}

#[test]
fn unsupported_version_is_refused_with_426_and_the_supported_ones() {
    for (config, supported) in [(Config::server(), "13"), (drafts(), "13, 8, 7")] {
        let values = ["", "0", "6", "9", "12", "14", "130", "013", "+13", "13.0", "13, 8", "13,13", "thirteen"];
        let twice = right().with("Sec-WebSocket-Version", "13");
        for handshake in values.map(Handshake::hybi).into_iter().chain([twice]) {
            let outcome = shake(&handshake, &config);
            assert_eq!((outcome.answer.status, outcome.answer.all("Sec-WebSocket-Version")), (426, vec![supported]));
            assert_eq!(outcome.answer.reason, "Upgrade Required");
        }
    }
}

#[test]
fn handshake_must_be_a_get_of_http_1_1() {
    let method = |method: &str| Handshake { method: method.into(), ..right() };
    assert_refused(["POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "get", "WEBSOCKET"].map(method), E::Method);
    // RFC 9110 §7.8: `Upgrade` in such a request is ignored.
    for old in VERSIONS.map(Handshake::of).map(|handshake| Handshake { http: "HTTP/1.0".into(), ..handshake }) {
        assert!(!is_handshake(&old.request()));
        assert_refused([old.clone(), old.without("Connection")], E::HttpVersion);
    }
    assert_refused([Handshake::get("/")], E::Connection);
}

#[test]
fn connection_and_upgrade_are_lists_over_any_number_of_lines() {
    for connection in ["upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade,close", " , upgrade ,,", "a,\tUpgrade\t,b"]
    {
        let outcome = shake(&right().set("Connection", connection), &Config::server());
        assert!(outcome.result.is_ok(), "{connection:?}");
    }
    for upgrade in ["websocket", "WebSocket", "WEBSOCKET", "h2c, websocket", "websocket,h2c"] {
        assert!(shake(&right().set("Upgrade", upgrade), &Config::server()).result.is_ok(), "{upgrade:?}");
    }
    let lines = right().set("Connection", "keep-alive").with("connection", "Upgrade");
    assert!(shake(&lines, &Config::server()).result.is_ok());
    let lines = right().set("Upgrade", "h2c").with("UPGRADE", "websocket");
    assert!(shake(&lines, &Config::server()).result.is_ok());

    let connections =
        ["", "close", "keep-alive", "upgraded", "not-upgrade", "up grade", "upgrade keep-alive", "\"upgrade\""];
    assert_refused(connections.map(|value| right().set("Connection", value)), E::Connection);
    let upgrades = ["", "h2c", "websockets", "web socket", "x-websocket", "websocket h2c"];
    assert_refused(upgrades.map(|value| right().set("Upgrade", value)), E::Upgrade);
    assert_refused([right().without("Connection")], E::Connection);
    assert_refused([right().without("Upgrade")], E::Upgrade);
    for handshake in [right().without("Connection"), right().without("Upgrade"), Handshake::get("/")] {
        assert!(!is_handshake(&handshake.request()));
    }
}

#[test]
fn key_must_be_the_base64_of_16_bytes_once() {
    for (key, accept) in
        [(KEY, ACCEPT), ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="), ("dGhlIHNhbXBsZSBub25jZR==", "")]
    {
        let outcome = shake(&right().set("Sec-WebSocket-Key", key), &Config::server());
        assert_eq!(outcome.answer.status, 101, "{key}");
        // The last key has non-zero trailing bits, like those of some clients.
        assert!(accept.is_empty() || outcome.answer.all("Sec-WebSocket-Accept") == [accept]);
    }
    let wrong = [
        "",
        "=",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQ== ==",
        "dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25jZSEh",
        "dGhlIHNhbXBsZSBub25jZSEhIQ==",
        "________________-----A==",
    ];
    assert_refused(wrong.map(|key| right().set("Sec-WebSocket-Key", key)), E::InvalidKey);
    assert_refused([right().set("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZ\xe9==")], E::InvalidKey);
    assert_refused([right().set("Sec-WebSocket-Key", "A".repeat(10_000))], E::InvalidKey);
    assert_refused([right().with("Sec-WebSocket-Key", KEY)], E::InvalidKey);
}

#[test]
fn host_is_copied_to_the_location_byte_for_byte() {
    let hosts = "example.com example.com:80 EXAMPLE.com:8080 localhost 127.0.0.1:65535 [::1] [::1]:9001 a-b.example";
    for host in hosts.split(' ') {
        for version in VERSIONS {
            let outcome = shake(&Handshake::of(version).set("Host", host), &drafts());
            assert_eq!(outcome.answer.status, 101, "{host}");
            let names = ["Sec-WebSocket-Location", "WebSocket-Location"];
            let locations: Vec<_> = names.iter().flat_map(|name| outcome.answer.all(name)).map(String::from).collect();
            assert_eq!(locations, Vec::from_iter(version.is_hixie().then(|| format!("ws://{host}/demo"))));
        }
    }
}

#[test]
fn host_must_be_a_single_valid_authority() {
    let malformed = "| |:|:80|a b|a/b|a?b|a#b|a\\b|user@a|user:pw@a:80|a:b|a:80:90|a:65536|a:99999999999|a:-1|a:+80|::1|[::1|::1]|[|]|\
                     []|[]:80|[zz]|[12345::]|a[::1]|[::1].a|[::1]80|[::1]:x|<a>|http://a|%|\u{e9}.example";
    for version in VERSIONS {
        let right = || Handshake::of(version);
        for handshake in malformed.split('|').map(|host| right().set("Host", host)).chain([
            right().without("Host"),
            right().with("Host", "example.com"),
            right().set("Host", b"\xff"),
        ]) {
            let outcome = shake(&handshake, &drafts());
            let head = String::from_utf8_lossy(&handshake.head()).into_owned();
            assert_eq!((outcome.answer.status, outcome.result), (400, Err(E::Host)), "{head:?}");
        }
    }
}

#[test]
fn handshake_must_not_have_a_body() {
    for version in VERSIONS.into_iter().filter(|&version| version != Version::Hixie76) {
        let right = || Handshake::of(version);
        let empty = shake(&right().with("Content-Length", "0"), &drafts());
        assert_eq!(empty.result, Ok((version, None)));
        let lengths = ["1", "8", "10", "", "x", "-0", "+0", "0x0", "0, 0", "18446744073709551616"];
        for handshake in lengths
            .map(|length| right().with("Content-Length", length))
            .into_iter()
            .chain([right().with("Content-Length", "0").with("Content-Length", "0")])
            .chain(["chunked", "identity", ""].map(|coding| right().with("Transfer-Encoding", coding)))
        {
            let outcome = shake(&handshake, &drafts());
            assert_eq!(outcome.result, Err(E::Body), "{:?}", String::from_utf8_lossy(&handshake.head()));
        }
    }
}

#[test]
fn http_2_connect_with_a_version_is_accepted_with_200() {
    let connect = |version: &str| {
        let handshake = Handshake::get("https://example.com/chat").with("Sec-WebSocket-Version", version);
        Handshake { method: "CONNECT".into(), http: "HTTP/2".into(), ..handshake }
            .with("Sec-WebSocket-Protocol", "chat")
    };
    let config = drafts().protocols(["chat"]);
    let (response, mut driver) = accept(&connect("13").request(), config.clone()).unwrap();
    assert_eq!(driver.poll_event(), Some(Event::Open));
    assert_eq!((driver.version(), driver.protocol()), (Some(Version::Hybi13), Some("chat")));
    assert_eq!(response.status(), 200);
    let headers: Vec<_> = response.headers().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["sec-websocket-protocol"], "no upgrade, connection or accept");

    let get = Handshake { method: "GET".into(), ..connect("13") };
    let none = connect("13").without("Sec-WebSocket-Version");
    for (handshake, status) in [(connect("8"), 426), (connect("14"), 426), (none, 426), (get, 405)] {
        let error = accept(&handshake.request(), config.clone()).unwrap_err();
        assert_eq!(error.status().as_u16(), status);
    }
}

/// RFC 9113 §8.3.1.
#[test]
fn host_that_differs_from_the_authority_is_refused_on_http_2() {
    let connect = |uri: &str| {
        let handshake = Handshake::get(uri).without("Host").with("Sec-WebSocket-Version", "13");
        Handshake { method: "CONNECT".into(), http: "HTTP/2".into(), ..handshake }
    };
    let accept = |handshake: &Handshake| accept(&handshake.request(), drafts()).map(drop);
    for (uri, host) in [
        ("https://example.com/chat", "example.org"),
        ("https://example.com/chat", "example.com:80"),
        ("https://example.com:8443/chat", "example.com"),
        ("https://example.com/chat", "example.com."),
        ("https://example.com/chat", "user@example.com"),
        ("https://[::1]/chat", "[::2]"),
    ] {
        assert_eq!(accept(&connect(uri).with("Host", host)), Err(E::Host), "{uri} {host}");
    }
    let uri = "https://example.com/chat";
    assert_eq!(accept(&connect(uri).with("Host", "example.com").with("Host", "example.com")), Err(E::Host));
    assert_eq!(accept(&connect(uri)), Ok(()));
    for host in ["example.com", "EXAMPLE.COM", "example.com:443"] {
        assert_eq!(accept(&connect(uri).with("Host", host)), Ok(()), "{host}");
    }
}
