//! A TLS stream that reports why the server has closed it.

use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;
use tokio_util::io::poll_read_buf;

use super::upgraded::Upgraded;

/// The maximum number of bytes read while searching for an alert after a failed write.
const MAX_STASHED: usize = 64 * 1024;

/// The first TLS error of a stream, shared with layers that would convert it to text.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsFailure(Arc<OnceLock<rustls::Error>>);

impl TlsFailure {
    /// Returns the error as reported by the stream, if there was one.
    pub(crate) fn get(&self) -> Option<io::Error> {
        self.0.get().map(|error| io::Error::new(io::ErrorKind::InvalidData, error.clone()))
    }

    fn record(&self, error: &io::Error) {
        if let Some(cause) = cause(error) {
            let _ = self.0.set(cause.clone());
        }
    }
}

/// A TLS stream that finds the alert behind a failed write. With TLS 1.3, a client learns only
/// after the handshake whether its certificate is accepted, from an alert that it may have to read
/// after its writes have failed (RFC 8446 §4.4.2.4). Other data found in the process is stored and
/// read later.
pub(crate) struct ReportingStream {
    io: TlsStream<Upgraded>,
    failure: TlsFailure,
    stash: BytesMut,
}

impl ReportingStream {
    pub(crate) fn new(io: TlsStream<Upgraded>) -> Self {
        Self { io, failure: TlsFailure::default(), stash: BytesMut::new() }
    }

    pub(crate) fn get_ref(&self) -> &TlsStream<Upgraded> {
        &self.io
    }

    pub(crate) fn failure(&self) -> TlsFailure {
        self.failure.clone()
    }

    /// Replaces a write error with the alert that explains it, if one has arrived.
    fn explain<T>(&mut self, written: io::Result<T>, cx: &mut Context<'_>) -> io::Result<T> {
        let error = match written {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        self.failure.record(&error);
        while self.failure.0.get().is_none() && self.stash.len() < MAX_STASHED {
            match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.stash) {
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(Err(error)) => {
                    self.failure.record(&error);
                    break;
                }
                _ => break,
            }
        }
        Err(self.failure.get().unwrap_or(error))
    }
}

impl AsyncRead for ReportingStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.stash.is_empty() {
            let length = this.stash.len().min(buf.remaining());
            buf.put_slice(&this.stash[..length]);
            this.stash.advance(length);
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = this.failure.get() {
            return Poll::Ready(Err(error));
        }
        let read = ready!(Pin::new(&mut this.io).poll_read(cx, buf));
        if let Err(error) = &read {
            this.failure.record(error);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for ReportingStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        Poll::Ready(self.explain(written, cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
        Poll::Ready(self.explain(written, cx))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(self.explain(flushed, cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Returns the rustls error wrapped in a transport error.
pub(crate) fn cause(error: &io::Error) -> Option<&rustls::Error> {
    let mut cause = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref() {
            return Some(error);
        }
        // `io::Error::source` skips the error that it wraps.
        let wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| inner.source());
    }
    None
}
