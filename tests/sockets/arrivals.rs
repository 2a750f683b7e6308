//! Arrived data is received, and accepted data is sent, whatever happens to the other direction.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep, timeout};
use tower_websocket::observe::{ConnectionObserver, ConnectionOpened, Observer, Traffic};
use tower_websocket::{Budget, CloseCause, CloseCode, Config, SendError, Shutdown, Version, WebSocketSender};
use websocket_tests::wire::Frame;

use crate::client::Client;
use crate::pair::{over_memory, over_tcp};
use crate::run::{run, run_paused};

const SECOND: Duration = Duration::from_secs(1);

async fn receive_all(client: &mut Client, count: usize) {
    for number in 0..count {
        assert_eq!(client.text().await, number.to_string());
    }
}

/// A client that writes everything before it reads anything, like blocking clients.
#[test]
fn message_over_limit_is_answered_with_1009_and_no_reset() {
    const SIZE: usize = 8_000_000;
    run(async || {
        for in_a_frame in [true, false] {
            let (mut socket, mut client) = over_tcp(Version::Hybi13, Config::server().max_message_size(100_000)).await;
            let server = tokio::spawn(async move {
                socket.recv().await.unwrap().unwrap_err();
                assert!(socket.recv().await.is_none());
                socket.close_cause()
            });
            let message = if in_a_frame {
                Frame::binary(vec![7; SIZE]).bytes()
            } else {
                let fragment = Frame::continuation([7; 50_000]).more().bytes();
                [Frame::binary("").more().bytes(), fragment.repeat(SIZE / 50_000), Frame::continuation("").bytes()]
                    .concat()
            };
            client.wire.write(message).await;
            assert_eq!(client.wire.frame().await.close_code(), Some(1009));
            client.wire.eof().await;
            assert!(matches!(server.await.unwrap(), Some(CloseCause::Limit(_))));
        }
    });
}

