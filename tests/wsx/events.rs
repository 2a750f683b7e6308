//! Each event is one line.

use websocket_driver::Config;
use websocket_tests::wire::Frame;

use crate::peer::{PONG, Peer, listen};
use crate::program::Wsx;
use crate::run::run;

pub(crate) const OPEN: &str = r#"{"event":"open","protocol":null,"status":101}"#;
pub(crate) const CLOSED: &str = r#"{"event":"close","code":1000,"reason":""}"#;
pub(crate) const EOF: &str = r#"{"event":"eof"}"#;

/// Returns the lines between `open` and a close by the client, after the server has sent the given
/// bytes.
async fn told(frames: impl IntoIterator<Item = Frame>) -> Vec<String> {
    let (listener, url) = listen().await;
    let program = Wsx::json(url).args(["--wait", "0.1"]).start();
    let mut peer = Peer::open(&listener).await;
    for frame in frames {
        peer.send(frame).await;
    }
    let closed = async {
        // Pings are answered first.
        loop {
            let (opcode, payload) = peer.frame().await;
            if opcode != PONG {
                assert_eq!((opcode, &payload[..]), (8, &[0x03, 0xe8][..]));
                break peer.send(Frame::close(1000, "")).await;
            }
        }
        drop(peer);
    };
    let ((), ended) = tokio::join!(closed, program.end());
    assert_eq!((ended.status, &*ended.errors), (Some(0), ""), "{:#?}", ended.lines);
    let [first, lines @ .., close, last] = &ended.lines[..] else { panic!("{:#?}", ended.lines) };
    assert_eq!([&**first, close, last], [OPEN, CLOSED, EOF]);
    lines.to_vec()
}

#[test]
fn a_socket_opens_and_closes() {
    run(async || assert!(told([]).await.is_empty()));
}

#[test]
fn the_subprotocol_is_told() {
    run(async || {
        for (known, protocol) in [("chat", "\"chat\""), ("other", "null")] {
            let (listener, url) = listen().await;
            let program = Wsx::json(url).args(["--protocols", "v2,chat", "--wait", "0"]).start();
            let (peer, head) = Peer::open_with(&listener, Config::server().protocols([known])).await;
            assert!(head.to_ascii_lowercase().contains("sec-websocket-protocol: v2, chat\r\n"), "{head}");
            peer.answer_close().await;
            let open = format!("{{\"event\":\"open\",\"protocol\":{protocol},\"status\":101}}");
            program.end().await.is_clean(&[&open, CLOSED, EOF]);
        }
    });
}

#[test]
fn messages_come_as_text_or_in_hex() {
    run(async || {
        let frames = [
            Frame::text("hello"),
            Frame::text(""),
            Frame::binary([0, 255, 16, 9]),
            Frame::binary(""),
            Frame::text("last"),
        ];
        let lines = told(frames).await;
        assert_eq!(
            lines,
            [
                r#"{"event":"message","text":"hello"}"#,
                r#"{"event":"message","text":""}"#,
                r#"{"event":"message","hex":"00ff1009"}"#,
                r#"{"event":"message","hex":""}"#,
                r#"{"event":"message","text":"last"}"#,
            ]
        );
    });
}

