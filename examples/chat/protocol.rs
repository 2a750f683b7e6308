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
    /// The people who are in the room through one of the nodes. A list replaces earlier ones of the
    /// same node.
    People {
        node: &'a str,
        people: Vec<&'a Person>,
        /// The time of the node, in milliseconds.
        at: u64,
        /// The time in milliseconds for which the list is valid, as a node may die.
        #[serde(skip_serializing_if = "Option::is_none")]
        valid: Option<u64>,
    },
    /// Identifies the client among the people. The lists of all nodes are sent before.
    Welcome {
        you: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<&'a str>,
    },
    /// A message of the history, whose position is added by [`add_position`].
    Said {
        from: &'a str,
        text: &'a str,
        at: u64,
    },
    /// Sent after the messages that a resuming client has missed.
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
    /// The client does not support positions, like browsers of 2010.
    Unasked,
    /// The client has received nothing yet.
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
    // Strings and numbers can always be encoded.
    serde_json::to_string(reply).unwrap_or_default()
}

/// Adds the position to a message, so that the page can resume after it.
pub(super) fn add_position(publication: &ToFrame<'_>) -> Message {
    match publication.message.as_text().and_then(|text| text.strip_suffix('}')) {
        Some(text) if publication.position.is_known() => {
            Message::text(format!(r#"{text},"position":"{}"}}"#, publication.position))
        }
        _ => publication.message.clone(),
    }
}

/// Returns the outcome of resuming for the page, and the number of messages that were missed.
pub(super) fn describe(recovery: Recovery) -> (&'static str, usize) {
    match recovery {
        Recovery::NotRequested => ("fresh", 0),
        Recovery::NothingMissed => ("complete", 0),
        Recovery::Recovered(missed) => ("complete", missed),
        // An unknown number of messages was lost.
        _ => ("lost", 0),
    }
}
