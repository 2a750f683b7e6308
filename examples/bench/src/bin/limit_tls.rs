//! The baseline for TLS: an echo like `limit-tcp` over tokio-rustls. Its cost is that of the
//! kernel, tokio and rustls.

use std::cell::RefCell;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use websocket_bench::baseline::{BUFFER_SIZE, handshake};
use websocket_bench::server::{self, Mode, Options};
use websocket_bench::tls;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_SIZE]);
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    if options.mode != Mode::Plain {
        return options.mode.refuse();
    }
    let acceptor = tls::acceptor()?;
    server::run(&options, |listener| {
        tls::tls_connections(listener, acceptor, async |stream| {
            let _ = echo(stream).await;
        })
    })
}

async fn echo(mut stream: TlsStream<TcpStream>) -> io::Result<()> {
    handshake(&mut stream).await?;
    loop {
        let (read, rest) = poll_fn(|cx| {
            BUFFER.with_borrow_mut(|buffer| {
                let read = ready!(poll_read_available(&mut stream, cx, buffer))?;
                let written = match Pin::new(&mut stream).poll_write(cx, &buffer[..read]) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => 0,
                };
                Poll::Ready(Ok::<_, io::Error>((read, buffer[written..read].to_vec())))
            })
        })
        .await?;
        if read == 0 {
            return Ok(());
        }
        // Empty unless more was read than rustls accepts at once.
        stream.write_all(&rest).await?;
        stream.flush().await?;
    }
}

/// Reads what has arrived, as one read may return only a record.
fn poll_read_available(
    stream: &mut TlsStream<TcpStream>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    loop {
        let before = buffer.filled().len();
        match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
            Poll::Pending if before == 0 => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) if buffer.filled().len() > before && buffer.remaining() > 0 => {}
            _ => return Poll::Ready(Ok(buffer.filled().len())),
        }
    }
}
