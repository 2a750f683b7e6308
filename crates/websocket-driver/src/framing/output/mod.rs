mod backlog;
mod boundary;
mod front;

use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use self::backlog::{Backlog, SMALL_PIECE, drop_front, take_front};
use self::front::Front;
use crate::framing::copy::append;
use crate::framing::mask::apply_mask;
use crate::message::Message;
use crate::message::inline_text::InlineText;
use crate::message::prepared::SharedFrames;

/// The minimum size of a payload that becomes a separate segment. Copying a shorter one next to its
/// header costs less than a second segment in the system call.
pub(crate) const OWN_SEGMENT: usize = 16 * 1024;

/// The size of the output from which control frames precede the queued messages.
const LONG: usize = 16 * 1024;

/// The minimum size of a prepared frame that becomes a separate segment, so that connections with
/// slow peers share it instead of holding copies.
const SHARED_SEGMENT: usize = 512;

/// The boundary for bytes that are not frames of RFC 6455.
const NO_FRAMES: u64 = u64::MAX;

/// The bytes that are waiting to be written to the transport, as a [`Buf`].
///
/// Small frames are collected in one buffer, whose memory is reused until it is taken. Large
/// payloads are separate segments, so use [`chunks_vectored`](Buf::chunks_vectored) if the
/// transport supports vectored writes.
pub struct Output {
    front: Front,
    /// The number of bytes written so far.
    written: u64,
    /// The position, comparable to `written`, of the first frame after the partially written frame
    /// and the prioritized control frames. `NO_FRAMES` instead of an `Option`, which would need
    /// another word per connection.
    boundary: u64,
    tail: BytesMut,
}

impl Default for Output {
    fn default() -> Self {
        Self { front: Front::Empty, written: 0, boundary: NO_FRAMES, tail: BytesMut::new() }
    }
}

impl Output {
    /// Provides a buffer for small frames, for example from a pool. It is used only if there is
    /// none.
    pub fn lend(&mut self, buffer: BytesMut) {
        if self.tail.capacity() == 0 {
            self.tail = buffer;
        }
    }

    /// Takes the buffer for small frames, whether it was lent or allocated. Returns an empty one
    /// while any bytes are unwritten.
    pub fn reclaim(&mut self) -> BytesMut {
        if self.has_remaining() {
            return BytesMut::new();
        }
        // The flushed position must not decrease.
        if self.front.backlog().is_some_and(|backlog| backlog.shift >= 0) {
            self.front = Front::Empty;
        }
        std::mem::take(&mut self.tail)
    }

    /// Moves the unwritten bytes to a buffer of their size, and returns the previous large one.
    /// Returns an empty buffer if the bytes fill at least a fifth of it.
    ///
    /// This way, the memory of a connection whose peer does not read is hardly larger than its
    /// unwritten bytes.
    pub fn shrink(&mut self) -> BytesMut {
        let len = self.tail.len();
        // Includes the room of bytes that were already written.
        if self.tail.capacity() == 0 || !self.tail.try_reclaim(4 * len) {
            return BytesMut::new();
        }
        let small = BytesMut::from(&self.tail[..]);
        let mut large = std::mem::replace(&mut self.tail, small);
        large.clear();
        large
    }

    /// Drops all unwritten bytes when the transport accepts no more, and returns whether there were
    /// any. They count as flushed, but not as written.
    ///
    /// [`Driver::discard_output`](crate::Driver::discard_output) also drops a deferred pong.
    pub fn discard(&mut self) -> bool {
        if !self.has_remaining() {
            return false;
        }
        let dropped = self.end_position() - self.flushed_position();
        let backlog = self.front.backlog_mut();
        *backlog = Backlog { shift: backlog.shift - dropped as i64, ..Backlog::default() };
        self.tail.clear();
        if self.boundary != NO_FRAMES {
            self.boundary = self.written;
        }
        true
    }

    /// Returns the position after the queued messages.
    ///
    /// The message that was queued last is written once
    /// [`flushed_position`](Self::flushed_position) is at least this, even if control frames
    /// precede it in the meantime.
    #[must_use]
    pub fn end_position(&self) -> u64 {
        let ahead = self.front.backlog().map_or(0, |backlog| backlog.ahead.len());
        self.flushed_position() + (self.remaining() - ahead) as u64
    }

    /// Returns the position up to which messages are written. It never decreases. If nothing is
    /// waiting to be written, it is at least every earlier [`end_position`](Self::end_position).
    #[must_use]
    pub fn flushed_position(&self) -> u64 {
        let shift = self.front.backlog().map_or(0, |backlog| backlog.shift);
        self.written.wrapping_sub(shift as u64)
    }

    /// Returns the total number of written bytes.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Returns the memory in bytes, including unused capacity.
    pub(crate) fn memory(&self) -> usize {
        // An empty buffer may have been lent by the caller, who can take it back.
        let tail = if self.has_remaining() { self.tail.capacity() } else { 0 };
        let front = self.front.backlog().map_or(self.front.len(), |backlog| {
            let segments = backlog.begun.capacity() + backlog.segments.capacity();
            let unused = backlog.ahead.capacity() - backlog.ahead.len();
            size_of::<Backlog>() + backlog.len + unused + segments * size_of::<Bytes>()
        });
        front + tail
    }

