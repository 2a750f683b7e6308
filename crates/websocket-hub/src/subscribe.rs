//! The options of a subscription and its result.

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
    /// Creates the default options: only new messages are sent, up to 256 of them and 1 MiB may be
    /// queued, and above that the connection is closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the policy for messages that exceed the queue. Default: [`Overflow::Close`] with 1013.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets the number of messages of this topic, and of their bytes, that may be queued for the
    /// connection. Default: 256 messages and 1 MiB. Above it, [`overflow`](Self::overflow) applies.
    pub fn queue(mut self, limit: QueueLimit) -> Self {
        self.queue = limit;
        self
    }

    /// Resumes after a position: the messages since then are sent first. Default: none.
    pub fn since(mut self, position: impl Into<Option<Position>>) -> Self {
        self.since = position.into();
        self
    }

    /// Sets the number of messages of the history that are sent first, to a member that does not
    /// resume or whose position is [lost](Recovery::Lost). Default: 0.
    pub fn recent(mut self, messages: usize) -> Self {
        self.recent = messages;
        self
    }
}

/// The policy for messages that exceed the queue of a slow subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Closes the connection with this code. A client that returns with its position misses
    /// nothing, so this is the default, with 1013 (try again later).
    Close(CloseCode),
    /// Drops the oldest queued messages of the topic, as many as necessary, and reports
    /// [`Lagged`](crate::Notice::Lagged).
    DropOldest,
    /// Drops the new message, and reports [`Lagged`](crate::Notice::Lagged).
    DropNewest,
    /// Keeps only the newest message, for topics whose messages replace each other. Replaced
    /// messages are counted in the [statistics](crate::HubStats::replaced) and not reported.
    LatestOnly,
}

impl Default for Overflow {
    fn default() -> Self {
        Self::Close(CloseCode::TRY_AGAIN_LATER)
    }
}

/// Limits the number of messages queued for a connection, and of their bytes. A message that
/// exceeds the limit on its own is never queued. Each limit is at most `u32::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimit {
    messages: u32,
    bytes: u32,
}

impl QueueLimit {
    /// Creates a limit. Numbers above `u32::MAX` are lowered to it.
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

/// 256 messages and 1 MiB: a few seconds of a busy topic, while a thousand stalled members hold
/// less than 1 GiB.
impl Default for QueueLimit {
    fn default() -> Self {
        Self::new(256, 1024 * 1024)
    }
}

/// The result of subscribing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "messages may be lost, which the client should know"]
pub struct Subscribed {
    /// The position at which the subscription began. All later messages are sent, unless the
    /// subscription's [`Overflow`] drops them.
    pub position: Position,
    /// The result of resuming.
    pub recovery: Recovery,
}

impl Subscribed {
    pub(crate) fn new(position: Position, recovery: Recovery) -> Self {
        Self { position, recovery }
    }
}

/// The result of resuming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// There was no position to resume from.
    NotRequested,
    /// Nothing was published since the position.
    NothingMissed,
    /// All messages since the position were sent. The value is their number.
    Recovered(usize),
    /// The messages since the position are no longer in the history, or never were. The client must
    /// reload its state.
    Lost,
}
