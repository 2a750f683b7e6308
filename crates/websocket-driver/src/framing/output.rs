use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::framing::copy::append;
use crate::framing::mask::apply_mask;
use crate::message::Message;
use crate::message::inline_text::InlineText;

/// A payload from this size on is a segment of its own: below, copying it next to its header costs less than a second
/// segment in the system call.
pub(crate) const OWN_SEGMENT: usize = 16 * 1024;

/// Control frames do not wait behind more than this.
const LONG: usize = 16 * 1024;

/// A frame that others send as well is a segment of its own from this size on: who reads slowly then holds no copy.
const SHARED_SEGMENT: usize = 512;

/// Frames that are joined for many are copied up to this size if nothing waits, since they are written at once then, and a segment
/// takes two allocations.
const JOINED_COPY: usize = 4 * 1024;

/// Less than this is copied to become a segment, which else would keep all of the buffer that it is in.
const SMALL_PIECE: usize = 4 * 1024;

/// The boundary among bytes that are no frames of RFC 6455.
const NO_FRAMES: u64 = u64::MAX;

/// The bytes that wait to be written to the transport, as a [`Buf`].
///
/// Small frames stand one behind the other in one buffer, which holds its memory for the next ones until it is
/// taken; large payloads are segments of their own and never copied, so write with
/// [`chunks_vectored`](Buf::chunks_vectored) where the transport can.
pub struct Output {
    /// What comes before `tail`. Boxed, as every connection has a place for it, and few send what is large.
    backlog: Option<Box<Backlog>>,
    /// The number of bytes written so far.
    written: u64,
    /// The position, in the terms of `written`, of the first frame behind the frame that is partly written and the control
    /// frames that were put ahead. `NO_FRAMES` rather than an `Option`, which would cost each connection another word.
    boundary: u64,
    tail: BytesMut,
}

/// The bytes before [`Output::tail`], in the order of the fields. No header of a frame is spread over two segments.
#[derive(Default)]
struct Backlog {
    /// The rest of the frame that is partly written, and the control frames queued right behind it: what the control frames
    /// that go ahead must wait for. Empty unless there are such frames.
    begun: VecDeque<Bytes>,
    /// The control frames that go ahead of the messages.
    ahead: BytesMut,
    segments: VecDeque<Bytes>,
    /// The bytes in all of them.
    len: usize,
    /// How far `written` is ahead of the flushed position: by the control frames that went ahead, less the bytes that were
    /// discarded. Here, since it may begin at 0 whenever nothing is queued.
    shift: i64,
}

impl Backlog {
    fn push(&mut self, segment: Bytes) {
        self.len += segment.len();
        self.segments.push_back(segment);
    }

    /// Takes off what was written, which is no more than there is.
    fn advance(&mut self, mut written: usize) {
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

    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let begun = self.begun.iter().map(|segment| &segment[..]);
        begun.chain([&self.ahead[..]]).chain(self.segments.iter().map(|segment| &segment[..]))
    }