    /// Returns whether there is a buffer for small frames.
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        self.tail.capacity() > 0
    }

    /// Sets the boundary to the end of the output. From then on, only frames of RFC 6455 are
    /// queued.
    pub(crate) fn begin_frames(&mut self) {
        self.boundary = self.written + self.remaining() as u64;
    }

    /// Returns whether the output is so long that control frames must precede it.
    pub(crate) fn is_long(&self) -> bool {
        self.remaining() >= LONG
    }

    /// Returns whether a prioritized control frame is unwritten.
    pub(crate) fn has_ahead(&self) -> bool {
        self.front.backlog().is_some_and(|backlog| !backlog.ahead.is_empty())
    }

    /// Queues a ping or pong, ahead of the queued messages if those are long, so that a peer that
    /// reads slowly is not considered dead. A control frame may be sent between any two frames (RFC
    /// 6455 §5.4).
    pub(crate) fn put_control(&mut self, frame: &[u8]) {
        if self.is_long() && self.boundary != NO_FRAMES { self.put_ahead(frame) } else { self.put_slice(frame) }
    }

    #[inline]
    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        append(&mut self.tail, bytes);
    }

    /// Appends a frame with a masked payload. Large payloads become separate segments, which are
    /// copies unless the message has no other owners.
    pub(crate) fn put_masked(&mut self, header: &[u8], message: Message, mask: [u8; 4]) {
        let start = self.tail.len() + header.len();
        self.put_slice(header);
        if message.len() < OWN_SEGMENT {
            self.put_slice(message.as_bytes());
            apply_mask(&mut self.tail[start..], mask, 0);
            return;
        }
        let mut payload = message.into_bytes().try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        apply_mask(&mut payload, mask, 0);
        self.put_segment(payload.freeze());
    }

    /// Appends an unmasked frame with a copy of a message, if that has at most 65,535 bytes.
    /// Otherwise returns `false`.
    #[inline]
    pub(crate) fn put_copy(&mut self, opcode: u8, payload: &[u8]) -> bool {
        match payload.len() {
            len @ 0..=125 => self.put_slice(&[0x80 | opcode, len as u8]),
            len @ 126..=0xffff => {
                let [high, low] = (len as u16).to_be_bytes();
                self.put_slice(&[0x80 | opcode, 126, high, low]);
            }
            _ => return false,
        }
        self.put_slice(payload);
        true
    }

    /// Appends a short text as an unmasked frame. Copies the whole inline buffer and truncates, as
    /// a copy of constant size needs no function call.
    #[inline]
    pub(crate) fn put_text(&mut self, opcode: u8, text: &InlineText, len: usize) {
        self.put_slice(&[0x80 | opcode, len as u8]);
        let end = self.tail.len() + len;
        self.put_slice(text.as_bytes());
        self.tail.truncate(end);
    }

    /// Appends prepared frames.
    pub(crate) fn put_prepared(&mut self, frames: SharedFrames) {
        if self.front.is_empty() && self.tail.is_empty() {
            self.front = Front::Shared(frames);
        } else if frames.len() < SHARED_SEGMENT {
            self.put_slice(&frames);
        } else {
            self.put_segment((*frames).clone());
        }
    }

    /// Appends a frame with an unmasked payload.
    #[inline]
    pub(crate) fn put_message(&mut self, header: &[u8], message: Message) {
        self.put_slice(header);
        if message.len() < OWN_SEGMENT {
            self.put_slice(message.as_bytes());
        } else {
            self.put_segment(message.into_bytes());
        }
    }

    /// Appends the bytes of another output. That one must only be used to collect frames, so that
    /// it has no prioritized ones. If this output is empty, the buffers are swapped.
    #[inline]
    pub(crate) fn append(&mut self, other: &mut Self) {
        if !other.front.is_empty() || !self.tail.is_empty() {
            self.append_segments(other);
        }
        if self.tail.is_empty() {
            std::mem::swap(&mut self.tail, &mut other.tail);
        }
    }

    fn append_segments(&mut self, other: &mut Self) {
        if self.front.is_empty() && self.tail.is_empty() {
            self.front = std::mem::take(&mut other.front);
            return;
        }
        if other.front.is_empty() && other.tail.len() < SMALL_PIECE {
            append(&mut self.tail, &other.tail);
            return other.tail.clear();
        }
        self.queue_tail();
        let moved = std::mem::take(other.front.backlog_mut());
        other.front = Front::Empty;
        let backlog = self.front.backlog_mut();
        backlog.len += moved.len;
        backlog.segments.extend(moved.segments);
    }

    /// Appends a separate segment.
    fn put_segment(&mut self, segment: Bytes) {
        self.queue_tail();
        self.front.backlog_mut().push(segment);
    }

    /// Moves the bytes of `tail` to the backlog, so that a segment can follow them.
    fn queue_tail(&mut self) {
        let len = self.tail.len();
        if len > 0 {
            self.front.backlog_mut().push(take_front(&mut self.tail, len));
        }
    }

    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.front.chunks().chain([&self.tail[..]]).filter(|chunk| !chunk.is_empty())
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.front.len() + self.tail.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.front.chunk().unwrap_or(&self.tail)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        slices.iter_mut().zip(self.chunks()).map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, mut written: usize) {
        self.pass_frames(written);
        self.written += written as u64;
        if !self.front.is_empty() {
            written -= self.front.advance(written);
        }
        drop_front(&mut self.tail, written);
    }
}

/// Omits the bytes, which may be confidential.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("remaining", &self.remaining())
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
