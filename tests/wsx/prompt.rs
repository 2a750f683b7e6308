//! In a terminal: typed lines are sent, and events are printed above the prompt.

use std::os::unix::fs::PermissionsExt;

use websocket_tests::wire::Frame;

use crate::peer::{BINARY, PING, PONG, Peer, listen};
use crate::run::run;
use crate::terminal::{Terminal, folder};

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const LEFT: &str = "\x1b[D";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
/// The empty prompt at the start of a row.
const PROMPT: &str = "> \r\x1b[2C";

/// Starts the program with a prompt, and opens its peer.
async fn open(name: &str, args: &[&str]) -> (Terminal, Peer) {
    let (listener, url) = listen().await;
    let mut terminal = Terminal::start(url, args, &folder(name));
    let peer = Peer::open(&listener).await;
    terminal.until("connected: status 101, subprotocol none, extensions none").await;
    terminal.until(PROMPT).await;
    (terminal, peer)
}

#[test]
fn lines_are_sent_and_printed_with_the_time_and_colour() {
    run(async || {
        let (mut terminal, mut peer) = open("lines", &[]).await;
        terminal.press("hello\r");
        assert_eq!(peer.text().await, "hello");
        terminal.until("\x1b[1;36m>\x1b[0m hello\r\n").await;
        peer.send(Frame::text("answer")).await;
        let before = terminal.until(" \x1b[0m\x1b[1;32m<\x1b[0m answer\r\n").await;
        // The prompt is erased, and the time is printed in a dimmer colour.
        let (_, time) = before.rsplit_once("\r\x1b[J\x1b[2m").expect(&before);
        assert_eq!((time.len(), &time[2..3], &time[5..6], &time[8..9]), (12, ":", ":", "."), "{time}");
        terminal.until(PROMPT).await;
        terminal.press("\r");
        assert_eq!(peer.text().await, "");
        terminal.press(CTRL_C);
        assert_eq!(peer.answer_close().await, (1000, String::new()));
        terminal.until("closed: 1000").await;
        assert_eq!(terminal.end().await.0, Some(0));
    });
}

#[test]
fn what_comes_leaves_what_is_typed_as_it_is() {
    run(async || {
        let (mut terminal, mut peer) = open("above", &[]).await;
        terminal.press("half");
        terminal.until("> half\r\x1b[6C").await;
        peer.send(Frame::text("{\"a\":1}")).await;
        // The line is erased, the message printed, and the line drawn again with the cursor in the
        // same place.
        let between = terminal.until("> half\r\x1b[6C").await;
        assert!(between.starts_with("\r\x1b[J"), "{between:?}");
        assert!(between.contains("\x1b[34m\"a\"\x1b[0m: \x1b[35m1\x1b[0m\r\n               }\r\n"), "{between:?}");
        terminal.press(LEFT);
        terminal.until("> half\r\x1b[5C").await;
        peer.send(Frame::text("more")).await;
        terminal.until("> half\r\x1b[5C").await;
        terminal.press("-\r");
        assert_eq!(peer.text().await, "hal-f");
    });
}

#[test]
fn a_line_over_several_rows_is_taken_away_as_a_whole() {
    run(async || {
        let (mut terminal, mut peer) = open("rows", &[]).await;
        let line = "x".repeat(100);
        terminal.press(&line);
        // 78 next to the prompt, 22 below.
        let rows = format!("> {}\r\n{}\r\x1b[22C", "x".repeat(78), "x".repeat(22));
        terminal.until(&rows).await;
        peer.send(Frame::text("comes")).await;
        let between = terminal.until(&rows).await;
        assert!(between.starts_with("\r\x1b[1A\x1b[J"), "{between:?}");
        terminal.press("\r");
        assert_eq!(peer.text().await, line);
    });
}

#[test]
fn nothing_the_peer_sends_steers_the_terminal() {
    run(async || {
        let (mut terminal, mut peer) = open("attack", &[]).await;
        peer.send(Frame::text("\x1b]0;title\x07\x1b[2Jtext\u{9b}2J\r\u{202e}")).await;
        peer.send(Frame::text("last")).await;
        let printed = terminal.until("\x1b[0m last\r\n").await;
        for escaped in ["\\u{1b}", "]0;title", "[2Jtext", "\\u{9b}", "\\r", "\\u{202e}"] {
            assert!(printed.contains(escaped), "{escaped}: {printed:?}");
        }
        assert!(!printed.contains("\x1b]") && !printed.contains("\x1b[2J"), "{printed:?}");
        assert!(!printed.contains(['\u{7}', '\u{9b}', '\u{202e}']), "{printed:?}");
    });
}

