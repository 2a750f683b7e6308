//! Replies that are held back to leave in one write, and for no other reason.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;
use tower_websocket::{Config, Version};
use websocket_tests::wire::{Frame, ServerFrame, VERSIONS};

use crate::client::Client;
use crate::pair::{counted, over_memory, over_tcp};
use crate::run::{run, run_paused};

#[test]
fn plain_loop_answers_a_packet_in_one_write() {
    run(async || {
        let (mut socket, mut client, probe) = counted().await;
        let texts = ["hello"; 100];
        client.send(&texts).await;
        for _ in texts {
            let message = socket.recv().await.unwrap().unwrap();
            socket.send(message).await.unwrap();
        }
        assert_eq!(probe.take(), (1, 1));
        for expected in texts {
            assert_eq!(client.text().await, expected);
        }
    });
}

#[test]
fn reply_is_not_held_back_while_the_application_waits_for_something_else() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            client.send(&["one", "two", "three"]).await;
            let application = tokio::spawn(async move {
                let message = socket.recv().await.unwrap().unwrap();
                socket.send(message).await.unwrap();
                std::future::pending::<()>().await;
            });
            assert_eq!(client.text().await, "one");
            application.abort();
        }
    });
}

#[test]
fn reply_reaches_the_client_if_the_socket_is_dropped_after_it() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            client.send(&["one", "two", "three"]).await;
            socket.recv().await.unwrap().unwrap();
            socket.send("reply").await.unwrap();
            drop(socket);
            assert_eq!(client.text().await, "reply");
            client.wire.eof().await;
        }
    });
}

/// Expects that the client receives this text soon.
async fn gets(client: &mut Client, text: &str) {
    let got = timeout(Duration::from_secs(2), client.text()).await;
    assert!(got.expect("the reply is held back") == text);
}

#[test]
fn reply_is_not_held_back_behind_a_slow_client_and_a_cancelled_recv() {
    run(async || {
        for cancelled in [0, 1, 2] {
            println!("{cancelled} recvs are cancelled");
            // The reply does not fit into the transport.
            let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
            let reply = "x".repeat(10_000);
            client.send(&["one", "two"]).await;
            socket.recv().await.unwrap().unwrap();
            socket.send(reply.clone()).await.unwrap();
            socket.recv().await.unwrap().unwrap();
            for _ in 0..cancelled {
                // Like a `select!` whose other branch completes.
                assert!(socket.recv().now_or_never().is_none());
                tokio::task::yield_now().await;
            }
            gets(&mut client, &reply).await;
        }
    });
}

#[test]
fn recv_behind_a_slow_client_continues_when_it_reads() {
    run(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
        let reply = "x".repeat(10_000);
        client.send(&["one", "two"]).await;
        let application = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.recv().await {
                if message.as_text() != Some("three") {
                    socket.send("x".repeat(10_000)).await.unwrap();
                }
            }
        });
        tokio::task::yield_now().await;
        client.send(&["three"]).await;
        gets(&mut client, &reply).await;
        gets(&mut client, &reply).await;
        // Its end must be detected as well.
        client.close().await;
        application.await.unwrap();
    });
}

#[test]
fn replies_are_ordered_with_other_messages() {
    run(async || {
        let (mut socket, mut client, _) = counted().await;
        client.send(&["one", "two", "three", "four"]).await;
        socket.recv().await.unwrap().unwrap();
        socket.send("1").await.unwrap();
        socket.feed("2").await.unwrap();
        socket.send_ping("3").await.unwrap();
        socket.recv().await.unwrap().unwrap();
        socket.send("4").await.unwrap();
        socket.send(vec![5; 100_000]).await.unwrap();
        socket.flush().await.unwrap();
        socket.send("6").await.unwrap();
        for expected in [
            ServerFrame::text("1"),
            ServerFrame::text("2"),
            ServerFrame::new(9, "3"),
            ServerFrame::text("4"),
            ServerFrame::new(2, [5; 100_000]),
            ServerFrame::text("6"),
        ] {
            assert_eq!(client.wire.frame().await, expected);
        }
    });
}

#[test]
fn close_flushes_the_replies_before_it() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            client.send(&["one", "two", "three"]).await;
            socket.recv().await.unwrap().unwrap();
            socket.send("reply").await.unwrap();
            let client = async {
                gets(&mut client, "reply").await;
                client.expect_close(4000, "bye").await;
            };
            let (result, ()) = tokio::join!(socket.close(4000.into(), "bye"), client);
            result.unwrap();
        }
    });
}

#[test]
fn close_flushes_the_replies_before_it_to_a_slow_client() {
    run(async || {
        for version in VERSIONS {
            for turns in [0, 1, 2] {
                println!("{version}, {turns} turns for others before the close");
                let (mut socket, mut client) = over_memory(1024, version, Config::server()).await;
                let reply = "x".repeat(10_000);
                client.send(&["one", "two"]).await;
                socket.recv().await.unwrap().unwrap();
                socket.send(reply.clone()).await.unwrap();
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                let application = tokio::spawn(async move { socket.close(4000.into(), "bye").await });
                tokio::task::yield_now().await;
                gets(&mut client, &reply).await;
                timeout(Duration::from_secs(2), client.expect_close(4000, "bye"))
                    .await
                    .expect("the close is held back");
                application.await.unwrap().unwrap();
            }
        }
    });
}

#[test]
fn dropped_socket_waits_for_a_client_that_does_not_read_within_the_timeout() {
    run_paused(async || {
        for turns in [0, 1] {
            let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
            client.send(&["one", "two"]).await;
            socket.recv().await.unwrap().unwrap();
            socket.send("x".repeat(10_000)).await.unwrap();
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            drop(socket);
            // Longer than `Config::close_timeout`.
            tokio::time::sleep(Duration::from_secs(11)).await;
            assert_eq!(client.wire.rest().await.len(), 1024);
        }
    });
}

#[test]
fn replies_arrive_in_order_on_many_threads() {
    run(async || {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let clients = (0..20).map(|seed| {
            threads.spawn(async move {
                let (mut socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
                let server = tokio::spawn(async move {
                    for number in 0_usize.. {
                        let Some(Ok(message)) = socket.recv().await else { return };
                        socket.send(message).await.unwrap();
                        if number % (7 + seed) == 0 {
                            // After this, the task may continue on another thread.
                            tokio::task::yield_now().await;
                        }
                    }
                });
                for packet in 0..100 {
                    let texts: Vec<_> = (0..1 + packet % 13).map(|number| format!("{packet} {number}")).collect();
                    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
                    client.echo(&texts).await;
                }
                client.wire.write(Frame::close(1000, "").bytes()).await;
                server.await.unwrap();
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        threads.shutdown_background();
    });
}
