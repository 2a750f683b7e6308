use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};
use websocket_driver::{Config, Due, Keepalive, Version};

/// Whether a peer is alive: the driver's machine, and the one timer of a connection. The timer is set again only when it
/// fires, whatever came before.
#[derive(Debug)]
pub(crate) struct Alive {
    keepalive: Keepalive,
    timer: Pin<Box<Sleep>>,
    /// Who is woken by the timer.
    waker: Option<Waker>,
}

impl Alive {
    pub(crate) fn new(config: &Config, version: Option<Version>) -> Option<Box<Self>> {
        let now = Instant::now();
        let mut keepalive = Keepalive::new(config, now.into())?;
        if version.is_some_and(Version::is_hixie) {
            keepalive = keepalive.without_pings();
        }
        Some(Box::new(Self { keepalive, timer: Box::pin(sleep_until(now)), waker: None }))
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.keepalive.heard(Instant::now().into());
    }

    /// A message came or went.
    pub(crate) fn used(&mut self) {
        self.keepalive.used(Instant::now().into());
    }

    /// What is due; `Pending` while nothing is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        // The timer is known to wake this task.
        if self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
            && Instant::now() < self.timer.deadline()
        {
            return Poll::Pending;
        }
        loop {
            match self.keepalive.poll(Instant::now().into()) {
                Due::At(instant) => self.timer.as_mut().reset(instant.into()),
                due => {
                    self.waker = None;
                    return Poll::Ready(due);
                }
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }
}
