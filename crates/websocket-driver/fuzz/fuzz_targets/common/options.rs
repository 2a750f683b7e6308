use arbitrary::Arbitrary;
use websocket_driver::{Config, Timeout, TransportEnd};

use crate::size::size;

/// The limits, what the application does beside echoing, and how the transport ends.
#[derive(Debug, Arbitrary)]
pub struct Options {
    max_message_size: u8,
    max_frame_size: u8,
    max_fragments: u8,
    max_output: u8,
    max_frame_rate: u8,
    max_control_rate: u8,
    /// Behind which event it closes.
    close_behind: u8,
    /// Behind how many events it writes its output.
    write_behind: u8,
    end: u8,
}

impl Options {
    pub fn limit<S>(&self, config: Config<S>) -> Config<S> {
        config
            .max_message_size(self.max_message_size())
            .max_frame_size(self.max_frame_size())
            .max_fragments(self.max_fragments.into())
            .max_output(size(self.max_output))
            .max_frame_rate(self.max_frame_rate())
            .max_control_rate(rate(self.max_control_rate))
    }

    /// The longest message in one frame.
    pub fn max_size(&self) -> usize {
        self.max_message_size().min(self.max_frame_size())
    }

    pub fn max_message_size(&self) -> usize {
        size(self.max_message_size)
    }

    pub fn max_frame_size(&self) -> usize {
        size(self.max_frame_size)
    }

    /// How many frames may come at once, and are sure to be taken.
    pub fn max_frame_rate(&self) -> Option<u32> {
        rate(self.max_frame_rate)
    }

    /// How many events come before the application closes.
    pub fn close_behind(&self) -> Option<usize> {
        (self.close_behind > 0).then_some(self.close_behind.into())
    }

    /// Whether it is time to write.
    pub(crate) fn writes_behind(&self, count: usize) -> bool {
        count.checked_rem(self.write_behind.into()) == Some(0)
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
