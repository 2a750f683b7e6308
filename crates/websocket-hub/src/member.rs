use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tower_websocket::PreparedMessage;

use crate::core::Core;
use crate::delivery::subscriber::Subscriber;
use crate::error::{PublishError, SubscribeError};
use crate::notice::Notice;
use crate::position::Position;
use crate::publication::MemberId;
use crate::subscribe::{Subscribe, Subscribed};

/// A connection's membership in a [`Hub`](crate::Hub), created by [`Hub::join`](crate::Hub::join).
/// Dropping it leaves all topics and drops messages that were not sent yet.
///
/// The hub writes messages to the socket itself, from its own tasks. The handler receives as usual,
/// and calls the methods of the member as requested by the client:
///
/// ```
/// use websocket_hub::{Hub, Notice, Subscribe};
/// # use tower_websocket::WebSocket;
///
/// async fn serve(mut socket: WebSocket, hub: Hub) {
///     let mut member = hub.join(socket.sender());
///     if member.subscribe("news", Subscribe::new()).await.is_err() {
///         return;
///     }
///     loop {
///         tokio::select! {
///             message = socket.recv() => match message {
///                 Some(Ok(message)) => _ = member.publish("news", message).await,
///                 _ => return,
///             },
///             notice = member.notice() => match notice {
///                 Notice::Lagged { topic, missed } => println!("{missed} messages of {topic} were dropped"),
///                 other => println!("{other:?}"),
///             },
///         }
///     }
/// }
/// ```
#[must_use = "dropping it leaves the hub"]
pub struct Member {
    core: Arc<Core>,
    subscriber: Arc<Subscriber>,
    /// Boxed to keep members without a user small.
    user: Option<Box<User>>,
}

struct User(Arc<str>);

impl Member {
    pub(crate) fn new(core: Arc<Core>, subscriber: Arc<Subscriber>, user: Option<Arc<str>>) -> Self {
        core.router.shared.counters.members.fetch_add(1, Ordering::Relaxed);
        Self { core, subscriber, user: user.map(|user| Box::new(User(user))) }
    }

    /// Subscribes to a topic. Messages missed [since](Subscribe::since) a position, or the [most
    /// recent ones](Subscribe::recent), are sent before this returns, as far as the connection
    /// accepts them, and before any new message.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]. The member is not subscribed then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, the member is not subscribed.
    pub fn subscribe<'a>(
        &'a self,
        topic: &'a str,
        options: Subscribe,
    ) -> impl Future<Output = Result<Subscribed, SubscribeError>> + Send + 'a {
        self.core.subscribe(&self.subscriber, topic, options)
    }

    /// Ends a subscription and drops its queued messages and notices. Returns whether there was
    /// one.
    #[must_use]
    pub fn unsubscribe(&self, topic: &str) -> bool {
        self.subscriber.leave(&self.core.router.shared, topic)
    }

    /// Publishes a message to all members of a topic except this one. The member does not have to
    /// be subscribed itself.
    ///
    /// # Errors
    ///
    /// Same as [`Hub::publish`](crate::Hub::publish).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is published or not.
    pub fn publish<'a>(
        &'a self,
        topic: &'a str,
        message: impl Into<PreparedMessage>,
    ) -> impl Future<Output = Result<Position, PublishError>> + Send + 'a {
        self.core.publish(topic, message.into(), Some(self.id()))
    }

    /// Waits for a notice. Never resolves without one; in particular, the end of the connection is
    /// reported by its socket.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no notice is lost.
    pub fn notice(&mut self) -> impl Future<Output = Notice> + Send + '_ {
        poll_fn(|cx| self.subscriber.poll_notice(cx))
    }

    /// Returns the id of this member, which is unique among all nodes, to exclude it from a
    /// [`Publication`](crate::backend::Publication).
    #[must_use]
    pub fn id(&self) -> MemberId {
        self.subscriber.id(&self.core.router.shared)
    }

    /// Returns the user that the member has joined as.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_ref().map(|user| &*user.0)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let router = &self.core.router;
        router.shared.counters.members.fetch_sub(1, Ordering::Relaxed);
        self.subscriber.leave_all(&router.shared);
        if let Some(user) = &self.user {
            router.users.leave(&user.0, &self.subscriber);
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("id", &self.id()).finish_non_exhaustive()
    }
}
