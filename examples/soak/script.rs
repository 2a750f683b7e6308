use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::sync::LazyLock;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The text that messages are taken from: it compresses like prose, and its characters have one to
/// four bytes.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    const WORDS: [&str; 12] = [
        "frame ",
        "mask ",
        "größer ",
        "ping ",
        "€ ",
        "close ",
        "𝄞 ",
        "socket ",
        "wire ",
        "日本 ",
        "echo ",
        "0123456789 ",
    ];
    let mut rng = StdRng::seed_from_u64(1);
    (0..40_000).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect()
});

/// The bytes that binary messages are taken from, which do not compress.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = vec![0; 256 * 1024];
    rand::Rng::fill_bytes(&mut StdRng::seed_from_u64(2), &mut bytes);
    bytes
});

/// The messages of a peer, with its number, a sequence number and a checksum, and the echoes
/// received.
#[derive(Debug)]
pub(super) struct Script {
    id: u64,
    style: Style,
    rng: StdRng,
    next: u64,
    /// Sent messages without an echo.
    awaited: VecDeque<Awaited>,
    pub(super) tally: Tally,
}

/// The sizes of messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) text_only: bool,
    pub(super) max_size: usize,
}

/// The amount sent and received.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

#[derive(Debug)]
struct Awaited {
    is_text: bool,
    len: usize,
    checksum: u64,
    number: u64,
    /// Whether it may not have been sent.
    is_cancelled: bool,
}

/// A message to send.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) is_text: bool,
    pub(super) data: Vec<u8>,
}

impl Tally {
    /// Corrects it for a message that was not sent.
    fn take_back(&mut self, unsent: &Awaited) {
        self.sent -= 1;
        self.bytes_sent -= unsent.len as u64;
    }
}

impl Script {
    pub(super) fn new(id: u64, seed: u64, style: Style) -> Self {
        Self { id, style, rng: StdRng::seed_from_u64(seed), next: 0, awaited: VecDeque::new(), tally: Tally::default() }
    }

    /// Returns the next message to send. It counts as sent.
    pub(super) fn line(&mut self) -> Line {
        let is_text = self.style.text_only || self.rng.random_bool(0.5);
        let size = self.size();
        // An empty message has no number; its position identifies it.
        let mut data = Vec::new();
        if size > 0 {
            let body = self.body(is_text, size.min(self.style.max_size));
            data.extend_from_slice(format!("{:x} {:x} {:x} ", self.id, self.next, checksum(body)).as_bytes());
            data.extend_from_slice(body);
        }
        self.expect(is_text, data)
    }

    /// Marks the message as one that was sent completely or not at all, unless its echo was
    /// received. It must not be empty, to be distinguishable.
    pub(super) fn cancel(&mut self, number: u64) {
        if let Some(awaited) = self.awaited.iter_mut().find(|awaited| awaited.number == number) {
            awaited.is_cancelled = true;
        }
    }

    /// Removes the cancelled messages at the end that have no echo, to be called after everything
    /// that was sent has been echoed.
    pub(super) fn forget_cancelled(&mut self) {
        while self.awaited.back().is_some_and(|last| last.is_cancelled) {
            if let Some(last) = self.awaited.pop_back() {
                self.tally.take_back(&last);
            }
        }
    }

    /// Returns a message of one byte, for floods of tiny messages.
    pub(super) fn tiny(&mut self) -> Line {
        let data = vec![b'a' + (self.next % 26) as u8];
        self.expect(true, data)
    }

    /// Returns an empty message, for floods of empty messages.
    pub(super) fn empty(&mut self) -> Line {
        self.expect(false, Vec::new())
    }

    /// Checks an echo, which must be that of the first outstanding message that was not cancelled,
    /// or of a cancelled one before it.
    pub(super) fn echoed(&mut self, is_text: bool, data: &[u8]) -> Result<(), String> {
        let sum = checksum(data);
        let is_same =
            |awaited: &Awaited| (awaited.is_text, awaited.len, awaited.checksum) == (is_text, data.len(), sum);
        while self.awaited.front().is_some_and(|first| first.is_cancelled && !is_same(first)) {
            if let Some(unsent) = self.awaited.pop_front() {
                self.tally.take_back(&unsent);
            }
        }
        let Some(first) = self.awaited.pop_front() else {
            return Err(format!("a message too many: {}", self.describe(data)));
        };
        if !is_same(&first) {
            let number = self.tally.received;
            return Err(format!("in place of message {number} came {}", self.describe(data)));
        }
        self.tally.received += 1;
        self.tally.bytes_received += data.len() as u64;
        Ok(())
    }

    /// Returns the number of outstanding bytes, including an overhead per message.
    pub(super) fn outstanding(&self) -> usize {
        (self.tally.bytes_sent - self.tally.bytes_received) as usize + 16 * self.awaited.len()
    }

    /// Returns whether every message was echoed, except cancelled ones.
    pub(super) fn is_complete(&self) -> bool {
        self.awaited.iter().all(|awaited| awaited.is_cancelled)
    }

    fn expect(&mut self, is_text: bool, data: Vec<u8>) -> Line {
        let (number, len, checksum) = (self.next, data.len(), checksum(&data));
        self.next += 1;
        self.tally.sent += 1;
        self.tally.bytes_sent += len as u64;
        self.awaited.push_back(Awaited { is_text, len, checksum, number, is_cancelled: false });
        Line { number, is_text, data }
    }

    /// Mostly small, rarely large, like real traffic.
    fn size(&mut self) -> usize {
        match self.rng.random_range(0..100) {
            0..5 => 0,
            5..65 => self.rng.random_range(1..125),
            65..90 => self.rng.random_range(125..4 * 1024),
            90..98 => self.rng.random_range(4 * 1024..16 * 1024),
            98 => self.rng.random_range(16 * 1024..64 * 1024),
            _ => self.rng.random_range(64 * 1024..120 * 1024),
        }
    }

    fn body(&mut self, is_text: bool, size: usize) -> &'static [u8] {
        let source = if is_text { TEXT.as_bytes() } else { &BYTES };
        let begin = self.rng.random_range(0..source.len() - size);
        let (mut begin, mut end) = (begin, begin + size);
        if is_text {
            let is_within = |at: &usize| !TEXT.is_char_boundary(*at);
            begin = (begin..).find(|at| !is_within(at)).unwrap_or(0);
            end = (end..).find(|at| !is_within(at)).unwrap_or(begin);
        }
        &source[begin..end]
    }

    /// Returns what a message claims to be.
    fn describe(&self, data: &[u8]) -> String {
        let mut fields = data.splitn(4, |byte| *byte == b' ');
        let mut number = || u64::from_str_radix(str::from_utf8(fields.next()?).ok()?, 16).ok();
        match (number(), number(), number()) {
            (Some(id), Some(_), _) if id != self.id => format!("a message of peer {id}"),
            (Some(_), Some(number), Some(sum)) => {
                let is_whole = fields.next().is_some_and(|body| checksum(body) == sum);
                let state = if is_whole { "whole" } else { "changed" };
                let kind = if number < self.tally.received { "again" } else { "too early" };
                format!("message {number}, {kind}, {state}, of {} bytes", data.len())
            }
            _ => format!("what is none of ours, of {} bytes", data.len()),
        }
    }
}

fn checksum(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    hasher.finish()
}
