//! Scenarios of several tasks with one connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use shuttle::future::{JoinHandle, block_on, spawn, yield_now};

use crate::background::Worker;
use crate::connection::{Fault, Shared};
use crate::transport::Transport;

/// Sends a message and waits until it is written. Returns whether it was.
async fn send(shared: &Arc<Shared>, worker: &Arc<Worker>) -> bool {
    let mut position = None;
    poll_fn(|cx| {
        let mut connection = shared.lock(worker);
        let position = *position.get_or_insert_with(|| connection.accept());
        connection.poll_written(cx, position)
    })
    .await
}

/// Sends a message, and stops waiting after one poll.
async fn send_cancelled(shared: &Arc<Shared>, worker: &Arc<Worker>) {
    poll_fn(|cx| {
        let mut connection = shared.lock(worker);
        let position = connection.accept();
        let _ = connection.poll_written(cx, position);
        Poll::Ready(())
    })
    .await;
}

/// Receives, and stops waiting after one poll.
async fn receive_cancelled(shared: &Arc<Shared>, worker: &Arc<Worker>) {
    poll_fn(|cx| {
        let _ = shared.lock(worker).poll_next(cx);
        Poll::Ready(())
    })
    .await;
}

/// Starts tasks that send six messages with `worker` as their background.
fn spawn_senders(shared: &Arc<Shared>, worker: &Arc<Worker>) -> Vec<JoinHandle<()>> {
    let start = |run: fn(Arc<Shared>, Arc<Worker>) -> JoinHandle<()>| run(shared.clone(), worker.clone());
    vec![
        start(|shared, worker| {
            spawn(async move {
                assert!(send(&shared, &worker).await);
                assert!(send(&shared, &worker).await);
            })
        }),
        start(|shared, worker| {
            spawn(async move {
                send_cancelled(&shared, &worker).await;
                yield_now().await;
                send_cancelled(&shared, &worker).await;
            })
        }),
        start(|shared, worker| {
            spawn(async move {
                shared.lock(&worker).try_send();
                yield_now().await;
                shared.lock(&worker).try_send();
            })
        }),
        start(|shared, worker| {
            spawn(async move {
                for _ in 0..2 {
                    receive_cancelled(&shared, &worker).await;
                    yield_now().await;
                }
            })
        }),
    ]
}

/// The number of messages of [`spawn_senders`].
const MESSAGES: usize = 6;

/// Starts a peer that reads `messages` messages.
fn spawn_peer(shared: &Arc<Shared>, messages: usize) -> JoinHandle<()> {
    let transport = shared.transport.clone();
    spawn(async move {
        let mut left = messages;
        while left > 0 {
            let some = left.min(2);
            transport.make_room(some);
            left -= some;
            yield_now().await;
        }
    })
}

async fn join(tasks: impl IntoIterator<Item = JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

/// Checks that everything was written, and that no other reference to the connection is left.
fn assert_done(shared: Arc<Shared>, worker: &Arc<Worker>) {
    let connection = shared.lock(worker);
    assert_eq!(connection.written, connection.accepted);
    drop(connection);
    assert_eq!(Arc::strong_count(&shared), 1, "an entry is left");
}

fn send_over(transport: Transport, fault: Fault) {
    block_on(async move {
        let worker = Arc::<Worker>::default();
        let background = spawn(worker.clone().run());
        let shared = Shared::new(transport, Some(worker.clone()), fault);
        let senders = spawn_senders(&shared, &worker);
        let peer = spawn_peer(&shared, MESSAGES);
        join(senders).await;
        join([peer]).await;
        worker.end_when_idle();
        join([background]).await;
        assert_done(shared, &worker);
    });
}

pub(crate) fn senders(fault: Fault) {
    send_over(Transport::new(false), fault);
}

pub(crate) fn forgetful_transport(fault: Fault) {
    send_over(Transport::new(true), fault);
}

/// The runtime of the senders' background ends at any time, and that of the connection does not.
pub(crate) fn runtime_end_with_home(fault: Fault) {
    block_on(async move {
        let [home, short] = [(); 2].map(|()| Arc::<Worker>::default());
        let [background, ending] = [&home, &short].map(|worker| spawn(worker.clone().run()));
        let shared = Shared::new(Transport::new(false), Some(home.clone()), fault);
        let senders = spawn_senders(&shared, &short);
        let peer = spawn_peer(&shared, MESSAGES);
        short.end_now();
        join(senders).await;
        join([peer, ending]).await;
        home.end_when_idle();
        join([background]).await;
        assert_done(shared, &home);
    });
}

/// The runtime that drives a connection ends at any time, while a task of another one waits for it.
pub(crate) fn runtime_end_without_home(fault: Fault) {
    block_on(async move {
        let [other, short] = [(); 2].map(|()| Arc::<Worker>::default());
        let [background, ending] = [&other, &short].map(|worker| spawn(worker.clone().run()));
        let shared = Shared::new(Transport::new(false), None, fault);
        shared.lock(&short).try_send();
        let sender = spawn({
            let (shared, other) = (shared.clone(), other.clone());
            async move { assert!(send(&shared, &other).await) }
        });
        let peer = spawn_peer(&shared, 2);
        short.end_now();
        join([sender, peer, ending]).await;
        other.end_when_idle();
        join([background]).await;
        assert_done(shared, &other);
    });
}

/// The connection is closed while its peer does not read.
pub(crate) fn close(fault: Fault) {
    block_on(async move {
        let worker = Arc::<Worker>::default();
        let background = spawn(worker.clone().run());
        let shared = Shared::new(Transport::new(false), Some(worker.clone()), fault);
        let start = |run: fn(Arc<Shared>, Arc<Worker>) -> JoinHandle<()>| run(shared.clone(), worker.clone());
        let tasks = [
            start(|shared, worker| {
                spawn(async move {
                    // It may be written or not.
                    let _ = send(&shared, &worker).await;
                })
            }),
            start(|shared, worker| spawn(async move { shared.lock(&worker).try_send() })),
            start(|shared, worker| spawn(async move { shared.lock(&worker).start_close() })),
            start(|shared, worker| spawn(async move { poll_fn(|cx| shared.lock(&worker).poll_next(cx)).await })),
            start(|shared, _| spawn(async move { poll_fn(|cx| shared.timer.poll_fire(cx)).await })),
            spawn_peer(&shared, 1),
        ];
        join(tasks).await;
        worker.end_when_idle();
        join([background]).await;
        assert_eq!(Arc::strong_count(&shared), 1, "an entry is left");
    });
}

/// The connection is cut while its peer does not read.
pub(crate) fn cut(fault: Fault) {
    block_on(async move {
        let worker = Arc::<Worker>::default();
        let background = spawn(worker.clone().run());
        let shared = Shared::new(Transport::new(false), Some(worker.clone()), fault);
        let start = |run: fn(Arc<Shared>, Arc<Worker>) -> JoinHandle<()>| run(shared.clone(), worker.clone());
        let tasks = [
            start(|shared, worker| {
                spawn(async move {
                    let _ = send(&shared, &worker).await;
                })
            }),
            start(|shared, worker| spawn(async move { shared.lock(&worker).try_send() })),
            start(|shared, worker| spawn(async move { shared.lock(&worker).end() })),
            start(|shared, worker| spawn(async move { poll_fn(|cx| shared.lock(&worker).poll_next(cx)).await })),
            spawn_peer(&shared, 1),
        ];
        join(tasks).await;
        worker.end_when_idle();
        join([background]).await;
        assert_eq!(Arc::strong_count(&shared), 1, "an entry is left");
    });
}
