use tower_websocket::CloseCode;

/// Is notified of what happens in a hub and is worth a line in a log or a counter with a label: see
/// [`HubConfig::observer`](crate::HubConfig::observer). Figures without a label are in [`HubStats`](crate::HubStats).
///
/// The methods are called without a lock, by the task that delivers, so they should not block. One that panics is counted in
/// [`HubStats::panics`](crate::HubStats::panics) and otherwise ignored.
pub trait HubObserver: Send + Sync + 'static {
    /// A member missed messages, since its queue was full.
    fn lagged(&self, _topic: &str, _missed: u64) {}

    /// A member was closed, since its queue was full. The topic is `None` for messages to its user.
    fn closed_slow(&self, _topic: Option<&str>, _code: CloseCode) {}

    /// Messages of a topic may have been lost on the way to this node.
    fn gap(&self, _topic: &str) {}

    /// The connection to the backend was lost.
    fn backend_lost(&self) {}

    /// The connection to the backend is available again, and the topics are up to date or have a [gap](Self::gap).
    fn backend_resynchronised(&self) {}
}
