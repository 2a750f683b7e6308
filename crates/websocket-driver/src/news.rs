use crate::end::End;
use crate::event::Event;

/// Events that happened and were not told yet, in the order in which they are told. Where there is an error, the end has it.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) connect: bool,
    pub(crate) open: bool,
    pub(crate) close: bool,
}

impl News {
    /// The next of them.
    #[inline]
    pub(crate) fn next(&mut self, end: &mut Option<Box<End>>) -> Option<Event> {
        if self.is_empty() { None } else { self.next_cold(end) }
    }

    /// Whether there are none. An error never comes without a close.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !(self.connect || self.open || self.close)
    }

    #[cold]
    fn next_cold(&mut self, end: &mut Option<Box<End>>) -> Option<Event> {
        if std::mem::take(&mut self.connect) {
            return Some(Event::Connect);
        }
        if std::mem::take(&mut self.open) {
            return Some(Event::Open);
        }
        let end = end.as_mut()?;
        if let Some(error) = end.take_error() {
            return Some(Event::Error(error));
        }
        self.close = false;
        end.frame().cloned().map(Event::Close)
    }
}