    /// Moves the next bytes of the messages to those that are begun.
    fn begin(&mut self, mut len: usize) {
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

/// Takes the first bytes off a buffer.
fn take_front(buffer: &mut BytesMut, len: usize) -> Bytes {
    if len >= SMALL_PIECE {
        return buffer.split_to(len).freeze();
    }
    let front = Bytes::copy_from_slice(&buffer[..len]);
    drop_front(buffer, len);
    front
}

fn drop_front(buffer: &mut BytesMut, len: usize) {
    if len == buffer.len() {
        // `clear` keeps the whole buffer, `advance` would leave only what is behind.
        buffer.clear();
    } else {
        buffer.advance(len);
    }
}

/// Takes off what was written, and returns how much of that is behind these segments.
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

impl Default for Output {
    fn default() -> Self {
        Self { backlog: None, written: 0, boundary: NO_FRAMES, tail: BytesMut::new() }
    }
}

impl Output {
    /// Gives it a buffer to gather small frames in, from a pool for instance. It is used only while there is none.
    pub fn lend(&mut self, buffer: BytesMut) {
        if self.tail.capacity() == 0 {
            self.tail = buffer;
        }
    }

    /// Takes the buffer back, or the one it made itself. Empty while bytes wait in it.
    pub fn reclaim(&mut self) -> BytesMut {
        if self.has_remaining() {
            return BytesMut::new();
        }
        // The flushed position never goes back.
        self.backlog.take_if(|backlog| backlog.shift >= 0);
        std::mem::take(&mut self.tail)
    }

    /// Moves the bytes that wait to a buffer of their size, and returns the large one that they were in. The result is empty
    /// if they fill a fifth of it or more.
    ///
    /// A connection whose peer does not read then holds little more memory than its bytes.
    pub fn shrink(&mut self) -> BytesMut {
        let len = self.tail.len();
        // Including the room of what was written before.
        if self.tail.capacity() == 0 || !self.tail.try_reclaim(4 * len) {
            return BytesMut::new();
        }
        let small = BytesMut::from(&self.tail[..]);
        let mut large = std::mem::replace(&mut self.tail, small);
        large.clear();
        large
    }

    /// Drops all bytes that wait, because the transport takes no more, and returns whether there were any. They count as
    /// flushed, not as written.
    ///
    /// [`Driver::discard_output`](crate::Driver::discard_output) also drops an answer that waits for room.
    pub fn discard(&mut self) -> bool {
        if !self.has_remaining() {
            return false;
        }
        let dropped = self.end_position() - self.flushed_position();
        let backlog = self.backlog.get_or_insert_default();
        **backlog = Backlog { shift: backlog.shift - dropped as i64, ..Backlog::default() };
        self.tail.clear();
        if self.boundary != NO_FRAMES {
            self.boundary = self.written;
        }
        true
    }

    /// Returns the position behind the messages that are queued.
    ///
    /// A message that was just put has been written as soon as [`flushed_position`](Self::flushed_position) is no less than
    /// this, even if control frames go ahead of it in the meantime.
    #[must_use]
    pub fn end_position(&self) -> u64 {
        let ahead = self.backlog.as_ref().map_or(0, |backlog| backlog.ahead.len());
        self.flushed_position() + (self.remaining() - ahead) as u64
    }

    /// Returns how far the messages were written, as a position that only grows. It is no less than any earlier
    /// [`end_position`](Self::end_position) when nothing waits to be written.
    #[must_use]
    pub fn flushed_position(&self) -> u64 {
        let shift = self.backlog.as_ref().map_or(0, |backlog| backlog.shift);
        self.written.wrapping_sub(shift as u64)
    }

    /// How many bytes were written in all.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The bytes it holds, room that is not used yet among them.
    pub(crate) fn memory(&self) -> usize {
        // An empty buffer is lent by somebody, and may be taken away.
        let tail = if self.has_remaining() { self.tail.capacity() } else { 0 };
        let backlog = self.backlog.as_ref().map_or(0, |backlog| {
            let segments = backlog.begun.capacity() + backlog.segments.capacity();
            let unused = backlog.ahead.capacity() - backlog.ahead.len();
            size_of::<Backlog>() + backlog.len + unused + segments * size_of::<Bytes>()
        });
        backlog + tail
    }

    /// Whether it has a buffer to gather small frames in.
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        self.tail.capacity() > 0
    }

    /// From here on there are only frames of RFC 6455.
    pub(crate) fn begin_frames(&mut self) {
        self.boundary = self.written + self.remaining() as u64;
    }

    /// Whether so much waits to be written that control frames do not wait behind it.
    pub(crate) fn is_long(&self) -> bool {
        self.remaining() >= LONG
    }

    /// Whether a control frame was put ahead of others, and was not written yet.
    pub(crate) fn has_ahead(&self) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| !backlog.ahead.is_empty())
    }

    /// Puts a ping or pong: ahead of the queued messages if those are long, so that a peer that reads slowly is not taken for
    /// dead. It may be sent between any two frames (RFC 6455 §5.4).
    pub(crate) fn put_control(&mut self, frame: &[u8]) {
        if self.is_long() && self.boundary != NO_FRAMES { self.put_ahead(frame) } else { self.put_slice(frame) }
    }

    #[inline]
    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        append(&mut self.tail, bytes);
    }

    /// Puts a message's payload, masked, behind the header of its frame. Large ones, too, are segments of their own, but
    /// copied, unless nobody else holds them.
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

    /// Puts a copy of a message as a frame that is not masked, if it is of at most 65,535 bytes.
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

    /// Puts a short text as a frame that is not masked. It is copied with what is behind it, since that takes no call.
    #[inline]
    pub(crate) fn put_text(&mut self, opcode: u8, text: &InlineText, len: usize) {
        self.put_slice(&[0x80 | opcode, len as u8]);
        let end = self.tail.len() + len;
        self.put_slice(text.as_bytes());
        self.tail.truncate(end);
    }

    /// Puts a frame that others send as well.
    pub(crate) fn put_frame(&mut self, frame: Bytes) {
        if frame.len() < SHARED_SEGMENT {
            self.put_slice(&frame);
            return;
        }
        self.put_segment(frame);
    }

    /// Puts frames that others send as well, and that are joined.
    pub(crate) fn put_joined(&mut self, frames: Bytes) {
        if frames.len() <= JOINED_COPY && !self.has_remaining() {
            self.put_slice(&frames);
        } else {
            self.put_segment(frames);
        }
    }

    /// Puts a message's payload behind the header of its frame.
    #[inline]
    pub(crate) fn put_message(&mut self, header: &[u8], message: Message) {
        self.put_slice(header);
        if message.len() < OWN_SEGMENT {
            self.put_slice(message.as_bytes());
        } else {
            self.put_segment(message.into_bytes());
        }
    }

    /// Moves the bytes that wait in another output behind all that there are. That one is used for nothing but to gather
    /// frames, so that nothing goes ahead there. If nothing waits here, the buffers change places.
    #[inline]
    pub(crate) fn append(&mut self, other: &mut Self) {
        if other.backlog.is_some() || !self.tail.is_empty() {
            self.append_segments(other);
        }
        if self.tail.is_empty() {
            std::mem::swap(&mut self.tail, &mut other.tail);
        }
    }

    #[inline(never)]
    fn append_segments(&mut self, other: &mut Self) {
        let moved = other.backlog.take().unwrap_or_default();
        let len = self.tail.len();
        if moved.segments.is_empty() && len > 0 && other.tail.len() < SMALL_PIECE {
            append(&mut self.tail, &other.tail);
            return other.tail.clear();
        }
        let backlog = self.backlog.get_or_insert_default();
        if len > 0 {
            backlog.push(take_front(&mut self.tail, len));
        }
        backlog.len += moved.len;
        if backlog.segments.is_empty() {
            backlog.segments = moved.segments;
        } else {
            backlog.segments.extend(moved.segments);
        }
    }

    /// Puts bytes of their own behind all that there are.
    fn put_segment(&mut self, segment: Bytes) {
        let backlog = self.backlog.get_or_insert_default();
        let len = self.tail.len();
        if len > 0 {
            backlog.push(take_front(&mut self.tail, len));
        }
        backlog.push(segment);
    }

    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let backlog = self.backlog.iter().flat_map(|backlog| backlog.chunks());
        backlog.chain([&self.tail[..]]).filter(|chunk| !chunk.is_empty())
    }
}

