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

/// The maximum number of bytes of a write that become one fragment. Pings and a close can be sent
/// between fragments, so these should not be too long.
const FRAGMENT: usize = 64 * 1024;

/// A message that is sent in fragments while it is produced, returned by
/// [`WebSocket::send_stream`](crate::WebSocket::send_stream) or
/// [`WebSocketSender::send_stream`](crate::WebSocketSender::send_stream). Write it with
/// [`write_chunk`](Self::write_chunk) or as an [`AsyncWrite`], and complete it with
/// [`finish`](Self::finish) or `shutdown`, which are equivalent.
///
/// Each write becomes a fragment, of at most 64 KiB if it is a write of `AsyncWrite`: combine small
/// writes with a [`BufWriter`](tokio::io::BufWriter). With permessage-deflate, the message is
/// compressed regardless of its length, unless
/// [`set_compression`](crate::WebSocket::set_compression) disables it. Writes wait while
/// [`Config::max_output`](crate::Config::max_output) bytes are queued; `flush` waits until all of
/// them are written.
///
/// The message starts with the first write, which waits until no other streamed message is
/// unfinished. From then until `finish`, other messages of the socket wait, but pings, pongs and a
/// close do not. **Dropping an unfinished message closes the connection** with
/// [`CloseCode::INTERNAL_ERROR`], as the peer cannot be notified in another way that the message is
/// incomplete. Dropping it before the first write has no effect.
///
/// Writing text that is not UTF-8 fails with [`SendError::InvalidUtf8`]. Text may be split within a
/// character. `AsyncWrite` returns a [`SendError`] as the source of an [`io::Error`].
pub struct OutgoingMessage<'a, T = Upgraded> {
    link: Link<T>,
    /// Closes the connection if the message was not finished. A function pointer, so that types
    /// that hold messages need no trait bounds on the transport.
    abort: fn(&Link<T>),
    kind: MessageKind,
    state: State,
    waker: WakerSlot,
    /// Borrows the socket that created it, if any, whose other messages would wait for the end of
    /// this one.
    socket: PhantomData<&'a mut ()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Begun,
    /// The last fragment is queued, and ends at this position of the output.
    Finished(u64),
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutgoingMessage<'_, T> {
    pub(super) fn new(link: Link<T>, kind: MessageKind) -> Self {
        let abort = |link: &Link<T>| {
            if let Some(connection) = link.connection() {
                // An error means that the connection is already closing.
                let _ = connection.lock().start_close(CloseCode::INTERNAL_ERROR, "message was not finished");
            }
        };
        Self { link, abort, kind, state: State::Idle, waker: WakerSlot::default(), socket: PhantomData }
    }

    /// Returns the kind of the message.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Sends bytes as one fragment, without copying them if they are 16 KiB or more. An empty chunk
    /// sends nothing.
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
    /// [`Error::Send`] with [`SendError::Closed`], [`SendError::InvalidUtf8`], with
    /// [`SendError::NotSupported`] in the hixie drafts, and with [`SendError::MessageNotStarted`]
    /// after [`finish`](Self::finish); [`Error::Io`].
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

    /// Completes the message, and waits until it is written.
    ///
    /// # Errors
    ///
    /// The errors of [`write_chunk`](Self::write_chunk), and [`SendError::InvalidUtf8`] if a text
    /// ends within a character. The message is then not finished, unless the error is
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call continues. Without another call, the message is either finished
    /// and will be written, or unfinished, so that dropping it closes the connection.
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

    /// Starts the message if necessary, waits for room for a fragment, and then calls `act`.
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

    /// Same as [`finish`](OutgoingMessage::finish).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_finish(cx))?;
        Poll::Ready(Ok(()))
    }
}

impl<T> Drop for OutgoingMessage<'_, T> {
    fn drop(&mut self) {
        if self.state == State::Begun {
            (self.abort)(&self.link);
        }
    }
}

impl<T> fmt::Debug for OutgoingMessage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage").field("kind", &self.kind).field("state", &self.state).finish_non_exhaustive()
    }
}
