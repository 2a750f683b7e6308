//! Refused handshakes: the HTTP response states the reason.

use tower_websocket::{Config, Version};
use websocket_tests::wire::{Answer, Handshake, VERSIONS};

use crate::client::Opening;
use crate::run::run;
use crate::stacks::{INNER, Seen, Server, Stack, config, on_every_stack};

on_every_stack! {
    unsupported_version_is_refused_with_426
    drafts_are_refused_with_426_unless_allowed
    malformed_handshake_is_refused_with_400
    http10_upgrade_is_plain_http
    oversized_head_is_refused
    head_at_the_limits_is_accepted
    connection_of_a_refused_handshake_is_not_upgraded
}

/// Returns the response to a request, which must be a line that contains the reason.
async fn refused(server: &Server, handshake: &Handshake, reason: &str) -> Answer {
    let mut wire = server.connect().await;
    wire.write(handshake.bytes()).await;
    let (answer, body) = wire.response().await;
    assert!(body.contains(reason) && body.ends_with('\n') && body.lines().count() == 1, "{body:?}");
    assert_eq!(answer.all("Content-Type"), ["text/plain; charset=utf-8"]);
    answer
}

fn confirm_426(answer: &Answer, versions: &str) {
    assert_eq!(answer.status, 426);
    // RFC 6455 §4.4 and RFC 9110 §15.5.22.
    assert_eq!(answer.all("Sec-WebSocket-Version"), [versions]);
    assert_eq!(answer.all("Upgrade"), ["websocket"]);
    assert!(answer.all("Connection").join(", ").to_ascii_lowercase().contains("upgrade"), "{answer:?}");
}

async fn unsupported_version_is_refused_with_426(stack: Stack) {
    let server = stack.serve(config()).await;
    for version in ["0", "6", "9", "12", "14", "013", "13, 8", "x"] {
        confirm_426(&refused(&server, &Handshake::hybi(version), "13, 8, 7").await, "13, 8, 7");
    }
    let twice = Handshake::hybi("13").with("Sec-WebSocket-Version", "13");
    confirm_426(&refused(&server, &twice, "version").await, "13, 8, 7");
    let missing = Handshake::hybi("13").without("Sec-WebSocket-Version");
    confirm_426(&refused(&server, &missing, "version").await, "13, 8, 7");
}

async fn drafts_are_refused_with_426_unless_allowed(stack: Stack) {
    let server = stack.serve(Config::server()).await;
    for version in VERSIONS.into_iter().filter(|version| version.is_draft()) {
        println!("{version}");
        confirm_426(&refused(&server, &Handshake::of(version), "version").await, "13");
    }
    server.open(Version::Hybi13).await.close().await;
}

async fn malformed_handshake_is_refused_with_400(stack: Stack) {
    let server = stack.serve(config()).await;
    let hybi = || Handshake::of(Version::Hybi13);
    let hixie = || Handshake::of(Version::Hixie76);
    for (handshake, reason) in [
        (hybi().without("Sec-WebSocket-Key"), "missing Sec-WebSocket-Key header"),
        (hybi().set("Sec-WebSocket-Key", "c2hvcnQ="), "16 bytes"),
        (hybi().set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSBpcyBsb25n"), "16 bytes"),
        (hybi().set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), "16 bytes"),
        (hybi().set("Sec-WebSocket-Key", "!@#$%^&*()!@#$%^&*()!@=="), "16 bytes"),
        (hybi().with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), "16 bytes"),
        (hybi().with("Sec-WebSocket-Protocol", "two words"), "Sec-WebSocket-Protocol"),
        (hybi().with("Sec-WebSocket-Protocol", b"\xff"), "Sec-WebSocket-Protocol"),
        (hybi().without("Host"), "Host"),
        (hybi().set("Host", "exa mple.com"), "Host"),
        (hybi().set("Host", "example.com:http"), "Host"),
        (hybi().set("Host", "[::1"), "Host"),
        (hybi().with("Host", "example.org"), "Host"),
        (hybi().with("Content-Length", "1"), "body"),
        (hybi().with("Transfer-Encoding", "chunked"), "body"),
        (hixie().without("Sec-WebSocket-Key1"), "Sec-WebSocket-Key1"),
        (hixie().without("Sec-WebSocket-Key2"), "Sec-WebSocket-Key2"),
        (hixie().set("Sec-WebSocket-Key1", "no digits"), "Sec-WebSocket-Key1"),
        (hixie().set("Sec-WebSocket-Key2", "12345"), "Sec-WebSocket-Key2"),
        (Handshake::of(Version::Hixie75).with("Content-Length", "8"), "body"),
    ] {
        println!("{handshake:?}");
        assert_eq!(refused(&server, &handshake, reason).await.status, 400);
    }
    // An empty body counts as none.
    for version in VERSIONS.into_iter().filter(|version| *version != Version::Hixie76) {
        let mut opening = server.opening(version);
        opening.handshake = opening.handshake.with("Content-Length", "0");
        opening.on(server.connect().await).await.close().await;
    }
}