#[test]
fn sender_of_a_split_without_a_reader_sends_all_and_closes() {
    run(async || {
        let (socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        let (sender, _) = socket.split();
        let server = tokio::spawn(async move {
            for number in 0..1000 {
                sender.send(number.to_string()).await.unwrap();
            }
            sender.close(4000.into(), "done").await.unwrap();
        });
        // Input that is not received does not end the connection.
        client.send(&["ignored"]).await;
        receive_all(&mut client, 1000).await;
        client.expect_close(4000, "done").await;
        server.await.unwrap();
    });
}

#[test]
fn clones_of_a_split_sender_keep_it_open_and_the_last_one_ends_it() {
    run(async || {
        let (socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        let (sender, reader) = socket.split();
        let (clone, weak) = (sender.clone(), reader.sender());
        drop((sender, reader));
        weak.send("weak").await.unwrap();
        clone.send("clone").await.unwrap();
        assert_eq!(client.text().await, "weak");
        assert_eq!(client.text().await, "clone");
        clone.try_send("last").unwrap();
        drop(clone);
        assert_eq!(weak.try_send("refused"), Err(SendError::Closed));
        assert_eq!(client.text().await, "last");
        client.wire.eof().await;
    });
}

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

/// They are cancelled before the peer has read anything.
#[test]
fn cancelled_sends_are_not_sent_later() {
    run_paused(async || {
        let (socket, mut client) = over_memory(1024, Version::Hybi13, Config::server().ping_interval(None)).await;
        let sender = socket.sender();
        // The transport accepts some data at first, which makes room again.
        for _ in 0..100 {
            while sender.try_send(vec![7; 1000]).is_ok() {}
            tokio::task::yield_now().await;
        }
        let held = socket.memory();
        for _ in 0..1000 {
            timeout(Duration::from_millis(1), sender.send("cancelled")).await.unwrap_err();
        }
        assert!(socket.memory() <= held, "{} bytes", socket.memory() - held);
        let server = tokio::spawn(async move {
            socket.sender().send("behind all").await.unwrap();
            pending::<()>().await;
        });
        loop {
            let frame = client.wire.frame().await;
            if frame.opcode == 1 {
                assert_eq!(frame.payload, b"behind all");
                break;
            }
        }
        server.abort();
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

/// Sends to a socket, possibly its own, at each notification.
#[derive(Clone, Default)]
struct Sending(Arc<Mutex<Vec<WebSocketSender<TcpStream>>>>);

impl Sending {
    fn send(&self) {
        let senders = self.0.lock().unwrap().clone();
        for sender in senders {
            let _ = sender.try_send("observed");
        }
    }
}

impl Observer for Sending {
    fn opened(&self, _: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        Box::new(self.clone())
    }
}

impl ConnectionObserver for Sending {
    fn passed(&mut self, traffic: &Traffic) {
        // Its own messages are reported as well.
        if traffic.messages_received > 0 {
            self.send();
        }
    }

    fn closed(&mut self, _: &CloseCause) {
        self.send();
    }
}

/// Each on a separate thread, so that both hold their state at the same time.
#[test]
fn handlers_and_observers_that_send_to_each_other_do_not_deadlock() {
    const MESSAGES: usize = 300;
    run(async || {
        let observer = Sending::default();
        let config = Config::server().observer(observer.clone());
        let (one, mut client_of_one) = over_tcp(Version::Hybi13, config.clone()).await;
        let (two, mut client_of_two) = over_tcp(Version::Hybi13, config).await;
        observer.0.lock().unwrap().extend([one.sender(), two.sender()]);
        let senders = [one.sender(), two.sender()];
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let servers = [one, two].map(|mut socket| {
            let senders = senders.clone();
            runtime.spawn(async move {
                let handled = socket.for_each_borrowed(|_, replies| {
                    for sender in &senders {
                        let _ = sender.try_send("handled");
                    }
                    let _ = replies.send("reply");
                });
                let _ = handled.await;
            })
        });
        let texts = vec!["hello"; MESSAGES];
        let clients = [&mut client_of_one, &mut client_of_two].map(|client| {
            let texts = &texts;
            async move {
                for text in texts {
                    client.send(&[text]).await;
                }
                let mut replies = 0;
                while replies < MESSAGES {
                    replies += usize::from(client.text().await == "reply");
                }
            }
        });
        futures_util::future::join_all(clients).await;
        drop((client_of_one, client_of_two));
        for server in servers {
            server.await.unwrap();
        }
        runtime.shutdown_background();
    });
}

#[test]
fn try_send_from_a_thread_without_a_runtime_is_written() {
    run(async || {
        for ping_interval in [Some(SECOND), None] {
            let config = Config::server().ping_interval(ping_interval);
            let (socket, mut client) = over_tcp(Version::Hybi13, config).await;
            let sender = socket.sender();
            let sending = thread::spawn(move || {
                for number in 0..100 {
                    sender.try_send(number.to_string()).unwrap();
                }
            });
            receive_all(&mut client, 100).await;
            sending.join().unwrap();
            drop(socket);
        }
    });
}

#[test]
fn socket_dropped_on_another_thread_ends_in_time() {
    run(async || {
        for is_in_runtime in [false, true] {
            let (budget, shutdown) = (Budget::new(1 << 30), Shutdown::new());
            let config = Config::server().close_timeout(SECOND / 5).budget(&budget);
            let (mut socket, _client) = over_tcp(Version::Hybi13, config).await;
            socket.join_shutdown(&shutdown);
            let sender = socket.sender();
            while sender.try_send(vec![7; 100_000]).is_ok() {
                tokio::task::yield_now().await;
            }
            let begun = Instant::now();
            let handle = Handle::current();
            thread::spawn(move || {
                let _entered = is_in_runtime.then(|| handle.enter());
                drop(socket);
            });
            assert_eq!(shutdown.wait(10 * SECOND).await, 0);
            assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
            assert_eq!(budget.used(), 0);
            assert_eq!(sender.try_send("refused"), Err(SendError::Closed));
        }
    });
}

/// A thread opens a connection, has its background task write something, and ends.
#[test]
fn background_task_ends_with_its_thread() {
    run(async || {
        let handle = Handle::current();
        let before = handle.metrics().num_alive_tasks();
        for _ in 0..20 {
            let (done, is_done) = tokio::sync::oneshot::channel();
            let handle = handle.clone();
            thread::spawn(move || {
                handle.block_on(async {
                    let (socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
                    socket.sender().try_send("hello").unwrap();
                    assert_eq!(client.text().await, "hello");
                    drop(socket);
                    client.wire.eof().await;
                });
                let _ = done.send(());
            });
            is_done.await.unwrap();
        }
        timeout(10 * SECOND, async {
            while handle.metrics().num_alive_tasks() > before + 1 {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{} tasks are left", handle.metrics().num_alive_tasks() - before));
    });
}

/// The second polls the connection after the first has ended with writes pending.
#[test]
fn connection_continues_under_a_second_runtime() {
    run_on_thread(|| {
        let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
        let first = runtime();
        let (mut socket, mut client) = first.block_on(async {
            let (server, client) = tokio::io::duplex(1000);
            crate::pair::over(server, crate::wire::Wire::new(client), Version::Hybi13, Config::server()).await
        });
        let sender = socket.sender();
        first.block_on(async {
            for number in 0..100 {
                sender.try_send(format!("{number:100}")).unwrap();
            }
            tokio::task::yield_now().await;
        });
        drop(first);
        let second = runtime();
        second.block_on(async {
            let server = tokio::spawn(async move {
                while let Some(Ok(message)) = socket.recv().await {
                    socket.send(message).await.unwrap();
                }
            });
            for number in 0..100 {
                assert_eq!(client.text().await, format!("{number:100}"));
            }
            sender.try_send("deferred").unwrap();
            assert_eq!(client.text().await, "deferred");
            client.echo(&["hello"]).await;
            client.close().await;
            server.await.unwrap();
        });
    });
}

/// Like [`run`], without a runtime.
fn run_on_thread(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _done = done;
        test();
    });
    assert_ne!(is_done.recv_timeout(30 * SECOND), Err(mpsc::RecvTimeoutError::Timeout), "the test hangs");
    thread.join().unwrap();
}
