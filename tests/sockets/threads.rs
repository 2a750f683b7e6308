//! Sockets that are used, dropped or continued on another thread or runtime, and the background
//! task of each thread.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep, timeout};
use tower_websocket::{Budget, Config, SendError, Shutdown, Version};

use crate::pair::over_tcp;
use crate::run::run;

const SECOND: Duration = Duration::from_secs(1);

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
            client.expect_numbers(100).await;
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