/// RFC 9110 §7.8: `Upgrade` is ignored in HTTP/1.0.
async fn http10_upgrade_is_plain_http(stack: Stack) {
    let mut server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        let mut handshake = server.opening(version).handshake;
        handshake.http = "HTTP/1.0".into();
        let mut wire = server.connect().await;
        wire.write(handshake.head()).await;
        // There the end of the connection ends the response.
        let answer = String::from_utf8(wire.rest().await).unwrap();
        if stack == Stack::Tcp {
            // It is left to the application, which drops the connection.
            assert_eq!(answer, "");
            let Seen::Failed(error) = server.seen().await else { panic!("a socket") };
            assert!(error.contains("not a WebSocket handshake"), "{error}");
            continue;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        match stack {
            Stack::Axum => {
                assert_eq!(status, "400");
                assert!(body.contains("HTTP/1.0") && body.lines().count() == 1, "{body:?}");
            }
            _ => assert_eq!((status, body), ("404", INNER)),
        }
    }
}

/// A head that hyper accepts, up to about 400 KB, is limited as well.
async fn oversized_head_is_refused(stack: Stack) {
    let server = stack.serve(config()).await;
    for handshake in VERSIONS.map(Handshake::of) {
        let long = handshake.clone().with("X-Filler", "x".repeat(16 * 1024));
        assert_eq!(refused(&server, &long, "16384 bytes").await.status, 400);
        let target = Handshake { target: format!("/{}", "x".repeat(16 * 1024)), ..handshake.clone() };
        assert_eq!(refused(&server, &target, "16384 bytes").await.status, 400);
    }
    let server = stack.serve(config().max_headers(20)).await;
    for handshake in VERSIONS.map(Handshake::of) {
        let many = (0..21 - handshake.headers.len()).fold(handshake, |all, _| all.with("X-Filler", ""));
        assert_eq!(refused(&server, &many, "20 header fields").await.status, 400);
    }
}

async fn head_at_the_limits_is_accepted(stack: Stack) {
    for version in VERSIONS {
        println!("{version}");
        let mut opening = Opening::of(version);
        opening.handshake = opening.handshake.with("X-Filler", "x".repeat(1000));
        let handshake = &opening.handshake;
        let config = config().max_head_size(handshake.head().len()).max_headers(handshake.headers.len());
        let server = stack.serve(config).await;
        let opening = if server.port.is_secure { opening.secure() } else { opening };
        opening.on(server.connect().await).await.close().await;
    }
}

async fn connection_of_a_refused_handshake_is_not_upgraded(stack: Stack) {
    let server = stack.serve(config()).await;
    let mut wire = server.connect().await;
    let handshakes = [Handshake::hybi("12"), Handshake::hybi("13").without("Sec-WebSocket-Key")];
    wire.write(handshakes[0].bytes()).await;
    assert_eq!(wire.response().await.0.status, 426);
    if stack == Stack::Tcp {
        // There is no HTTP stack to continue with.
        wire.eof().await;
        return;
    }
    // RFC 6455 §4.4: a client may try again.
    wire.write(handshakes[1].bytes()).await;
    assert_eq!(wire.response().await.0.status, 400);
    wire.write(Handshake::get("/").bytes()).await;
    let (answer, body) = wire.response().await;
    match stack {
        Stack::Axum => assert_eq!(answer.status, 400),
        _ => assert_eq!((answer.status, body.as_str()), (404, INNER)),
    }
    server.opening(Version::Hybi13).on(wire).await.close().await;
}

#[test]
fn extractor_rejects_plain_http() {
    run(async || {
        let server = Stack::Axum.serve(config()).await;
        let right = || Handshake::of(Version::Hybi13);
        let mut post = right();
        post.method = "POST".into();
        let answer = refused(&server, &post, "GET").await;
        // RFC 9110 §15.5.6.
        assert_eq!((answer.status, answer.all("Allow")), (405, vec!["GET"]));
        for (request, reason) in [
            (right().without("Connection"), "Connection"),
            (right().set("Connection", "keep-alive"), "Connection"),
            (right().without("Upgrade"), "Upgrade"),
            (right().set("Upgrade", "h2c"), "Upgrade"),
            (Handshake::get("/"), "Connection"),
        ] {
            assert_eq!(refused(&server, &request, reason).await.status, 400, "{request:?}");
        }
    });
}
