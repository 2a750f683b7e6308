use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tower_websocket::{CloseCode, PreparedMessage, SendError, WebSocketSender};

use crate::backend::{Backend, Presence, Publication, Signal};
use crate::config::HubConfig;
use crate::core::Core;
#[cfg(any(test, feature = "test-util"))]
use crate::delivery::outlet::Outlet;
use crate::delivery::subscriber::Subscriber;
use crate::error::{BackendError, DisconnectError, PublishError, TooManyConnections};
use crate::member::Member;
use crate::position::Position;
use crate::stats::HubStats;

/// The maximum length of a close reason in bytes (RFC 6455 §5.5).
const MAX_REASON: usize = 123;

/// Topics and the connections subscribed to them. A handle that is cheap to clone.
///
/// Its tasks, one per thread of the runtime, end when the last handle and the last [`Member`] are
/// dropped.
///
/// # Shutdown
///
/// The hub needs no shutdown. [`Shutdown`](tower_websocket::Shutdown) closes the sockets. Messages
/// to a closing socket are dropped, and its handler ends and drops its [`Member`].
#[derive(Clone)]
pub struct Hub(Arc<Core>);

impl Hub {
    /// Creates a hub in this process.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, like [`tokio::spawn`].
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self(Core::in_process(config, Handle::current()))
    }

    /// Creates a hub that is one of several nodes, connected by a backend.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the backend does not start.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, like [`tokio::spawn`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, no hub is created.
    pub async fn with_backend(backend: impl Backend, config: HubConfig) -> Result<Self, BackendError> {
        Ok(Self(Core::with_backend(config, backend, Handle::current()).await?))
    }

    /// Adds a connection. It is removed when the member is dropped.
    ///
    /// Most handlers should pass a sender from
    /// [`WebSocket::sender`](tower_websocket::WebSocket::sender), which does not keep the
    /// connection open after the handler has ended.
    pub fn join<T>(&self, sender: WebSocketSender<T>) -> Member
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Member::new(self.0.clone(), Subscriber::new(sender), None)
    }

    /// Adds a connection of a user, who can be [sent to](Self::send_to_user) and
    /// [disconnected](Self::disconnect_user) by name.
    ///
    /// # Errors
    ///
    /// [`TooManyConnections`] if the user has [`HubConfig::max_members_per_user`] members on this
    /// node.
    pub fn join_as<T>(&self, sender: WebSocketSender<T>, user: &str) -> Result<Member, TooManyConnections>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = &self.0.router;
        let subscriber = Subscriber::new(sender);
        let user = router.users.enter(user, &subscriber, router.shared.settings.max_members_per_user)?;
        Ok(Member::new(self.0.clone(), subscriber, Some(user)))
    }

    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn join_outlet(&self, outlet: impl Outlet, user: Option<&str>) -> Member {
        let subscriber = Subscriber::new(outlet);
        let user = user.map(|user| self.0.router.users.enter(user, &subscriber, None).expect("there is no limit"));
        Member::new(self.0.clone(), subscriber, user)
    }

    /// Publishes a message to all members of a topic on all nodes, and returns its position. Waits
    /// if the delivering tasks do not keep up. Slow members do not delay others; their own
    /// [`Overflow`](crate::Overflow) applies.
    ///
    /// # Errors
    ///
    /// [`PublishError::Topic`] for an invalid name, and [`PublishError::Backend`] if the backend
    /// has not confirmed the message.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is published or not.
    pub fn publish<'a>(
        &'a self,
        topic: &'a str,
        message: impl Into<PreparedMessage>,
    ) -> impl Future<Output = Result<Position, PublishError>> + Send + 'a {
        self.0.publish(topic, message.into(), None)
    }

    /// Publishes a message to the members of a topic on this node only, without the backend:
    /// immediately, without a position, and in no particular order relative to other nodes'
    /// messages. Returns the number of members.
    ///
    /// # Errors
    ///
    /// [`PublishError::Topic`] for an invalid name.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is published or not.
    pub fn publish_local<'a>(
        &'a self,
        topic: &'a str,
        message: impl Into<PreparedMessage>,
    ) -> impl Future<Output = Result<usize, PublishError>> + Send + 'a {
        self.0.publish_local(topic, message.into())
    }

    /// Sends a message to all members that have [joined as](Self::join_as) a user, on all nodes.
    /// [`HubConfig::frame`] does not apply.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the backend has not confirmed the message.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is sent to all or none.
    pub fn send_to_user(
        &self,
        user: &str,
        message: impl Into<PreparedMessage>,
    ) -> impl Future<Output = Result<(), BackendError>> + Send + '_ {
        self.0.backend.signal(Signal::Message { user: user.to_owned(), publication: Publication::new(message) })
    }

    /// Closes all connections that have [joined as](Self::join_as) a user on all nodes. Their
    /// queued messages are dropped.
    ///
    /// # Errors
    ///
    /// [`DisconnectError::Close`] for a code that must not be sent or a reason over 123 bytes, and
    /// [`DisconnectError::Backend`] if the backend has not confirmed the request.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all connections are closed or none.
    pub async fn disconnect_user(&self, user: &str, code: CloseCode, reason: &str) -> Result<(), DisconnectError> {
        if !code.is_sendable() {
            return Err(DisconnectError::Close(Arc::new(SendError::InvalidCloseCode(code))));
        }
        if reason.len() > MAX_REASON {
            return Err(DisconnectError::Close(Arc::new(SendError::ReasonTooLong)));
        }
        let (user, reason) = (user.to_owned(), reason.to_owned());
        Ok(self.0.backend.signal(Signal::Disconnect { user, code, reason }).await?)
    }

    /// Returns the number of members of a topic on this node.
    #[must_use]
    pub fn members(&self, topic: &str) -> usize {
        self.0.router.shared.topics.members(topic)
    }

    /// Returns the number of members of a topic on all nodes.
    ///
    /// # Errors
    ///
    /// [`BackendError`] if the backend does not answer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn presence(&self, topic: &str) -> Result<Presence, BackendError> {
        self.0.backend.count(topic).await
    }

    /// Returns the statistics of this node.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        let shared = &self.0.router.shared;
        shared.counters.snapshot(shared.topics.len())
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tower_websocket::{Config, test};

    use super::*;
    use crate::subscribe::Subscribe;
    use crate::test::recorder::TestMember;

    #[tokio::test]
    async fn messages_of_all_topics_leave_in_one_write_for_each_member() {
        let hub = Hub::new(HubConfig::new().shards(1));
        let (both, one) = (TestMember::of(&hub, Some("ann")), TestMember::new(&hub));
        let _ = both.member.subscribe("a", Subscribe::new()).await.unwrap();
        for seat in [&both, &one] {
            let _ = seat.member.subscribe("b", Subscribe::new()).await.unwrap();
        }
        for _ in 0..5 {
            hub.publish("a", "a").await.unwrap();
            hub.publish("b", "b").await.unwrap();
        }
        hub.send_to_user("ann", "hello").await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!((both.writes(), one.writes()), (vec![11], vec![5]));
        // A write is limited to 64 messages.
        for _ in 0..100 {
            hub.publish("b", "b").await.unwrap();
        }
        tokio::task::yield_now().await;
        assert_eq!(one.writes(), [5, 64, 36]);
    }

    #[tokio::test]
    async fn maps_are_empty_when_the_last_member_has_left() {
        let hub = Hub::new(HubConfig::new().shards(2));
        for _ in 0..3 {
            let (socket, _peer) = test::server("/", Config::server()).await;
            let members: Vec<_> = (0..4).map(|number| hub.join_as(socket.sender(), ["a", "b"][number % 2])).collect();
            for member in members.iter().flatten() {
                for topic in ["t", "u"] {
                    let _ = member.subscribe(topic, Subscribe::new()).await.unwrap();
                }
            }
            let router = &hub.0.router;
            assert!(!router.users.is_empty() && router.shared.shards.iter().all(|shard| !shard.is_empty()));
            drop(members);
            assert!(router.users.is_empty() && router.shared.shards.iter().all(|shard| shard.is_empty()));
            assert_eq!(router.shared.topics.len(), 0);
        }
    }
}
