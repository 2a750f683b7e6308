//! Buffers that the connections of a thread share, since a connection needs one only while it is polled: an idle one
//! holds none, and the one that is used is warm.

use std::cell::RefCell;
use std::mem;

use bytes::BytesMut;

/// The size of a buffer. Measured: 16 KiB messages, several in flight, cost a fifth less than with 64 KiB, as one more of
/// them and its header come with the same read.
const SIZE: usize = 128 * 1024;

/// How many buffers a thread keeps.
const KEPT: usize = 8;

/// A read into less room than this would soon need another one.
const ROOM: usize = 32 * 1024;

/// The room beyond a large frame, so that the read that completes it does not fill the buffer: a short read tells tokio
/// that there is no more, and saves a system call.
const SLACK: usize = 4 * 1024;

/// What a connection may reserve for a frame that is coming, as a multiple of what has come: nothing is owed to a length
/// that was only announced.
const TRUST: usize = 16;

/// What is copied at once. For longer pieces, glibc before 2.39 has the processor copy by `rep movsb`, which takes twenty times
/// as long on Zen 3 and Zen 4 where the destination is up to 64 bytes further into its page than the source.
const PIECE: usize = 2 * 1024;

thread_local! {
    static POOL: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(super) fn take() -> BytesMut {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

/// Gives a buffer back. One that a message still holds a part of is left to that message.
pub(crate) fn put(mut buffer: BytesMut) {
    if buffer.capacity() == 0 {
        return;
    }
    buffer.clear();
    if buffer.try_reclaim(SIZE) && buffer.capacity() < 2 * SIZE {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < KEPT {
                pool.push(buffer);
            }
        });
    }
}

/// Makes room to read into, behind the beginning of a frame of which `missing` bytes are still to come.
#[inline]
pub(super) fn reserve(input: &mut BytesMut, missing: usize) {
    let room = input.capacity() - input.len();
    if input.capacity() == 0 {
        // As after every rest.
        *input = take();
    } else if room < ROOM && (missing == 0 || room <= missing) {
        grow(input, missing);
    }
}

#[inline(never)]
fn grow(input: &mut BytesMut, missing: usize) {
    if input.is_empty() && input.try_reclaim(SIZE) {
        return;
    }
    let len = input.len();
    let wanted = match missing {
        // The end of a hixie text is known only when it is there.
        0 => len.saturating_mul(2),
        _ => len.saturating_add(missing).saturating_add(SLACK).min(len.saturating_mul(TRUST)),
    };
    let mut larger = if wanted > SIZE { BytesMut::with_capacity(wanted) } else { take() };
    for piece in input.chunks(PIECE) {
        larger.extend_from_slice(piece);
    }
    put(mem::replace(input, larger));
}

/// Gives the buffer back when nothing came. The beginning of a frame moves to where it takes no more room than it needs.
#[inline]
pub(super) fn release_idle(input: &mut BytesMut) {
    if input.is_empty() {
        put(mem::take(input));
    } else if input.capacity() <= SIZE && input.len() < input.capacity() / 4 {
        let small = BytesMut::from(&input[..]);
        put(mem::replace(input, small));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_holds_no_more_than_what_came() {
        let mut input = BytesMut::new();
        reserve(&mut input, 0);
        assert!(input.capacity() >= SIZE);
        input.extend_from_slice(b"half a header");
        release_idle(&mut input);
        assert!(input.capacity() < 64, "{}", input.capacity());
        assert_eq!(input, "half a header");
        reserve(&mut input, 0);
        assert!(input.capacity() >= SIZE);
        input.clear();
        release_idle(&mut input);
        assert_eq!(input.capacity(), 0);
    }

    #[test]
    fn a_length_that_was_only_announced_reserves_little() {
        let mut input = BytesMut::from(&b"x"[..]);
        reserve(&mut input, 64 << 20);
        assert!(input.capacity() <= 2 * SIZE, "{}", input.capacity());
        input.resize(SIZE, 0);
        reserve(&mut input, 64 << 20);
        assert!(input.capacity() <= TRUST * SIZE, "{}", input.capacity());
    }

    #[test]
    fn a_large_frame_gets_room_for_all_of_it_at_once() {
        let mut input = BytesMut::new();
        reserve(&mut input, 0);
        input.resize(SIZE, 7);
        reserve(&mut input, (1 << 20) - SIZE);
        assert!(input.capacity() > 1 << 20);
        assert_eq!(input.len(), SIZE);
        let before = input.capacity();
        input.resize((1 << 20) - 100, 7);
        reserve(&mut input, 100);
        assert_eq!(input.capacity(), before);
    }

    #[test]
    fn a_buffer_that_a_message_holds_is_not_given_to_anyone_else() {
        POOL.with_borrow_mut(Vec::clear);
        let mut buffer = take();
        buffer.extend_from_slice(b"message");
        let message = buffer.split_to(7).freeze();
        put(buffer);
        assert_eq!(POOL.with_borrow(Vec::len), 0);
        let mut buffer = take();
        buffer.extend_from_slice(b"xxxxxxxxxxxxxx");
        assert_eq!(message, "message");
        put(buffer);
        assert_eq!(POOL.with_borrow(Vec::len), 1);
    }
}
