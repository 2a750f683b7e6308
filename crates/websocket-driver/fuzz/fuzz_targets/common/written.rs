use websocket_driver::{CloseCode, Message};
use websocket_wire::read_frame as read_frame_on_wire;

use crate::wire::Mask;

/// A written frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn close_code(&self) -> Option<CloseCode> {
        match (self.first, &self.payload[..]) {
            (0x88, [high, low, ..]) => Some(u16::from_be_bytes([*high, *low]).into()),
            (0x88, _) => Some(CloseCode::NO_STATUS),
            _ => None,
        }
    }
}

/// Checks that the output consists of complete frames, without any after a close frame. Returns
/// them.
pub fn read_frames(mut written: &[u8], key: Option<Mask>, may_compress: bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !written.is_empty() {
        let (frame, rest) = read_frame(written, key, may_compress);
        assert!(frame.first != 0x88 || rest.is_empty(), "{} bytes behind a close", rest.len());
        frames.push(frame);
        written = rest;
    }
    frames
}

/// Checks that the output starts with a complete frame with the shortest length encoding, the
/// correct mask, RSV1 only where allowed, and valid UTF-8. Returns the frame and the rest.
pub fn read_frame(written: &[u8], key: Option<Mask>, may_compress: bool) -> (Frame, &[u8]) {
    let (header, payload, rest) = read_frame_on_wire(written).expect("a whole frame");
    let (first, length) = (header.first, header.length);
    let is_compressed = matches!(first, 0xc1 | 0xc2) && may_compress;
    assert!(is_compressed || matches!(first, 0x81 | 0x82 | 0x88 | 0x89 | 0x8a), "{first:#x}");
    assert_eq!(header.key, key);
    assert!(header.is_minimal() && (first & 8 == 0 || length <= 125), "{first:#x} of {length}");
    let mut payload = payload.to_vec();
    if let Some(key) = key {
        // In chunks, as this determines the speed of the targets.
        let (chunks, end) = payload.as_chunks_mut::<4>();
        chunks
            .iter_mut()
            .for_each(|chunk| *chunk = (u32::from_ne_bytes(*chunk) ^ u32::from_ne_bytes(key)).to_ne_bytes());
        end.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
    match (first, &payload[..]) {
        (0x81, text) => assert!(std::str::from_utf8(text).is_ok()),
        (0x88, body) => check_close(body),
        _ => {}
    }
    (Frame { first, payload }, rest)
}

fn check_close(body: &[u8]) {
    if let [high, low, reason @ ..] = body {
        assert!(CloseCode::from(u16::from_be_bytes([*high, *low])).is_sendable());
        assert!(std::str::from_utf8(reason).is_ok());
    } else {
        assert!(body.is_empty());
    }
}

/// Checks that the output consists of the sent texts, and a closing frame if the draft has one.
pub fn check_hixie_frames(mut written: &[u8], sent: &[Message], may_close: bool) {
    for message in sent {
        let text = message.as_text().expect("a text");
        let rest = written.strip_prefix(&[0x00]).and_then(|rest| rest.strip_prefix(text.as_bytes()));
        written = rest.and_then(|rest| rest.strip_prefix(&[0xff])).expect("the text");
    }
    assert!(written.is_empty() || (may_close && written == [0xff, 0x00]), "{written:?}");
}
