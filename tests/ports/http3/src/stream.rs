//! The transport below a socket over HTTP/3.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, sink, stream};
use h3::error::StreamError;
use h3::server::RequestStream;
use h3_quinn::BidiStream;
use tokio::io::{AsyncRead, AsyncWrite, join};
use tokio_util::io::StreamReader;

/// Returns both directions of the stream of a request as one transport. When it is shut down or
/// dropped, the output ends.
pub(crate) fn transport(
    stream: RequestStream<BidiStream<Bytes>, Bytes>,
) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let (output, mut input) = stream.split();
    let input = stream::poll_fn(move |cx| input.poll_recv_data(cx).map(|data| data.map_err(to_io_error).transpose()));
    let output = sink::unfold(output, async |mut output, data: Option<Bytes>| {
        match data {
            Some(data) => output.send_data(data).await,
            None => output.finish().await,
        }
        .map_err(to_io_error)?;
        Ok(output)
    });
    join(StreamReader::new(input), Output { sink: Box::pin(output), is_shut_down: false })
}

/// An abrupt end of the stream or of its connection is what a reset is on TCP (RFC 9220 §3).
fn to_io_error(error: StreamError) -> io::Error {
    let kind = match error {
        StreamError::RemoteTerminate { .. } | StreamError::ConnectionError { .. } => io::ErrorKind::ConnectionReset,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// A sink as `AsyncWrite`, in which `None` stands for the end. `SinkWriter` of tokio-util has no way
/// to send one.
struct Output {
    sink: Pin<Box<dyn Sink<Option<Bytes>, Error = io::Error> + Send>>,
    is_shut_down: bool,
}

impl AsyncWrite for Output {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.sink.as_mut().poll_ready(cx))?;
        self.sink.as_mut().start_send(Some(Bytes::copy_from_slice(buf)))?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut_down {
            ready!(self.sink.as_mut().poll_ready(cx))?;
            self.sink.as_mut().start_send(None)?;
            self.is_shut_down = true;
        }
        self.sink.as_mut().poll_flush(cx)
    }
}
