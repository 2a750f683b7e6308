//! Connectors that fail, are not ready in time, or must not be used.

use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::time::Instant;
use tower::{Service, service_fn};
use tower_websocket::client::{Connect, ConnectError};
use tower_websocket::{Config, connect};
use websocket_tests::chain::chain;

use super::ToMemory;
use crate::certificates::Authority;
use crate::peer::{Peer, echo, echoes};
use crate::run::{run, run_paused};

type BoxError = Box<dyn Error + Send + Sync>;

/// Returns the text and source of the error for a failing connector.
async fn failure<E: Into<BoxError> + Send + 'static>(error: E) -> (String, io::Error) {
    let mut error = Some(error);
    let connector = service_fn(move |_: Uri| {
        let error = error.take().expect("called once");
        async { Err::<TokioIo<DuplexStream>, E>(error) }
    });
    match connect("ws://example.com/").connector(connector).await {
        Err(ConnectError::Io { host, error }) => (host, error),
        other => panic!("{other:?}"),
    }
}

/// Never ready, but returns an error.
struct Broken;

impl Service<Uri> for Broken {
    type Response = TokioIo<DuplexStream>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(ErrorKind::AddrNotAvailable.into()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        panic!("called, and was not ready");
    }
}

#[test]
fn connector_that_fails_to_become_ready_is_an_io_error() {
    run(async || {
        let error = connect("wss://example.com/").tls(Authority::new("any").trusted()).connector(Broken).await;
        let Err(ConnectError::Io { host, error }) = error else { panic!("{error:?}") };
        assert_eq!((&*host, error.kind()), ("example.com:443", ErrorKind::AddrNotAvailable));
    });
}

/// An error with a source.
#[derive(Debug)]
struct Wrapped<E>(E);

impl<E> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it did not work")
    }
}

impl<E: Error + 'static> Error for Wrapped<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn connector_error_keeps_its_kind_and_text() {
    run(async || {
        let refused = || io::Error::new(ErrorKind::ConnectionRefused, "nobody there");
        let (host, error) = failure(refused()).await;
        assert_eq!(
            (&*host, error.kind(), &*chain(&error)),
            ("example.com:80", ErrorKind::ConnectionRefused, "nobody there")
        );
        let (_, error) = failure(BoxError::from(refused())).await;
        assert_eq!((error.kind(), &*chain(&error)), (ErrorKind::ConnectionRefused, "nobody there"));
        // The system's error is reported.
        for (_, error) in [failure(Wrapped(refused())).await, failure(Wrapped(Wrapped(refused()))).await] {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let told = chain(&error);
            assert!(told.starts_with("it did not work") && told.ends_with("nobody there"), "{told}");
        }
        let (_, error) = failure(Wrapped(fmt::Error)).await;
        assert!(error.kind() == ErrorKind::Other && chain(&error).starts_with("it did not work"), "{error}");
        let (_, error) = failure("just words").await;
        assert_eq!((error.kind(), &*chain(&error)), (ErrorKind::Other, "just words"));
    });
}

/// Never completes, and notifies when it is dropped.
struct Endless(#[allow(dead_code, reason = "it is only dropped")] Peer);

impl Future for Endless {
    type Output = io::Result<TokioIo<DuplexStream>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

#[test]
fn connector_that_exceeds_the_timeout_is_dropped() {
    run_paused(async || {
        let (io, other) = tokio::io::duplex(64);
        let mut io = Some(io);
        let connector = service_fn(move |_: Uri| Endless(Peer::new(io.take().expect("called once"))));
        let connect: Connect = connect("ws://example.com/").connector(connector).timeout(Duration::from_secs(3));
        let begin = Instant::now();
        assert!(matches!(connect.await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 3);
        assert!(Peer::new(other).rest().await.is_empty());
        let connector = service_fn(|_: Uri| pending::<io::Result<TokioIo<DuplexStream>>>());
        let connect = crate::connectors::connect("ws://example.com/").http2().connector(connector);
        assert!(matches!(connect.http2_connection().await, Err(ConnectError::TimedOut)));
        assert_eq!(begin.elapsed().as_secs(), 13);
    });
}

#[test]
fn last_connector_is_used_and_none_if_there_is_a_stream() {
    run(async || {
        let (io, other) = tokio::io::duplex(4096);
        tokio::spawn(echo(other, Config::server()));
        let (mut socket, _) = connect("ws://example.com/").connector(Broken).over(io).await.unwrap();
        echoes(&mut socket, "hello").await;
        let connect = connect("ws://example.com/").connector(Broken).connector(ToMemory::default());
        echoes(&mut connect.await.unwrap().0, "hello").await;
    });
}
