//! What is sent: taken by the driver, once there is room for it.

use std::io;
use std::mem;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use websocket_driver::{CloseCode, Driver, Message, PreparedMessage, ReadyState, SendError};

use super::Connection;
use crate::error::Error;
use crate::pool;

/// The answer of [`Connection::defer`].
pub(crate) enum Defer {
    /// Write now.
    No,
    /// Write later, and see to it that it happens.
    Now,
    /// Write later; it was seen to.
    Already,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Waits until a message can be taken.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Where nothing can be sent any more, that is told at once.
        let is_full = self.driver.is_output_full() && self.driver.ready_state() == ReadyState::Open;
        if is_full { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Takes a message, if it was not taken before, once it can be.
    #[inline]
    pub(crate) fn poll_feed(&mut self, cx: &mut Context<'_>, message: &mut Option<Message>) -> Poll<Result<(), Error>> {
        match message {
            Some(next) if self.start_send_short(next) => *message = None,
            Some(_) => {
                ready!(self.poll_ready(cx))?;
                if let Some(message) = message.take() {
                    self.start_send(message)?;
                }
            }
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a short message, if nothing is in its way.
    #[inline]
    fn start_send_short(&mut self, message: &Message) -> bool {
        self.used();
        self.ending.is_none() && self.writable().is_ok_and(|driver| driver.send_short(message))
    }

    /// Takes a message, to be written with the next flush.
    #[inline]
    pub(crate) fn start_send(&mut self, message: Message) -> Result<(), SendError> {
        self.used();
        self.writable()?.send(message)
    }

    /// Tells whether a helper will write what was taken; the connection must be given to it then.
    pub(crate) fn set_deferred(&mut self, is_deferred: bool) {
        self.is_deferred = is_deferred;
    }

    /// Takes a ping, if it was not taken before, once it can be.
    pub(crate) fn poll_ping(&mut self, cx: &mut Context<'_>, data: &mut Option<Bytes>) -> Poll<Result<(), Error>> {
        if data.is_some() {
            ready!(self.poll_ready(cx))?;
        }
        if let Some(data) = data.take() {
            self.writable()?.ping(data)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a ping of its own, if it was not taken before, once it can be: who is told how long the answer took is given.
    pub(crate) fn poll_timed_ping(
        &mut self,
        cx: &mut Context<'_>,
        answered: &mut Option<oneshot::Sender<Duration>>,
    ) -> Poll<Result<(), Error>> {
        if answered.is_some() {
            ready!(self.poll_ready(cx))?;
            // Before there is a number for it, so that none is left behind where it is refused.
            self.writable()?;
        }
        if answered.is_some() {
            let data = self.start_ping(answered.take());
            self.writable()?.ping(data)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a prepared message, if it was not taken before, once it can be.
    pub(crate) fn poll_prepared(
        &mut self,
        cx: &mut Context<'_>,
        prepared: &mut Option<&PreparedMessage>,
    ) -> Poll<Result<(), Error>> {
        if prepared.is_some() {
            ready!(self.poll_ready(cx))?;
        }
        if let Some(prepared) = prepared.take() {
            self.used();
            self.writable()?.send_prepared(prepared)?;
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.close(code, reason)?;
        if self.ending.is_none() {
            self.limit_ending(None);
        }
        self.wake_receiver();
        Ok(())
    }

    /// Limits a close that was begun on the driver itself.
    #[inline]
    pub(crate) fn note_closing(&mut self) {
        if self.driver.ready_state() == ReadyState::Closing && self.ending.is_none() {
            self.limit_ending(None);
        }
    }

    /// Whether it is better to write later: more messages have come already, and what is said to them can leave with what
    /// waits now. Tells it at most once, until something is flushed.
    #[inline]
    pub(crate) fn defer(&mut self, has_message: bool) -> Defer {
        let has_more = has_message || self.driver.has_frame();
        if !has_more || self.ending.is_some() || self.driver.is_output_full() {
            return Defer::No;
        }
        if mem::replace(&mut self.is_deferred, true) { Defer::Already } else { Defer::Now }
    }

    /// The driver, with a buffer to write to.
    #[inline]
    pub(crate) fn writable(&mut self) -> Result<&mut Driver, SendError> {
        if self.is_abandoned || self.is_over() {
            return Err(SendError::Closed);
        }
        let output = self.driver.output();
        if !output.has_buffer() {
            output.lend(pool::take());
        }
        Ok(&mut self.driver)
    }
}