#[test]
fn fragments_are_one_message() {
    run(async || {
        let frames = [Frame::text("hel").more(), Frame::ping("x"), Frame::continuation("lo")];
        let lines = told(frames).await;
        assert_eq!(lines, [r#"{"event":"ping","size":1}"#, r#"{"event":"message","text":"hello"}"#]);
    });
}

#[test]
fn pings_come_with_their_size_and_pongs_with_their_text() {
    run(async || {
        let long = "p".repeat(125);
        let frames =
            [Frame::ping("four"), Frame::ping(""), Frame::ping(&long), Frame::pong("asked for"), Frame::pong("")];
        let lines = told(frames).await;
        assert_eq!(
            lines,
            [
                r#"{"event":"ping","size":4}"#,
                r#"{"event":"ping","size":0}"#,
                r#"{"event":"ping","size":125}"#,
                r#"{"event":"pong","text":"asked for"}"#,
                r#"{"event":"pong","text":""}"#,
            ]
        );
        // Invalid UTF-8 in a pong is replaced.
        assert_eq!(told([Frame::pong(b"\xffa")]).await, ["{\"event\":\"pong\",\"text\":\"\u{fffd}a\"}"]);
    });
}

#[test]
fn a_text_stays_one_line_that_no_terminal_acts_upon() {
    run(async || {
        let lines = told([Frame::text("a\"b\\c\nd\r\u{1b}[31m\u{0}\u{7f}\u{9b}31m\u{85}ü\u{1f600}/")]).await;
        let escaped = r#"{"event":"message","text":"a\"b\\c\nd\r\u001b[31m\u0000\u007f\u009b31m\u0085ü😀/"}"#;
        assert_eq!(lines, [escaped]);
    });
}

#[test]
fn the_server_closes_with_a_code_and_a_reason_or_without() {
    run(async || {
        for (code, reason) in
            [(1000, ""), (1001, "bye"), (1011, "out of \"order\""), (4999, "größer"), (3000, &*"x".repeat(123))]
        {
            let (listener, url) = listen().await;
            let program = Wsx::json(url).args(["--wait", "20"]).start();
            let peer = Peer::open(&listener).await;
            assert_eq!(peer.finish(code, reason).await, (code, String::new()));
            let reason = reason.replace('"', "\\\"");
            let close = format!("{{\"event\":\"close\",\"code\":{code},\"reason\":\"{reason}\"}}");
            program.end().await.is_clean(&[OPEN, &close, EOF]);
        }
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--wait", "20"]).start();
        let mut peer = Peer::open(&listener).await;
        peer.send(Frame::new(8, "")).await;
        assert_eq!(peer.close().await.0, 1005);
        drop(peer);
        program.end().await.is_clean(&[OPEN, r#"{"event":"close","code":1005,"reason":""}"#, EOF]);
    });
}

#[test]
fn a_connection_that_is_cut_is_closed_with_1006() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--wait", "20"]).start();
        let mut peer = Peer::open(&listener).await;
        peer.send(Frame::text("only this")).await;
        drop(peer);
        let message = r#"{"event":"message","text":"only this"}"#;
        program.end().await.is_clean(&[OPEN, message, r#"{"event":"close","code":1006,"reason":""}"#, EOF]);
    });
}

#[test]
fn protocol_violation_is_reported_before_its_close() {
    run(async || {
        let long = Frame::new(9, "x".repeat(126)).unmasked().bytes();
        let cases: [(Vec<u8>, u16, &str); 6] = [
            (vec![0x83, 0], 1002, "unknown opcode 3 (RFC 6455 §5.2)"),
            (vec![0xc1, 0], 1002, "unexpected reserved bits (RFC 6455 §5.2)"),
            (vec![0x81, 0x80, 0, 0, 0, 0], 1002, "masked frame from a server (RFC 6455 §5.1)"),
            (vec![0x81, 1, 0xff], 1007, "invalid UTF-8 in text message (RFC 6455 §8.1)"),
            (long, 1002, "control frame payload exceeds 125 bytes (RFC 6455 §5.5)"),
            (vec![0x88, 2, 0x03, 0xed], 1002, "invalid close code 1005 (RFC 6455 §7.4)"),
        ];
        for (bytes, code, message) in cases {
            let (listener, url) = listen().await;
            let program = Wsx::json(url).args(["--wait", "20"]).start();
            let mut peer = Peer::open(&listener).await;
            peer.write(bytes).await;
            assert_eq!(peer.close().await, (code, message.to_owned()));
            drop(peer);
            program.end().await.has_failed(&[
                OPEN,
                &format!("{{\"event\":\"error\",\"message\":\"{message}\"}}"),
                &format!("{{\"event\":\"close\",\"code\":{code},\"reason\":\"{message}\"}}"),
                EOF,
            ]);
        }
    });
}

#[test]
fn a_reset_is_an_error() {
    run(async || {
        let (listener, url) = listen().await;
        let mut program = Wsx::json(url).args(["--send", "unread", "--wait", "20"]).start();
        let mut peer = Peer::open(&listener).await;
        // The socket has unread data when it is closed, so the system resets the connection.
        peer.wait_for_input().await;
        drop(peer);
        assert_eq!(program.line().await, OPEN);
        let ended = program.end().await;
        assert_eq!(ended.status, Some(1));
        let [error, close, eof] = &ended.lines[..] else { panic!("{:#?}", ended.lines) };
        assert!(error.starts_with(r#"{"event":"error","message":"transport failed: "#), "{error}");
        assert_eq!([&**close, eof], [r#"{"event":"close","code":1006,"reason":""}"#, EOF]);
    });
}
