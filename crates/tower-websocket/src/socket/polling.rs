//! What the futures of a socket do when they are polled.

use std::collections::VecDeque;
use std::io;
use std::sync::MutexGuard;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{Event, Message, MessageRef};

use super::Inner;
use crate::connection::{Connection, Defer};
use crate::deferred::defer;
use crate::error::Error;
use crate::lock::lock;
use crate::replies::Replies;

/// What came before a pong that was waited for.
#[derive(Debug, Default)]
pub(super) struct Kept {
    events: VecDeque<Result<Event, Error>>,
    bytes: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Inner<T> {
    /// The next event, or none where messages came, which are in the batch.
    #[inline(always)]
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Event>, Error>>> {
        if self.kept.is_some()
            && let Some(event) = self.take_kept()
        {
            return Poll::Ready(Some(event.map(Some)));
        }
        self.poll_connection(cx)
    }

    /// As [`poll_batch`](Self::poll_batch), of what was not kept.
    #[inline(always)]
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Event>, Error>>> {
        let next = ready!(lock(&self.connection).poll_next(cx, &mut self.batch));
        if let Some(Ok(None)) = next { Poll::Ready(Some(Ok(None))) } else { Poll::Ready(self.note(next)) }
    }

    /// Keeps in mind how the connection has ended. Apart from where messages come in batches, which move no event.
    #[inline(never)]
    fn note(&mut self, next: Option<io::Result<Option<Event>>>) -> Option<Result<Option<Event>, Error>> {
        match &next {
            None => self.is_finished = true,
            Some(Ok(Some(Event::Close(close)))) => self.close_frame = Some(Box::new(close.clone())),
            Some(_) => {}
        }
        next.map(|next| next.map_err(Error::Io))
    }

    /// Keeps what comes next for later. `Pending` also where enough is kept, or nothing can come any more.
    pub(super) fn poll_keep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.connection().driver().config().get_max_output();
        if self.is_finished || self.kept.as_ref().is_some_and(|kept| kept.bytes >= limit) {
            return Poll::Pending;
        }
        if !self.batch.has_next()
            && let Some(event) = ready!(self.poll_connection(cx)).and_then(Result::transpose)
        {
            self.keep(event);
        }
        // All of it, as it comes behind what is kept.
        while let Some(message) = self.batch.next() {
            self.keep(Ok(Event::Message(message)));
        }
        Poll::Ready(())
    }

    fn keep(&mut self, event: Result<Event, Error>) {
        let kept = self.kept.get_or_insert_default();
        kept.bytes += size_kept(&event);
        kept.events.push_back(event);
    }

    #[cold]
    fn take_kept(&mut self) -> Option<Result<Event, Error>> {
        let kept = self.kept.as_mut()?;
        let event = kept.events.pop_front()?;
        kept.bytes -= size_kept(&event);
        self.kept.take_if(|kept| kept.events.is_empty());
        Some(event)
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

    #[inline]
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        match self.batch.next() {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => self.poll_recv_any(cx),
        }
    }

    #[inline(never)]
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

    pub(super) fn poll_for_each(
        &mut self,
        cx: &mut Context<'_>,
        handle: &mut impl FnMut(MessageRef<'_>, &mut Replies<'_>),
    ) -> Poll<Result<(), Error>> {
        loop {
            if self.batch.has_next() {
                let mut connection = lock(&self.connection);
                let is_open = connection.writable().is_ok_and(|driver| {
                    if !driver.is_output_full() {
                        self.batch.visit(|message| {
                            handle(message, &mut Replies::new(driver, None));
                            !driver.is_output_full()
                        });
                    }
                    true
                });
                connection.note_closing();
                // Those that are left over had no room for their answers.
                if is_open && self.batch.has_next() {
                    ready!(connection.poll_flush(cx))?;
                    continue;
                }
            }
            // What comes next may be a message, too, whose answer needs room.
            ready!(self.connection().poll_ready(cx))?;
            match ready!(self.poll_batch(cx)) {
                Some(Ok(Some(Event::Message(message)))) => {
                    let mut connection = lock(&self.connection);
                    let _ = connection.writable();
                    handle(message.borrowed(), &mut Replies::new(connection.driver_mut(), Some(&message)));
                    connection.note_closing();
                }
                Some(Ok(Some(Event::Error(error)))) => return Poll::Ready(Err(error.into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    #[inline]
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, message: &mut Option<Message>) -> Poll<Result<(), Error>> {
        let mut connection = lock(&self.connection);
        ready!(connection.poll_feed(cx, message))?;
        self.poll_sent(cx, connection)
    }

    /// Writes what was taken, or sees to it that it is written soon.
    #[inline]
    pub(super) fn poll_sent<'a>(
        &'a self,
        cx: &mut Context<'_>,
        mut connection: MutexGuard<'a, Connection<T>>,
    ) -> Poll<Result<(), Error>> {
        match connection.defer(self.batch.has_next()) {
            Defer::Already => return Poll::Ready(Ok(())),
            Defer::Now => {
                drop(connection);
                if defer(self.connection.clone()) {
                    return Poll::Ready(Ok(()));
                }
                connection = self.connection();
            }
            Defer::No => {}
        }
        connection.poll_flush(cx).map_err(Error::Io)
    }

    #[inline]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connection().poll_flush(cx).map_err(Error::Io)
    }
}

/// The bytes that something takes which is kept for later.
fn size_kept(event: &Result<Event, Error>) -> usize {
    let payload = if let Ok(Event::Message(message)) = event { message.len() } else { 0 };
    size_of::<Event>() + payload
}