/// The boundaries between frames. They are found by reading headers, and only if a transport has not taken all bytes at once.
/// Each header is read a fixed number of times, however much is queued.
impl Output {
    /// Moves the boundary behind the frames that are about to be written, also in part.
    #[inline]
    fn pass_frames(&mut self, written: usize) {
        let end = self.written + written as u64;
        if self.boundary < end {
            self.boundary = if written == self.remaining() { end } else { self.boundary_from(end) };
        }
    }

    /// The first place at or behind `end` where a frame begins.
    #[cold]
    fn boundary_from(&self, end: u64) -> u64 {
        let mut frames = self.frames();
        while frames.place < end && frames.next().is_some() {}
        frames.place
    }

    /// Puts a control frame behind those that were put ahead before it or follow what is partly written.
    #[cold]
    fn put_ahead(&mut self, frame: &[u8]) {
        if !self.has_ahead() {
            self.boundary = self.behind_controls();
        }
        let begun = (self.boundary - self.written) as usize;
        let backlog = self.backlog.get_or_insert_default();
        if backlog.ahead.is_empty() {
            let from_tail = begun.saturating_sub(backlog.len);
            if from_tail > 0 {
                backlog.push(take_front(&mut self.tail, from_tail));
            }
            backlog.begin(begun);
        }
        backlog.ahead.extend_from_slice(frame);
        backlog.len += frame.len();
        self.boundary += frame.len() as u64;
    }

