//! Sending: the driver accepts messages once there is room for them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::oneshot;
use websocket_driver::{
    CloseCode, Driver, Message, PreparedBatch, PreparedMessage, ReadyState, ReplyBuffer, SendError,
};

use super::{Connection, buffers};
use crate::error::Error;

/// The result of [`Connection::plan_flush`].
pub(crate) enum FlushPlan {
    /// Write now.
    Now,
    /// The background writes later.
    Deferred,
}

/// A place in the queue of senders that wait for the transport. Dropping it leaves the queue.
#[derive(Debug, Default)]
pub(crate) struct WakerSlot(Option<Pin<Box<OwnedNotified>>>);

/// Used by the [`WebSocket`](crate::WebSocket) itself.
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Waits until there is room for a message.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_room() {
            Poll::Ready(Ok(()))
        } else if self.driver.has_unfinished_message() {
            self.poll_held(cx)
        } else {
            self.poll_flush(cx)
        }
    }

    /// Waits until replies can be accepted. While another task sends a message in fragments, the
    /// driver holds them back, so that pings are still received.
    #[inline]
    pub(crate) fn poll_reply_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.driver.has_unfinished_message() { self.poll_reply_room_held(cx) } else { self.poll_ready(cx) }
    }

    fn poll_reply_room_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.driver.is_output_full() {
            ready!(self.poll_flush(cx))?;
        }
        if self.driver.has_room_for_replies() { Poll::Ready(Ok(())) } else { self.poll_held(cx) }
    }

    /// Waits until a message that others send in fragments is finished.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Pongs and fragments that nobody flushes do not wait for this.
        ready!(self.poll_flush(cx))?;
        self.cold().awaits_message = true;
        self.wait_to_send(cx);
        Poll::Pending
    }

    /// Accepts the message once there is room, if it is still there.
    #[inline]
    pub(crate) fn poll_feed(&mut self, cx: &mut Context<'_>, message: &mut Option<Message>) -> Poll<Result<(), Error>> {
        match message {
            Some(next) if self.start_send_short(next) => *message = None,
            Some(_) => {
                ready!(self.poll_ready(cx))?;
                if let Some(message) = message.take() {
                    self.start_send(message, true)?;
                }
            }
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Accepts a short message, if the fast path applies.
    #[inline]
    fn start_send_short(&mut self, message: &Message) -> bool {
        let is_sent = self.closing.is_none() && self.writable().is_ok_and(|driver| driver.send_short(message));
        if is_sent {
            self.on_message();
        }
        is_sent
    }

    /// Accepts a message, to be written by the next flush. With `has_room`, it is accepted even if
    /// others have filled the output since.
    #[inline]
    pub(crate) fn start_send(&mut self, message: Message, has_room: bool) -> Result<(), SendError> {
        let driver = self.writable()?;
        if has_room {
            driver.send_over_limit(message)?
        } else {
            driver.send(message)?
        }
        self.on_message();
        Ok(())
    }

    /// Accepts a ping or pong once there is room, if it is still there.
    pub(crate) fn poll_control(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Option<Bytes>,
        send: impl FnOnce(&mut Driver, Bytes) -> Result<(), SendError>,
    ) -> Poll<Result<(), Error>> {
        if data.is_some() && !self.has_output_room() {
            ready!(self.poll_flush(cx))?;
        }
        if let Some(data) = data.take() {
            self.start_control(data, send)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Accepts a ping or pong, to be written by the next flush.
    pub(crate) fn start_control(
        &mut self,
        data: Bytes,
        send: impl FnOnce(&mut Driver, Bytes) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        send(self.writable()?, data)
    }

    /// Accepts a prepared message once there is room, if it is still there.
    pub(crate) fn poll_prepared(
        &mut self,
        cx: &mut Context<'_>,
        prepared: &mut Option<&PreparedMessage>,
    ) -> Poll<Result<(), Error>> {
        if prepared.is_some() {
            ready!(self.poll_ready(cx))?;
        }
        if let Some(prepared) = prepared.take() {
            self.send_prepared(prepared)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Decides when accepted messages are written: if more messages have been received already, the
    /// replies to them can leave in the same write.
    #[inline]
    pub(crate) fn plan_flush(&mut self, has_message: bool) -> FlushPlan {
        let has_more = has_message || self.driver.has_frame();
        if !has_more || self.closing.is_some() || self.driver.is_output_full() {
            return FlushPlan::Now;
        }
        // The task may wait for something else next.
        self.flush_soon();
        FlushPlan::Deferred
    }

    /// Prepares a buffer for replies that are encoded without the connection.
    #[inline]
    pub(crate) fn begin_replies(&self, replies: &mut ReplyBuffer) {
        self.driver.begin_replies(replies);
        if !replies.has_buffer() {
            replies.lend(buffers::take());
        }
    }

    /// Accepts the replies in the buffer, to be written by the next flush.
    #[inline]
    pub(crate) fn commit(&mut self, replies: &mut ReplyBuffer) {
        if !replies.is_empty() {
            self.on_message();
            if self.may_write() && self.driver.commit(replies).is_err() {
                // An extension cannot encode an accepted reply. The call fails if this side is
                // closing already.
                let _ = self.driver.start_close(CloseCode::INTERNAL_ERROR, "a reply could not be encoded");
            }
            self.detect_closing();
        }
    }

    /// Accepts a prepared message, to be written by the next flush.
    pub(crate) fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.put_prepared(prepared)?;
        self.on_message();
        Ok(())
    }

    fn put_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        // The first one needs no buffer, as its frame is shared.
        let driver = if self.driver.output().has_remaining() { self.writable()? } else { self.open()? };
        driver.send_prepared(prepared)
    }

    /// Returns the driver, with a buffer to write to.
    #[inline]
    pub(crate) fn writable(&mut self) -> Result<&mut Driver, SendError> {
        let output = self.open()?.output();
        if !output.has_buffer() {
            output.lend(buffers::take());
        }
        Ok(&mut self.driver)
    }

    /// Returns the driver, unless nothing can be sent any more.
    #[inline]
    fn open(&mut self) -> Result<&mut Driver, SendError> {
        if self.owners == 0 || !self.may_write() { Err(SendError::Closed) } else { Ok(&mut self.driver) }
    }

    /// Returns whether nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.owners == 0 || !self.may_write() || self.driver.ready_state() != ReadyState::Open
    }

    /// Returns whether a message can be accepted, or refused, without waiting.
    #[inline]
    fn has_room(&self) -> bool {
        (!self.driver.is_output_full() && !self.driver.has_unfinished_message())
            || self.driver.ready_state() != ReadyState::Open
    }

    /// Returns whether a fragment of the unfinished message or a control frame can be taken, or
    /// refused at once.
    fn has_output_room(&self) -> bool {
        !self.driver.is_output_full() || self.driver.ready_state() != ReadyState::Open
    }
}

/// Used by [`WebSocketSender`](crate::WebSocketSender), concurrently with others that send and
/// receive.
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Waits until there is room for a message.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>, waker: &mut WakerSlot) -> Poll<Result<(), Error>> {
        self.poll_room_for(cx, waker, Self::has_room)
    }

    /// Waits until a fragment of the unfinished message or a control frame can be taken.
    pub(crate) fn poll_output_room(&mut self, cx: &mut Context<'_>, waker: &mut WakerSlot) -> Poll<Result<(), Error>> {
        self.poll_room_for(cx, waker, Self::has_output_room)
    }

    fn poll_room_for(
        &mut self,
        cx: &mut Context<'_>,
        waker: &mut WakerSlot,
        has_room: impl Fn(&Self) -> bool,
    ) -> Poll<Result<(), Error>> {
        loop {
            if self.owners == 0 {
                return Poll::Ready(Err(SendError::Closed.into()));
            }
            if has_room(self) {
                return Poll::Ready(Ok(()));
            }
            if !self.may_write() {
                return Poll::Ready(self.write_outcome().map_err(Error::Io));
            }
            match self.poll_write(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail_writing(error).into())),
                _ if has_room(self) => {}
                _ => {
                    // All may be written, and another message unfinished.
                    if self.driver.has_unfinished_message() {
                        self.cold().awaits_message = true;
                    }
                    ready!(self.poll_progress(cx, waker));
                }
            }
        }
    }

    /// Waits until the output up to a position is written.
    pub(crate) fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        position: u64,
        waker: &mut WakerSlot,
    ) -> Poll<Result<(), Error>> {
        loop {
            if !self.may_write() {
                return Poll::Ready(self.write_outcome().map_err(Error::Io));
            }
            if self.has_written_enough() {
                return self.give_way(cx);
            }
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail_writing(error).into())),
                Poll::Pending if self.driver.output().flushed_position() >= position => return Poll::Ready(Ok(())),
                Poll::Pending => ready!(self.poll_progress(cx, waker)),
            }
        }
    }

    /// Waits until the close is complete, or cannot be completed any more.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>, waker: &mut WakerSlot) -> Poll<()> {
        while !self.has_ended() {
            ready!(self.poll_progress(cx, waker));
        }
        Poll::Ready(())
    }

    /// Accepts a numbered ping once there is room, if `answered` is still there. The round-trip
    /// time is sent to `answered`.
    pub(crate) fn poll_timed_ping(
        &mut self,
        cx: &mut Context<'_>,
        answered: &mut Option<oneshot::Sender<Duration>>,
        waker: &mut WakerSlot,
    ) -> Poll<Result<(), Error>> {
        if answered.is_some() {
            ready!(self.poll_output_room(cx, waker))?;
            // Checked before the ping gets a number, so that none is left behind if it is refused.
            self.writable()?;
            let data = self.start_ping(answered.take());
            self.writable()?.send_ping(data)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Finishes a message that was sent in fragments, for which others have waited.
    pub(crate) fn finish_message(&mut self) -> Result<(), SendError> {
        self.send_piece(|driver| driver.finish_message(""))?;
        self.wake_senders();
        Ok(())
    }

    /// Accepts a part of a message, or its end. An extension that fails, and a reply that was held
    /// back until then, may start to close the connection.
    pub(crate) fn send_piece(
        &mut self,
        send: impl FnOnce(&mut Driver) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let sent = self.send(send);
        self.detect_closing();
        sent
    }

    /// Accepts a message, ping or pong.
    pub(crate) fn send(&mut self, send: impl FnOnce(&mut Driver) -> Result<(), SendError>) -> Result<(), SendError> {
        send(self.writable()?)?;
        self.on_message();
        Ok(())
    }

    /// Accepts a message if there is room for it now, to be written by the background. It gets a
    /// buffer of its size, since many connections may be sent the same message at once.
    pub(crate) fn try_send(
        &mut self,
        send: impl FnOnce(&mut Driver) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        send(self.open()?)?;
        self.on_message();
        self.flush_soon();
        Ok(())
    }

    /// Accepts as many messages as there is room for, and writes them now. Returns their number.
    pub(crate) fn try_send_batch(&mut self, messages: &[&PreparedMessage]) -> Result<usize, SendError> {
        let mut sent = 0;
        for message in messages {
            if self.may_write() && !self.has_room() {
                // Checked before, as the driver would be lent a buffer that stays there for long.
                break;
            }
            match self.put_prepared(message) {
                Ok(()) => sent += 1,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if sent > 0 {
            self.on_message();
            self.write_now();
        }
        Ok(sent)
    }

    /// Like [`try_send_batch`](Self::try_send_batch), for messages that are joined.
    pub(crate) fn try_send_joined(&mut self, batch: &PreparedBatch) -> Result<usize, SendError> {
        if !self.has_room() || !self.open()?.send_joined(batch) {
            let messages: Vec<_> = batch.messages().iter().collect();
            return self.try_send_batch(&messages);
        }
        self.on_message();
        self.write_now();
        Ok(batch.messages().len())
    }

    /// Returns the position of the end of the output.
    pub(crate) fn position(&mut self) -> u64 {
        self.driver.output().end_position()
    }

    /// Waits until the transport has accepted output, or writing has ended.
    fn poll_progress(&mut self, cx: &mut Context<'_>, waker: &mut WakerSlot) -> Poll<()> {
        let progress = &self.cold().progress;
        let notified = waker.0.get_or_insert_with(|| Box::pin(progress.clone().notified_owned()));
        ready!(notified.as_mut().poll(cx));
        waker.0 = None;
        // The output may have become full again since. The caller checks that, and waits again.
        Poll::Ready(())
    }
}
