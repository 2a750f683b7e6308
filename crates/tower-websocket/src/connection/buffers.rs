//! Buffers shared by the connections of a thread. A connection needs one only while it is polled:
//! an idle one holds none, and the one in use is warm in the cache.

use std::cell::RefCell;
use std::mem;

use bytes::BytesMut;

/// The size of a buffer. Measured: several messages of 16 KiB in flight cost a fifth less than with
/// 64 KiB, since one more of them and its header arrive in the same read.
const SIZE: usize = 128 * 1024;

/// The maximum number of buffers pooled per thread.
const MAX_POOLED: usize = 8;

/// The minimum capacity to read into. With less, another read would soon follow.
const MIN_READ: usize = 32 * 1024;

/// Spare capacity after a large frame, so that the read that completes it does not fill the buffer:
/// a short read tells tokio that no more data is available, and saves a system call.
const READ_SLACK: usize = 4 * 1024;

/// The maximum capacity reserved for an incoming frame, as a multiple of what was received of it,
/// or twice as much if that is all of it. Its announced length is not trusted.
const MAX_GROWTH_FACTOR: usize = 16;

/// The maximum length of a single copy. For longer ones, glibc before 2.39 uses `rep movsb`, which
/// takes twenty times as long on Zen 3 and Zen 4 if the destination's offset within its page is up
/// to 64 bytes above the source's.
const COPY_CHUNK: usize = 2 * 1024;

thread_local! {
    static POOL: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Takes an empty buffer from the pool.
pub(super) fn take() -> BytesMut {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

/// Returns a buffer to the pool. A buffer that is still referenced by a message is dropped instead.
pub(crate) fn put(mut buffer: BytesMut) {
    if buffer.capacity() == 0 {
        return;
    }
    buffer.clear();
    if buffer.try_reclaim(SIZE) && buffer.capacity() < 2 * SIZE {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < MAX_POOLED {
                pool.push(buffer);
            }
        });
    }
}

/// Reserves capacity to read into. The input may end in a frame of which `missing` bytes are yet to
/// be received.
#[inline]
pub(super) fn reserve(input: &mut BytesMut, missing: usize) {
    let room = input.capacity() - input.len();
    if input.capacity() == 0 {
        // The usual case after waiting.
        *input = take();
    } else if room < MIN_READ && (missing == 0 || room <= missing) {
        grow(input, missing);
    }
}

fn grow(input: &mut BytesMut, missing: usize) {
    if input.is_empty() && input.try_reclaim(SIZE) {
        return;
    }
    let len = input.len();
    let (whole, most) = (len.saturating_add(missing).saturating_add(READ_SLACK), len.saturating_mul(MAX_GROWTH_FACTOR));
    let wanted = match missing {
        // The length of a hixie text is unknown until its end is received.
        0 => len.saturating_mul(2),
        _ if whole / 2 <= most => whole,
        _ => most,
    };
    if input.capacity() > SIZE {
        // The allocator moves the pages of a large allocation, and does not copy them.
        input.reserve(wanted - len);
        return;
    }
    let mut larger = if wanted > SIZE { BytesMut::with_capacity(wanted) } else { take() };
    for piece in input.chunks(COPY_CHUNK) {
        larger.extend_from_slice(piece);
    }
    put(mem::replace(input, larger));
}

/// Returns the buffer to the pool if nothing was received. An incomplete frame is moved to an
/// allocation of its size.
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
    fn idle_connection_holds_only_its_incomplete_input() {
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
    fn announced_length_alone_reserves_little() {
        let mut input = BytesMut::from(&b"x"[..]);
        reserve(&mut input, 64 << 20);
        assert!(input.capacity() <= 2 * SIZE, "{}", input.capacity());
        input.resize(SIZE, 0);
        reserve(&mut input, 64 << 20);
        assert!(input.capacity() <= MAX_GROWTH_FACTOR * SIZE, "{}", input.capacity());
    }

    #[test]
    fn large_frame_reserves_its_whole_length_at_once() {
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
    fn frame_of_32_mib_is_moved_once_and_then_grows_in_place() {
        let mut input = BytesMut::new();
        reserve(&mut input, 0);
        let mut capacities = vec![input.capacity()];
        for len in (SIZE..32 << 20).step_by(SIZE) {
            input.resize(len, 7);
            reserve(&mut input, (32 << 20) - len);
            capacities.push(input.capacity());
        }
        capacities.dedup();
        assert_eq!(capacities, [SIZE, MAX_GROWTH_FACTOR * SIZE, (32 << 20) + READ_SLACK]);
        assert!(input.iter().all(|&byte| byte == 7));
    }

    #[test]
    fn buffer_referenced_by_a_message_is_not_reused() {
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
