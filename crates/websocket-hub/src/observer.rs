use tower_websocket::CloseCode;

/// Receives notifications about events in a hub that are worth a line in a log or a labelled
/// counter. Set it with [`HubConfig::observer`](crate::HubConfig::observer). Figures without a
/// label are in [`HubStats`](crate::HubStats).
///
/// The methods are called without a lock by the delivering task, so they must not block. A panic is
/// counted in [`HubStats::panics`](crate::HubStats::panics) and otherwise ignored.
pub trait HubObserver: Send + Sync + 'static {
    /// Called when a member has missed messages because its queue was full.
    fn lagged(&self, _topic: &str, _missed: u64) {}

    /// Called when a member was closed because its queue was full. The topic is `None` for messages
    /// to its user.
    fn closed_slow(&self, _topic: Option<&str>, _code: CloseCode) {}

    /// Called when messages of a topic may have been lost on the way to this node.
    fn gap(&self, _topic: &str) {}

    /// Called when the connection to the backend is lost.
    fn backend_lost(&self) {}

    /// Called when the connection to the backend is restored, and every topic is up to date or has
    /// had a [gap](Self::gap).
    fn backend_resynchronised(&self) {}
}
