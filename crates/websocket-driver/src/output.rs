use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::copy::append;
use crate::mask::apply_mask;
use crate::message::Message;
use crate::short::Short;

/// A payload from this size on is a segment of its own: below, copying it next to its header costs less than a second
/// segment in the system call.
pub(crate) const OWN_SEGMENT: usize = 16 * 1024;

/// Control frames do not wait behind more than this.
const LONG: usize = 16 * 1024;

/// A frame that others send as well is a segment of its own from this size on: who reads slowly then holds no copy.
const SHARED_SEGMENT: usize = 512;

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
    /// How many bytes were written in all.
    written: u64,
    /// After how many bytes in all the first frame begins of which nothing is written yet, or all that there are end. Without a
    /// word for `Option`, as every connection has it.
    boundary: u64,
    tail: BytesMut,
}

#[derive(Default)]
struct Backlog {
    segments: VecDeque<Bytes>,
    /// The bytes in them.
    len: usize,
    /// When so many bytes were written in all, no control frame is ahead of others any more.
    ahead_until: u64,
}

impl Backlog {
    fn push(&mut self, segment: Bytes) {
        self.len += segment.len();
        self.segments.push_back(segment);
    }

    /// Takes off what was written, which is no more than there is.
    fn advance(&mut self, mut written: usize) {
        self.len -= written;
        while let Some(front) = self.segments.front_mut() {
            if written < front.len() {
                return front.advance(written);
            }
            written -= front.len();
            self.segments.pop_front();
        }
    }
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
        self.backlog = None;
        std::mem::take(&mut self.tail)
    }

    /// How many bytes were written in all.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The bytes it holds, room that is not used yet among them.
    pub(crate) fn memory(&self) -> usize {
        // An empty buffer is lent by somebody, and may be taken away.
        let tail = if self.has_remaining() { self.tail.capacity() } else { 0 };
        let backlog = self
            .backlog
            .as_ref()
            .map_or(0, |backlog| size_of::<Backlog>() + backlog.len + backlog.segments.capacity() * size_of::<Bytes>());
        backlog + tail
    }

    /// Whether it has a buffer to gather small frames in.
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
        self.backlog.as_ref().is_some_and(|backlog| self.written < backlog.ahead_until)
    }

    /// Puts a ping or pong: ahead of what is queued where that is much, so that a peer that reads slowly is not taken for dead.
    /// It may stand between any two frames (RFC 6455 §5.4).
    pub(crate) fn put_control(&mut self, frame: &[u8]) {
        match self.first_place().filter(|_| self.is_long()) {
            Some(place) => self.insert(place, frame),
            None => self.put_slice(frame),
        }
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
    pub(crate) fn put_text(&mut self, opcode: u8, text: &Short, len: usize) {
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

    /// Puts bytes of their own behind all that there are.
    fn put_segment(&mut self, segment: Bytes) {
        let backlog = self.backlog.get_or_insert_default();
        if !self.tail.is_empty() {
            backlog.push(self.tail.split().freeze());
        }
        backlog.push(segment);
    }

    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let segments = self.backlog.iter().flat_map(|backlog| &backlog.segments);
        segments.map(|segment| &segment[..]).chain([&self.tail[..]])
    }
}

/// Where frames begin: it is found by their headers, and only where a transport has not taken all at once.
impl Output {
    /// Before so much is written: finds the boundary behind that.
    #[inline]
    fn pass_frames(&mut self, written: usize) {
        if self.boundary != NO_FRAMES {
            let end = self.written + written as u64;
            self.boundary = if written == self.remaining() { end } else { self.boundary_from(end) };
        }
    }

    #[cold]
    fn boundary_from(&self, end: u64) -> u64 {
        let mut boundary = self.boundary;
        while boundary < end {
            let (_, size) = self.frame_at((boundary - self.written) as usize);
            boundary += size as u64;
        }
        boundary
    }

    /// Where a frame can be put ahead of the others: behind the control frames that are.
    fn first_place(&self) -> Option<usize> {
        if self.boundary == NO_FRAMES {
            return None;
        }
        let mut place = (self.boundary - self.written) as usize;
        while place < self.remaining() {
            match self.frame_at(place) {
                (first, size) if first & 0x08 != 0 => place += size,
                _ => break,
            }
        }
        Some(place)
    }

    /// The first byte of the frame that begins there, and its size.
    fn frame_at(&self, place: usize) -> (u8, usize) {
        let mut header = [0; 10];
        let (mut skip, mut filled) = (place, 0);
        for bytes in self.chunks() {
            let (skipped, bytes) = bytes.split_at(skip.min(bytes.len()));
            skip -= skipped.len();
            let len = bytes.len().min(header.len() - filled);
            header[filled..filled + len].copy_from_slice(&bytes[..len]);
            filled += len;
        }
        let mask = if header[1] & 0x80 != 0 { 4 } else { 0 };
        let (len, at) = match (header[1] & 0x7f, header) {
            (126, [_, _, high, low, ..]) => (u64::from(u16::from_be_bytes([high, low])), 4),
            (127, [_, _, len @ ..]) => (u64::from_be_bytes(len), 10),
            (len, _) => (u64::from(len), 2),
        };
        (header[0], at + mask + len as usize)
    }

    fn insert(&mut self, mut place: usize, frame: &[u8]) {
        let is_last = place == self.remaining();
        let backlog = self.backlog.get_or_insert_default();
        backlog.ahead_until = self.written + (place + frame.len()) as u64;
        if is_last {
            return self.put_slice(frame);
        }
        let frame = Bytes::copy_from_slice(frame);
        for (index, segment) in backlog.segments.iter_mut().enumerate() {
            if place < segment.len() {
                let behind = segment.split_off(place);
                backlog.len += frame.len();
                backlog.segments.insert(index + 1, frame);
                backlog.segments.insert(index + 2, behind);
                backlog.segments.retain(|segment| !segment.is_empty());
                return;
            }
            place -= segment.len();
        }
        if place > 0 {
            backlog.push(self.tail.split_to(place).freeze());
        }
        backlog.push(frame);
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.len) + self.tail.len()
    }

    fn chunk(&self) -> &[u8] {
        self.chunks().next().unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        slices
            .iter_mut()
            .zip(self.chunks().filter(|chunk| !chunk.is_empty()))
            .map(|(slice, chunk)| *slice = IoSlice::new(chunk))
            .count()
    }

    fn advance(&mut self, mut written: usize) {
        self.pass_frames(written);
        self.written += written as u64;
        if let Some(backlog) = &mut self.backlog {
            let from_backlog = written.min(backlog.len);
            backlog.advance(from_backlog);
            written -= from_backlog;
        }
        if written == self.tail.len() {
            // `clear` keeps the whole buffer, `advance` would leave only what is behind.
            self.tail.clear();
        } else {
            self.tail.advance(written);
        }
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
