//! One connection: a side that sends from several tasks, and a side that listens and answers.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tower_websocket::{CloseCode, Config, Shutdown, WebSocket, WebSocketSender, accept, connect};

use crate::io;
use crate::observer::{self, Unruly};
use crate::random::Random;

/// How the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The talker closes after sending everything, and everything arrives.
    Close,
    /// The talker drops its reader at once, and closes through its sender after sending everything;
    /// everything arrives.
    CloseUnread,
    /// The listener is dropped in between.
    ListenerDrops,
    /// The talker is dropped in between, with all its tasks.
    TalkerIsAborted,
    /// A shutdown begins in between.
    Shutdown,
}

const ENDS: [End; 6] =
    [End::Close, End::Close, End::CloseUnread, End::ListenerDrops, End::TalkerIsAborted, End::Shutdown];

/// The successfully sent messages of each task.
type Sent = Arc<Mutex<BTreeMap<u64, Vec<u64>>>>;

struct Plan {
    end: End,
    random: Random,
    sent: Sent,
    shutdown: Shutdown,
    observed: observer::Send,
}

fn config<S>(config: Config<S>, random: &mut Random, observed: &observer::Send) -> Config<S> {
    let config = config.close_timeout(Duration::from_secs(30)).max_output(1 << (8 + random.below(12)));
    if random.once_in(3) { config.observer(Unruly::new(random.fork(), observed.clone())) } else { config }
}

pub(crate) async fn run(mut random: Random) {
    let end = ENDS[random.below(ENDS.len() as u64) as usize];
    let (one, other) = io::pair(&mut random).await;
    let observed = observer::Send::default();
    let server = config(Config::server(), &mut random, &observed);
    let client = config(Config::client(), &mut random, &observed);
    let connecting = connect("ws://localhost/").config(client).over(other);
    let (server, client) = tokio::join!(accept(one, server), connecting.into_future());
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    let (client, _) = client.unwrap();
    let plan = Plan { end, random: random.fork(), sent: Sent::default(), shutdown: Shutdown::new(), observed };
    if random.once_in(2) { play(server, client, plan).await } else { play(client, server, plan).await }
}

async fn play<T, L>(mut talker: WebSocket<T>, listener: WebSocket<L>, mut plan: Plan)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (end, sent) = (plan.end, plan.sent.clone());
    let sender = talker.sender();
    let _ = plan.observed.set(Box::new(move || drop(sender.try_send("observed"))));
    talker.join_shutdown(&plan.shutdown);
    let shutdown = plan.shutdown.clone();
    let mut random = plan.random.fork();
    let listening = tokio::spawn(listen(listener, end, plan.random.fork()));
    let talking = tokio::spawn(talk(talker, plan));
    sleep(Duration::from_micros(random.below(20_000))).await;
    match end {
        End::TalkerIsAborted => talking.abort(),
        End::Shutdown => shutdown.begin(CloseCode::GOING_AWAY, "").unwrap(),
        _ => {}
    }
    // If it was not aborted, it has not failed.
    let talked = within(end, "the talker", talking).await;
    assert!(talked.is_ok() || end == End::TalkerIsAborted, "{talked:?}");
    let received = within(end, "the listener", listening).await.unwrap();
    assert_eq!(shutdown.wait(LIMIT).await, 0, "a connection is left after {end:?}");
    check(&received, &sent.lock().unwrap(), end);
}

/// The time that each side may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

async fn within<R>(end: End, side: &str, future: impl Future<Output = R>) -> R {
    timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("{side} hangs, with {end:?}"))
}

