//! A limit of connections per key, such as a user, an address or a tenant.

pub(crate) mod refusal;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

pub use self::refusal::TooManyConnections;
use crate::sync::{Mutex, lock};

/// A limit of the connections that each key may have at once, such as a user or an IP address.
/// Clones share the same limit.
///
/// A connection counts from [`acquire`](Self::acquire) to the drop of the [`ConnectionPermit`]. A
/// permit that is passed to the handshake with `hold`
/// ([`Upgrade::hold`](crate::server::Upgrade::hold), `WebSocketUpgrade::hold` of `axum-websocket`)
/// is dropped with the socket, and also if the handshake fails:
///
/// ```
/// use http::{Request, Response};
/// use tower_websocket::limit::ConnectionLimit;
/// use tower_websocket::{Config, upgrade};
///
/// async fn handle<B>(mut request: Request<B>, user: String, limit: &ConnectionLimit<String>) -> Response<String> {
///     let permit = match limit.acquire(user) {
///         Ok(permit) => permit,
///         // 429, with `Retry-After`.
///         Err(refusal) => return refusal.to_response(),
///     };
///     match upgrade(&mut request, &Config::server()) {
///         Ok((response, upgrade)) => {
///             let upgrade = upgrade.hold(permit);
///             tokio::spawn(async move {
///                 if let Ok(mut socket) = upgrade.await {
///                     let _ = socket.send("hello").await;
///                 }
///             });
///             response.map(|()| String::new())
///         }
///         Err(refusal) => refusal.to_response(),
///     }
/// }
/// ```
///
/// It holds an entry for each key that has connections. A limit per address should count the /64 of
/// an IPv6 address, as a host may use all of it, and behind a proxy the address that the proxy
/// reports.
pub struct ConnectionLimit<K>(Arc<Inner<K>>);

struct Inner<K> {
    max: usize,
    retry_after: Duration,
    /// No entry is 0.
    counts: Mutex<HashMap<K, usize>>,
}

impl<K: Eq + Hash + Clone> ConnectionLimit<K> {
    /// Creates a limit of `max` connections for each key. Refused clients are asked to wait 10 s.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self::with_retry_after(max, Duration::from_secs(10))
    }

    /// Creates a limit of `max` connections for each key, and sets how long refused clients are
    /// asked to wait by `Retry-After`, in whole seconds.
    #[must_use]
    pub fn with_retry_after(max: usize, retry_after: Duration) -> Self {
        Self(Arc::new(Inner { max, retry_after, counts: Mutex::default() }))
    }

    /// Counts one more connection of a key.
    ///
    /// # Errors
    ///
    /// [`TooManyConnections`] if the key has as many connections as the limit allows. Its
    /// [`to_response`](TooManyConnections::to_response) returns the response to send.
    pub fn acquire(&self, key: K) -> Result<ConnectionPermit<K>, TooManyConnections> {
        let mut counts = lock(&self.0.counts);
        let count = counts.get(&key).copied().unwrap_or(0);
        if count >= self.0.max {
            return Err(TooManyConnections { retry_after: self.0.retry_after.as_secs() });
        }
        counts.insert(key.clone(), count + 1);
        drop(counts);
        Ok(ConnectionPermit { limit: self.0.clone(), key })
    }

    /// Returns the number of connections that a key has.
    #[must_use]
    pub fn connections(&self, key: &K) -> usize {
        lock(&self.0.counts).get(key).copied().unwrap_or(0)
    }
}

/// A connection that counts towards a [`ConnectionLimit`] until this is dropped.
#[must_use = "the connection counts only as long as this is held"]
pub struct ConnectionPermit<K: Eq + Hash> {
    limit: Arc<Inner<K>>,
    key: K,
}

impl<K: Eq + Hash> Drop for ConnectionPermit<K> {
    fn drop(&mut self) {
        let mut counts = lock(&self.limit.counts);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl<K> Clone for ConnectionLimit<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Omits the keys, which may be secret.
impl<K> fmt::Debug for ConnectionLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = lock(&self.0.counts).len();
        f.debug_struct("ConnectionLimit").field("max", &self.0.max).field("keys", &keys).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash> fmt::Debug for ConnectionPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPermit").finish_non_exhaustive()
    }
}
