//! The response of a refusal, and what it leaves unchanged.

use tower_websocket::Version;
use tower_websocket::origin::OriginRefusal;
use websocket_tests::wire::{Frame, Handshake};

use super::gates::{GATES, LAYERS, confirm_inner, confirm_refusal, foreign, guard, localhost, opening, response};
use crate::run::run;
use crate::serve::Port;
use crate::stacks::INNER;

#[test]
fn connection_of_a_refused_handshake_continues_as_http() {
    run(async || {
        for gate in GATES {
            let port = gate.serve(guard()).await;
            let refused = || foreign(Version::Hybi13, "http://evil.com");
            let mut wire = port.connect().await;
            // One after another, and then all at once.
            for _ in 0..2 {
                wire.write(refused().bytes()).await;
                confirm_refusal(&wire.response().await, OriginRefusal::CrossOrigin);
                wire.write(Handshake::get("/").bytes()).await;
                confirm_inner(&wire.response().await);
            }
            let right = opening(port, Version::Hybi13);
            let plain = Handshake::get("/");
            let all = [refused().bytes(), plain.bytes(), refused().bytes(), right.handshake.bytes()].concat();
            wire.write([all, Frame::text("glued").bytes()].concat()).await;
            confirm_refusal(&wire.response().await, OriginRefusal::CrossOrigin);
            confirm_inner(&wire.response().await);
            confirm_refusal(&wire.response().await, OriginRefusal::CrossOrigin);
            let mut client = right.confirmed(wire).await;
            assert_eq!(client.text().await, "glued");
            client.close().await;
        }
    });
}

/// Returns everything that a server sends after a refused hixie-76 handshake, whose 8 bytes are not
/// valid HTTP.
async fn behind_hixie76(port: Port, handshake: &Handshake, status: u16) -> String {
    let mut wire = port.connect().await;
    wire.write([handshake.bytes(), Handshake::get("/").bytes()].concat()).await;
    assert_eq!(wire.response().await.0.status, status);
    let rest = String::from_utf8(wire.any_end().await).unwrap();
    rest.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn hixie_76_bytes_end_the_connection_as_with_any_other_refusal() {
    run(async || {
        for gate in GATES {
            let port = gate.serve(guard()).await;
            let guarded = behind_hixie76(port, &foreign(Version::Hixie76, "http://evil.com"), 403).await;
            let malformed = opening(port, Version::Hixie76).handshake.set("Sec-WebSocket-Key1", "no digits");
            assert_eq!(guarded, behind_hixie76(port, &malformed, 400).await);
            // They are the start of an invalid request line; the request after them is never read.
            assert!(guarded.starts_with("HTTP/1.1 400 Bad Request") && !guarded.contains(INNER), "{guarded}");
        }
    });
}

#[test]
fn declared_body_is_not_parsed_as_the_next_request() {
    run(async || {
        for gate in LAYERS {
            let port = gate.serve(guard()).await;
            let smuggled = Handshake::get("/smuggled").bytes();
            let length = smuggled.len().to_string();
            for (version, length, body) in [
                (Version::Hixie76, "8", b"^n:ds[4U".to_vec()),
                (Version::Hybi13, length.as_str(), smuggled),
                (Version::Hybi13, "1000000", Vec::new()),
            ] {
                let handshake = foreign(version, "http://evil.com").with("Content-Length", length);
                let mut wire = port.connect().await;
                let plain = Handshake::get("/").bytes();
                wire.write([handshake.head(), body.clone(), plain].concat()).await;
                let refused = wire.response().await;
                assert_eq!(refused.0.status, 403);
                if !body.is_empty() {
                    // The body was received completely, so the connection continues: one response,
                    // not two.
                    confirm_refusal(&refused, OriginRefusal::CrossOrigin);
                    confirm_inner(&wire.response().await);
                    wire.write(opening(port, Version::Hybi13).handshake.bytes()).await;
                    opening(port, Version::Hybi13).confirmed(wire).await.close().await;
                } else {
                    assert_eq!(wire.any_end().await, b"");
                }
            }
        }
    });
}

#[test]
fn refusal_precedes_all_other_responses() {
    run(async || {
        // A page of another origin learns neither which versions are supported nor what was wrong.
        for gate in LAYERS {
            let port = gate.serve(guard()).await;
            for handshake in [
                Handshake::hybi("12").with("Origin", "http://evil.com"),
                foreign(Version::Hybi13, "http://evil.com").without("Sec-WebSocket-Key"),
                foreign(Version::Hybi13, "http://evil.com").with("Sec-WebSocket-Protocol", "two words"),
            ] {
                confirm_refusal(&response(port, &handshake).await, OriginRefusal::CrossOrigin);
            }
            // Pages of the server's own origin do.
            let outdated = Handshake { target: "/chat".into(), ..Handshake::hybi("12") };
            let (answer, _) = response(port, &outdated.with("Origin", "http://example.com")).await;
            assert_eq!((answer.status, answer.all("Sec-WebSocket-Version")), (426, vec!["13, 8, 7"]));
        }
    });
}

#[test]
fn refusal_repeats_nothing_of_the_request_or_the_rules() {
    run(async || {
        for gate in GATES {
            let guard = localhost().allow("https://secret.example.org").unwrap();
            let port = gate.serve(guard).await;
            let by = |host, origin| foreign(Version::Hybi13, origin).set("Host", host);
            for handshake in [
                by("localhost", "http://evil.com"),
                by("localhost", "http://evil.com/<script>"),
                by("evil.com", "https://secret.example.org"),
                by("localhost", "http://evil.com https://secret.example.org"),
            ] {
                let mut wire = port.connect().await;
                wire.write(handshake.bytes()).await;
                let (answer, body) = wire.response().await;
                assert_eq!(answer.status, 403);
                let all = format!("{answer:?} {body}");
                for word in ["evil", "secret", "localhost", "127.0.0.1", "::1", "script"] {
                    assert!(!all.contains(word), "{word} in {all}");
                }
            }
        }
    });
}
