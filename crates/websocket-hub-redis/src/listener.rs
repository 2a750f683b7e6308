//! The task that passes the messages of Redis to the hub, and replaces the connection when it is
//! lost.
//!
//! The connection is separate, as Redis closes subscribers that read too slowly. It is not a
//! `redis::aio::ConnectionManager`, which passes pushes through an unbounded channel, ignores
//! failures to subscribe again, and cannot be made to reconnect.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisResult;
use tokio::time::{Instant, sleep};
use websocket_hub::backend::{Node, Publication};
use websocket_hub::{CatchUpError, HubDropped, Position};

use crate::control::{Answer, Control};
use crate::error::RedisBackendError;
use crate::inbox::{Inbox, Packet, inbox};
use crate::keys::Keys;
use crate::presence::Questions;
use crate::scripts::{Topics, parse_message};
use crate::server::{Connection, Server};
use crate::subscriptions::Subscriptions;

/// The number of topics per query for positions.
const CHUNK: usize = 500;

/// The minimum and maximum delays before reconnecting.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) server: Server,
    pub(crate) keys: Keys,
    pub(crate) node: Node,
    pub(crate) id: u64,
    /// `None` for pub/sub.
    pub(crate) streams: Option<Arc<Topics>>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) questions: Arc<Questions>,
    pub(crate) check_interval: Duration,
    pub(crate) inbox_messages: usize,
    pub(crate) inbox_bytes: usize,
}

/// A connection that is subscribed to all topics, and its inbox.
#[derive(Debug)]
pub(crate) struct Link {
    connection: Connection,
    inbox: Inbox,
}

/// The reason why a link has ended.
#[derive(Debug)]
enum End {
    Lost,
    HubDropped,
}

impl From<HubDropped> for End {
    fn from(_: HubDropped) -> Self {
        Self::HubDropped
    }
}

impl Listener {
    /// Connects and subscribes to all topics.
    pub(crate) async fn connect(&self) -> Result<Link, RedisBackendError> {
        let (inbox, fill) = inbox(self.inbox_messages, self.inbox_bytes);
        let connection = self.server.connect(fill).await?;
        let others = [self.keys.control(), self.keys.node(self.id)];
        self.subscriptions.connected(connection.clone(), &others).await.map_err(RedisBackendError::Connect)?;
        Ok(Link { connection, inbox })
    }

    /// Delivers until the hub is dropped.
    pub(crate) async fn run(self, mut link: Link) {
        let mut is_first = true;
        let mut pause = PAUSES.0;
        loop {
            let began = Instant::now();
            let Err(end) = self.listen(&mut link, is_first).await;
            self.subscriptions.disconnected();
            if matches!(end, End::HubDropped) {
                return;
            }
            self.node.disconnected();
            is_first = false;
            if began.elapsed() > PAUSES.1 {
                pause = PAUSES.0;
            }
            link = loop {
                // Random, so that nodes do not all reconnect at once.
                sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (2 * pause).min(PAUSES.1);
                match self.connect().await {
                    Ok(link) => break link,
                    Err(_) if self.node.id().is_err() => return,
                    Err(_) => {}
                }
            };
        }
    }

    async fn listen(&self, link: &mut Link, is_first: bool) -> Result<std::convert::Infallible, End> {
        if !is_first {
            match &self.streams {
                Some(streams) => {
                    self.catch_up(link, streams).await?;
                    self.node.reconnected();
                }
                None => self.node.resynchronise().await?,
            }
        }
        loop {
            let check = sleep(self.check_interval.mul_f64(rand::random_range(0.75..1.0)));
            tokio::pin!(check);
            loop {
                tokio::select! {
                    packet = link.inbox.next() => {
                        self.handle(link, packet.ok_or(End::Lost)?).await?;
                        self.drain(link).await?;
                        self.node.set_lag(Duration::ZERO);
                    }
                    () = &mut check => break,
                }
            }
            match &self.streams {
                Some(streams) => self.catch_up(link, streams).await?,
                None => {
                    let mut redis = link.connection.redis.clone();
                    let ping = redis::cmd("PING");
                    self.reply(link, ping.query_async::<()>(&mut redis)).await?;
                }
            }
        }
    }

    /// Compares the positions of all topics with those that were delivered, and reads what is
    /// missing from the streams.
    ///
    /// Positions are queried on the connection that receives the messages: those published before
    /// the reply have arrived before it, so that a missing message is lost and not just late.
    async fn catch_up(&self, link: &mut Link, streams: &Topics) -> Result<(), End> {
        let topics = self.subscriptions.topics();
        if topics.is_empty() {
            let mut redis = link.connection.redis.clone();
            let ping = redis::cmd("PING");
            return self.reply(link, ping.query_async::<()>(&mut redis)).await;
        }
        for topics in topics.chunks(CHUNK) {
            let asking = streams.positions(link.connection.clone(), topics);
            let positions = self.reply(link, asking).await?;
            self.drain(link).await?;
            for (topic, reached) in topics.iter().zip(positions) {
                match self.node.catch_up(topic, reached).await {
                    Ok(()) => {}
                    Err(CatchUpError::HubDropped(_)) => return Err(End::HubDropped),
                    // Repeated with the next connection.
                    Err(_) => return Err(End::Lost),
                }
                self.drain(link).await?;
            }
        }
        Ok(())
    }

    /// Waits for a reply, and delivers messages meanwhile. Without a reply, the connection is
    /// considered lost, whatever TCP reports.
    async fn reply<T>(&self, link: &mut Link, reply: impl Future<Output = RedisResult<T>>) -> Result<T, End> {
        tokio::pin!(reply);
        loop {
            tokio::select! {
                biased;
                reply = &mut reply => return reply.map_err(|_| End::Lost),
                packet = link.inbox.next() => self.handle(link, packet.ok_or(End::Lost)?).await?,
            }
        }
    }

    /// Delivers what has already arrived, but not what arrives meanwhile.
    async fn drain(&self, link: &mut Link) -> Result<(), End> {
        for _ in 0..link.inbox.len() {
            let Ok(packet) = link.inbox.try_next() else { break };
            self.handle(link, packet).await?;
        }
        Ok(())
    }

    async fn handle(&self, link: &Link, packet: Packet) -> Result<(), End> {
        let Packet { channel, payload, arrived } = packet;
        if let Some(topic) = self.keys.topic(&channel) {
            self.node.set_lag(arrived.elapsed());
            let message = match &self.streams {
                Some(_) => parse_message(&payload),
                None => Publication::from_bytes(&payload).ok().map(|publication| (Position::UNKNOWN, publication)),
            };
            match message {
                Some((position, publication)) => self.node.deliver(topic, position, publication).await?,
                // Sent by another version or program.
                None => self.node.gap(topic).await?,
            }
        } else if channel == self.keys.control() {
            match Control::from_bytes(payload) {
                Some(Control::Signal(signal)) => self.node.signal(signal).await?,
                Some(Control::Count { node, question, topic }) => {
                    let answer = Answer { question, members: self.node.members(&topic) as u64 };
                    let mut publish = redis::cmd("PUBLISH");
                    publish.arg(self.keys.node(node)).arg(&answer.to_bytes()[..]).set_no_response(true);
                    // Not awaited. If it fails, the node that sent the query times out.
                    let _ = publish.query_async::<()>(&mut link.connection.redis.clone()).await;
                }
                None => {}
            }
        } else if let Some(answer) = Answer::from_bytes(payload) {
            self.questions.answered(answer);
        }
        Ok(())
    }
}
