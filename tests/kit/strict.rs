//! Assertions fail when they should, with the right message. Invalid frames are encoded by this
//! package.

use std::time::{Duration, Instant};

use tower_websocket::Version;
use tower_websocket::test::{self, Handshake, Peer};
use websocket_tests::wire::{Frame, LengthForm, frames};

/// Returns a peer whose other end sends only these bytes.
fn sent(bytes: impl AsRef<[u8]>) -> (Peer, Peer) {
    let (io, other) = test::transport();
    let (peer, mut other) = (Peer::new(io), Peer::new(other));
    other.send_raw(bytes);
    (peer, other)
}

/// Returns a server frame.
fn text(text: &str) -> Vec<u8> {
    Frame::text(text).unmasked().bytes()
}

#[tokio::test]
#[should_panic = "expected the text \"hello\", got the text \"hullo\""]
async fn unexpected_text_fails() {
    sent(text("hullo")).0.expect_text("hello").await;
}

#[tokio::test]
#[should_panic = "expected the text \"hello\", got the binary message \"hello\""]
async fn binary_message_instead_of_text_fails() {
    sent(Frame::binary("hello").unmasked().bytes()).0.expect_text("hello").await;
}

#[tokio::test]
#[should_panic = "expected the binary message \"\\x00\\x01\", got a ping with \"\""]
async fn ping_before_the_expected_text_fails() {
    sent(Frame::ping("").unmasked().bytes()).0.expect_binary([0, 1]).await;
}

#[tokio::test]
#[should_panic = "expected a close with 1000, got a close with 1001 and \"bye\""]
async fn unexpected_close_code_fails() {
    sent(Frame::close(1001, "bye").unmasked().bytes()).0.expect_close(1000).await;
}

#[tokio::test]
#[should_panic = "expected \"\\x81\\x01a\", got \"\\x81\\x01b\""]
async fn unexpected_bytes_fail() {
    sent(text("b")).0.expect_raw(text("a")).await;
}

#[tokio::test]
#[should_panic = "expected the end, got the text \"more\""]
async fn frame_before_the_end_fails() {
    sent(text("more")).0.expect_eof().await;
}

#[tokio::test]
#[should_panic = "expected the text \"hello\", but the transport has ended, after \"\\x81\\x05hel\""]
async fn end_within_a_frame_fails() {
    let (mut peer, mut other) = sent(&text("hello")[..5]);
    other.cut();
    peer.expect_text("hello").await;
}

#[tokio::test(start_paused = true)]
#[should_panic = "expected nothing for 60s, got the text \"something\""]
async fn data_instead_of_nothing_fails() {
    let (mut peer, mut other) = sent("");
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(59)).await;
        other.send_raw(text("something"));
    });
    peer.expect_nothing(Duration::from_secs(60)).await;
}

#[tokio::test]
#[should_panic = "expected nothing for 60s, but the transport has ended"]
async fn end_instead_of_nothing_fails() {
    let (mut peer, mut other) = sent("");
    other.cut();
    peer.expect_nothing(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn missing_frame_times_out_at_once_on_a_paused_clock() {
    let begun = Instant::now();
    let waiting = tokio::spawn(async {
        let (mut peer, _other) = sent(&text("hello")[..3]);
        peer.expect_text("hello").await;
    });
    let panic = waiting.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.ends_with("timed out waiting for the text \"hello\", after \"\\x81\\x05h\""), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn late_frame_is_waited_for_on_a_paused_clock() {
    let (mut peer, mut other) = sent("");
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(23 * 3600)).await;
        other.send_raw(text("late"));
        other.end();
        other.rest().await;
    });
    peer.expect_text("late").await;
}

#[tokio::test]
async fn failure_reports_the_location_in_the_test() {
    let place = concat!(file!(), ":");
    let waiting = tokio::spawn(async { sent(text("a")).0.expect_text("b").await });
    let panic = waiting.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with(place), "{message}");
}

#[tokio::test]
async fn invalid_server_frames_fail() {
    for (frame, fault) in [
        (Frame::text("a"), "a masked frame of a server"),
        (Frame::text("a").unmasked().rsv(0x40), "reserved bits"),
        (Frame::continuation("a").unmasked(), "a continuation of no message"),
        (Frame::ping("a").unmasked().more(), "a fragmented control frame"),
        (Frame::new(3, "a").unmasked(), "the opcode 3"),
        (Frame::new(11, "a").unmasked(), "the opcode 11"),
        (Frame::text("a").unmasked().length_form(LengthForm::Bits16), "more than it takes"),
        (Frame::text("a".repeat(126)).unmasked().length_form(LengthForm::Bits64), "more than it takes"),
        (Frame::text(b"\xff").unmasked(), "utf-8"),
        (Frame::ping("a".repeat(126)).unmasked(), "a control frame of 126 bytes"),
        (Frame::new(8, "a").unmasked(), "half a close code"),
        (Frame::close(1005, "").unmasked(), "the close code 1005"),
        (Frame::close(1000, b"\xff").unmasked(), "utf-8"),
    ] {
        let waiting = tokio::spawn(async move { sent(frame.bytes()).0.next_frame().await });
        let panic = waiting.await.unwrap_err().into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(fault), "{message}");
    }
}

