//! Lines from a pipe.

use std::time::{Duration, Instant};

use websocket_tests::wire::Frame;

use crate::events::{CLOSED, EOF, OPEN};
use crate::peer::{BINARY, Peer, listen};
use crate::program::Wsx;
use crate::run::run;

#[test]
fn each_line_is_a_message_behind_those_of_the_options() {
    run(async || {
        for wsx in [Wsx::json, Wsx::plain] {
            let (listener, url) = listen().await;
            let program =
                wsx(url).args(["--send", "zero", "--wait", "0.1"]).input("one\n\n /two\r\n/close\nlast").start();
            let mut peer = Peer::open(&listener).await;
            for text in ["zero", "one", "", " /two", "/close", "last"] {
                assert_eq!(peer.text().await, text);
            }
            assert_eq!(peer.answer_close().await, (1000, String::new()));
            assert_eq!(program.end().await.status, Some(0));
        }
    });
}

#[test]
fn lines_are_bytes_under_binary() {
    run(async || {
        let (listener, url) = listen().await;
        let _program = Wsx::json(url).args(["--binary"]).input(b"\xff\x00\xfe\n\nabc\n").start();
        let mut peer = Peer::open(&listener).await;
        for line in [&b"\xff\x00\xfe"[..], b"", b"abc"] {
            assert_eq!(peer.frame().await, (BINARY, line.to_vec()));
        }
        peer.answer_close().await;
    });
}

#[test]
fn a_line_that_is_no_text_is_an_error_and_the_others_are_sent() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).input(b"one\n\xff\ntwo\n").start();
        let mut peer = Peer::open(&listener).await;
        assert_eq!((peer.text().await, peer.text().await), ("one".to_owned(), "two".to_owned()));
        peer.answer_close().await;
        let error = r#"{"event":"error","message":"a line is not UTF-8; --binary sends lines unchanged"}"#;
        program.end().await.has_failed(&[OPEN, error, CLOSED, EOF]);
    });
}

#[test]
#[cfg(unix)]
fn an_input_that_is_closed_is_empty() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::with_closed_input(url).args(["--send", "hello", "--wait", "0"]).start();
        let mut peer = Peer::open(&listener).await;
        assert_eq!(peer.text().await, "hello");
        peer.answer_close().await;
        program.end().await.is_clean(&[OPEN, CLOSED, EOF]);
    });
}

#[test]
fn a_folder_for_an_input_is_an_error_and_no_end() {
    run(async || {
        // The same as `< .` in a shell.
        let (listener, url) = listen().await;
        let program = Wsx::json(url).input_from(std::fs::File::open(".").unwrap()).args(["--send", "sent"]).start();
        let mut peer = Peer::open(&listener).await;
        assert_eq!(peer.text().await, "sent");
        peer.answer_close().await;
        let ended = program.end().await;
        assert_eq!(ended.status, Some(1));
        let errors: Vec<_> = ended.lines.iter().filter(|line| line.contains("cannot read the input")).collect();
        assert_eq!(errors.len(), 1, "{:#?}", ended.lines);
    });
}

#[test]
fn an_input_that_gives_nothing_is_not_waited_for() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--send", "hello", "--wait", "0.2"]).open_input().start();
        let mut peer = Peer::open(&listener).await;
        assert_eq!(peer.text().await, "hello");
        peer.answer_close().await;
        program.end().await.is_clean(&[OPEN, CLOSED, EOF]);
    });
}

#[test]
fn one_that_has_given_a_line_is() {
    run(async || {
        let (listener, url) = listen().await;
        let mut program = Wsx::json(url).args(["--wait", "0.1"]).open_input().start();
        program.write("one\n");
        let mut peer = Peer::open(&listener).await;
        assert_eq!(peer.text().await, "one");
        // Longer than the timeout for inactivity, and than the minimum wait for input.
        let begun = Instant::now();
        assert!(tokio::time::timeout(Duration::from_millis(900), peer.frame()).await.is_err(), "{:?}", begun.elapsed());
        program.write("two\n");
        assert_eq!(peer.text().await, "two");
        program.end_input();
        peer.answer_close().await;
        program.end().await.is_clean(&[OPEN, CLOSED, EOF]);
    });
}

#[test]
fn without_json_the_end_of_the_input_is_waited_for() {
    run(async || {
        let (listener, url) = listen().await;
        let mut program = Wsx::plain(url).args(["--wait", "0"]).open_input().start();
        let mut peer = Peer::open(&listener).await;
        assert!(tokio::time::timeout(Duration::from_millis(700), peer.frame()).await.is_err());
        program.end_input();
        peer.answer_close().await;
        assert_eq!(program.end().await.status, Some(0));
    });
}

#[test]
fn the_server_may_close_while_the_input_is_open() {
    run(async || {
        for wsx in [Wsx::json, Wsx::plain] {
            let (listener, url) = listen().await;
            let mut program = wsx(url).open_input().start();
            let mut peer = Peer::open(&listener).await;
            program.write("one\n");
            assert_eq!(peer.text().await, "one");
            assert_eq!(peer.finish(1001, "down").await, (1001, String::new()));
            assert_eq!(program.end().await.status, Some(0));
        }
    });
}

#[test]
fn an_echo_of_more_than_the_buffers_hold_comes_back_whole() {
    run(async || {
        // The peer reads nothing while it writes, like simple echo servers.
        let (listener, url) = listen().await;
        let count = 30;
        let line = "0123456789".repeat(50_000);
        let input = format!("{line}\n").repeat(count);
        let program = Wsx::json(url).input(input).start();
        let mut peer = Peer::open(&listener).await;
        for _ in 0..count {
            let echo = peer.text().await;
            peer.send(Frame::text(echo)).await;
        }
        peer.answer_close().await;
        let ended = program.end().await;
        assert_eq!((ended.status, ended.lines.len()), (Some(0), count + 3));
    });
}
