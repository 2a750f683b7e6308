//! The names of keys and channels in Redis. All of them begin with the prefix of the configuration.

#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Returns the channel of a topic's messages.
    pub(crate) fn channel(&self, topic: &str) -> String {
        format!("{}t:{topic}", self.prefix)
    }

    /// Returns the topic of a channel.
    pub(crate) fn topic<'a>(&self, channel: &'a str) -> Option<&'a str> {
        channel.strip_prefix(&self.prefix)?.strip_prefix("t:")
    }

    /// Returns the key of the hash with a topic's epoch and offset.
    pub(crate) fn meta(&self, topic: &str) -> String {
        format!("{}m:{topic}", self.prefix)
    }

    /// Returns the key of the stream of a topic's messages.
    pub(crate) fn stream(&self, topic: &str) -> String {
        format!("{}s:{topic}", self.prefix)
    }

    /// Returns the channel that all nodes listen to.
    pub(crate) fn control(&self) -> String {
        format!("{}control", self.prefix)
    }

    /// Returns the channel that one node listens to.
    pub(crate) fn node(&self, node: u64) -> String {
        format!("{}n:{node:016x}", self.prefix)
    }
}
