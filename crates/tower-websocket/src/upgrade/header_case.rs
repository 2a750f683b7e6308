//! Header names as the specifications spell them, in a response that hyper writes.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use websocket_driver::Version;

/// A request with the names that an answer of RFC 6455 may have. Few, as each of them is cloned for each answer.
const RFC6455: &[u8] = b"GET / HTTP/1.1\r\n\
    Connection: x\r\n\
    Date: x\r\n\
    Sec-WebSocket-Accept: x\r\n\
    Sec-WebSocket-Extensions: x\r\n\
    Sec-WebSocket-Protocol: x\r\n\
    Upgrade: x\r\n\r\n";

/// A request with all the names that an answer of the hixie drafts may have.
const HIXIE: &[u8] = b"GET / HTTP/1.1\r\n\
    Connection: x\r\n\
    Date: x\r\n\
    Sec-WebSocket-Location: x\r\n\
    Sec-WebSocket-Origin: x\r\n\
    Sec-WebSocket-Protocol: x\r\n\
    Upgrade: x\r\n\
    WebSocket-Location: x\r\n\
    WebSocket-Origin: x\r\n\
    WebSocket-Protocol: x\r\n\r\n";

/// Returns extensions for a 101 that make hyper write the names of its headers as the specifications spell them.
///
/// hyper writes names in lower case, unless the response has an extension that says otherwise. Names count in any case
/// (RFC 9110 §5.1), but a client of hixie-75 compares the first 85 bytes of the response, and clients in use, on
/// microcontrollers for instance, look for `Sec-WebSocket-Accept` as RFC 6455 has it. The extension's type is private, and the
/// builder flag that would make hyper use one is out of reach in `axum::serve`; but a request read with `preserve_header_case`
/// has it. So such a request is read once, from memory. Should hyper ever ignore it, the names are in lower case again, and a
/// test on the wire says so.
pub(crate) fn extensions(version: Version) -> Extensions {
    static EXTENSIONS: [OnceLock<Extensions>; 2] = [OnceLock::new(), OnceLock::new()];
    let (cell, canned) = if version.is_hixie() { (&EXTENSIONS[0], HIXIE) } else { (&EXTENSIONS[1], RFC6455) };
    cell.get_or_init(|| mint(canned)).clone()
}

fn mint(canned: &'static [u8]) -> Extensions {
    let minted = Arc::new(Mutex::new(Extensions::new()));
    let service = service_fn(|mut request: Request<Incoming>| {
        if let Ok(mut minted) = minted.lock() {
            *minted = std::mem::take(request.extensions_mut());
        }
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let connection = http1::Builder::new().preserve_header_case(true).serve_connection(Canned(canned), service);
    // The transport never waits, so one poll reads the request.
    let _ = pin!(connection).poll(&mut Context::from_waker(Waker::noop()));
    let mut extensions = minted.lock().map(|mut minted| std::mem::take(&mut *minted)).unwrap_or_default();
    extensions.remove::<OnUpgrade>();
    extensions
}

/// A transport that provides these bytes and discards what is written.
struct Canned(&'static [u8]);

impl Read for Canned {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let (now, later) = self.0.split_at(self.0.len().min(buf.remaining()));
        buf.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Canned {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
