use arbitrary::Arbitrary;
use websocket_driver::{Config, Timeout, TransportEnd};

use crate::size::size;

/// The limits, the actions of the application besides echoing, and the end of the transport.
#[derive(Debug, Arbitrary)]
pub struct Options {
    max_message_size: u8,
    max_frame_size: u8,
    max_fragments: u8,
    max_output: u8,
    max_frame_rate: u8,
    max_control_rate: u8,
    /// The number of events after which the application closes.
    close_after: u8,
    /// The number of events after which the output is written.
    write_after: u8,
    /// The number of events after which the connection is idle for a while.
    idle_after: u8,
    end: u8,
}

impl Options {
    pub fn limit<S>(&self, config: Config<S>) -> Config<S> {
        config
            .max_message_size(self.max_message_size())
            .max_frame_size(self.max_frame_size())
            .max_fragments(if self.max_fragments == u8::MAX { usize::MAX } else { self.max_fragments.into() })
            .max_output(size(self.max_output))
            .max_frame_rate(self.max_frame_rate())
            .max_control_rate(rate(self.max_control_rate))
    }

    /// Leaves only the limits that also apply to messages that are received in pieces.
    pub fn limit_only_messages(&mut self) {
        self.max_frame_size = self.max_message_size;
        self.max_fragments = u8::MAX;
    }

    /// Returns the maximum size of a message in one frame.
    pub fn max_size(&self) -> usize {
        self.max_message_size().min(self.max_frame_size())
    }

    pub fn max_message_size(&self) -> usize {
        size(self.max_message_size)
    }

    pub fn max_frame_size(&self) -> usize {
        size(self.max_frame_size)
    }

    /// Returns a number of frames that are accepted in a burst.
    pub fn max_frame_rate(&self) -> Option<u32> {
        rate(self.max_frame_rate)
    }

    /// Returns the number of events after which the application closes.
    pub fn close_after(&self) -> Option<usize> {
        (self.close_after > 0).then_some(self.close_after.into())
    }

    /// Returns whether the output must be written now.
    pub(crate) fn writes_after(&self, count: usize) -> bool {
        count.checked_rem(self.write_after.into()) == Some(0)
    }

    /// Returns whether the connection is idle now.
    pub(crate) fn is_idle_after(&self, count: usize) -> bool {
        count.checked_rem(self.idle_after.into()) == Some(0)
    }

    pub(crate) fn end(&self) -> TransportEnd {
        match self.end % 4 {
            0 => TransportEnd::Ended,
            1 => TransportEnd::Reset,
            2 => TransportEnd::TimedOut(Timeout::Pong),
            _ => TransportEnd::Cut,
        }
    }
}

fn rate(byte: u8) -> Option<u32> {
    byte.checked_sub(1).map(u32::from)
}