#[tokio::test]
async fn fragments_are_joined_and_their_order_is_checked() {
    let fragments = [Frame::text(b"a\xc3"), Frame::ping("p"), Frame::continuation(""), Frame::continuation(b"\xbc")];
    let [first, ping, second, last] = fragments.map(Frame::unmasked);
    let (mut peer, _other) = sent(frames([first.more(), ping, second.more(), last, Frame::text("b").unmasked()]));
    peer.expect_ping("p").await;
    peer.expect_text("aü").await;
    peer.expect_text("b").await;
    let within = [Frame::text("a").unmasked().more(), Frame::text("b").unmasked()];
    let begun_twice = within.clone().map(Frame::more);
    let wrong_text = [Frame::text(b"\xc3").unmasked().more(), Frame::continuation("").unmasked()];
    for (sequence, fault) in
        [(within, "within another message"), (begun_twice, "within another one"), (wrong_text, "utf-8")]
    {
        let waiting = tokio::spawn(async move { sent(frames(sequence)).0.next_frame().await });
        let panic = waiting.await.unwrap_err().into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(fault), "{message}");
    }
}

#[tokio::test]
#[should_panic = "a frame without a mask"]
async fn unmasked_client_frame_fails() {
    let (io, other) = test::transport();
    let (mut client, mut server) = (Peer::new(io), Peer::new(other));
    tokio::join!(client.open("/"), server.accept(None));
    client.send_raw(text("a"));
    server.next_frame().await;
}

#[tokio::test]
#[should_panic = "the handshake was refused"]
async fn refused_handshake_fails() {
    sent("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").0.open("/").await;
}

#[tokio::test]
async fn invalid_responses_fail() {
    const RIGHT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let answers = [
        (RIGHT.replace("HTTP/1.1", "HTTP/1.0"), "no status line"),
        (RIGHT.replace("Upgrade: websocket", "Upgrade: h2c"), "no upgrade"),
        (RIGHT.replace("Connection: Upgrade", "Connection: close"), "no upgrade"),
        (RIGHT.replace("s3pP", "S3pP"), "the Sec-WebSocket-Accept"),
        (format!("{RIGHT}Sec-WebSocket-Protocol: b\r\n"), "the subprotocol"),
        (format!("{RIGHT}Sec-WebSocket-Extensions: permessage-deflate\r\n"), "the extensions"),
        (format!("{RIGHT}Content-Length: 0\r\n"), "a 101 with a body"),
    ];
    for (answer, fault) in answers {
        let waiting = tokio::spawn(async move {
            let (mut peer, _other) = sent(format!("{answer}\r\n"));
            peer.open(Handshake::new("/").protocols("a")).await;
        });
        let panic = waiting.await.unwrap_err().into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(fault), "{message}");
    }
    let (mut peer, _other) = sent(format!("{RIGHT}Sec-WebSocket-Protocol: a\r\n\r\n"));
    let response = peer.open(Handshake::new("/").protocols("b, a")).await;
    assert_eq!(response.headers()["sec-websocket-protocol"], "a");
}

#[tokio::test]
async fn invalid_requests_fail() {
    let with = |name, value| Handshake::new("/").header(name, value);
    for (handshake, fault) in [
        (with("Upgrade", "h2c"), "no request to upgrade"),
        (with("Connection", "close"), "no request to upgrade"),
        (with("Sec-WebSocket-Version", "8"), "the version \"8\""),
        (with("Sec-WebSocket-Key", "c2hvcnQ="), "the key"),
        (Handshake::new("/").version(Version::Hixie75), "no Sec-WebSocket-Version"),
        (Handshake::new("/").protocols("chat"), "no offer of the subprotocol \"other\""),
    ] {
        let waiting = tokio::spawn(async move {
            let (io, other) = test::transport();
            drop(Peer::new(other).open(handshake));
            Peer::new(io).accept(Some("other")).await;
        });
        let panic = waiting.await.unwrap_err().into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(fault), "{message}");
    }
}
