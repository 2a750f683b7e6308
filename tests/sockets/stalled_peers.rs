//! Peers that do not read time out, whatever the handler waits for. Slow readers do not.

use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum_websocket::WebSocketUpgrade;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tower::{ServiceBuilder, service_fn};
use tower_websocket::error::Timeout;
use tower_websocket::test::Recorder;
use tower_websocket::{
    CloseCause, CloseCode, Config, Message, ServerConfig, Shutdown, Version, WebSocket, WebSocketLayer, accept,
};
use websocket_tests::wire::Frame;

use crate::client::Opening;
use crate::pair::over_memory;
use crate::run::{run, run_paused};
use crate::serve::{How, Port, each, serve};
use crate::tls;
use crate::wire::{Transport, Wire};

const SECOND: Duration = Duration::from_secs(1);

/// The additional time that a test in real time may take beside other processes.
const SLACK: Duration = Duration::from_secs(2);

/// More than a transport and the output of a connection hold together.
const LARGE: usize = 8 * 1024 * 1024;

/// What the application does with a peer that does not read.
#[derive(Debug, Clone, Copy)]
enum Handler {
    /// A loop of `recv` and `send`.
    Echo,
    ForEach,
    /// `send` of a sender while nothing receives.
    Sender,
    /// `send` of a sender while another task receives.
    SenderBesideRecv,
    /// Fills the output, and never polls the socket: it only checks occasionally whether it has
    /// ended.
    TrySend,
    Feed,
    Flush,
    Ping,
    /// The sender of a split whose reader was dropped.
    Split,
    /// The sender and the reader of a split in two tasks.
    SplitInTwo,
}

impl Handler {
    const ALL: [Self; 10] = [
        Self::Echo,
        Self::ForEach,
        Self::Sender,
        Self::SenderBesideRecv,
        Self::TrySend,
        Self::Feed,
        Self::Flush,
        Self::Ping,
        Self::Split,
        Self::SplitInTwo,
    ];

    async fn run<T: Transport>(self, mut socket: WebSocket<T>) {
        let large = || Message::binary(vec![7; LARGE]);
        match self {
            Self::Echo => {
                while let Some(Ok(message)) = socket.recv().await {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
            }
            Self::ForEach => {
                let _ = socket.for_each_borrowed(|message, replies| drop(replies.send_borrowed(message))).await;
            }
            Self::Sender => {
                let sender = socket.sender();
                let sending = tokio::spawn(async move { while sender.send(large()).await.is_ok() {} });
                sending.await.unwrap();
            }
            Self::SenderBesideRecv => {
                let sender = socket.sender();
                let sending = tokio::spawn(async move { while sender.send(large()).await.is_ok() {} });
                while let Some(Ok(_)) = socket.recv().await {}
                sending.await.unwrap();
            }
            Self::TrySend => {
                let sender = socket.sender();
                while !matches!(socket.close_cause(), Some(CloseCause::Timeout(_))) {
                    while sender.try_send(vec![7; 1000]).is_ok() {}
                    sleep(Duration::from_millis(10)).await;
                }
            }
            Self::Feed => while socket.feed(large()).await.is_ok() {},
            Self::Flush => while socket.feed(large()).await.is_ok() && socket.flush().await.is_ok() {},
            Self::Ping => {
                let _ = socket.feed(large()).await;
                while socket.send_ping("").await.is_ok() {}
            }
            Self::Split => {
                let (sender, _) = socket.split();
                while sender.send(large()).await.is_ok() {}
            }
            Self::SplitInTwo => {
                let (sender, mut reader) = socket.split();
                let receiving = tokio::spawn(async move { while let Some(Ok(_)) = reader.recv().await {} });
                while sender.send(large()).await.is_ok() {}
                receiving.await.unwrap();
            }
        }
    }
}

/// Sends more than is read while its replies are not read, and reads nothing.
async fn babble(mut wire: Wire) {
    let message = Frame::binary([7; 60_000]).bytes();
    for _ in 0..200 {
        if wire.try_write(&message).await.is_err() {
            return;
        }
    }
    pending::<()>().await;
}

fn in_memory() -> ServerConfig {
    Config::server().ping_interval(Some(20 * SECOND)).pong_timeout(10 * SECOND)
}

#[test]
fn peer_that_does_not_read_is_timed_out_whatever_the_handler_does() {
    run_paused(async || {
        for handler in Handler::ALL {
            println!("{handler:?}"); // Shown if the test fails.
            let recorder = Recorder::new();
            let (socket, client) = over_memory(4096, Version::Hybi13, in_memory().observer(recorder.clone())).await;
            let begun = Instant::now();
            let server = tokio::spawn(handler.run(socket));
            let client = tokio::spawn(babble(client.wire));
            assert_eq!(recorder.closed().await, CloseCause::Timeout(Timeout::Pong), "{handler:?}");
            // It may take two ticks of a second to be detected.
            let time = begun.elapsed();
            assert!((30 * SECOND..=32 * SECOND).contains(&time), "{handler:?}: {time:?}");
            // All tasks that waited for the peer are woken.
            timeout(Duration::ZERO, server).await.expect("the handler ends").unwrap();
            client.abort();
        }
    });
}

#[test]
fn close_timeout_holds_whatever_the_handler_does() {
    run_paused(async || {
        for handler in Handler::ALL {
            println!("{handler:?}"); // Shown if the test fails.
            let (recorder, shutdown) = (Recorder::new(), Shutdown::new());
            // No other timer is running.
            let config = Config::server().ping_interval(None).close_timeout(5 * SECOND).observer(recorder.clone());
            let (mut socket, client) = over_memory(4096, Version::Hybi13, config).await;
            socket.join_shutdown(&shutdown);
            let server = tokio::spawn(handler.run(socket));
            let client = tokio::spawn(babble(client.wire));
            sleep(3600 * SECOND).await;
            assert_eq!(recorder.recorded().closed, [], "{handler:?}");
            let begun = Instant::now();
            shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
            assert_eq!(recorder.closed().await, CloseCause::Timeout(Timeout::Close), "{handler:?}");
            let time = begun.elapsed();
            assert!((5 * SECOND..=6 * SECOND).contains(&time), "{handler:?}: {time:?}");
            server.await.unwrap();
            assert_eq!(shutdown.wait(SECOND).await, 0, "{handler:?}");
            client.abort();
        }
    });
}

/// The ways to serve over TCP.
#[derive(Debug, Clone, Copy)]
enum Stack {
    Axum,
    Layer,
    Tcp,
}

impl Stack {
    const ALL: [Self; 3] = [Self::Axum, Self::Layer, Self::Tcp];

