use std::borrow::Cow;
use std::fmt::Write;

use serde::{Serialize, Serializer};
use tower_websocket::{CloseFrame, Event, Message};

/// The size in bytes above which a message is shortened.
const WHOLE: usize = 300;

/// The number of characters or bytes that are shown of a shortened message.
const BEGINNING: usize = 20;

/// An event, as `--json` reports it.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Record<'a> {
    Connect,
    Open {
        protocol: Option<&'a str>,
        status: u16,
        #[serde(skip)]
        extensions: Option<&'a str>,
    },
    #[serde(rename = "message")]
    Text {
        #[serde(serialize_with = "beginning")]
        text: &'a str,
    },
    #[serde(rename = "message")]
    Binary {
        #[serde(rename = "hex", serialize_with = "hex")]
        bytes: &'a [u8],
    },
    Ping {
        size: usize,
    },
    Pong {
        text: Cow<'a, str>,
    },
    Error {
        message: &'a str,
    },
    Close {
        code: u16,
        reason: &'a str,
    },
    Eof,
}

impl<'a> Record<'a> {
    /// Returns the record of an event. Errors are separate: see [`Self::Error`].
    pub(crate) fn of(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::Message(Message::Text(text)) => Self::Text { text },
            Event::Message(Message::Binary(bytes)) => Self::Binary { bytes },
            Event::Ping(data) => Self::Ping { size: data.len() },
            Event::Pong(data) => Self::Pong { text: String::from_utf8_lossy(data) },
            Event::Close(close) => Self::closed(close),
            _ => return None,
        })
    }

    pub(crate) fn closed(close: &'a CloseFrame) -> Self {
        Self::Close { code: close.code.into(), reason: &close.reason }
    }

    /// Returns one line. Characters that a terminal might interpret are escaped even if JSON does
    /// not require it.
    pub(crate) fn to_json(&self) -> String {
        let json = serde_json::to_string(self)
            .unwrap_or_else(|error| format!("{{\"event\":\"error\",\"message\":\"{error}\"}}"));
        if !json.contains(|c| matches!(c, '\u{7f}'..='\u{9f}')) {
            return json;
        }
        let mut escaped = String::with_capacity(json.len() + 8);
        for c in json.chars() {
            match c {
                '\u{7f}'..='\u{9f}' => {
                    // Writing to a string never fails.
                    let _ = write!(escaped, "\\u{:04x}", u32::from(c));
                }
                c => escaped.push(c),
            }
        }
        escaped
    }
}

fn beginning<S: Serializer>(text: &&str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.len() <= WHOLE {
        return serializer.serialize_str(text);
    }
    let end = text.char_indices().nth(BEGINNING).map_or(text.len(), |(at, _)| at);
    serializer.collect_str(&format_args!("{}... {}", &text[..end], text.len()))
}

fn hex<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let shown = if bytes.len() > WHOLE { &bytes[..BEGINNING] } else { bytes };
    let mut hex = String::with_capacity(2 * shown.len() + 16);
    for byte in shown {
        let _ = write!(hex, "{byte:02x}");
    }
    if shown.len() < bytes.len() {
        let _ = write!(hex, "... {}", bytes.len());
    }
    serializer.serialize_str(&hex)
}
