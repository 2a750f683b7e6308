//! HTTP/2 frame by frame, for frames that no client library sends (RFC 9113 §4.1, §6.1).

use tower_websocket::CloseCode;
use websocket_tests::wire::{Frame, ServerFrame, server_frame};

use crate::run::run;
use crate::stacks::{Seen, Server, Stack, config};
use crate::wire::Wire;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;

const END_STREAM: u8 = 0x01;
const ACK: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;

const STREAM: u32 = 1;

struct Received {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A stream with a WebSocket.
struct Tunnel {
    wire: Wire,
    data: Vec<u8>,
    is_ended: bool,
}

impl Tunnel {
    async fn open(server: &Server) -> Self {
        let mut wire = Wire::new(server.connect_http2().await);
        wire.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut tunnel = Self { wire, data: Vec::new(), is_ended: false };
        tunnel.write(SETTINGS, 0, 0, b"").await;
        let settings = tunnel.read().await;
        assert_eq!((settings.kind, settings.flags), (SETTINGS, 0));
        // RFC 8441 §3: SETTINGS_ENABLE_CONNECT_PROTOCOL is 1.
        assert!(settings.payload.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]), "{:?}", settings.payload);
        tunnel.write(SETTINGS, ACK, 0, b"").await;

        let headers = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", "example.com"),
            (":path", "/chat"),
            ("sec-websocket-version", "13"),
        ];
        // Literals without indexing (RFC 7541 §6.2.2).
        let block = headers.map(|(name, value)| {
            let lengths = [name, value].map(|text| [text.len() as u8]);
            [&[0x00], &lengths[0][..], name.as_bytes(), &lengths[1], value.as_bytes()].concat()
        });
        tunnel.write(HEADERS, END_HEADERS, STREAM, &block.concat()).await;
        loop {
            let Received { kind, flags, stream, payload } = tunnel.read().await;
            if kind == HEADERS {
                // The entry `:status: 200` of the static table (RFC 7541 Appendix A).
                assert_eq!((stream, payload[0], flags & END_STREAM), (STREAM, 0x88, 0));
                return tunnel;
            }
        }
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        self.wire.write([&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()).await;
    }

    async fn read(&mut self) -> Received {
        let header = self.wire.bytes(9).await;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        Received { kind: header[3], flags: header[4], stream, payload: self.wire.bytes(length as usize).await }
    }

    /// Receives the next frame of the stream.
    async fn advance(&mut self) {
        let Received { kind, flags, stream, payload } = self.read().await;
        if stream == STREAM {
            match kind {
                DATA => {
                    self.data.extend(payload);
                    self.is_ended = flags & END_STREAM != 0;
                }
                // Only without an error.
                RST_STREAM => panic!("the stream is reset: {payload:?}"),
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> ServerFrame {
        loop {
            if let Some((frame, length)) = server_frame(&self.data) {
                self.data.drain(..length);
                return frame;
            }
            self.advance().await;
        }
    }

    async fn ended(&mut self) {
        while !self.is_ended {
            self.advance().await;
        }
        assert!(self.data.is_empty());
    }
}

#[test]
fn empty_data_frames_are_not_the_end() {
    run(async || {
        for stack in Stack::HTTP2 {
            let mut server = stack.serve(config()).await;
            let mut tunnel = Tunnel::open(&server).await;
            tunnel.write(DATA, 0, STREAM, b"").await;
            for byte in Frame::text("hello").bytes() {
                tunnel.write(DATA, 0, STREAM, &[byte]).await;
                tunnel.write(DATA, 0, STREAM, b"").await;
                tunnel.write(DATA, PADDED, STREAM, &[3, 0, 0, 0]).await;
            }
            assert_eq!(tunnel.frame().await, ServerFrame::text("hello"));
            // Also while the server waits between two messages.
            tunnel.write(DATA, 0, STREAM, b"").await;
            tunnel.write(DATA, 0, STREAM, &Frame::text("again").bytes()).await;
            assert_eq!(tunnel.frame().await, ServerFrame::text("again"));

            assert!(matches!(server.seen().await, Seen::Opened { .. }));
            tunnel.write(DATA, END_STREAM, STREAM, b"").await;
            tunnel.ended().await;
            assert_eq!(server.seen().await, Seen::Closed(Some(CloseCode::ABNORMAL.into())));
        }
    });
}

#[test]
fn stream_ends_in_order_after_the_close() {
    // RFC 8441 §5.3: an orderly end is END_STREAM, which corresponds to FIN in TCP.
    run(async || {
        for stack in Stack::HTTP2 {
            let server = stack.serve(config()).await;
            let mut tunnel = Tunnel::open(&server).await;
            tunnel.write(DATA, 0, STREAM, &Frame::close(1000, "").bytes()).await;
            assert_eq!(tunnel.frame().await, ServerFrame::close(1000, ""));
            tunnel.ended().await;
        }
    });
}
