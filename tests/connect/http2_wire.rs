//! An HTTP/2 server that writes individual frames (RFC 9113 §4.1), for frames that no library
//! sends, and for checks of their order.

use crate::peer::{Peer, Transport};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 0x01;
pub(crate) const ACK: u8 = 0x01;
pub(crate) const END_HEADERS: u8 = 0x04;

/// `SETTINGS_ENABLE_CONNECT_PROTOCOL` is 1 (RFC 8441 §3).
pub(crate) const TAKES_WEBSOCKETS: [u8; 6] = [0, 8, 0, 0, 0, 1];

/// The entry `:status: 200` of the static table (RFC 7541 Appendix A).
pub(crate) const OK: [u8; 1] = [0x88];

/// NO_ERROR and CANCEL (RFC 9113 §7).
pub(crate) const NO_ERROR: [u8; 4] = [0, 0, 0, 0];
pub(crate) const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// A client's first stream.
pub(crate) const STREAM: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Http2Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(crate) struct Http2Wire {
    peer: Peer,
}

impl Http2Wire {
    /// Receives the preface and sends nothing.
    pub(crate) async fn begin(io: impl Transport + 'static) -> Self {
        let mut peer = Peer::new(io);
        assert_eq!(peer.bytes(24).await, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Self { peer }
    }

    /// Receives everything up to the client's request, and accepts the WebSocket with windows of
    /// some megabytes.
    pub(crate) async fn accept(io: impl Transport + 'static) -> Self {
        const ROOM: u32 = 16 * 1024 * 1024;
        let mut wire = Self::begin(io).await;
        // INITIAL_WINDOW_SIZE sets the streams' window, not the connection's.
        let window = [&[0, 4][..], &ROOM.to_be_bytes()].concat();
        wire.write(SETTINGS, 0, 0, [&TAKES_WEBSOCKETS[..], &window].concat()).await;
        wire.write(WINDOW_UPDATE, 0, 0, ROOM.to_be_bytes()).await;
        let request = wire.next(HEADERS).await;
        assert_eq!((request.stream, request.flags & END_STREAM), (STREAM, 0));
        wire.write(HEADERS, END_HEADERS, STREAM, OK).await;
        wire
    }

    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) {
        self.write_all(&[frame(kind, flags, stream, payload)]).await;
    }

    /// Writes frames at once.
    pub(crate) async fn write_all(&mut self, frames: &[Vec<u8>]) {
        self.peer.write(frames.concat()).await;
    }

    /// Returns the next frame.
    pub(crate) async fn read(&mut self) -> Http2Frame {
        let header = self.peer.bytes(9).await;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        Http2Frame { kind: header[3], flags: header[4], stream, payload: self.peer.bytes(length as usize).await }
    }

    /// Returns the next frame of a type. Settings and pings before it are acknowledged.
    pub(crate) async fn next(&mut self, kind: u8) -> Http2Frame {
        self.next_of(&[kind]).await
    }

    /// Returns the next frame of one of these types.
    pub(crate) async fn next_of(&mut self, kinds: &[u8]) -> Http2Frame {
        loop {
            let frame = self.read().await;
            if kinds.contains(&frame.kind) {
                return frame;
            }
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.write(SETTINGS, ACK, 0, []).await,
                PING if frame.flags & ACK == 0 => self.write(PING, ACK, 0, frame.payload).await,
                SETTINGS | PING | WINDOW_UPDATE => {}
                _ => panic!("{frame:?}"),
            }
        }
    }

    /// Returns all frames until the client closes the connection in order.
    pub(crate) async fn rest(&mut self) -> Vec<Http2Frame> {
        let rest = self.peer.rest().await;
        let mut wire = Self { peer: Peer::new(std::io::Cursor::new(rest.clone())) };
        let (mut frames, mut length) = (Vec::new(), 0);
        while length < rest.len() {
            let frame = wire.read().await;
            length += 9 + frame.payload.len();
            frames.push(frame);
        }
        frames
    }
}
