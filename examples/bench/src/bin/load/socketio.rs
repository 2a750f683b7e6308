//! The packets of Socket.IO 5 over Engine.IO 4, which are text messages of a WebSocket.

use std::io::{Read, Write};

use serde_json::Value;
use websocket_wire::opcode::TEXT;
use websocket_wire::{FIN, MASK, put_frame, read_frame};

/// The path and the query of the handshake, without the polling that precedes it in browsers.
pub(crate) const TARGET: &str = "/socket.io/?EIO=4&transport=websocket";

const OPEN: &[u8] = b"0";
const PING: &[u8] = b"2";
const PONG: &[u8] = b"3";
const CONNECT: &[u8] = b"40";

/// Returns the packet of an event with a text, which must not need escaping in JSON.
pub(crate) fn event(text: &[u8]) -> Vec<u8> {
    [br#"42["m",""#, text, br#""]"#].concat()
}

/// Connects to the default namespace. The first argument is what has been received behind the
/// handshake of the WebSocket. Waits for the first ping, which socketioxide sends when a session
/// has been opened, and answers it.
pub(crate) fn connect(mut received: Vec<u8>, stream: &mut (impl Read + Write)) -> Result<(), String> {
    let mut expected = vec![OPEN];
    let mut buffer = [0; 1024];
    while !expected.is_empty() {
        let Some((header, packet, rest)) = read_frame(&received) else {
            match stream.read(&mut buffer).map_err(|error| format!("read failed: {error}"))? {
                0 => return Err("the server closed a connection instead of opening a session".into()),
                read => received.extend(&buffer[..read]),
            }
            continue;
        };
        let is_text = header.first == FIN | TEXT;
        let at = expected.iter().position(|&kind| is_text && is_complete(packet, kind));
        let at = at.ok_or_else(|| format!("unexpected packet \"{}\"", packet.escape_ascii()))?;
        let behind = rest.len();
        match expected.swap_remove(at) {
            OPEN => {
                send(stream, CONNECT)?;
                expected.extend([CONNECT, PING]);
            }
            PING => send(stream, PONG)?,
            _ => {}
        }
        received.drain(..received.len() - behind);
    }
    if received.is_empty() { Ok(()) } else { Err(format!("unexpected packets \"{}\"", received.escape_ascii())) }
}

/// Returns whether a packet has this type, and the ID of a session unless it is a ping.
fn is_complete(packet: &[u8], kind: &[u8]) -> bool {
    match packet.strip_prefix(kind) {
        Some(data) if kind == PING => data.is_empty(),
        Some(data) => serde_json::from_slice::<Value>(data).is_ok_and(|data| data["sid"].is_string()),
        None => false,
    }
}

fn send(stream: &mut impl Write, packet: &[u8]) -> Result<(), String> {
    let mut frame = Vec::new();
    put_frame(&mut frame, FIN | TEXT, Some(MASK), packet);
    stream.write_all(&frame).map_err(|error| format!("write failed: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use websocket_wire::opcode::BINARY;

    use super::*;

    /// A server that sends given bytes, in pieces of a given size, and then nothing more.
    struct Server<'a> {
        pieces: std::slice::Chunks<'a, u8>,
        received: Vec<u8>,
    }

    impl Read for Server<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.pieces.next().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    impl Write for Server<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.received.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const OPENED: &[u8] = br#"0{"sid":"b0hqYEb","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    const CONNECTED: &[u8] = br#"40{"sid":"b0hqYEb"}"#;

    fn frames(packets: &[&[u8]]) -> Vec<u8> {
        let mut frames = Vec::new();
        packets.iter().for_each(|packet| put_frame(&mut frames, FIN | TEXT, None, packet));
        frames
    }

    /// Returns the result, and what the server received.
    fn connect_to(sent: &[u8], behind: usize, size: usize) -> (Result<(), String>, Vec<u8>) {
        let (behind, rest) = sent.split_at(behind);
        let mut server = Server { pieces: rest.chunks(size), received: Vec::new() };
        (connect(behind.to_vec(), &mut server), server.received)
    }

    #[test]
    fn session_is_opened_and_ping_is_answered() {
        let mut answers = Vec::new();
        [CONNECT, PONG].iter().for_each(|packet| put_frame(&mut answers, FIN | TEXT, Some(MASK), packet));
        for sent in [frames(&[OPENED, PING, CONNECTED]), frames(&[OPENED, CONNECTED, PING])] {
            for behind in [0, 1, 40, sent.len()] {
                for size in [1, 7, sent.len()] {
                    assert_eq!(connect_to(&sent, behind, size), (Ok(()), answers.clone()), "{behind}, by {size}");
                }
            }
        }
    }

    #[test]
    fn unexpected_packet_fails() {
        let mut binary = frames(&[OPENED, PING]);
        put_frame(&mut binary, FIN | BINARY, None, CONNECTED);
        for sent in [
            frames(&[CONNECTED]),
            frames(&[PING, OPENED, CONNECTED]),
            frames(&[OPENED, OPENED]),
            frames(&[OPENED, PING, PING, CONNECTED]),
            frames(&[OPENED, PING, br#"40{"sid":1}"#]),
            frames(&[OPENED, PING, br#"40{"sid":"b0hqYEb""#]),
            frames(&[OPENED, PING, br#"44{"message":"refused"}"#]),
            frames(&[OPENED, PING, CONNECTED, CONNECTED]),
            frames(&[OPENED, CONNECTED]),
            frames(&[OPENED, PING]),
            binary,
        ] {
            let (result, _) = connect_to(&sent, 0, sent.len());
            assert!(result.is_err(), "{}", sent.escape_ascii());
        }
    }

    #[test]
    fn event_has_ten_bytes_more_than_its_text() {
        let packet = event(b"the quick");
        assert_eq!(packet, br#"42["m","the quick"]"#);
        assert_eq!(packet.len(), 9 + 10);
    }
}
