//! Every stack supports every version.

use permessage_deflate::PermessageDeflate;
use tower_websocket::{CloseCode, CloseFrame, Version};
use websocket_tests::wire::{Frame, HYBI, ServerFrame, VERSIONS};

use crate::client::texts_of;
use crate::run::run;
use crate::stacks::{Seen, Stack, config, on_every_stack};

on_every_stack! {
    text_is_echoed_in_every_version
    several_messages_in_one_packet_are_echoed_in_order
    message_following_the_request_is_not_lost
    large_text_is_echoed
    binary_messages_are_echoed_if_the_version_has_them
    common_subprotocol_is_selected
    header_names_of_101_are_spelled_as_in_the_specification
    subprotocol_is_not_selected_without_a_common_one
    location_is_the_requested_resource
    client_close_is_answered_and_ends_in_order
    server_close_ends_in_order
    end_without_a_close_is_reported_as_such
    ping_is_answered
    violation_is_answered_and_ends_in_order
    several_connections_are_served_at_once
}

async fn text_is_echoed_in_every_version(stack: Stack) {
    let mut server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        let mut client = server.open(version).await;
        assert_eq!(server.seen().await, Seen::Opened { version, protocol: None });
        client.echo(&["hello"]).await;
        client.echo(&["", "Grüße, 世界 🌍"]).await;
        client.close().await;
        assert!(matches!(server.seen().await, Seen::Closed(Some(_))));
    }
}

async fn several_messages_in_one_packet_are_echoed_in_order(stack: Stack) {
    let server = stack.serve(config()).await;
    let texts: Vec<_> = (0..100).map(|number| format!("message {number}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    for version in VERSIONS {
        println!("{version}");
        let mut client = server.open(version).await;
        client.echo(&texts).await;
        client.close().await;
    }
}

async fn message_following_the_request_is_not_lost(stack: Stack) {
    // A client has to wait for the response first, but some do not.
    let server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        let opening = server.opening(version);
        let mut wire = server.connect().await;
        wire.write([opening.handshake.bytes(), texts_of(version, &["early", "bird"])].concat()).await;
        let mut client = opening.confirmed(wire).await;
        assert_eq!(client.text().await, "early");
        assert_eq!(client.text().await, "bird");
        client.echo(&["hello"]).await;
        client.close().await;
    }
}

/// Not under `axum::serve`, which does not set `half_close`: hyper drops the request if the FIN
/// arrives before the answer is written.
#[test]
fn handshake_followed_by_fin_is_answered() {
    run(async || {
        for stack in [Stack::Tower, Stack::Hyper, Stack::Tls, Stack::Tcp] {
            let server = stack.serve(config()).await;
            for version in VERSIONS {
                for texts in [&[][..], &["early", "bird"]] {
                    println!("{version} {texts:?}");
                    let opening = server.opening(version);
                    let mut wire = server.connect().await;
                    wire.write([opening.handshake.bytes(), texts_of(version, texts)].concat()).await;
                    wire.half_close().await;
                    let mut client = opening.confirmed(wire).await;
                    for text in texts {
                        assert_eq!(client.text().await, *text);
                    }
                    client.wire.eof().await;
                }
            }
        }
    });
}

async fn large_text_is_echoed(stack: Stack) {
    let server = stack.serve(config()).await;
    let large = "0123456789abcdef".repeat(16 * 1024);
    for version in VERSIONS {
        println!("{version}");
        let mut client = server.open(version).await;
        client.echo(&[&large, "small"]).await;
        client.close().await;
    }
}

async fn binary_messages_are_echoed_if_the_version_has_them(stack: Stack) {
    let server = stack.serve(config()).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for version in HYBI {
        println!("{version}");
        let mut client = server.open(version).await;
        client.wire.write(Frame::binary(&bytes).bytes()).await;
        assert_eq!(client.wire.frame().await, ServerFrame::new(2, &bytes));
        client.close().await;
    }
}

async fn common_subprotocol_is_selected(stack: Stack) {
    let mut server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        // Hixie clients offer a single name, others a list.
        let (offered, agreed) =
            if version.is_hixie() { ("chat", "chat") } else { ("mqtt, chat, superchat", "superchat") };
        let opening = server.opening(version).protocol(offered, Some(agreed));
        let mut client = opening.on(server.connect().await).await;
        assert_eq!(server.seen().await, Seen::Opened { version, protocol: Some(agreed.into()) });
        client.echo(&["hello"]).await;
        client.close().await;
        assert!(matches!(server.seen().await, Seen::Closed(_)));
    }
}

