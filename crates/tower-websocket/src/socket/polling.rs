//! The futures of a socket.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{
    Batch, Driver, Event, Message, MessageChunk, MessageRef, PreparedMessage, ProtocolError, ReplyBuffer, SendError,
};

use super::Inner;
use crate::connection::shared::Owner;
use crate::connection::{Connection, FlushPlan, Next, buffers};
use crate::error::Error;
use crate::socket::replies::Responder;

/// The events that were received before a pong.
#[derive(Debug, Default)]
pub(super) struct Stash {
    events: VecDeque<Result<Event, Error>>,
    bytes: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Inner<T> {
    /// Returns the next event, or `Some(Ok(None))` if there are messages in the batch.
    #[inline]
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Event>, Error>>> {
        if self.stash.is_some()
            && let Some(event) = pop_stashed(&mut self.stash)
        {
            return Poll::Ready(Some(event.map(Some)));
        }
        self.poll_connection(cx)
    }

    /// Like [`poll_batch`](Self::poll_batch), without the stash.
    #[inline]
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Event>, Error>>> {
        let next = ready!(self.connection.lock().poll_next(cx, &mut self.batch));
        if let Next::Messages = next { Poll::Ready(Some(Ok(None))) } else { Poll::Ready(self.record_end(next)) }
    }

    /// Records how the connection has ended. A separate function, so that batches of messages do
    /// not move events.
    fn record_end(&mut self, next: Next) -> Option<Result<Option<Event>, Error>> {
        match next {
            Next::Messages => Some(Ok(None)),
            Next::Event(event) => {
                if let Event::Close(close) = &event {
                    self.close_frame = Some(Box::new(close.clone()));
                }
                Some(Ok(Some(event)))
            }
            Next::Failed(error) => Some(Err(Error::Io(error))),
            Next::End => {
                self.is_finished = true;
                None
            }
        }
    }

    /// Stashes what is received next. `Pending` is also returned if the stash is full, or nothing
    /// can be received any more.
    pub(super) fn poll_stash(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.connection.lock().driver().limits().max_output;
        if self.is_finished || self.stash.as_ref().is_some_and(|stash| stash.bytes >= limit) {
            return Poll::Pending;
        }
        if !self.batch.has_next()
            && let Some(event) = ready!(self.poll_connection(cx)).and_then(Result::transpose)
        {
            self.keep(event);
        }
        // The whole batch, as a message left in it would be received before the stashed ones.
        while let Some(message) = self.batch.next() {
            self.keep(Ok(Event::Message(message)));
        }
        Poll::Ready(())
    }

    fn keep(&mut self, event: Result<Event, Error>) {
        let stash = self.stash.get_or_insert_default();
        stash.bytes += stashed_size(&event);
        stash.events.push_back(event);
    }

    pub(super) fn poll_next_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            if let Some(message) = self.batch.next() {
                return Poll::Ready(Some(Ok(Event::Message(message))));
            }
            if let Some(event) = ready!(self.poll_batch(cx)).and_then(Result::transpose) {
                return Poll::Ready(Some(event));
            }
            if self.is_finished {
                return Poll::Ready(None);
            }
        }
    }

    /// Returns the first chunk of the next message. A message that was received whole is one chunk.
    pub(super) fn poll_recv_stream(
        &mut self,
        cx: &mut Context<'_>,
        limit: u64,
    ) -> Poll<Option<Result<MessageChunk, Error>>> {
        loop {
            let stashed = if self.stash.is_some() { pop_stashed(&mut self.stash) } else { None };
            let event = match stashed {
                Some(event) => Some(event.map(Some)),
                None => {
                    let mut connection = self.connection.lock();
                    connection.driver_mut().take_back(&mut self.batch);
                    // Only as long as this is polled, so that the next message may be received in
                    // another way.
                    connection.driver_mut().stream_messages(Some(limit));
                    let next = connection.poll_next(cx, &mut self.batch);
                    connection.driver_mut().stream_messages(None);
                    drop(connection);
                    self.record_end(ready!(next))
                }
            };
            match event {
                Some(Ok(Some(Event::Chunk(chunk)))) => return Poll::Ready(Some(Ok(chunk))),
                Some(Ok(Some(Event::Message(message)))) if message.len() as u64 <= limit => {
                    return Poll::Ready(Some(Ok(MessageChunk::whole(message))));
                }
                Some(Ok(Some(Event::Message(message)))) => {
                    let (size, limit) = (message.len() as u64, usize::try_from(limit).unwrap_or(usize::MAX));
                    let error = ProtocolError::MessageTooBig { size, limit };
                    // A connection that is closing already needs no other close.
                    let _ = self.connection.lock().start_close(error.close_code(), &error.to_string());
                    return Poll::Ready(Some(Err(error.into())));
                }
                Some(Ok(Some(Event::Error(error)))) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    pub(super) fn skip_message(&mut self) {
        self.connection.lock().driver_mut().skip_message();
    }

    #[inline]
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        match self.batch.next() {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => self.poll_recv_any(cx),
        }
    }

    fn poll_recv_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        loop {
            match ready!(self.poll_batch(cx)) {
                Some(Ok(None)) => {
                    if let Some(message) = self.batch.next() {
                        return Poll::Ready(Some(Ok(message)));
                    }
                }
                Some(Ok(Some(Event::Message(message)))) => return Poll::Ready(Some(Ok(message))),
                Some(Ok(Some(Event::Error(error)))) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(Some(_))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Passes received messages to the handler. The handler runs without the lock; its replies are
    /// committed after each batch.
    pub(super) fn poll_for_each(
        &mut self,
        cx: &mut Context<'_>,
        handle: &mut impl FnMut(MessageRef<'_>, &mut Responder<'_>),
    ) -> Poll<Result<(), Error>> {
        loop {
            let mut replying = Replying { connection: &self.connection, replies: ReplyBuffer::default() };
            let stash = if self.stash.is_some() { pop_stashed(&mut self.stash) } else { None };
            let event = match stash {
                Some(Ok(Event::Message(message))) => {
                    replying.begin();
                    replying.reply(&message, handle);
                    continue;
                }
                Some(event) => Some(event.map(Some)),
                None => {
                    let next = ready!(replying.poll(cx, &mut self.batch, handle));
                    drop(replying);
                    self.record_end(next)
                }
            };
            match event {
                Some(Ok(Some(Event::Error(error)))) => return Poll::Ready(Err(error.into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    #[inline]
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, message: &mut Option<Message>) -> Poll<Result<(), Error>> {
        let mut connection = self.connection.lock();
        ready!(connection.poll_feed(cx, message))?;
        poll_sent(cx, &mut connection, self.batch.has_next())
    }

    pub(super) fn poll_send_prepared(
        &mut self,
        cx: &mut Context<'_>,
        prepared: &mut Option<&PreparedMessage>,
    ) -> Poll<Result<(), Error>> {
        let mut connection = self.connection.lock();
        ready!(connection.poll_prepared(cx, prepared))?;
        poll_sent(cx, &mut connection, self.batch.has_next())
    }

    pub(super) fn poll_control(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Option<Bytes>,
        send: impl FnOnce(&mut Driver, Bytes) -> Result<(), SendError>,
    ) -> Poll<Result<(), Error>> {
        let mut connection = self.connection.lock();
        ready!(connection.poll_control(cx, data, send))?;
        connection.poll_flush(cx).map_err(Error::Io)
    }

    #[inline]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connection.lock().poll_flush(cx).map_err(Error::Io)
    }
}

/// Writes the output, or leaves that to the background task.
#[inline]
fn poll_sent<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    cx: &mut Context<'_>,
    connection: &mut Connection<T>,
    has_message: bool,
) -> Poll<Result<(), Error>> {
    match connection.plan_flush(has_message) {
        FlushPlan::Deferred => Poll::Ready(Ok(())),
        FlushPlan::Now => connection.poll_flush(cx).map_err(Error::Io),
    }
}

/// The replies to a batch of messages. They are committed at its end, also if the handler panics.
struct Replying<'a, T: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    connection: &'a Owner<T, true>,
    replies: ReplyBuffer,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Replying<'_, T> {
    /// Passes messages to the handler until another event occurs.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        handle: &mut impl FnMut(MessageRef<'_>, &mut Responder<'_>),
    ) -> Poll<Next> {
        if batch.has_next() {
            self.begin();
        }
        loop {
            if batch.has_next() && !self.replies.is_full() {
                batch.visit(|message| {
                    handle(message, &mut Responder::new(&mut self.replies, None));
                    !self.replies.is_full()
                });
            }
            let mut connection = self.connection.lock();
            connection.commit(&mut self.replies);
            // The next event may also be a message, whose reply needs room.
            if let Err(error) = ready!(connection.poll_reply_room(cx)) {
                return Poll::Ready(Next::Failed(error));
            }
            // The previous call had no room for the replies to the messages that are left. Now
            // there is room.
            let next = if batch.has_next() { Next::Messages } else { ready!(connection.poll_next(cx, batch)) };
            match next {
                Next::Messages => connection.begin_replies(&mut self.replies),
                Next::Event(Event::Message(message)) => {
                    connection.begin_replies(&mut self.replies);
                    drop(connection);
                    self.reply(&message, handle);
                }
                next => return Poll::Ready(next),
            }
        }
    }

    fn begin(&mut self) {
        self.connection.lock().begin_replies(&mut self.replies);
    }

    fn reply(&mut self, message: &Message, handle: &mut impl FnMut(MessageRef<'_>, &mut Responder<'_>)) {
        handle(message.borrowed(), &mut Responder::new(&mut self.replies, Some(message)));
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for Replying<'_, T> {
    fn drop(&mut self) {
        if !self.replies.is_empty() {
            self.connection.lock().commit(&mut self.replies);
        }
        buffers::put(self.replies.reclaim());
    }
}

fn pop_stashed(stash: &mut Option<Box<Stash>>) -> Option<Result<Event, Error>> {
    let events = stash.as_mut()?;
    let event = events.events.pop_front()?;
    events.bytes -= stashed_size(&event);
    stash.take_if(|stash| stash.events.is_empty());
    Some(event)
}

/// Returns the size in bytes of an event in the stash.
fn stashed_size(event: &Result<Event, Error>) -> usize {
    let payload = if let Ok(Event::Message(message)) = event { message.len() } else { 0 };
    size_of::<Event>() + payload
}
