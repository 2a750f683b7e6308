//! Text and binary messages over 300 bytes are shortened to their beginning and their size.

use websocket_tests::wire::Frame;

use crate::events::OPEN;
use crate::peer::{Peer, listen};
use crate::program::Wsx;
use crate::run::run;

async fn told(frame: Frame) -> String {
    let (listener, url) = listen().await;
    let mut program = Wsx::json(url).start();
    let mut peer = Peer::open(&listener).await;
    peer.send(frame).await;
    assert_eq!(program.line().await, OPEN);
    program.line().await
}

async fn text_of(text: &str) -> String {
    let line = told(Frame::text(text)).await;
    let text = line.strip_prefix(r#"{"event":"message","text":""#).and_then(|rest| rest.strip_suffix("\"}"));
    text.unwrap_or_else(|| panic!("{line}")).to_owned()
}

async fn hex_of(bytes: &[u8]) -> String {
    let line = told(Frame::binary(bytes)).await;
    let hex = line.strip_prefix(r#"{"event":"message","hex":""#).and_then(|rest| rest.strip_suffix("\"}"));
    hex.unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn texts_of_300_bytes_are_told_as_a_whole() {
    run(async || {
        for text in ["a".repeat(300), "ü".repeat(150), "€".repeat(100), "😀".repeat(75)] {
            assert_eq!(text_of(&text).await, text);
        }
    });
}

#[test]
fn of_longer_ones_there_are_20_characters_however_many_bytes_those_have() {
    run(async || {
        for (text, beginning) in [
            ("a".repeat(301), format!("{}... 301", "a".repeat(20))),
            (format!("{}a", "ü".repeat(150)), format!("{}... 301", "ü".repeat(20))),
            ("€".repeat(101), format!("{}... 303", "€".repeat(20))),
            ("😀".repeat(76), format!("{}... 304", "😀".repeat(20))),
            (format!("{}{}", "a".repeat(19), "😀".repeat(80)), format!("{}😀... 339", "a".repeat(19))),
            // The size is in bytes, before JSON escapes them.
            ("\n".repeat(400), format!("{}... 400", "\\n".repeat(20))),
            ("x".repeat(1_000_000), format!("{}... 1000000", "x".repeat(20))),
        ] {
            assert_eq!(text_of(&text).await, beginning);
        }
    });
}

#[test]
fn of_binaries_over_300_bytes_there_are_20() {
    run(async || {
        let bytes: Vec<u8> = (0..=255).cycle().take(301).collect();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex_of(&bytes[..299]).await, hex[..598]);
        assert_eq!(hex_of(&bytes[..300]).await, hex[..600]);
        assert_eq!(hex_of(&bytes).await, "000102030405060708090a0b0c0d0e0f10111213... 301");
        assert_eq!(hex_of(&vec![255; 100_000]).await, format!("{}... 100000", "ff".repeat(20)));
    });
}
