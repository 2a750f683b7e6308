//! An in-memory engine that is shared by several nodes and fails on demand, modelled on Redis
//! Streams.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use websocket_hub::backend::{Backend, Capabilities, History, HistoryQuery, Node, Presence, Publication, Signal};
use websocket_hub::{BackendError, CatchUpError, Position};

#[derive(Clone)]
pub(crate) struct Engine(Arc<Mutex<State>>);

struct State {
    epoch: u64,
    kept: usize,
    topics: HashMap<String, Log>,
    nodes: Vec<Link>,
    latency: Duration,
    fails_to_subscribe: bool,
    /// The calls of `subscribe` and `unsubscribe`, with their topics.
    pub(crate) calls: Vec<(&'static str, Vec<String>)>,
}

#[derive(Default)]
struct Log {
    last: u64,
    messages: Vec<(Position, Publication)>,
}

/// A node as seen by the engine.
#[derive(Default)]
struct Link {
    wire: Option<mpsc::UnboundedSender<Packet>>,
    node: Option<Node>,
    topics: HashSet<String>,
    is_cut: bool,
    /// The number of messages to lose.
    losing: usize,
}

enum Packet {
    Message(String, Position, Publication),
    Signal(Signal),
    /// The position that a topic has reached.
    Reached(String, Position),
    Cut,
    Restored,
}

/// A node's connection to the engine.
pub(crate) struct EngineNode {
    engine: Engine,
    index: usize,
}

impl Engine {
    /// Creates an engine that keeps this number of messages per topic.
    pub(crate) fn new(kept: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            epoch: 1,
            kept,
            topics: HashMap::new(),
            nodes: Vec::new(),
            latency: Duration::from_millis(1),
            fails_to_subscribe: false,
            calls: Vec::new(),
        })))
    }

    pub(crate) fn node(&self) -> EngineNode {
        let mut state = self.0.lock().unwrap();
        state.nodes.push(Link::default());
        EngineNode { engine: self.clone(), index: state.nodes.len() - 1 }
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.0.lock().unwrap().latency = latency;
    }

    pub(crate) fn set_fails_to_subscribe(&self, fails: bool) {
        self.0.lock().unwrap().fails_to_subscribe = fails;
    }

    pub(crate) fn take_calls(&self) -> Vec<(&'static str, Vec<String>)> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    /// Loses the next messages to a node.
    pub(crate) fn lose(&self, node: usize, messages: usize) {
        self.0.lock().unwrap().nodes[node].losing = messages;
    }

    pub(crate) fn cut(&self, node: usize) {
        let link = &mut self.0.lock().unwrap().nodes[node];
        link.is_cut = true;
        link.send(Packet::Cut);
    }

    pub(crate) fn restore(&self, node: usize) {
        let link = &mut self.0.lock().unwrap().nodes[node];
        link.is_cut = false;
        link.send(Packet::Restored);
    }

    /// Deletes all messages.
    pub(crate) fn flush(&self) {
        let mut state = self.0.lock().unwrap();
        state.epoch += 1;
        state.topics.clear();
    }

    /// Lets a node check which position a topic has reached.
    pub(crate) fn check(&self, node: usize, topic: &str) {
        let state = self.0.lock().unwrap();
        let last = state.topics.get(topic).map_or(0, |log| log.last);
        state.nodes[node].send(Packet::Reached(topic.to_owned(), Position::new(state.epoch, last)));
    }

    /// Delivers the last message of a topic to a node again.
    pub(crate) fn repeat(&self, node: usize, topic: &str) {
        let state = self.0.lock().unwrap();
        let (position, publication) = state.topics[topic].messages.last().cloned().unwrap();
        state.nodes[node].send(Packet::Message(topic.to_owned(), position, publication));
    }

    async fn wait(&self) {
        let latency = self.0.lock().unwrap().latency;
        sleep(latency).await;
    }
}

impl Link {
    fn send(&self, packet: Packet) {
        if let Some(wire) = &self.wire {
            let _ = wire.send(packet);
        }
    }
}

