use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// The size below which the start of a buffer is copied to become a segment. Otherwise the segment
/// would keep the whole buffer alive.
pub(super) const SMALL_PIECE: usize = 4 * 1024;

/// The bytes before [`Output::tail`](super::Output), in the order of the fields. The header of a
/// frame is never split over two segments.
#[derive(Default)]
pub(super) struct Backlog {
    /// The rest of the partially written frame, and the control frames queued directly after it.
    /// The prioritized control frames follow these bytes. Empty unless there are such frames.
    pub(super) begun: VecDeque<Bytes>,
    /// The prioritized control frames, which precede the queued messages.
    pub(super) ahead: BytesMut,
    pub(super) segments: VecDeque<Bytes>,
    /// The size of all of these in bytes.
    pub(super) len: usize,
    /// The difference between `written` and the flushed position: the size of the prioritized
    /// control frames that were written, minus that of the discarded bytes. Stored here because it
    /// may restart at 0 whenever nothing is queued.
    pub(super) shift: i64,
}

impl Backlog {
    pub(super) fn push(&mut self, segment: Bytes) {
        self.len += segment.len();
        self.segments.push_back(segment);
    }

    /// Removes the first `written` bytes. There must be at least as many.
    pub(super) fn advance(&mut self, mut written: usize) {
        self.len -= written;
        if !self.ahead.is_empty() {
            written = advance_segments(&mut self.begun, written);
            let from_ahead = written.min(self.ahead.len());
            self.ahead.advance(from_ahead);
            self.shift += from_ahead as i64;
            written -= from_ahead;
            if self.ahead.is_empty() {
                self.ahead = BytesMut::new();
            }
        }
        advance_segments(&mut self.segments, written);
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let begun = self.begun.iter().map(|segment| &segment[..]);
        begun.chain([&self.ahead[..]]).chain(self.segments.iter().map(|segment| &segment[..]))
    }

    /// Moves the next bytes of the messages to `begun`.
    pub(super) fn begin(&mut self, mut len: usize) {
        while len > 0
            && let Some(mut front) = self.segments.pop_front()
        {
            if len < front.len() {
                self.begun.push_back(front.split_to(len));
                self.segments.push_front(front);
                return;
            }
            len -= front.len();
            self.begun.push_back(front);
        }
    }
}

/// Removes the first bytes of a buffer.
pub(super) fn take_front(buffer: &mut BytesMut, len: usize) -> Bytes {
    if len >= SMALL_PIECE {
        return buffer.split_to(len).freeze();
    }
    let front = Bytes::copy_from_slice(&buffer[..len]);
    drop_front(buffer, len);
    front
}

pub(super) fn drop_front(buffer: &mut BytesMut, len: usize) {
    if len == buffer.len() {
        // `clear` keeps the whole buffer, while `advance` would keep only the rest.
        buffer.clear();
    } else {
        buffer.advance(len);
    }
}

/// Removes written bytes from segments. Returns the number of written bytes after them.
fn advance_segments(segments: &mut VecDeque<Bytes>, mut written: usize) -> usize {
    while let Some(front) = segments.front_mut() {
        if written < front.len() {
            front.advance(written);
            return 0;
        }
        written -= front.len();
        segments.pop_front();
    }
    written
}
