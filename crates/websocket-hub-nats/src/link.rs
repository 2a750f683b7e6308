//! The state shared by the tasks of a backend: the connection to the server, and the node that
//! messages are delivered to.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Subject};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use websocket_hub::HubDropped;
use websocket_hub::Position;
use websocket_hub::backend::{Node, Publication, Signal};

use crate::confirmations::Confirmations;
use crate::error::NatsBackendError;
use crate::events::Events;
use crate::gathering::Gathering;
use crate::inbox::{Inbox, Item};
use crate::subject::Subjects;
use crate::wire::Control;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) node: Node,
    /// The number of the node.
    pub(crate) id: u64,
    pub(crate) subjects: Subjects,
    pub(crate) timeout: Duration,
    pub(crate) events: watch::Receiver<Events>,
    pub(crate) inbox: Inbox,
    pub(crate) confirmations: Confirmations,
    pub(crate) gathering: Gathering,
    /// The number of connections when the members were last notified of what they may have missed.
    pub(crate) synchronised: watch::Sender<u64>,
}

/// A query of another node.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) from: u64,
    pub(crate) number: u64,
    pub(crate) topic: String,
}

impl Link {
    /// Publishes a message, and waits until the server has received it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is either published or not.
    pub(crate) async fn publish(&self, subject: Subject, payload: Bytes) -> Result<(), NatsBackendError> {
        let before = Events::connections(&self.client);
        let published = async {
            self.client.publish(subject, payload).await.map_err(NatsBackendError::Publish)?;
            match self.confirmations.confirmed().await {
                Some(connections) if connections == before => Ok(()),
                _ => Err(NatsBackendError::Disconnected),
            }
        };
        timeout(self.timeout, published).await.unwrap_or(Err(NatsBackendError::TimedOut(self.timeout)))
    }

    /// Waits until the server has received the subscriptions, and all members have been notified of
    /// what they may have missed before.
    pub(crate) async fn subscribed(&self) -> Result<(), NatsBackendError> {
        let subscribed = async {
            let connections = self.confirmations.confirmed().await.ok_or(NatsBackendError::Disconnected)?;
            let mut synchronised = self.synchronised.subscribe();
            // Cannot fail: the sender is in scope.
            let _ = synchronised.wait_for(|&known| known >= connections).await;
            Ok(())
        };
        timeout(self.timeout, subscribed).await.unwrap_or(Err(NatsBackendError::TimedOut(self.timeout)))
    }

    /// Discovers the other nodes.
    pub(crate) async fn ask_for_nodes(&self) {
        let question = Control::Question { from: self.id, number: 0, topic: String::new() };
        // If this is lost, the next query takes a little longer.
        let _ = self.client.publish(self.subjects.nodes(), question.to_bytes()).await;
    }

    /// Responds to queries of other nodes and of this one.
    pub(crate) async fn answer(&self, mut questions: mpsc::Receiver<Asked>) {
        while let Some(Asked { from, number, topic }) = questions.recv().await {
            let answer = Control::Answer { from: self.id, number, members: self.node.members(&topic) as u64 };
            if self.client.publish(self.subjects.node(from), answer.to_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Delivers messages until the hub is dropped.
    pub(crate) async fn deliver(self: Arc<Self>) -> Result<(), HubDropped> {
        loop {
            let (item, arrived) = match self.inbox.try_pop() {
                Some(popped) => popped,
                None => {
                    self.node.set_lag(Duration::ZERO);
                    self.inbox.pop().await
                }
            };
            self.node.set_lag(arrived.elapsed());
            match item {
                // Malformed messages were not sent by a node.
                Item::Message(topic, bytes) => {
                    if let Ok(publication) = Publication::from_bytes(&bytes) {
                        self.node.deliver(&topic, Position::UNKNOWN, publication).await?;
                    }
                }
                Item::Signal(bytes) => {
                    if let Ok(signal) = Signal::from_bytes(&bytes) {
                        self.node.signal(signal).await?;
                    }
                }
                Item::Gap(topic) => self.node.gap(&topic).await?,
                Item::Resynchronise(connections) => {
                    self.node.resynchronise().await?;
                    self.synchronised.send_modify(|known| *known = connections.max(*known));
                }
            }
        }
    }

    /// Watches the connection, and notifies members of what they may have missed.
    pub(crate) async fn watch(&self) {
        let (mut events, mut seen) = (self.events.clone(), Events::default());
        let mut synchronised = *self.synchronised.borrow();
        while events.changed().await.is_ok() {
            let now = *events.borrow_and_update();
            if now.losses > seen.losses {
                self.node.disconnected();
            }
            if now.overflows > seen.overflows {
                // The affected topics are unknown.
                self.inbox.push_resynchronise(0);
            }
            seen = now;
            if Events::connections(&self.client) > synchronised {
                // The client subscribes to everything before it sends anything else.
                let Some(connections) = self.confirmations.confirmed().await else { return };
                synchronised = connections;
                self.inbox.push_resynchronise(connections);
                self.ask_for_nodes().await;
            }
        }
    }
}
