//! The output for a person, without a terminal: no colour, and no typed lines.

use websocket_tests::wire::Frame;

use crate::peer::{CLOSE, Peer, listen};
use crate::program::Wsx;
use crate::run::run;

/// Returns the output between the opening and the close, after the server has sent this. The times
/// are checked and removed.
async fn shown(frames: impl IntoIterator<Item = Frame>) -> Vec<String> {
    let (listener, url) = listen().await;
    let program = Wsx::plain(url).args(["--wait", "0.1"]).start();
    let mut peer = Peer::open(&listener).await;
    for frame in frames {
        peer.send(frame).await;
    }
    // Pings are answered first.
    while peer.frame().await.0 != CLOSE {}
    peer.send(Frame::close(1000, "")).await;
    drop(peer);
    let ended = program.end().await;
    assert_eq!((ended.status, &*ended.errors), (Some(0), ""));
    let mut lines: Vec<_> = ended.lines.iter().map(|line| without_time(line)).collect();
    assert_eq!(lines.remove(0), "* connected: status 101, subprotocol none, extensions none");
    assert_eq!(lines.pop().as_deref(), Some("* closed: 1000"));
    lines
}

/// `HH:MM:SS.mmm ` or the same number of spaces.
fn without_time(line: &str) -> String {
    let (time, rest) = line.split_at_checked(13).unwrap_or((line, ""));
    let is_time = time.bytes().zip("00:00:00.000 ".bytes()).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    });
    assert!(is_time || time.trim().is_empty(), "{line:?}");
    rest.to_owned()
}

#[test]
fn texts_are_shown_as_they_are() {
    run(async || {
        let frames =
            [Frame::text("hello"), Frame::text(""), Frame::text("two\nlines\n\tand a tab"), Frame::text("größer 😀")];
        let lines = shown(frames).await;
        assert_eq!(lines, ["< hello", "< ", "< two", "  lines", "  \tand a tab", "< größer 😀"]);
    });
}

#[test]
fn nothing_that_steers_a_terminal_gets_there() {
    run(async || {
        // A title, a colour, clearing the screen, the same with C1 codes, backspaces, an
        // overwritten line, reversed text.
        let attack = "\u{1b}]0;title\u{7}\u{1b}[31m\u{1b}[2J\u{9b}2J\u{9d}0;t\u{9c}\u{8}\u{8}ok\rno\u{202e}gpj.exe\u{2066}\0\u{7f}";
        let lines =
            shown([Frame::text(attack), Frame::pong(attack), Frame::text("{\"\u{9b}\": \"\u{202e}\u{7f}\"}")]).await;
        let escaped = r"\u{1b}]0;title\u{7}\u{1b}[31m\u{1b}[2J\u{9b}2J\u{9d}0;t\u{9c}\u{8}\u{8}ok\rno\u{202e}gpj.exe\u{2066}\u{0}\u{7f}";
        assert_eq!(lines[..2], [format!("< {escaped}"), format!("* pong: {escaped}")]);
        assert_eq!(lines[2..], ["< {", r#"    "\u{9b}": "\u{202e}\u{7f}""#, "  }"]);
    });
}

#[test]
fn json_is_set_anew_and_not_changed() {
    run(async || {
        let json = r#" {"b":1.0,"a":[1e400,12345678901234567890123,-0.50E+2,true,null],"a":"\u0041\"}, ","e":{},"f":[ ],"g":[[{"":""}]]} "#;
        let lines = shown([Frame::text(json)]).await;
        let pretty = r#"< {
    "b": 1.0,
    "a": [
      1e400,
      12345678901234567890123,
      -0.50E+2,
      true,
      null
    ],
    "a": "\u0041\"}, ",
    "e": {},
    "f": [],
    "g": [
      [
        {
          "": ""
        }
      ]
    ]
  }"#;
        assert_eq!(lines.join("\n"), pretty);
    });
}

#[test]
fn what_is_no_json_or_needs_no_lines_stays_one() {
    run(async || {
        let deep = "[".repeat(65) + "1" + &"]".repeat(65);
        for text in ["{\"a\":1", "[1,]", "{a:1}", "17", "\"text\"", "null", "{} {}", "[1] and more", "{", &deep] {
            assert_eq!(shown([Frame::text(text)]).await, [format!("< {text}")]);
        }
        assert_eq!(shown([Frame::text("[]")]).await, ["< []"]);
    });
}

#[test]
fn bytes_are_dumped() {
    run(async || {
        let bytes: Vec<u8> = (0x1a..0x1a + 18).chain([b'~', 0x7f, 0xff]).collect();
        let lines = shown([Frame::binary(bytes), Frame::binary("")]).await;
        assert_eq!(
            lines,
            [
                "< binary, 21 bytes",
                "  00000000  1a 1b 1c 1d 1e 1f 20 21  22 23 24 25 26 27 28 29  |...... !\"#$%&'()|",
                "  00000010  2a 2b 7e 7f ff                                    |*+~..|",
                "< binary, 0 bytes",
            ]
        );
    });
}

#[test]
fn much_is_cut() {
    run(async || {
        let lines = shown([Frame::binary(vec![0; 257]), Frame::text("€".repeat(10_000))]).await;
        assert_eq!(
            (lines.len(), &*lines[16], &*lines[17]),
            (20, &*format!("  000000f0  {}", dump_of_zeros()), "  ... 257 bytes in all")
        );
        // The limit is within a character.
        assert_eq!(lines[18], format!("< {}", "€".repeat(16 * 1024 / 3)));
        assert_eq!(lines[19], "  ... 30000 bytes in all");
    });
}

fn dump_of_zeros() -> String {
    let eight = "00 ".repeat(8);
    format!("{eight} {eight} |{}|", ".".repeat(16))
}

#[test]
fn the_other_events_are_told_in_words() {
    run(async || {
        let lines = shown([Frame::ping("four"), Frame::pong("text"), Frame::pong("")]).await;
        assert_eq!(lines, ["* ping of 4 bytes, answered", "* pong: text", "* pong"]);
    });
}

#[test]
fn an_error_and_its_close_are_told_and_the_status_is_1() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::plain(url).open_input().start();
        let mut peer = Peer::open(&listener).await;
        peer.write([0x83, 0]).await;
        peer.close().await;
        drop(peer);
        let ended = program.end().await;
        let lines: Vec<_> = ended.lines.iter().map(|line| without_time(line)).collect();
        let message = "unknown opcode 3 (RFC 6455 §5.2)";
        assert_eq!(lines[1..], [format!("! {message}"), format!("* closed: 1002 {message}")]);
        assert_eq!(ended.status, Some(1));
    });
}

#[test]
fn the_time_is_the_local_one() {
    run(async || {
        let mut hours = Vec::new();
        // Thirteen hours apart, so that half a day is enough to distinguish them.
        for zone in ["UTC0", "XXX-13"] {
            let (listener, url) = listen().await;
            let mut program = Wsx::plain(url).env("TZ", zone).start();
            let _peer = Peer::open(&listener).await;
            let line = program.line().await;
            let minutes = line[..2].parse::<i32>().unwrap() * 60 + line[3..5].parse::<i32>().unwrap();
            hours.push(minutes);
        }
        let apart = (hours[1] - hours[0]).rem_euclid(24 * 60);
        assert!((13 * 60..=13 * 60 + 1).contains(&apart), "{hours:?}");
    });
}