async fn header_names_of_101_are_spelled_as_in_the_specification(stack: Stack) {
    let config = config().extension(PermessageDeflate::new()).unwrap();
    let server = stack.serve(config).await;
    for version in VERSIONS {
        println!("{version}");
        let opening = server.opening(version);
        let name = if version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" };
        let handshake = opening.handshake.with(name, "chat");
        let mut wire = server.connect().await;
        wire.write(handshake.with("Sec-WebSocket-Extensions", "permessage-deflate").bytes()).await;
        let head = String::from_utf8(wire.head().await).unwrap();
        let mut names: Vec<_> = head.lines().skip(1).filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        names.retain(|name| *name != "Date");
        let expected: &[_] = match version {
            Version::Hybi13 => &["Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"],
            Version::Hixie76 => &["Sec-WebSocket-Origin", "Sec-WebSocket-Location", "Sec-WebSocket-Protocol"],
            Version::Hixie75 => &["WebSocket-Origin", "WebSocket-Location", "WebSocket-Protocol"],
            _ => &["Sec-WebSocket-Accept", "Sec-WebSocket-Protocol"],
        };
        assert_eq!(names, [&["Upgrade", "Connection"], expected].concat());
        assert!(!head.contains("\r\ndate:"), "{head}");
    }
}

async fn subprotocol_is_not_selected_without_a_common_one(stack: Stack) {
    let mut server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        let opening = server.opening(version).protocol("Chat", None);
        let client = opening.on(server.connect().await).await;
        assert_eq!(server.seen().await, Seen::Opened { version, protocol: None });
        client.close().await;
        assert!(matches!(server.seen().await, Seen::Closed(_)));
    }
}

async fn location_is_the_requested_resource(stack: Stack) {
    let server = stack.serve(config()).await;
    for version in VERSIONS {
        for target in ["/", "/a/b?c=d&e", "/%7Euser/?"] {
            println!("{version} {target}");
            let opening = server.opening(version).target(target);
            opening.on(server.connect().await).await.close().await;
        }
    }
}

async fn client_close_is_answered_and_ends_in_order(stack: Stack) {
    let mut server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        let mut client = server.open(version).await;
        assert!(matches!(server.seen().await, Seen::Opened { .. }));
        // After a message, which is still answered.
        client.send(&["last"]).await;
        assert_eq!(client.text().await, "last");
        client.close().await;
        let told = match version.is_hixie() {
            true => CloseCode::NO_STATUS.into(),
            false => CloseFrame { code: 4321.into(), reason: "done".into() },
        };
        assert_eq!(server.seen().await, Seen::Closed(Some(told)));
    }
}

async fn server_close_ends_in_order(stack: Stack) {
    let mut server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        let mut client = server.open(version).await;
        assert!(matches!(server.seen().await, Seen::Opened { .. }));
        client.send(&["hello", "close", "too late"]).await;
        assert_eq!(client.text().await, "hello");
        client.expect_close(4000, "bye").await;
        assert!(matches!(server.seen().await, Seen::Closed(Some(_))));
    }
}

async fn end_without_a_close_is_reported_as_such(stack: Stack) {
    let mut server = stack.serve(config()).await;
    for version in VERSIONS {
        println!("{version}");
        let mut client = server.open(version).await;
        assert!(matches!(server.seen().await, Seen::Opened { .. }));
        client.send(&["one", "two"]).await;
        client.wire.half_close().await;
        // Messages before the end are answered.
        assert_eq!(client.text().await, "one");
        assert_eq!(client.text().await, "two");
        client.wire.eof().await;
        // Draft 75 has no other way to close.
        let code = if version == Version::Hixie75 { CloseCode::NO_STATUS } else { CloseCode::ABNORMAL };
        assert_eq!(server.seen().await, Seen::Closed(Some(code.into())));
    }
}

async fn ping_is_answered(stack: Stack) {
    let server = stack.serve(config()).await;
    for version in HYBI {
        println!("{version}");
        let mut client = server.open(version).await;
        client.wire.write(Frame::ping("are you there?").bytes()).await;
        assert_eq!(client.wire.frame().await, ServerFrame::pong("are you there?"));
        client.close().await;
    }
}

async fn violation_is_answered_and_ends_in_order(stack: Stack) {
    let server = stack.serve(config()).await;
    for version in HYBI {
        println!("{version}");
        let mut client = server.open(version).await;
        client.send(&["before"]).await;
        client.wire.write(Frame::text("not masked").unmasked().bytes()).await;
        assert_eq!(client.text().await, "before");
        assert_eq!(client.wire.frame().await.close_code(), Some(1002));
        client.wire.eof().await;
    }
}

async fn several_connections_are_served_at_once(stack: Stack) {
    let server = stack.serve(config()).await;
    let mut clients = Vec::new();
    for version in VERSIONS.iter().cycle().take(15) {
        clients.push(server.open(*version).await);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&[&format!("hello {number}")]).await;
    }
    for (number, client) in clients.iter_mut().enumerate().rev() {
        assert_eq!(client.text().await, format!("hello {number}"));
    }
    for client in clients {
        client.close().await;
    }
}
