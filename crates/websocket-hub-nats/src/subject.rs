//! The subjects that the nodes of a hub use.

use std::fmt::Write;

use async_nats::Subject;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::NatsBackendError;

/// The maximum length in bytes of a topic within a subject. A server rejects commands over 4 KiB,
/// and a command has at most two subjects.
const MAX_TOPIC: usize = 3072;

const MAX_PREFIX: usize = 255;

/// The characters that are encoded: all but those that are always allowed in a token. Dots are
/// encoded too, so that a topic is one token.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

#[derive(Debug, Clone)]
pub(crate) struct Subjects(String);

impl Subjects {
    pub(crate) fn new(prefix: &str) -> Result<Self, NatsBackendError> {
        let is_token = |token: &str| {
            let is_allowed = |char: char| char.is_ascii_graphic() && !matches!(char, '*' | '>');
            !token.is_empty() && token.chars().all(is_allowed)
        };
        if prefix.len() > MAX_PREFIX || !prefix.split('.').all(is_token) {
            return Err(NatsBackendError::Prefix);
        }
        Ok(Self(prefix.to_owned()))
    }

    /// Returns the subject of a topic. Different topics have different subjects, whatever
    /// characters they contain.
    pub(crate) fn topic(&self, topic: &str) -> Result<Subject, NatsBackendError> {
        let mut subject = format!("{}.topic.", self.0);
        let before = subject.len();
        // Writing to a string never fails.
        let _ = write!(subject, "{}", utf8_percent_encode(topic, ENCODED));
        match subject.len() - before {
            len if len > MAX_TOPIC => Err(NatsBackendError::TopicTooLong { len, limit: MAX_TOPIC }),
            _ => Ok(subject.into()),
        }
    }

    /// Returns the subject of all nodes.
    pub(crate) fn nodes(&self) -> Subject {
        format!("{}.nodes", self.0).into()
    }

    /// Returns the subject of one node.
    pub(crate) fn node(&self, node: u64) -> Subject {
        format!("{}.node.{node:016x}", self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_of_any_characters_is_one_token() {
        let subjects = Subjects::new("app.hub").unwrap();
        for (topic, subject) in [
            ("room-1_a", "app.hub.topic.room-1_a"),
            ("a.b", "app.hub.topic.a%2Eb"),
            ("*", "app.hub.topic.%2A"),
            (">", "app.hub.topic.%3E"),
            ("a b\r\n", "app.hub.topic.a%20b%0D%0A"),
            ("%20", "app.hub.topic.%2520"),
            ("ü", "app.hub.topic.%C3%BC"),
            ("\0", "app.hub.topic.%00"),
        ] {
            let encoded = subjects.topic(topic).unwrap();
            assert_eq!(encoded.as_str(), subject);
            assert!(encoded.is_valid());
        }
    }

    #[test]
    fn topic_over_limit_is_refused() {
        let subjects = Subjects::new("hub").unwrap();
        assert!(subjects.topic(&"x".repeat(MAX_TOPIC)).is_ok());
        let refused = subjects.topic(&".".repeat(MAX_TOPIC / 3 + 1));
        assert!(matches!(refused, Err(NatsBackendError::TopicTooLong { len: 3075, limit: MAX_TOPIC })), "{refused:?}");
    }

    #[test]
    fn malformed_prefix_is_refused() {
        for prefix in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\r\n", "ü", &"a".repeat(256)] {
            assert!(matches!(Subjects::new(prefix), Err(NatsBackendError::Prefix)), "{prefix}");
        }
    }
}
