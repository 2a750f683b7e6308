use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use websocket_driver::{Config, Due, Keepalive, Version};

pin_project! {
    /// Whether a peer is alive: the driver's machine, and the one timer of an open connection. The timer is set again only
    /// when it fires, whatever came before.
    #[derive(Debug)]
    pub(crate) struct Alive {
        keepalive: Keepalive,
        // Something came since the clock was read last.
        is_heard: bool,
        #[pin]
        timer: Sleep,
        // Who is woken by the timer.
        waker: Option<Waker>,
    }
}

impl Alive {
    /// For a connection that opens now, if the configuration has anything to look after.
    pub(crate) fn new(config: &Config, version: Version) -> Option<Pin<Box<Self>>> {
        let has_pings = config.get_ping_interval().is_some() && !version.is_hixie();
        if !has_pings && config.get_idle_timeout().is_none() {
            return None;
        }
        let now = Instant::now();
        let mut keepalive = Keepalive::new(config, now.into());
        keepalive.opened(version, now.into());
        Some(Box::pin(Self { keepalive, is_heard: false, timer: sleep_until(now), waker: None }))
    }

    /// Something came.
    pub(crate) fn heard(self: Pin<&mut Self>) {
        *self.project().is_heard = true;
    }

    /// A message came or went.
    pub(crate) fn used(self: Pin<&mut Self>) {
        self.project().keepalive.used(Instant::now().into());
    }

    /// What is due; `Pending` while nothing is.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Due> {
        let mut this = self.project();
        let now = Instant::now();
        if std::mem::take(this.is_heard) {
            this.keepalive.heard(now.into());
        }
        // The timer is known to wake this task.
        if this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) && now < this.timer.deadline() {
            return Poll::Pending;
        }
        loop {
            match this.keepalive.poll(Instant::now().into()) {
                Due::Never => return Poll::Pending,
                Due::At(instant) => this.timer.as_mut().reset(instant.into()),
                due => {
                    *this.waker = None;
                    return Poll::Ready(due);
                }
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                *this.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }
}
