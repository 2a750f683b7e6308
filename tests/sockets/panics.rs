//! Handlers and observers that panic, which affects no other connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower_websocket::observe::{ConnectionObserver, ConnectionOpened, Observer, Traffic};
use tower_websocket::{Budget, CloseCause, CloseCode, Config, Shutdown, Version};
use websocket_tests::wire::Frame;

use crate::pair::over_tcp;
use crate::run::run;

const SECOND: Duration = Duration::from_secs(1);

/// The handler of the first of two connections panics after a reply.
#[test]
fn panic_of_a_handler_does_not_affect_other_connections_and_its_replies() {
    run(async || {
        for in_for_each in [false, true] {
            let (budget, shutdown) = (Budget::new(1 << 30), Shutdown::new());
            let config = || Config::server().budget(&budget);
            let (mut panicking, mut victim) = over_tcp(Version::Hybi13, config()).await;
            let (mut socket, mut other) = over_tcp(Version::Hybi13, config()).await;
            panicking.join_shutdown(&shutdown);
            socket.join_shutdown(&shutdown);
            let server = tokio::spawn(async move {
                if in_for_each {
                    let mut count = 0;
                    let handled = panicking.for_each_borrowed(|message, replies| {
                        count += 1;
                        assert!(count < 3, "as intended");
                        replies.send_borrowed(message).unwrap();
                    });
                    handled.await.unwrap();
                } else {
                    for _ in 0..2 {
                        let message = panicking.recv().await.unwrap().unwrap();
                        panicking.send(message).await.unwrap();
                    }
                    panicking.recv().await.unwrap().unwrap();
                    panic!("as intended");
                }
            });
            tokio::spawn(async move {
                while let Some(Ok(message)) = socket.recv().await {
                    socket.send(message).await.unwrap();
                }
            });
            victim.send(&["one", "two", "three"]).await;
            assert_eq!(victim.text().await, "one");
            assert_eq!(victim.text().await, "two");
            victim.wire.eof().await;
            assert!(server.await.unwrap_err().is_panic());
            other.echo(&["still here"]).await;
            drop(victim);
            while shutdown.open_sockets() > 1 {
                tokio::task::yield_now().await;
            }
            shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
            other.expect_close(1001, "").await;
            assert_eq!(shutdown.wait(5 * SECOND).await, 0);
            assert_eq!(budget.used(), 0);
        }
    });
}

/// Panics at the first message, or at the end if there was none.
struct Panicking(Arc<AtomicUsize>);

impl Observer for Panicking {
    fn opened(&self, _: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        Box::new(Self(self.0.clone()))
    }
}

impl ConnectionObserver for Panicking {
    fn passed(&mut self, traffic: &Traffic) {
        if traffic.messages_received > 0 {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("as intended");
        }
    }

    fn closed(&mut self, _: &CloseCause) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("as intended");
    }
}

#[test]
fn observer_that_panics_is_dropped_without_other_effects() {
    run(async || {
        let calls = Arc::new(AtomicUsize::new(0));
        let config = Config::server().ping_interval(Some(SECOND / 10)).observer(Panicking(calls.clone()));
        let (mut socket, mut client) = over_tcp(Version::Hybi13, config.clone()).await;
        let server = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.recv().await {
                socket.send(message).await.unwrap();
            }
            socket.close_frame().map(|close| close.code)
        });
        client.echo(&["one", "two", "three"]).await;
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        // Timers of connections that are opened later are still handled by the same task.
        let (mut other, mut pinged) = over_tcp(Version::Hybi13, config).await;
        let others = tokio::spawn(async move { other.recv().await.is_none() });
        assert_eq!(pinged.wire.frame().await.opcode, 9);
        drop(pinged);
        others.await.unwrap();
        // This one was pinged as well.
        client.wire.write(Frame::close(4321, "done").bytes()).await;
        while client.wire.frame().await.close_code() != Some(4321) {}
        client.wire.eof().await;
        assert_eq!(server.await.unwrap(), Some(4321.into()));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn observer_that_panics_during_unwinding_does_not_abort() {
    run(async || {
        let calls = Arc::new(AtomicUsize::new(0));
        let (socket, _client) = over_tcp(Version::Hybi13, Config::server().observer(Panicking(calls.clone()))).await;
        let server = tokio::spawn(async move {
            let _socket = socket;
            panic!("as intended");
        });
        assert!(server.await.unwrap_err().is_panic());
        while calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    });
}
