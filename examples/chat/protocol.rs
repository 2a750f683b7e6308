//! The messages of the page, as JSON.

use axum::http::Uri;
use serde::{Deserialize, Serialize};
use websocket_hub::{Message, Recovery, ToFrame};

/// A message from a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Request {
    Name { name: String },
    Say { text: String },
}

/// A message to a client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Reply<'a> {
    /// The people that are in the room by one of the nodes. A list replaces the ones before of the same node.
    People {
        node: &'a str,
        people: Vec<&'a Person>,
        /// The time of the node, in milliseconds.
        at: u64,
        /// The list counts for this time only, in milliseconds, as a node may die.
        #[serde(skip_serializing_if = "Option::is_none")]
        valid: Option<u64>,
    },
    /// Says which of the people the client is. The lists of all nodes were sent before.
    Welcome {
        you: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<&'a str>,
    },
    /// In the history, and so with a position, which is added by [`add_position`].
    Said {
        from: &'a str,
        text: &'a str,
        at: u64,
    },
    /// Follows the messages that a client that resumes has missed.
    Resumed {
        recovery: &'static str,
        missed: usize,
        position: String,
    },
    /// Messages may have been lost on the way to this server.
    Gap,
    Error {
        text: &'a str,
    },
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Person {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) version: &'static str,
    pub(super) http: String,
}

/// The position from which a client continues.
#[derive(Debug, Clone)]
pub(super) enum Since {
    /// It does not know of positions: browsers of 2010, for example.
    Unasked,
    /// It has seen nothing yet.
    Beginning,
    Position(String),
}

/// Reads `?since=`, with a position or without.
pub(super) fn since(uri: &Uri) -> Since {
    let mut pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    match pairs.find(|(key, _)| *key == "since") {
        None => Since::Unasked,
        Some((_, "")) => Since::Beginning,
        Some((_, position)) => Since::Position(position.to_owned()),
    }
}

pub(super) fn encode(reply: &Reply<'_>) -> String {
    // Strings and numbers always encode.
    serde_json::to_string(reply).unwrap_or_default()
}

/// Adds the position to what was said, so that the page can resume behind it.
pub(super) fn add_position(publication: &ToFrame<'_>) -> Message {
    match publication.message.as_text().and_then(|text| text.strip_suffix('}')) {
        Some(text) if publication.position.is_known() => {
            Message::text(format!(r#"{text},"position":"{}"}}"#, publication.position))
        }
        _ => publication.message.clone(),
    }
}

/// Returns the outcome of a resumption for the page, and the number of messages that it has missed.
pub(super) fn describe(recovery: Recovery) -> (&'static str, usize) {
    match recovery {
        Recovery::NotRequested => ("fresh", 0),
        Recovery::NothingMissed => ("complete", 0),
        Recovery::Recovered(missed) => ("complete", missed),
        // More was lost than is known.
        _ => ("lost", 0),
    }
}
