use std::error::Error;
use std::time::Duration;

use tracing::{Span, debug, debug_span, trace};
use websocket_driver::{CloseCause, ConnectionObserver, ConnectionOpened, Observer, ProtocolError, Traffic};

/// An [observer](crate::Config::observer) that emits [`tracing`] spans and events for connections.
///
/// ```
/// use tower_websocket::observe::TracingObserver;
/// use tower_websocket::Config;
///
/// let config = Config::server().observer(TracingObserver);
/// ```
///
/// The target is `tower_websocket`. Each connection has a span `websocket` at level DEBUG, with the
/// fields
///
/// - `side`: `server` or `client`,
/// - `version`: the protocol version, as displayed by [`Version`](crate::Version),
/// - `protocol`: the subprotocol, if one was negotiated,
/// - `path`: the path of the URL, without the query,
///
/// and in it the events
///
/// - `opened`, DEBUG,
/// - `passed`, TRACE: `messages_received`, `messages_sent`, `payload_received`, `payload_sent`,
///   `wire_received`, `wire_sent` since the previous one, see [`Traffic`],
/// - `answered`, TRACE: `round_trip_us`, the round-trip time of a ping in microseconds,
/// - `closed`, DEBUG: `cause`, as displayed by [`CloseCause`], its `kind`, and the fields of
///   `passed` for the whole connection.
///
/// Handshakes that are refused or fail are an event `refused`, DEBUG, with the `error`. Payloads,
/// headers and the query of the URL are not logged.
// Exhaustive: a unit struct that applications name.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        let span = debug_span!(
            target: "tower_websocket",
            "websocket",
            side = if opened.is_client { "client" } else { "server" },
            version = opened.version.as_str(),
            protocol = opened.protocol,
            path = opened.path,
        );
        span.in_scope(|| debug!(target: "tower_websocket", "opened"));
        Box::new(Traced { span, total: Traffic::default() })
    }

    fn refused(&self, error: &ProtocolError) {
        debug!(target: "tower_websocket", error = error as &dyn Error, "refused");
    }
}

struct Traced {
    span: Span,
    total: Traffic,
}

impl ConnectionObserver for Traced {
    fn passed(&mut self, traffic: &Traffic) {
        self.total += *traffic;
        self.span.in_scope(|| {
            trace!(
                target: "tower_websocket",
                messages_received = traffic.messages_received,
                messages_sent = traffic.messages_sent,
                payload_received = traffic.payload_received,
                payload_sent = traffic.payload_sent,
                wire_received = traffic.wire_received,
                wire_sent = traffic.wire_sent,
                "passed"
            );
        });
    }

    fn answered(&mut self, round_trip: Duration) {
        let round_trip_us = round_trip.as_micros() as u64;
        self.span.in_scope(|| trace!(target: "tower_websocket", round_trip_us, "answered"));
    }

    fn closed(&mut self, cause: &CloseCause) {
        self.span.in_scope(|| {
            debug!(
                target: "tower_websocket",
                %cause,
                kind = cause.kind(),
                messages_received = self.total.messages_received,
                messages_sent = self.total.messages_sent,
                payload_received = self.total.payload_received,
                payload_sent = self.total.payload_sent,
                wire_received = self.total.wire_received,
                wire_sent = self.total.wire_sent,
                "closed"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};
    use websocket_driver::{CloseCode, Config};

    use super::TracingObserver;
    use crate::sync::lock;
    use crate::test;

    /// Records spans and events as lines of text.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0 += &format!(" {field}={value:?}");
        }
    }

    impl Lines {
        fn add(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Fields)) {
            let mut fields = Fields(format!("{} {}", metadata.level(), metadata.target()));
            record(&mut fields);
            lock(&self.0).push(fields.0);
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "tower_websocket"
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.add(span.metadata(), |fields| span.record(fields));
            Id::from_u64(1)
        }

        fn event(&self, event: &Event<'_>) {
            self.add(event.metadata(), |fields| event.record(fields));
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test(start_paused = true)]
    async fn connection_is_logged_without_payloads_and_query() {
        let lines = Lines::default();
        let guard = tracing::subscriber::set_default(lines.clone());
        let (mut socket, mut peer) =
            test::server("/room?token=secret", Config::server().observer(TracingObserver)).await;
        peer.send_text("a secret");
        let message = socket.recv().await.unwrap().unwrap();
        socket.send(message).await.unwrap();
        peer.expect_text("a secret").await;
        peer.send_close(CloseCode::NORMAL, "bye");
        assert!(socket.recv().await.is_none());
        drop(socket);
        drop(guard);
        let lines = lock(&lines.0).clone();
        let expected = [
            r#"DEBUG tower_websocket side="server" version="hybi-13" path="/room""#,
            "DEBUG tower_websocket message=opened",
            "TRACE tower_websocket message=passed messages_received=1 messages_sent=1 payload_received=8",
        ];
        for expected in expected {
            assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {lines:#?}");
        }
        let closed = lines.last().unwrap();
        assert!(closed.contains(r#"kind="remote" messages_received=1 messages_sent=1 payload_received=8"#), "{closed}");
        assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:#?}");
    }
}