    async fn serve(self, handler: Handler, config: ServerConfig) -> Port {
        match self {
            Self::Axum => {
                let upgrade = async move |ws: WebSocketUpgrade| {
                    ws.config(config.clone()).on_upgrade(move |socket| handler.run(socket))
                };
                crate::stacks::axum(Router::new().fallback(upgrade)).await
            }
            Self::Layer => {
                let layer =
                    WebSocketLayer::new(move |socket, _| -> BoxFuture<'static, ()> { handler.run(socket).boxed() });
                let inner = service_fn(async |_| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
                serve(ServiceBuilder::new().layer(layer.config(config)).service(inner), How::Auto).await
            }
            Self::Tcp => {
                each(false, move |stream| {
                    let config = config.clone();
                    async move { handler.run(accept(stream, config).await.expect("a WebSocket")).await }
                })
                .await
            }
        }
    }
}

/// Opens a connection whose kernel buffers little unread data.
async fn connect_narrow(port: Port) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&port.addr.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let stream = TcpStream::from_std(socket.into()).unwrap();
    let wire = if port.is_secure { Wire::new(tls::connect(stream, "http/1.1").await) } else { Wire::new(stream) };
    Opening::of(Version::Hybi13).on(wire).await.wire
}

fn over_tcp_soon() -> ServerConfig {
    let time = Duration::from_millis(100);
    Config::server().ping_interval(Some(time)).pong_timeout(time)
}

#[test]
fn peer_that_does_not_read_is_timed_out_over_tcp_on_every_stack() {
    run(async || {
        for stack in Stack::ALL {
            // Concurrently, since each takes as long as its timeouts.
            let peers = Handler::ALL.map(|handler| async move {
                let recorder = Recorder::new();
                let port = stack.serve(handler, over_tcp_soon().observer(recorder.clone())).await;
                let client = tokio::spawn(babble(connect_narrow(port).await));
                let begun = Instant::now();
                let cause = timeout(10 * SECOND, recorder.closed()).await;
                assert_eq!(cause, Ok(CloseCause::Timeout(Timeout::Pong)), "{stack:?} {handler:?}");
                // The kernel accepts data in the meantime, which counts as progress.
                assert!(begun.elapsed() < Duration::from_millis(220) + SLACK, "{stack:?} {handler:?}");
                client.abort();
            });
            futures_util::future::join_all(peers).await;
        }
    });
}

#[test]
fn close_timeout_holds_over_tcp_on_every_stack() {
    run(async || {
        for stack in Stack::ALL {
            let peers = Handler::ALL.map(|handler| async move {
                let (recorder, shutdown) = (Recorder::new(), Shutdown::new());
                let config = Config::server().close_timeout(SECOND / 5).observer(recorder.clone());
                // According to the configuration, a stack has no shutdown: the handler joins one.
                let port = match stack {
                    Stack::Tcp => {
                        let shutdown = shutdown.clone();
                        each(false, move |stream| {
                            let (config, shutdown) = (config.clone(), shutdown.clone());
                            async move {
                                let socket = accept(stream, config).shutdown(&shutdown).await.expect("a WebSocket");
                                handler.run(socket).await;
                            }
                        })
                        .await
                    }
                    Stack::Axum => {
                        let shutdown = shutdown.clone();
                        let upgrade = async move |ws: WebSocketUpgrade| {
                            let ws = ws.config(config.clone()).shutdown(&shutdown);
                            ws.on_upgrade(move |socket| handler.run(socket))
                        };
                        crate::stacks::axum(Router::new().fallback(upgrade)).await
                    }
                    Stack::Layer => {
                        let layer = WebSocketLayer::new(move |socket, _| -> BoxFuture<'static, ()> {
                            handler.run(socket).boxed()
                        });
                        let layer = layer.config(config).shutdown(&shutdown);
                        let inner =
                            service_fn(async |_| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
                        serve(ServiceBuilder::new().layer(layer).service(inner), How::Auto).await
                    }
                };
                let client = tokio::spawn(babble(connect_narrow(port).await));
                // Until both sides have filled all buffers.
                sleep(SECOND / 2).await;
                assert_eq!(recorder.recorded().closed, [], "{stack:?} {handler:?}");
                shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
                let begun = Instant::now();
                let cause = timeout(10 * SECOND, recorder.closed()).await;
                assert_eq!(cause, Ok(CloseCause::Timeout(Timeout::Close)), "{stack:?} {handler:?}");
                assert!(begun.elapsed() < SECOND / 5 + SLACK, "{stack:?} {handler:?}");
                client.abort();
            });
            futures_util::future::join_all(peers).await;
        }
    });
}

/// A peer that reads 2 MiB at about 1 MiB per second, with pauses far shorter than its timeouts:
/// the server's kernel would accept everything at once, and then show no progress for two seconds.
#[test]
fn slow_reader_of_a_large_message_is_not_dropped_over_tcp() {
    run(async || {
        let recorder = Recorder::new();
        let config = slow_reader_config().observer(recorder.clone());
        let port = each(false, move |stream| {
            let config = config.clone();
            async move { send_large(accept(stream, config).await.expect("a WebSocket")).await }
        })
        .await;
        read_slowly(port, &recorder).await;
    });
}

/// The TCP stream is found below hyper and TLS.
#[test]
fn slow_reader_of_a_large_message_is_not_dropped_below_hyper_and_tls() {
    run(async || {
        let recorder = Recorder::new();
        let layer = WebSocketLayer::new(|socket, _| send_large(socket).boxed());
        let layer = layer.config(slow_reader_config().observer(recorder.clone()));
        let port = serve(ServiceBuilder::new().layer(layer).service(service_fn(crate::stacks::inner)), How::Tls).await;
        read_slowly(port, &recorder).await;
    });
}

const SLOWLY_READ: usize = 2 * 1024 * 1024;
const SLOW_TIMEOUT: Duration = Duration::from_millis(300);

fn slow_reader_config() -> ServerConfig {
    Config::server().ping_interval(Some(SLOW_TIMEOUT)).pong_timeout(SLOW_TIMEOUT)
}

async fn send_large<T: Transport>(mut socket: WebSocket<T>) {
    socket.send(vec![7; SLOWLY_READ]).await.expect("a peer that reads");
    let _ = socket.recv().await;
}

async fn read_slowly(port: Port, recorder: &Recorder) {
    let mut wire = connect_narrow(port).await;
    let (mut read, begun) = (0, Instant::now());
    while read < SLOWLY_READ {
        sleep(Duration::from_millis(30)).await;
        wire.bytes(32 * 1024).await;
        read += 32 * 1024;
    }
    // Otherwise nothing was tested.
    assert!(begun.elapsed() > 3 * SLOW_TIMEOUT, "{:?}", begun.elapsed());
    assert_eq!(recorder.recorded().closed, []);
}
