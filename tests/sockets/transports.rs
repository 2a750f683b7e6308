//! Transports that count operations, fail on demand, or transfer bytes slowly.

use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts the operations on a transport, and fails on demand.
pub(crate) struct Probed<T> {
    inner: T,
    probe: Probe,
}

/// The handle of a [`Probed`] transport.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probe(Arc<Mutex<Probing>>);

#[derive(Debug, Default)]
struct Probing {
    reads: usize,
    writes: usize,
    read_fault: Option<ErrorKind>,
    write_fault: Option<ErrorKind>,
}

impl Probe {
    /// Returns the number of successful reads and writes since the last call.
    pub(crate) fn take(&self) -> (usize, usize) {
        let mut probing = self.0.lock().unwrap();
        (mem::take(&mut probing.reads), mem::take(&mut probing.writes))
    }

    /// Makes reads fail once the remaining input was read.
    pub(crate) fn break_reads(&self, error: ErrorKind) {
        self.0.lock().unwrap().read_fault = Some(error);
    }

    /// Makes writes fail.
    pub(crate) fn break_writes(&self, error: ErrorKind) {
        self.0.lock().unwrap().write_fault = Some(error);
    }

    fn write(&self, write: impl FnOnce() -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut probing = self.0.lock().unwrap();
        if let Some(error) = probing.write_fault {
            return Poll::Ready(Err(error.into()));
        }
        let result = write();
        probing.writes += usize::from(result.is_ready());
        result
    }
}

impl<T> Probed<T> {
    pub(crate) fn new(inner: T) -> (Self, Probe) {
        let probe = Probe::default();
        (Self { inner, probe: probe.clone() }, probe)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Probed<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_read(cx, buf);
        let mut probing = this.probe.0.lock().unwrap();
        match (result, probing.read_fault) {
            (Poll::Pending, Some(error)) => Poll::Ready(Err(error.into())),
            (result, _) => {
                probing.reads += usize::from(result.is_ready());
                result
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Probed<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, probe } = self.get_mut();
        probe.write(|| Pin::new(inner).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, probe } = self.get_mut();
        probe.write(|| Pin::new(inner).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Provides these bytes one at a time and then ends, accepts written bytes in the same way, and
/// returns `Pending` from every other call.
#[derive(Debug, Clone)]
pub(crate) struct Trickle(Arc<Mutex<Trickling>>);

#[derive(Debug, Default)]
struct Trickling {
    input: Vec<u8>,
    read: usize,
    written: Vec<u8>,
    is_shut_down: bool,
    waited: bool,
}

impl Trickle {
    pub(crate) fn new(input: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Trickling { input, ..Default::default() })))
    }

    /// Returns the written bytes, and whether the transport was shut down.
    pub(crate) fn written(&self) -> (Vec<u8>, bool) {
        let trickling = self.0.lock().unwrap();
        (trickling.written.clone(), trickling.is_shut_down)
    }

    fn act<R>(&self, cx: &mut Context<'_>, act: impl FnOnce(&mut Trickling) -> R) -> Poll<io::Result<R>> {
        let mut trickling = self.0.lock().unwrap();
        trickling.waited = !trickling.waited;
        if trickling.waited {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(act(&mut trickling)))
    }
}

impl AsyncRead for Trickle {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.act(cx, |trickling| {
            let byte = trickling.input.get(trickling.read..).and_then(<[u8]>::first).copied();
            buf.put_slice(byte.as_slice());
            trickling.read += byte.as_slice().len();
        })
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.act(cx, |trickling| {
            let byte = &buf[..buf.len().min(1)];
            trickling.written.extend(byte);
            byte.len()
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.act(cx, |_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.act(cx, |trickling| trickling.is_shut_down = true)
    }
}
