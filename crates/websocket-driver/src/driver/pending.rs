use super::optional::OptionalState;
use crate::event::Event;

/// The events that are due, in the order in which they are returned. An error is stored in the
/// [`OptionalState`].
///
/// A single byte, since it is tested for every message.
#[derive(Debug, Default)]
pub(crate) struct PendingEvents(u8);

impl PendingEvents {
    pub(crate) const CONNECT: u8 = 1;
    pub(crate) const OPEN: u8 = 2;
    pub(crate) const CLOSE: u8 = 4;

    pub(crate) fn add(&mut self, event: u8) {
        self.0 |= event;
    }

    /// Returns the next event.
    #[inline]
    pub(crate) fn next(&mut self, extras: &mut OptionalState) -> Option<Event> {
        if self.is_empty() { None } else { self.next_cold(extras) }
    }

    /// Returns whether no event is due. An error is always accompanied by a close.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn next_cold(&mut self, extras: &mut OptionalState) -> Option<Event> {
        if self.take(Self::CONNECT) {
            return Some(Event::Connect);
        }
        if self.take(Self::OPEN) {
            return Some(Event::Open);
        }
        let end = extras.end_mut()?;
        if let Some(error) = end.take_error() {
            return Some(Event::Error(error));
        }
        self.take(Self::CLOSE);
        end.frame().cloned().map(Event::Close)
    }

    fn take(&mut self, event: u8) -> bool {
        let is_due = self.0 & event != 0;
        self.0 &= !event;
        is_due
    }
}
