//! Header names in the case of the specifications, in a response that hyper writes.

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

/// A request with the headers that a response of RFC 6455 may have. They are few, as each name is
/// cloned for each response.
const RFC6455: &[u8] = b"GET / HTTP/1.1\r\n\
    Connection: x\r\n\
    Date: x\r\n\
    Sec-WebSocket-Accept: x\r\n\
    Sec-WebSocket-Extensions: x\r\n\
    Sec-WebSocket-Protocol: x\r\n\
    Upgrade: x\r\n\r\n";

/// A request with all headers that a response of the hixie drafts may have.
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

/// Returns extensions for a 101 that make hyper write the header names in the case of the
/// specifications.
///
/// hyper writes names in lower case, unless the response has an extension with other names. Names
/// are case-insensitive (RFC 9110 §5.1), but a client of hixie-75 compares the first 85 bytes of
/// the response, and some clients, for example on microcontrollers, look for exactly
/// `Sec-WebSocket-Accept` as in RFC 6455. The type of the extension is private, and the builder
/// option for it is not available in `axum::serve`. However, a request that is read with
/// `preserve_header_case` has the extension. So such a request is read once, from memory. If hyper
/// ever ignores the extension, the names are in lower case again, which a test on the wire detects.
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
    // The transport is always ready, so a single poll reads the request.
    let _ = pin!(connection).poll(&mut Context::from_waker(Waker::noop()));
    let mut extensions = minted.lock().map(|mut minted| std::mem::take(&mut *minted)).unwrap_or_default();
    extensions.remove::<OnUpgrade>();
    extensions
}

/// A transport that provides these bytes and discards writes.
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
