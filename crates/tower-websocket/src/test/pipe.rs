//! One direction of an in-memory transport, with faults.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use crate::sync::lock;

/// The default capacity in bytes: large enough that a writer seldom waits for a reader in the same
/// task, and bounded for a writer that never waits.
const CAPACITY: usize = 1024 * 1024;

/// Shared by both ends.
#[derive(Clone)]
pub(super) struct Pipe(Arc<Mutex<State>>);

struct State {
    bytes: BytesMut,
    capacity: usize,
    /// The maximum length of a read or write.
    piece: usize,
    /// Set after reading or writing a piece: the next one waits until other tasks were polled.
    was_read: bool,
    was_written: bool,
    /// Whether writes are not accepted, whatever the capacity.
    is_stalled: bool,
    /// How the stream ends after the remaining bytes.
    end: Option<End>,
    /// Whether the reading end was dropped.
    is_unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Eof,
    Reset,
}

impl Pipe {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            bytes: BytesMut::new(),
            capacity: CAPACITY,
            piece: usize::MAX,
            was_read: false,
            was_written: false,
            is_stalled: false,
            end: None,
            is_unread: false,
            reader: None,
            writer: None,
        })))
    }

    /// Reads at most `most` bytes and at most a piece, or none at the end.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
        let mut state = lock(&self.0);
        if !state.bytes.is_empty() && mem::take(&mut state.was_read) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.was_read = state.piece < usize::MAX;
        let most = most.min(state.piece);
        state.poll_take(cx, most)
    }

    /// Reads all available bytes, or none at the end.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        lock(&self.0).poll_take(cx, usize::MAX)
    }

    /// Writes as much as there is room for, and at most a piece.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.0);
        if let Some(End::Reset) = state.end {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if state.is_unread || state.end.is_some() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = if state.is_stalled { 0 } else { state.capacity.saturating_sub(state.bytes.len()) };
        if room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if mem::take(&mut state.was_written) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.was_written = state.piece < usize::MAX;
        let mut left = room.min(state.piece);
        let before = left;
        for buf in bufs {
            let some = &buf[..buf.len().min(left)];
            state.bytes.extend_from_slice(some);
            left -= some.len();
        }
        state.wake_reader();
        Poll::Ready(Ok(before - left))
    }

    /// Writes everything without waiting for room. Does nothing if the reading end was dropped.
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut state = lock(&self.0);
        if !state.is_unread && state.end.is_none() {
            state.bytes.extend_from_slice(bytes);
            state.wake_reader();
        }
    }

    /// Ends the stream after the buffered bytes.
    pub(super) fn end(&self) {
        self.end_with(End::Eof);
    }

    /// Ends the stream with an error after the buffered bytes. Writes fail at once.
    pub(super) fn reset(&self) {
        self.end_with(End::Reset);
    }

    /// Drops the reading end.
    pub(super) fn leave(&self) {
        let mut state = lock(&self.0);
        state.is_unread = true;
        state.wake_all();
    }

    pub(super) fn set_piece(&self, bytes: usize) {
        let mut state = lock(&self.0);
        state.piece = bytes;
        state.wake_all();
    }

    pub(super) fn set_capacity(&self, bytes: usize) {
        let mut state = lock(&self.0);
        state.capacity = bytes;
        state.wake_all();
    }

    pub(super) fn set_stalled(&self, is_stalled: bool) {
        let mut state = lock(&self.0);
        state.is_stalled = is_stalled;
        state.wake_all();
    }

    pub(super) fn is_stalled(&self) -> bool {
        lock(&self.0).is_stalled
    }

    fn end_with(&self, end: End) {
        let mut state = lock(&self.0);
        state.end.get_or_insert(end);
        state.wake_all();
    }
}

impl State {
    fn poll_take(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
        if self.bytes.is_empty() {
            return match self.end {
                Some(End::Reset) => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
                Some(End::Eof) => Poll::Ready(Ok(Bytes::new())),
                None if self.is_unread => Poll::Ready(Ok(Bytes::new())),
                None => {
                    self.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let count = most.min(self.bytes.len());
        let bytes = self.bytes.split_to(count).freeze();
        self.wake_writer();
        Poll::Ready(Ok(bytes))
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn wake_all(&mut self) {
        self.wake_reader();
        self.wake_writer();
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0);
        let mut pipe = f.debug_struct("Pipe");
        pipe.field("bytes", &state.bytes.len()).field("end", &state.end).field("is_stalled", &state.is_stalled);
        pipe.finish_non_exhaustive()
    }
}
