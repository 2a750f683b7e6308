//! Invalid UTF-8 in compressed messages, with a client that replaces it.

use permessage_deflate::PermessageDeflate;
use websocket_driver::{ClientConfig, Event, ProtocolError};
use websocket_tests::wire::Frame;

use crate::session::{Client, Reply, config, failed, text};

/// Opens a connection with permessage-deflate and a message size limit.
fn open(config: ClientConfig, limit: usize) -> Client {
    let config = config.extension(PermessageDeflate::new()).expect("one extension");
    let mut client = Client::started(config.max_message_size(limit));
    let reply = Reply::right().with("Sec-WebSocket-Extensions", "permessage-deflate");
    assert_eq!(client.feed(reply.bytes()), [Event::Open]);
    client
}

/// Returns a compressed message in a stored block (RFC 1951 §3.2.4).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), bytes, &[0]].concat()
}

#[test]
fn invalid_utf8_of_compressed_messages_is_replaced() {
    let long = [&[b'x'; 2000][..], b"\xe9"].concat();
    for bytes in [&b"caf\xe9"[..], b"\xff\xff", b"cut \xf0\x9f", b"fine", &long] {
        let payload = stored(bytes);
        let (start, end) = payload.split_at(payload.len() / 2);
        let whole = Frame::text(&payload).rsv(0x40).unmasked().bytes();
        let first = Frame::text(start).more().rsv(0x40).unmasked().bytes();
        let cut = [first, Frame::continuation(end).unmasked().bytes()].concat();
        for sent in [whole, cut] {
            let mut client = open(config().replace_invalid_utf8(true), 2003 + 10);
            for _ in 0..2 {
                assert_eq!(client.feed(&sent), [text(&String::from_utf8_lossy(bytes))], "{bytes:x?}");
            }
            let events = open(config(), 2013).feed(&sent);
            let is_closed = |event: &_| matches!(event, Event::Close(close) if u16::from(close.code) == 1007);
            assert_eq!(events.iter().any(is_closed), bytes != b"fine", "{events:?}");
        }
    }
}

#[test]
fn limit_holds_for_compressed_text_after_replacement() {
    for (count, fits) in [(10, true), (11, false)] {
        let mut client = open(config().replace_invalid_utf8(true), 30);
        let events = client.feed(Frame::text(stored(&vec![0xff; count])).rsv(0x40).unmasked().bytes());
        match fits {
            true => assert_eq!(events, [text(&"\u{FFFD}".repeat(count))]),
            false => assert_eq!(events, failed(ProtocolError::MessageTooBig { size: 31, limit: 30 }, 1009)),
        }
    }
}
