//! The boundaries between frames. They are found by parsing headers, and only if a transport has
//! not accepted all bytes at once. Each header is parsed a constant number of times, regardless of
//! the size of the queue.

use bytes::Buf;

use super::Output;
use super::backlog::take_front;

impl Output {
    /// Moves the boundary past the frames that are about to be written, completely or partially.
    #[inline]
    pub(super) fn pass_frames(&mut self, written: usize) {
        let end = self.written + written as u64;
        if self.boundary < end {
            self.boundary = if written == self.remaining() { end } else { self.boundary_from(end) };
        }
    }

    /// Returns the position of the first frame at or after `end`.
    fn boundary_from(&self, end: u64) -> u64 {
        let mut frames = self.frames();
        while frames.position < end && frames.next().is_some() {}
        frames.position
    }

    /// Inserts a control frame ahead of the messages, after the control frames that already precede
    /// them.
    pub(super) fn put_ahead(&mut self, frame: &[u8]) {
        if !self.has_ahead() {
            self.boundary = self.position_after_controls();
        }
        let begun = (self.boundary - self.written) as usize;
        let backlog = self.front.backlog_mut();
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

    /// Returns the position of the first frame at or after the boundary that is not a control
    /// frame.
    fn position_after_controls(&self) -> u64 {
        let mut frames = self.frames();
        let message = frames.find(|(first, _)| first & 0x08 == 0);
        message.map_or(frames.position, |(_, position)| position)
    }

    /// Returns the frames that start at the boundary.
    fn frames(&self) -> Frames<'_, impl Iterator<Item = &[u8]>> {
        Frames { chunks: self.chunks(), chunk: &[], start: self.written, position: self.boundary }
    }
}

/// Iterates over frames by parsing their headers.
struct Frames<'a, C: Iterator<Item = &'a [u8]>> {
    chunks: C,
    /// The current chunk and its position.
    chunk: &'a [u8],
    start: u64,
    /// The position of the next frame.
    position: u64,
}

impl<'a, C: Iterator<Item = &'a [u8]>> Iterator for Frames<'a, C> {
    type Item = (u8, u64);

    /// Returns the first byte of the next frame, and its position.
    fn next(&mut self) -> Option<(u8, u64)> {
        while self.position >= self.start + self.chunk.len() as u64 {
            self.start += self.chunk.len() as u64;
            self.chunk = self.chunks.next()?;
        }
        let position = self.position;
        let header = &self.chunk[(position - self.start) as usize..];
        self.position += frame_size(header);
        Some((header[0], position))
    }
}

/// Returns the size of a frame from its header, which must be contiguous.
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
