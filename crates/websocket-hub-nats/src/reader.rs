//! Moves messages from the subscriptions into the inbox, as soon as they arrive.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::stream::{SelectAll, Stream};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::coop::unconstrained;

use crate::link::{Asked, Link};
use crate::wire::Control;

/// The length in bytes up to which messages are copied. They are slices of the 64 KiB that the
/// client reads at once, which would stay allocated while they wait.
const COPIED: usize = 16 * 1024;

/// A subscription on the server.
#[derive(Debug)]
pub(crate) struct Feed {
    /// `None` for the messages between nodes.
    topic: Option<Arc<str>>,
    subscriber: Subscriber,
    /// Resolves when its sender is dropped.
    end: oneshot::Receiver<Infallible>,
}

impl Feed {
    /// Creates a feed, which ends when the sender is dropped.
    pub(crate) fn new(topic: Option<Arc<str>>, subscriber: Subscriber) -> (Self, oneshot::Sender<Infallible>) {
        let (sender, end) = oneshot::channel();
        (Self { topic, subscriber, end }, sender)
    }
}

impl Stream for Feed {
    type Item = (Option<Arc<str>>, Message);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Checked first, so that nothing is delivered twice if the topic is subscribed again
        // immediately.
        if self.end.poll_unpin(cx).is_ready() {
            return Poll::Ready(None);
        }
        let message = std::task::ready!(self.subscriber.poll_next_unpin(cx));
        Poll::Ready(message.map(|message| (self.topic.clone(), message)))
    }
}

/// Runs until the sender of the feeds is dropped and all feeds have ended.
pub(crate) async fn run(link: Arc<Link>, mut added: mpsc::UnboundedReceiver<Feed>, questions: mpsc::Sender<Asked>) {
    let mut feeds = SelectAll::new();
    // It reads everything available before it yields: the client library drops what it has no room
    // for.
    let reading = async {
        loop {
            tokio::select! {
                Some(feed) = added.recv() => feeds.push(feed),
                Some((topic, message)) = feeds.next() => {
                    let payload = message.payload;
                    let payload =
                        if payload.len() > COPIED { payload } else { Bytes::copy_from_slice(&payload) };
                    match topic {
                        Some(topic) => link.inbox.push_message(&topic, payload),
                        None => handle(&link, payload, &questions),
                    }
                }
                else => return,
            }
        }
    };
    unconstrained(reading).await;
}

/// Handles a message between nodes. Malformed messages were not sent by a node.
fn handle(link: &Link, payload: Bytes, questions: &mpsc::Sender<Asked>) {
    match Control::from_bytes(payload) {
        Some(Control::Signal(signal)) => link.inbox.push_signal(signal),
        Some(Control::Echo { number }) => link.confirmations.echo(number),
        Some(Control::Answer { from, number, members }) => link.gathering.answer(from, number, members),
        Some(Control::Question { from, number, topic }) => {
            link.gathering.meet(from);
            // A query that is dropped is repeated if its result is still needed.
            let _ = questions.try_send(Asked { from, number, topic });
        }
        None => {}
    }
}
