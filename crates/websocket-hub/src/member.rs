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

/// A connection's membership in a [`Hub`](crate::Hub), from [`Hub::join`](crate::Hub::join). Dropping it leaves all topics; what was
/// not sent yet is dropped then.
///
/// The hub writes messages to the socket itself, from its own tasks. The handler receives as always, and calls the methods of the
/// member as the client asks for:
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
#[must_use = "it leaves the hub when it is dropped"]
pub struct Member {
    core: Arc<Core>,
    subscriber: Arc<Subscriber>,
    /// Boxed, as many members have none.
    user: Option<Box<User>>,
}

struct User(Arc<str>);

impl Member {
    pub(crate) fn new(core: Arc<Core>, subscriber: Arc<Subscriber>, user: Option<Arc<str>>) -> Self {
        core.router.shared.counters.members.fetch_add(1, Ordering::Relaxed);
        Self { core, subscriber, user: user.map(|user| Box::new(User(user))) }
    }

    /// Subscribes to a topic. Messages that were missed [since](Subscribe::since) a position, or the
    /// [last ones](Subscribe::recent), are sent before this returns, as far as the connection takes them, and before any new one.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]; the member is not subscribed then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped, the member is not subscribed.
    pub fn subscribe<'a>(
        &'a self,
        topic: &'a str,
        options: Subscribe,
    ) -> impl Future<Output = Result<Subscribed, SubscribeError>> + Send + 'a {
        self.core.subscribe(&self.subscriber, topic, options)
    }

    /// Ends a subscription, with the messages and notices of the topic that still wait. Returns whether there was one.
    #[must_use]
    pub fn unsubscribe(&self, topic: &str) -> bool {
        self.subscriber.leave(&self.core.router.shared, topic)
    }

    /// Publishes a message to all members of a topic but this one. The member need not be subscribed itself.
    ///
    /// # Errors
    ///
    /// Those of [`Hub::publish`](crate::Hub::publish).
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

    /// Waits for a notice. It never resolves if there is none; in particular, the end of the connection is reported by its socket.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no notice is lost.
    pub fn notice(&mut self) -> impl Future<Output = Notice> + Send + '_ {
        poll_fn(|cx| self.subscriber.poll_notice(cx))
    }

    /// Returns the number that names this member on all nodes, to exclude it from a [`Publication`](crate::backend::Publication).
    #[must_use]
    pub fn id(&self) -> MemberId {
        self.subscriber.id(&self.core.router.shared)
    }

    /// Returns the user that it has joined as.
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
