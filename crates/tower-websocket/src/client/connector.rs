//! Connectors, which open the stream to a host.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::{bare_host, port};
use super::tcp_connect;
use crate::transport::upgraded::Upgraded;

/// Opens a stream to a host, without TLS.
pub(super) struct Connector(Box<dyn FnOnce(Uri) -> Connecting + Send>);

type Connecting = Pin<Box<dyn Future<Output = io::Result<Upgraded>> + Send>>;

impl Connector {
    pub(super) fn new<C>(mut connector: C) -> Self
    where
        C: Service<Uri, Error: Into<Box<dyn Error + Send + Sync>>, Future: Send> + Send + 'static,
        C::Response: Read + Write + Send + Unpin + 'static,
    {
        Self(Box::new(move |uri| {
            Box::pin(async move {
                poll_fn(|cx| connector.poll_ready(cx)).await.map_err(io_error)?;
                connector.call(uri).await.map(unwrap).map_err(io_error)
            })
        }))
    }

    /// Creates a connector that tries every address of the host in short succession (RFC 8305).
    pub(super) fn tcp() -> Self {
        Self(Box::new(|uri| {
            Box::pin(async move { tcp_connect::connect(bare_host(&uri), port(&uri)).await.map(Upgraded::from_tcp) })
        }))
    }

    pub(super) async fn connect(self, uri: Uri) -> io::Result<Upgraded> {
        (self.0)(uri).await
    }
}

/// Returns the TCP stream itself, if the stream is nothing else.
fn unwrap<T: Read + Write + Send + Unpin + 'static>(io: T) -> Upgraded {
    let mut io = Some(io);
    let tcp = (&mut io as &mut dyn Any).downcast_mut::<Option<TokioIo<TcpStream>>>().and_then(Option::take);
    match (tcp, io) {
        (Some(tcp), _) => Upgraded::from_tcp(tcp.into_inner()),
        (None, Some(io)) => Upgraded::from_boxed(Box::new(TokioIo::new(io))),
        (None, None) => Upgraded::from_boxed(Box::new(tokio::io::empty())),
    }
}

/// Converts an error, preserving the kind of an I/O error that a connector may have wrapped.
fn io_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    let error = match error.into().downcast::<io::Error>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(source) = source.downcast_ref::<io::Error>() {
            return io::Error::new(source.kind(), error);
        }
        cause = source.source();
    }
    io::Error::other(error)
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