/// Checks that each message arrives at most once and in the order of its task, and after a clean
/// end, that all sent messages have arrived.
fn check(received: &[String], sent: &BTreeMap<u64, Vec<u64>>, end: End) {
    let mut by_task = BTreeMap::<u64, Vec<u64>>::new();
    for text in received.iter().filter(|text| *text != "observed") {
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        by_task.entry(numbers.next().unwrap()).or_default().push(numbers.next().unwrap());
    }
    for (task, numbers) in &by_task {
        assert!(numbers.is_sorted_by(|one, other| one < other), "{end:?}: task {task} is out of order: {numbers:?}");
    }
    if let End::Close | End::CloseUnread = end {
        for (task, numbers) in sent {
            let arrived = by_task.get(task).map_or(&[][..], Vec::as_slice);
            let lost: Vec<_> = numbers.iter().filter(|number| arrived.binary_search(number).is_err()).collect();
            assert!(lost.is_empty(), "{end:?}: of task {task}, {lost:?} of {numbers:?} are lost");
        }
    }
}

async fn talk<T>(socket: WebSocket<T>, mut plan: Plan)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, mut reader) = socket.split();
    let mut tasks = JoinSet::new();
    for task in 0..1 + plan.random.below(4) {
        // The last owner keeps the connection open.
        let sender = if plan.random.once_in(2) { sender.clone() } else { reader.sender() };
        tasks.spawn(send(sender, task, plan.random.fork(), plan.sent.clone()));
    }
    if plan.end == End::CloseUnread {
        drop(reader);
        while tasks.join_next().await.transpose().unwrap().is_some() {}
        sender.close(CloseCode::NORMAL, "").await.unwrap();
        return;
    }
    // Aborted together with this task, like the others.
    let mut reading = JoinSet::new();
    reading.spawn(async move { while let Some(Ok(_)) = reader.recv().await {} });
    while tasks.join_next().await.transpose().unwrap().is_some() {}
    if plan.end == End::Close {
        sender.close(CloseCode::NORMAL, "").await.unwrap();
    } else {
        let _ = sender.close(CloseCode::NORMAL, "").await;
    }
    reading.join_next().await.transpose().unwrap();
}

/// Sends in all ways, and records successfully sent messages.
async fn send<T>(sender: WebSocketSender<T>, task: u64, mut random: Random, sent: Sent)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let padding = " ".repeat(1 << random.below(14));
    for number in 0..random.below(60) {
        let text = format!("{task} {number}{padding}");
        let is_sent = match random.below(4) {
            0 => sender.try_send(text).is_ok(),
            1 => {
                let limit = Duration::from_micros(random.below(500));
                timeout(limit, sender.send(text)).await.is_ok_and(|sent| sent.is_ok())
            }
            2 => sender.ready().await.is_ok() && sender.try_send(text).is_ok(),
            _ => sender.send(text).await.is_ok(),
        };
        if is_sent {
            sent.lock().unwrap().entry(task).or_default().push(number);
        }
        match random.below(8) {
            0 => yield_now().await,
            1 => sleep(Duration::from_micros(random.below(1000))).await,
            _ => {}
        }
    }
}

/// Receives until the end, and answers occasionally.
async fn listen<T>(mut socket: WebSocket<T>, end: End, mut random: Random) -> Vec<String>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut received = Vec::new();
    let limit = if end == End::ListenerDrops { random.below(30) as usize } else { usize::MAX };
    while received.len() < limit {
        let message = if random.once_in(4) {
            // Cancelled and restarted.
            match timeout(Duration::from_micros(random.below(300)), socket.recv()).await {
                Ok(message) => message,
                Err(_) => continue,
            }
        } else {
            socket.recv().await
        };
        let Some(Ok(message)) = message else { break };
        received.push(message.as_text().unwrap().to_owned());
        // A peer that has stopped reading does not read answers, and while one waits, nothing is
        // received here.
        let is_read = !matches!(end, End::CloseUnread | End::TalkerIsAborted);
        if is_read && random.once_in(3) {
            let _ = socket.send("answer").await;
        }
        if random.once_in(16) {
            sleep(Duration::from_micros(random.below(2000))).await;
        }
    }
    received
}
