use bytes::Bytes;

use super::Heads;
use super::close_info::CloseInfo;
use super::unfinished::Unfinished;
use crate::config::budget::Charge;
use crate::config::observer::Observed;
use crate::config::settings::Settings;

/// State that few open connections have, in one box to keep the others small.
#[derive(Debug)]
pub(super) struct OptionalState(Option<Box<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    charge: Option<Charge>,
    observed: Option<Observed>,
    /// The payload of the latest ping, if it could not be answered yet.
    held_pong: Option<Bytes>,
    unfinished: Option<Unfinished>,
    /// How the connection ended, or is about to end.
    end: Option<Box<CloseInfo>>,
    heads: Heads,
}

impl OptionalState {
    pub(super) fn new(settings: &Settings) -> Self {
        let charge = settings.budget.as_ref().map(Charge::new);
        let observed = settings.observer.as_ref().map(|_| Observed::new(""));
        let has_some = charge.is_some() || observed.is_some();
        Self(has_some.then(|| Box::new(Inner { charge, observed, ..Inner::default() })))
    }

    #[inline]
    pub(super) fn charge(&mut self) -> Option<&mut Charge> {
        self.0.as_mut()?.charge.as_mut()
    }

    #[inline]
    pub(super) fn observed(&mut self) -> Option<&mut Observed> {
        self.0.as_mut()?.observed.as_mut()
    }

    pub(super) fn observed_with_heads(&mut self) -> Option<(&mut Observed, &Heads)> {
        let inner = self.0.as_mut()?;
        Some((inner.observed.as_mut()?, &inner.heads))
    }

    pub(super) fn take_observed(&mut self) -> Option<Observed> {
        self.0.as_mut()?.observed.take()
    }

    #[inline]
    pub(super) fn has_charge(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.charge.is_some())
    }

    #[inline]
    pub(super) fn has_observed(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.observed.is_some())
    }

    #[inline]
    pub(super) fn holds_pong(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.held_pong.is_some())
    }

    pub(super) fn hold_pong(&mut self, data: Bytes) {
        self.0.get_or_insert_default().held_pong = Some(data);
    }

    pub(super) fn take_pong(&mut self) -> Option<Bytes> {
        let pong = self.0.as_mut()?.held_pong.take();
        self.release();
        pong
    }

    pub(super) fn set_unfinished(&mut self, message: Unfinished) {
        self.0.get_or_insert_default().unfinished = Some(message);
    }

    pub(super) fn unfinished(&mut self) -> Option<&mut Unfinished> {
        self.0.as_mut()?.unfinished.as_mut()
    }

    pub(super) fn take_unfinished(&mut self) -> Option<Unfinished> {
        let message = self.0.as_mut()?.unfinished.take();
        self.release();
        message
    }

    /// Returns the number of bytes that wait until a message is finished.
    pub(super) fn waiting(&self) -> usize {
        self.0.as_ref().and_then(|inner| inner.unfinished.as_ref()).map_or(0, |message| message.waiting)
    }

    /// Returns the number of bytes held for a message that is not finished.
    pub(super) fn memory(&self) -> usize {
        self.0.as_ref().and_then(|inner| inner.unfinished.as_ref()).map_or(0, Unfinished::memory)
    }

    #[inline]
    pub(super) fn end(&self) -> Option<&CloseInfo> {
        self.0.as_ref()?.end.as_deref()
    }

    pub(super) fn end_mut(&mut self) -> Option<&mut CloseInfo> {
        self.0.as_mut()?.end.as_deref_mut()
    }

    pub(super) fn end_or_default(&mut self) -> &mut CloseInfo {
        self.0.get_or_insert_default().end.get_or_insert_default()
    }

    pub(super) fn heads(&self) -> Option<&Heads> {
        Some(&self.0.as_ref()?.heads)
    }

    pub(super) fn heads_mut(&mut self) -> &mut Heads {
        &mut self.0.get_or_insert_default().heads
    }

    pub(super) fn take_from_heads<R>(&mut self, take: impl FnOnce(&mut Heads) -> Option<R>) -> Option<R> {
        let taken = take(&mut self.0.as_mut()?.heads);
        self.release();
        taken
    }

    fn release(&mut self) {
        self.0.take_if(|inner| {
            inner.charge.is_none()
                && inner.observed.is_none()
                && inner.held_pong.is_none()
                && inner.unfinished.is_none()
                && inner.end.is_none()
                && inner.heads.is_empty()
        });
    }
}
