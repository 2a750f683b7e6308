use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{CloseCode, MessageKind, SendError};

use crate::connection::{Connection, WakerSlot};
use crate::error::Error;
use crate::socket::link::Link;
use crate::transport::upgraded::Upgraded;

/// The bytes of one write that become a fragment. More fragments leave more places for pings and a close.
const FRAGMENT: usize = 64 * 1024;

/// A message that is sent in fragments while it is made, from [`WebSocket::send_stream`](crate::WebSocket::send_stream) or
/// [`WebSocketSender::send_stream`](crate::WebSocketSender::send_stream). It is written to by [`write_chunk`](Self::write_chunk) or
/// as an [`AsyncWrite`], and must be ended by [`finish`](Self::finish), or `shutdown`, which is the same.
///
/// Each write is a fragment, of at most 64 KiB if it is one of `AsyncWrite`: gather many small ones with a
/// [`BufWriter`](tokio::io::BufWriter). With permessage-deflate, it is compressed unless
/// [`set_compression`](crate::WebSocket::set_compression) forbids it, whatever its length. Writes wait while
/// [`Config::max_output`](crate::Config::max_output) bytes are queued; `flush` writes all of them.
///
/// The message begins with the first write, which waits for the end of another message that is sent like this. From then until
/// `finish`, other messages of the socket wait, and pings, pongs and a close do not. **If it is dropped in between, the connection is
/// closed** with [`CloseCode::INTERNAL_ERROR`], as nothing else tells the peer that the message is incomplete. If nothing was
/// written yet, nothing happens.
///
/// A write of text that is not UTF-8 is refused, with [`SendError::InvalidUtf8`]. A text may be cut inside a character. As an
/// `AsyncWrite` it reports a [`SendError`] as the source of an [`io::Error`].
pub struct OutgoingMessage<'a, T: AsyncRead + AsyncWrite + Unpin + Send + 'static = Upgraded> {
    link: Link<T>,
    kind: MessageKind,
    state: State,
    waker: WakerSlot,
    /// The socket that it was made by, which would wait for its end.
    socket: PhantomData<&'a mut ()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Begun,
    /// The last fragment was taken, and ends at this position of the output.
    Finished(u64),
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutgoingMessage<'_, T> {
    pub(super) fn new(link: Link<T>, kind: MessageKind) -> Self {
        Self { link, kind, state: State::Idle, waker: WakerSlot::default(), socket: PhantomData }
    }

    /// Returns the kind of the message.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Sends bytes as one fragment, without copying them if they are 16 KiB or more. Empty ones send nothing.
    ///
    /// ```
    /// # use tower_websocket::{Error, WebSocket, WebSocketSender};
    /// /// Forwards a message of up to 1 GiB, without holding more than a piece of it.
    /// async fn forward(from: &mut WebSocket, to: &WebSocketSender) -> Result<(), Error> {
    ///     let Some(message) = from.recv_stream(1 << 30).await else { return Ok(()) };
    ///     let mut message = message?;
    ///     let mut forwarded = to.send_stream(message.kind());
    ///     while let Some(chunk) = message.chunk().await? {
    ///         forwarded.write_chunk(chunk).await?;
    ///     }
    ///     forwarded.finish().await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Send`] with [`SendError::Closed`], [`SendError::InvalidUtf8`], with [`SendError::NotSupported`] in the hixie
    /// drafts, and with [`SendError::MessageNotStarted`] after [`finish`](Self::finish); [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the fragment is sent whole or not at all.
    pub fn write_chunk(&mut self, chunk: impl Into<Bytes>) -> impl Future<Output = Result<(), Error>> + '_ {
        let mut chunk = Some(chunk.into());
        poll_fn(move |cx| {
            self.poll_begun(cx, |connection| {
                chunk.take().map_or(Ok(()), |chunk| connection.send_piece(|driver| driver.send_fragment(chunk)))
            })
        })
    }

    /// Ends the message, and waits until it is written.
    ///
    /// # Errors
    ///
    /// Those of [`write_chunk`](Self::write_chunk); [`SendError::InvalidUtf8`] if a text ends inside a character. The message is
    /// not finished then, unless the error is [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call continues. If it is not called again, the message is unfinished, and ends the connection when it
    /// is dropped, or it is finished and will be written.
    pub fn finish(&mut self) -> impl Future<Output = Result<(), Error>> + '_ {
        poll_fn(|cx| self.poll_finish(cx))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let position = match self.state {
            State::Finished(position) => position,
            State::Idle | State::Begun => {
                let position = ready!(self.poll_begun(cx, |connection| {
                    connection.finish_message()?;
                    Ok(connection.position())
                }))?;
                self.state = State::Finished(position);
                position
            }
        };
        let waker = &mut self.waker;
        self.link.poll_with(|connection| connection.lock().poll_written(cx, position, waker))
    }

    /// Waits until the message has begun and there is room for a fragment, and then does something.
    fn poll_begun<R>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Connection<T>) -> Result<R, SendError>,
    ) -> Poll<Result<R, Error>> {
        let Self { link, kind, state, waker, .. } = self;
        link.poll_with(|connection| {
            let mut connection = connection.lock();
            match state {
                State::Idle => {
                    ready!(connection.poll_room(cx, waker))?;
                    connection.writable()?.start_message(*kind)?;
                    *state = State::Begun;
                }
                State::Begun => ready!(connection.poll_output_room(cx, waker))?,
                State::Finished(_) => return Poll::Ready(Err(SendError::MessageNotStarted.into())),
            }
            Poll::Ready(act(&mut connection).map_err(Error::Send))
        })
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for OutgoingMessage<'_, T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let fragment = &buf[..buf.len().min(FRAGMENT)];
        if fragment.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.get_mut().poll_begun(cx, |connection| {
            connection.send_piece(|driver| driver.send_fragment(Bytes::copy_from_slice(fragment)))
        }))?;
        Poll::Ready(Ok(fragment.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (waker, is_begun) = (&mut this.waker, this.state == State::Begun);
        ready!(this.link.poll_with(|connection| {
            let mut connection = connection.lock();
            if is_begun {
                connection.send_piece(|driver| driver.flush_message())?;
            }
            connection.poll_written(cx, u64::MAX, waker)
        }))?;
        Poll::Ready(Ok(()))
    }

    /// As [`finish`](OutgoingMessage::finish).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_finish(cx))?;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for OutgoingMessage<'_, T> {
    fn drop(&mut self) {
        if self.state == State::Begun
            && let Some(connection) = self.link.connection()
        {
            // One that is closing needs no other close.
            let _ = connection.lock().start_close(CloseCode::INTERNAL_ERROR, "message was not finished");
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> fmt::Debug for OutgoingMessage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage").field("kind", &self.kind).field("state", &self.state).finish_non_exhaustive()
    }
}