#[test]
fn no_color_means_none() {
    run(async || {
        let (listener, url) = listen().await;
        let mut terminal = Terminal::start_with(url, &[], &folder("no-color"), |command| command.env("NO_COLOR", "1"));
        let mut peer = Peer::open(&listener).await;
        peer.send(Frame::text("{\"a\":1}")).await;
        let printed = terminal.until("\"a\": 1\r\n").await;
        // The prompt moves the cursor and clears; no sequence ends with the `m` of colours.
        let sequences = printed.split("\x1b[").skip(1);
        let ends: Vec<_> = sequences.filter_map(|rest| rest.chars().find(char::is_ascii_alphabetic)).collect();
        assert!(!ends.is_empty() && !ends.contains(&'m'), "{printed:?}");
        assert!(printed.contains(" < {\r\n"), "{printed:?}");
    });
}

#[test]
fn a_dumb_terminal_has_no_prompt() {
    run(async || {
        let (listener, url) = listen().await;
        let mut terminal = Terminal::start_with(url, &[], &folder("dumb"), |command| command.env("TERM", "dumb"));
        let mut peer = Peer::open(&listener).await;
        terminal.until("connected").await;
        terminal.press("/ping x\n");
        assert_eq!(peer.frame().await, (PING, b"x".to_vec()));
        terminal.press("typed\n");
        assert_eq!(peer.text().await, "typed");
        terminal.press(CTRL_D);
        peer.answer_close().await;
        let (status, printed) = terminal.end().await;
        assert_eq!(status, Some(0));
        assert!(!printed.contains("\x1b[J"), "{printed:?}");
    });
}

#[test]
fn commands_ping_close_and_help() {
    run(async || {
        let (mut terminal, mut peer) = open("commands", &[]).await;
        terminal.press("/ping a b\r");
        assert_eq!(peer.frame().await, (PING, b"a b".to_vec()));
        peer.send(Frame::new(PONG, "a b")).await;
        terminal.until("pong: a b").await;
        terminal.press("/ping\r");
        assert_eq!(peer.frame().await, (PING, Vec::new()));
        terminal.press("/help\r");
        terminal.until("/close [CODE [REASON]]").await;
        terminal.press("//help\r");
        assert_eq!(peer.text().await, "/help");
        for (wrong, told) in [
            ("/hlep", "unknown command /hlep: see /help, or send it as text with //hlep"),
            ("/close 999", "close code 999 may not be sent"),
            ("/close bye", "a close code is a number up to 65535"),
            (&*format!("/ping {}", "x".repeat(126)), "a ping holds at most 125 bytes"),
        ] {
            terminal.press(&format!("{wrong}\r"));
            terminal.until(told).await;
        }
        terminal.press("/close 4000 so long\r");
        terminal.until("close 4000 so long").await;
        assert_eq!(peer.answer_close().await, (4000, "so long".to_owned()));
        terminal.until("closed: 4000").await;
        assert_eq!(terminal.end().await.0, Some(0));
    });
}

#[test]
fn binary_makes_bytes_of_what_is_typed() {
    run(async || {
        let (mut terminal, mut peer) = open("binary", &["--binary"]).await;
        terminal.press("größe\r");
        assert_eq!(peer.frame().await, (BINARY, "größe".as_bytes().to_vec()));
        terminal.until("binary, 7 bytes").await;
    });
}

#[test]
fn ctrl_c_and_ctrl_d_close_as_the_option_says() {
    run(async || {
        for (key, args, close) in [
            (CTRL_C, &[][..], (1000, "")),
            (CTRL_D, &[], (1000, "")),
            (CTRL_C, &["--close", "4999:gone"], (4999, "gone")),
            ("/close\r", &["--close", "4999:gone"], (4999, "gone")),
        ] {
            let (mut terminal, peer) = open("leaving", args).await;
            terminal.press(key);
            let (code, reason) = peer.answer_close().await;
            assert_eq!((code, &*reason), close);
            assert_eq!(terminal.end().await.0, Some(0));
        }
    });
}

#[test]
fn the_server_may_end_it_while_something_is_typed() {
    run(async || {
        let (mut terminal, peer) = open("ended", &[]).await;
        terminal.press("never sent");
        terminal.until("> never sent").await;
        peer.finish(1001, "bye").await;
        terminal.until("closed: 1001 bye").await;
        let (status, printed) = terminal.end().await;
        assert_eq!(status, Some(0));
        // The line may have been drawn and erased once more.
        assert!(printed.rsplit("\x1b[J").next().is_some_and(|last| !last.contains("never sent")), "{printed:?}");
    });
}

