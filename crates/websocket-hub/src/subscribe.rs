//! The options of a subscription, and its outcome.

use tower_websocket::CloseCode;

use crate::position::Position;

/// The options of a subscription.
///
/// ```
/// use websocket_hub::{Overflow, QueueLimit, Subscribe};
///
/// let prices = Subscribe::new().overflow(Overflow::LatestOnly);
/// let orders = Subscribe::new().queue(QueueLimit::new(1000, 4 * 1024 * 1024));
/// # let _ = (prices, orders);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Subscribe {
    pub(crate) overflow: Overflow,
    pub(crate) queue: QueueLimit,
    pub(crate) since: Option<Position>,
    pub(crate) recent: usize,
}

impl Subscribe {
    /// Creates the default options: new messages only, up to 256 of them and 1 MiB may wait, then the connection is closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the policy for messages for which there is no room in the queue. The default is [`Overflow::Close`] with 1013.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets the number of messages of this topic, and of their bytes, that may wait for the connection. The default is 256 messages
    /// and 1 MiB. Beyond it, [`overflow`](Self::overflow) decides.
    pub fn queue(mut self, limit: QueueLimit) -> Self {
        self.queue = limit;
        self
    }

    /// Resumes behind a position: the messages since then are sent first. There is none by default.
    pub fn since(mut self, position: impl Into<Option<Position>>) -> Self {
        self.since = position.into();
        self
    }

    /// Sends the last messages of the history first, at most this number: to a member that does not resume, or whose position is
    /// [lost](Recovery::Lost). The default is 0.
    pub fn recent(mut self, messages: usize) -> Self {
        self.recent = messages;
        self
    }
}

/// The policy for messages for which there is no room in the queue of a slow subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Closes the connection with this code. A client that returns with its position is correct again, so this is the default, with
    /// 1013 (try again later).
    Close(CloseCode),
    /// Drops the oldest messages of the topic that wait, as many as it takes, and reports [`Lagged`](crate::Notice::Lagged).
    DropOldest,
    /// Drops the new message, and reports [`Lagged`](crate::Notice::Lagged).
    DropNewest,
    /// Keeps the newest message alone, for topics whose messages replace each other. Messages that were replaced are counted in the
    /// [statistics](crate::HubStats::replaced) and not reported.
    LatestOnly,
}

impl Default for Overflow {
    fn default() -> Self {
        Self::Close(CloseCode::TRY_AGAIN_LATER)
    }
}

/// The messages that may wait for a connection, and their bytes. A message that alone is over the limit never waits. Each is at most
/// `u32::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimit {
    messages: u32,
    bytes: u32,
}

impl QueueLimit {
    /// Creates a limit. A higher number than `u32::MAX` is lowered to it.
    #[must_use]
    pub const fn new(messages: usize, bytes: usize) -> Self {
        Self { messages: saturate(messages), bytes: saturate(bytes) }
    }

    /// Returns the number of messages.
    #[must_use]
    pub const fn messages(self) -> usize {
        self.messages as usize
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes as usize
    }
}

const fn saturate(number: usize) -> u32 {
    if number > u32::MAX as usize { u32::MAX } else { number as u32 }
}

/// 256 messages and 1 MiB: some seconds of a busy topic, and a thousand stalled members hold less than a gigabyte.
impl Default for QueueLimit {
    fn default() -> Self {
        Self::new(256, 1024 * 1024)
    }
}

/// A subscription that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "messages may be lost, which the client should know"]
pub struct Subscribed {
    /// The position that was reached when the subscription began. All later messages are sent, unless the subscription's own
    /// [`Overflow`] drops them.
    pub position: Position,
    /// The outcome of the resumption.
    pub recovery: Recovery,
}

impl Subscribed {
    pub(crate) fn new(position: Position, recovery: Recovery) -> Self {
        Self { position, recovery }
    }
}

/// The outcome of a resumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// There was no position to resume from.
    NotRequested,
    /// Nothing was published since the position.
    NothingMissed,
    /// Every message since the position was sent; this is their number.
    Recovered(usize),
    /// The messages since the position are not in the history any more, or never were. The client must load its state anew.
    Lost,
}
