//! Who is in the room, and what is said there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::Version;
use axum_websocket::{Error, Message, Utf8Bytes, WebSocket};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How far behind a slow reader may be before it misses messages.
const BACKLOG: usize = 256;
const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 4000;

#[derive(Debug)]
pub(super) struct Room {
    people: Mutex<People>,
    news: broadcast::Sender<News>,
}

#[derive(Debug, Default)]
struct People {
    next_id: u64,
    present: BTreeMap<u64, Person>,
}

#[derive(Debug, Clone, Serialize)]
struct Person {
    id: u64,
    name: String,
    version: &'static str,
    http: String,
}

#[derive(Debug, Clone)]
enum News {
    /// Someone came, went, or has another name.
    People,
    /// Encoded once for all.
    Said(Utf8Bytes),
}

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Request {
    Name { name: String },
    Say { text: String },
}

/// What it is sent.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Reply<'a> {
    People { people: Vec<&'a Person>, you: u64 },
    Said { from: &'a str, text: &'a str, at: u128 },
    Error { text: &'a str },
}

impl Room {
    pub(super) fn new() -> Self {
        Self { people: Mutex::default(), news: broadcast::Sender::new(BACKLOG) }
    }

    /// Serves one socket until it ends.
    pub(super) async fn join(self: Arc<Self>, socket: WebSocket, http: Version) {
        let mut person = {
            let mut people = self.people();
            people.next_id += 1;
            Person {
                id: people.next_id,
                name: String::new(),
                version: socket.version().as_str(),
                http: format!("{http:?}"),
            }
        };
        // Whichever way the conversation ends, the person leaves.
        let _ = self.talk(socket, &mut person).await;
        if self.people().present.remove(&person.id).is_some() {
            self.tell(News::People);
        }
    }

    async fn talk(&self, mut socket: WebSocket, person: &mut Person) -> Result<(), Error> {
        let mut news = self.news.subscribe();
        socket.send(self.people_for(person)).await?;
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    None => return Ok(()),
                    Some(message) => {
                        if let Err(reason) = self.hear(&message?, person) {
                            socket.send(encode(&Reply::Error { text: &reason })).await?;
                        }
                    }
                },
                news = news.recv() => match news {
                    Ok(News::Said(text)) => socket.send(text).await?,
                    // Who missed some news is told the state of things.
                    Ok(News::People) | Err(_) => socket.send(self.people_for(person)).await?,
                },
            }
        }
    }

    fn hear(&self, message: &Message, person: &mut Person) -> Result<(), String> {
        match serde_json::from_slice(message.as_bytes()).map_err(|error| format!("not understood: {error}"))? {
            Request::Name { name } => {
                let name = name.trim();
                if name.is_empty() || name.chars().count() > MAX_NAME {
                    return Err(format!("a name has 1 to {MAX_NAME} characters"));
                }
                person.name = name.to_owned();
                self.people().present.insert(person.id, person.clone());
                self.tell(News::People);
            }
            Request::Say { .. } if person.name.is_empty() => return Err("say who you are first".to_owned()),
            Request::Say { text } if text.chars().count() > MAX_TEXT => {
                return Err(format!("a text has at most {MAX_TEXT} characters"));
            }
            Request::Say { text } => {
                let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                self.tell(News::Said(encode(&Reply::Said { from: &person.name, text: &text, at })));
            }
        }
        Ok(())
    }

    fn people_for(&self, person: &Person) -> Utf8Bytes {
        encode(&Reply::People { people: self.people().present.values().collect(), you: person.id })
    }

    fn tell(&self, news: News) {
        // It fails only where nobody listens.
        let _ = self.news.send(news);
    }

    fn people(&self) -> std::sync::MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(reply: &Reply<'_>) -> Utf8Bytes {
    // Strings and numbers always encode.
    serde_json::to_string(reply).unwrap_or_default().into()
}