impl Backend for EngineNode {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().subscribes().contiguous().history()
    }

    async fn start(&self, node: Node) -> Result<(), BackendError> {
        self.engine.wait().await;
        let (wire, mut packets) = mpsc::unbounded_channel();
        {
            let link = &mut self.engine.0.lock().unwrap().nodes[self.index];
            (link.wire, link.node) = (Some(wire), Some(node.clone()));
        }
        tokio::spawn(async move {
            while let Some(packet) = packets.recv().await {
                let handled = match packet {
                    Packet::Message(topic, position, publication) => node.deliver(&topic, position, publication).await,
                    Packet::Signal(signal) => node.signal(signal).await,
                    Packet::Reached(topic, position) => match node.catch_up(&topic, position).await {
                        Err(CatchUpError::HubDropped(dropped)) => Err(dropped),
                        _ => Ok(()),
                    },
                    Packet::Cut => {
                        node.disconnected();
                        Ok(())
                    }
                    Packet::Restored => node.resynchronise().await,
                };
                if handled.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    async fn publish(&self, topic: &str, publication: Publication) -> Result<Position, BackendError> {
        self.engine.wait().await;
        let state = &mut *self.engine.0.lock().unwrap();
        if state.nodes[self.index].is_cut {
            return Err(BackendError::new("not connected"));
        }
        let log = state.topics.entry(topic.to_owned()).or_default();
        log.last += 1;
        let position = Position::new(state.epoch, log.last);
        log.messages.push((position, publication.clone()));
        if log.messages.len() > state.kept {
            log.messages.remove(0);
        }
        for link in &mut state.nodes {
            if link.is_cut || !link.topics.contains(topic) {
                continue;
            }
            if link.losing > 0 {
                link.losing -= 1;
                continue;
            }
            // Encoded and decoded, as on the wire.
            let publication = Publication::from_bytes(&publication.to_bytes()).unwrap();
            link.send(Packet::Message(topic.to_owned(), position, publication));
        }
        Ok(position)
    }

    async fn subscribe(&self, topics: &[Arc<str>]) -> Result<(), BackendError> {
        self.engine.wait().await;
        let state = &mut *self.engine.0.lock().unwrap();
        let names: Vec<_> = topics.iter().map(|topic| topic.to_string()).collect();
        state.calls.push(("subscribe", names.clone()));
        if state.fails_to_subscribe {
            return Err(BackendError::new("not connected"));
        }
        state.nodes[self.index].topics.extend(names);
        Ok(())
    }

    async fn unsubscribe(&self, topics: &[Arc<str>]) -> Result<(), BackendError> {
        let state = &mut *self.engine.0.lock().unwrap();
        state.calls.push(("unsubscribe", topics.iter().map(|topic| topic.to_string()).collect()));
        state.nodes[self.index].topics.retain(|known| topics.iter().all(|topic| **topic != **known));
        Ok(())
    }

    async fn history(&self, topic: &str, query: HistoryQuery) -> Result<History, BackendError> {
        self.engine.wait().await;
        let history = {
            let state = self.engine.0.lock().unwrap();
            let (epoch, none) = (state.epoch, Log::default());
            let log = state.topics.get(topic).unwrap_or(&none);
            let reached = Position::new(epoch, log.last);
            let first = log.last - log.messages.len() as u64;
            let since =
                query.since.filter(|since| since.epoch() == epoch && (first..=log.last).contains(&since.offset()));
            let skipped = match since {
                Some(since) => (since.offset() - first) as usize,
                None => log.messages.len().saturating_sub(query.recent),
            };
            let messages = log.messages[skipped..].to_vec();
            History::new(reached, messages, query.since.is_none() || since.is_some())
        };
        // The response takes a while, too.
        self.engine.wait().await;
        Ok(history)
    }

    async fn signal(&self, signal: Signal) -> Result<(), BackendError> {
        self.engine.wait().await;
        for link in &self.engine.0.lock().unwrap().nodes {
            link.send(Packet::Signal(Signal::from_bytes(&signal.to_bytes()).unwrap()));
        }
        Ok(())
    }

    async fn count(&self, topic: &str) -> Result<Presence, BackendError> {
        self.engine.wait().await;
        let members: Vec<_> = self.engine.0.lock().unwrap().nodes.iter().filter_map(|link| link.node.clone()).collect();
        let members: Vec<_> = members.iter().map(|node| node.members(topic)).filter(|&members| members > 0).collect();
        Ok(Presence::new(members.iter().sum(), members.len(), Duration::ZERO))
    }
}
