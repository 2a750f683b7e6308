//! Accepted and refused handshakes on HTTP/1.1, for every version.

use tower_websocket::Version;
use tower_websocket::origin::OriginRefusal;
use websocket_tests::wire::{Handshake, VERSIONS};

use super::gates::{GATES, confirm_refusal, foreign, guard, localhost, opening, response};
use crate::client::Opening;
use crate::run::run;

#[test]
fn same_origin_is_accepted_and_others_are_not_in_every_version() {
    run(async || {
        for gate in GATES {
            let port = gate.serve(guard()).await;
            for version in VERSIONS {
                println!("{version}");
                let mut client = opening(port, version).on(port.connect().await).await;
                client.echo(&["hello"]).await;
                client.close().await;
                for (origin, refusal) in [
                    ("http://evil.com", OriginRefusal::CrossOrigin),
                    ("http://example.com.evil.com", OriginRefusal::CrossOrigin),
                    ("null", OriginRefusal::Null),
                    ("http://example.com/", OriginRefusal::Malformed),
                    ("http://example.com http://evil.com", OriginRefusal::Several),
                ] {
                    let handshake = foreign(version, origin);
                    // The 8 bytes do not matter here.
                    let handshake = Handshake { body: Vec::new(), ..handshake };
                    confirm_refusal(&response(port, &handshake).await, refusal);
                }
            }
        }
    });
}

#[test]
fn clients_without_an_origin_are_accepted_unless_one_is_required() {
    run(async || {
        for gate in GATES {
            let mut opening = opening(gate.serve(guard()).await, Version::Hybi13);
            opening.handshake = opening.handshake.without("Origin");
            let port = gate.serve(guard()).await;
            opening.on(port.connect().await).await.close().await;
            let port = gate.serve(guard().require_origin(true)).await;
            confirm_refusal(&response(port, &opening.handshake).await, OriginRefusal::Missing);
        }
    });
}

#[test]
fn other_origins_are_accepted_if_allowed() {
    run(async || {
        for gate in GATES {
            let guard = guard().allow("https://*.example.org").unwrap().allow("http://localhost:*").unwrap();
            let port = gate.serve(guard.allow_null(true)).await;
            for origin in ["https://app.example.org", "http://localhost:3000", "null", "http://example.com"] {
                let mut opening = opening(port, Version::Hybi13);
                opening.handshake = opening.handshake.set("Origin", origin);
                opening.on(port.connect().await).await.close().await;
            }
            let handshake = foreign(Version::Hybi13, "https://example.org");
            confirm_refusal(&response(port, &handshake).await, OriginRefusal::CrossOrigin);
        }
    });
}

#[test]
fn several_origin_headers_are_refused() {
    run(async || {
        for gate in GATES {
            let port = gate.serve(guard()).await;
            for name in ["Origin", "origin", "Sec-WebSocket-Origin"] {
                let handshake = Opening::of(Version::Hybi13).target("/chat").handshake.with(name, "http://example.com");
                confirm_refusal(&response(port, &handshake).await, OriginRefusal::Several);
            }
        }
    });
}

#[test]
fn name_rebound_to_localhost_is_refused() {
    run(async || {
        for gate in GATES {
            let port = gate.serve(localhost()).await;
            for host in ["evil.com", "evil.com:9000", "localhost.evil.com"] {
                let rebound = foreign(Version::Hybi13, &format!("http://{host}")).set("Host", host);
                confirm_refusal(&response(port, &rebound).await, OriginRefusal::Host);
                confirm_refusal(&response(port, &rebound.without("Origin")).await, OriginRefusal::Host);
            }
            for host in ["localhost", "localhost:9000", "127.0.0.1:9000", "[::1]:9000"] {
                let mut opening = opening(port, Version::Hybi13);
                opening.handshake = opening.handshake.set("Host", host).set("Origin", format!("http://{host}"));
                opening.on(port.connect().await).await.close().await;
                let handshake = opening.handshake.set("Origin", "http://evil.com");
                confirm_refusal(&response(port, &handshake).await, OriginRefusal::CrossOrigin);
            }
        }
    });
}

#[test]
fn malformed_host_is_answered_with_400() {
    run(async || {
        for gate in GATES {
            for guard in [guard(), localhost()] {
                let port = gate.serve(guard).await;
                let right = || Opening::of(Version::Hybi13).target("/chat").handshake;
                for handshake in [
                    right().without("Host"),
                    right().set("Host", ""),
                    right().set("Host", "user@example.com"),
                    right().set("Host", "[::1"),
                    right().with("Host", "example.com"),
                ] {
                    let (answer, body) = response(port, &handshake).await;
                    // The extractor checks first, so its text applies.
                    assert_eq!((answer.status, body.as_str()), (400, "missing or invalid Host header\n"));
                }
            }
        }
    });
}

#[test]
fn absolute_target_takes_precedence_over_the_host() {
    run(async || {
        for gate in GATES {
            let port = gate.serve(guard()).await;
            let mut opening = opening(port, Version::Hybi13);
            opening.handshake.target = "http://example.com/chat".into();
            opening.handshake = opening.handshake.set("Host", "proxy.example");
            opening.on(port.connect().await).await.close().await;
            let handshake = opening.handshake.set("Origin", "http://proxy.example");
            confirm_refusal(&response(port, &handshake).await, OriginRefusal::CrossOrigin);
        }
    });
}