    /// The position of the first frame from the boundary on that is no control frame.
    fn behind_controls(&self) -> u64 {
        let mut frames = self.frames();
        let message = frames.find(|(first, _)| first & 0x08 == 0);
        message.map_or(frames.place, |(_, place)| place)
    }

    /// The frames from the boundary on.
    fn frames(&self) -> Frames<'_, impl Iterator<Item = &[u8]>> {
        Frames { chunks: self.chunks(), chunk: &[], start: self.written, place: self.boundary }
    }
}

/// Walks over frames by their headers.
struct Frames<'a, C: Iterator<Item = &'a [u8]>> {
    chunks: C,
    /// The chunk that was looked at last, and its position.
    chunk: &'a [u8],
    start: u64,
    /// The position of the next frame.
    place: u64,
}

impl<'a, C: Iterator<Item = &'a [u8]>> Iterator for Frames<'a, C> {
    type Item = (u8, u64);

    /// The first byte of the next frame, and its position.
    fn next(&mut self) -> Option<(u8, u64)> {
        while self.place >= self.start + self.chunk.len() as u64 {
            self.start += self.chunk.len() as u64;
            self.chunk = self.chunks.next()?;
        }
        let place = self.place;
        let header = &self.chunk[(place - self.start) as usize..];
        self.place += frame_size(header);
        Some((header[0], place))
    }
}

/// The size of a frame, by its header, which is in one piece.
fn frame_size(header: &[u8]) -> u64 {
    let (first_two, len) = header.split_at(header.len().min(2));
    let second = first_two.get(1).copied().unwrap_or_default();
    let (len, at) = match second & 0x7f {
        126 => (len.first_chunk().map_or(0, |len| u16::from_be_bytes(*len).into()), 4),
        127 => (len.first_chunk().map_or(0, |len| u64::from_be_bytes(*len)), 10),
        len => (u64::from(len), 2),
    };
    let mask = if second & 0x80 != 0 { 4 } else { 0 };
    at + mask + len
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.len) + self.tail.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match &self.backlog {
            Some(backlog) if backlog.len > 0 => self.chunks().next().unwrap_or_default(),
            _ => &self.tail,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        slices.iter_mut().zip(self.chunks()).map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, mut written: usize) {
        self.pass_frames(written);
        self.written += written as u64;
        if let Some(backlog) = &mut self.backlog {
            let from_backlog = written.min(backlog.len);
            backlog.advance(from_backlog);
            written -= from_backlog;
        }
        drop_front(&mut self.tail, written);
    }
}

/// Without the bytes, which may hold what is nobody else's business.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("remaining", &self.remaining())
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