#[test]
fn keys_edit_the_line() {
    run(async || {
        let (mut terminal, mut peer) = open("keys", &[]).await;
        for (keys, line) in [
            ("abc\x7f\x7fd", "ad"),
            ("bc\x01a\x05d", "abcd"),
            ("one two three\x17\x17four", "one four"),
            ("gone\x15kept", "kept"),
            ("ab\x02\x0bc\x19\x19", "acbb"),
            ("one two\x1bb\x1bbX\x1bfY", "XoneY two"),
            ("ab\x1b[D\x1b[D\x1b[3~\x04c", "c"),
            ("größe\x1b[D\x1b[D\x7fx", "grxße"),
            // A letter with a combining accent and a family emoji are one character each.
            ("e\u{301}x\x02\x7f", "x"),
            ("👨‍👩‍👧\x7fo", "o"),
            ("ab\x1b[HX\x1b[FY", "XabY"),
        ] {
            terminal.press(&format!("{keys}\r"));
            assert_eq!(peer.text().await, line, "{keys:?}");
        }
    });
}

#[test]
fn a_paste_is_one_message_of_several_lines() {
    run(async || {
        let (mut terminal, mut peer) = open("paste", &[]).await;
        terminal.press("\x1b[200~{\r\n\t\"a\": 1\r}\n\x1b[201~");
        terminal.until("> {\r\n    \"a\": 1\r\n}").await;
        terminal.press("\r");
        assert_eq!(peer.text().await, "{\n\t\"a\": 1\n}");
    });
}

#[test]
fn the_arrows_go_through_the_history_which_outlives_the_program() {
    run(async || {
        let state = folder("history");
        let (listener, url) = listen().await;
        let mut terminal = Terminal::start(&url, &[], &state);
        let mut peer = Peer::open(&listener).await;
        terminal.until(PROMPT).await;
        for line in ["one", "two", "two", " secret", "/ping three"] {
            terminal.press(&format!("{line}\r"));
            peer.frame().await;
        }
        // Down again to the line that was being typed.
        terminal.press(&format!("draft{UP}{UP}{DOWN}{DOWN}\r"));
        assert_eq!(peer.text().await, "draft");
        terminal.press(&format!("{UP}{UP}{UP}!\r"));
        assert_eq!(peer.text().await, "two!");
        terminal.press(CTRL_C);
        peer.answer_close().await;
        terminal.end().await;

        let file = state.join("wsx").join("history");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\ntwo\n/ping three\ndraft\ntwo!\n");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(state.join("wsx")).unwrap().permissions().mode() & 0o777, 0o700);

        let mut terminal = Terminal::start(&url, &[], &state);
        let mut peer = Peer::open(&listener).await;
        terminal.until(PROMPT).await;
        terminal.press(&format!("{UP}{UP}{UP}{UP}{UP}{UP}{UP}\r"));
        assert_eq!(peer.text().await, "one");
    });
}

#[test]
fn a_long_history_is_shortened_and_what_is_not_fit_for_a_terminal_left_out() {
    run(async || {
        let state = folder("long-history");
        std::fs::create_dir(state.join("wsx")).unwrap();
        let file = state.join("wsx").join("history");
        let lines: String = (0..2500).map(|i| format!("line {i}\n")).collect();
        std::fs::write(&file, format!("{lines}\x1b[2J\n")).unwrap();
        let (listener, url) = listen().await;
        let mut terminal = Terminal::start(&url, &[], &state);
        let mut peer = Peer::open(&listener).await;
        terminal.until(PROMPT).await;
        terminal.press(&format!("{UP}\r"));
        assert_eq!(peer.text().await, "line 2499");
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!((kept.lines().next(), kept.lines().count()), (Some("line 1500"), 1000));
    });
}

#[test]
fn without_a_place_for_the_history_all_else_works() {
    run(async || {
        let state = folder("no-history");
        // A file instead of the directory.
        std::fs::write(state.join("wsx"), "").unwrap();
        let (listener, url) = listen().await;
        let mut terminal = Terminal::start(&url, &[], &state);
        let mut peer = Peer::open(&listener).await;
        terminal.until(PROMPT).await;
        terminal.press("one\r");
        assert_eq!(peer.text().await, "one");
        terminal.press(&format!("{UP}\r"));
        assert_eq!(peer.text().await, "one");
    });
}

#[test]
fn json_asks_nothing_at_a_terminal_either() {
    run(async || {
        let (listener, url) = listen().await;
        let mut terminal = Terminal::start(&url, &["--json", "--send", "hello", "--wait", "0.2"], &folder("json"));
        terminal.press("not read\n");
        let mut peer = Peer::open(&listener).await;
        assert_eq!(peer.text().await, "hello");
        peer.answer_close().await;
        let (status, printed) = terminal.end().await;
        assert_eq!(status, Some(0));
        assert!(!printed.contains("> ") && !printed.contains('\x1b'), "{printed:?}");
        assert!(printed.contains("{\"event\":\"eof\"}\r\n"), "{printed:?}");
    });
}
