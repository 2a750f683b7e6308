//! The rooms. The messages of each are a topic of a hub.

use std::error::Error;
use std::time::Duration;

use axum::http::Version;
use axum_websocket::WebSocket;
use websocket_hub::{Hub, HubConfig, Member, Message, Notice, Position, Subscribe};

use super::engine::{Engine, Kept};
use super::people::{People, now};
use super::protocol::{self, Person, Reply, Request, Since, encode};

const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 4000;

/// The number of earlier messages that a newcomer receives.
const RECENT: usize = 50;

/// The maximum number of messages that a returning client receives.
const KEPT: Kept = Kept { messages: 500, age: Duration::from_secs(3600), topics: 1000 };

pub(super) struct Rooms {
    said: Hub,
    people: People,
    /// The name of this node, if it has one.
    node: Option<String>,
}

/// The way in which a client joined.
pub(super) struct Entrance {
    pub(super) room: String,
    pub(super) http: Version,
    pub(super) since: Since,
}

impl Rooms {
    pub(super) async fn new(engine: &Engine, node: Option<String>) -> Result<Self, Box<dyn Error>> {
        let said = engine.hub("said", KEPT, HubConfig::new().frame(protocol::add_position)).await?;
        Ok(Self { said, people: People::new(engine).await?, node })
    }

    /// Returns whether this is a valid name of a room, which is a part of the URL.
    pub(super) fn is_name(room: &str) -> bool {
        (1..=32).contains(&room.len()) && room.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    }

    /// Serves one socket until it ends.
    pub(super) async fn serve(&self, socket: WebSocket, entrance: Entrance) {
        let mut person = Person {
            // Distinct from the IDs of other nodes, and exactly representable in JavaScript.
            id: rand::random_range(1..1 << 53),
            name: String::new(),
            version: socket.version().as_str(),
            http: format!("{:?}", entrance.http),
        };
        // The person leaves in any case, however the conversation ends.
        let _ = self.talk(socket, &entrance, &mut person).await;
        self.people.change(&entrance.room, |people| people.remove(&person.id).is_some()).await;
    }

    async fn talk(
        &self,
        mut socket: WebSocket,
        entrance: &Entrance,
        person: &mut Person,
    ) -> Result<(), Box<dyn Error>> {
        let room = &entrance.room;
        let _people = self.people.follow(room, socket.sender()).await?;
        socket.send(encode(&Reply::Welcome { you: person.id, node: self.node.as_deref() })).await?;
        let mut member = self.said.join(socket.sender());
        self.listen(&mut socket, &member, entrance).await?;
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    None => return Ok(()),
                    Some(message) => {
                        if let Err(reason) = self.hear(&message?, room, person).await {
                            socket.send(encode(&Reply::Error { text: &reason })).await?;
                        }
                    }
                },
                // No other messages are dropped without closing the connection.
                notice = member.notice() => if let Notice::Gap { .. } = notice {
                    socket.send(encode(&Reply::Gap)).await?;
                },
            }
        }
    }

    /// Subscribes to the messages. A client that reads too slowly is closed with 1013, the default,
    /// and resumes from its position.
    async fn listen(&self, socket: &mut WebSocket, member: &Member, entrance: &Entrance) -> Result<(), Box<dyn Error>> {
        let position = match &entrance.since {
            Since::Unasked | Since::Beginning => None,
            // An invalid position is treated like an unknown one.
            Since::Position(position) => Some(position.parse().unwrap_or(Position::UNKNOWN)),
        };
        let options = Subscribe::new().since(position).recent(RECENT);
        let subscribed = member.subscribe(&entrance.room, options).await?;
        if !matches!(entrance.since, Since::Unasked) {
            let (recovery, missed) = protocol::describe(subscribed.recovery);
            let position = subscribed.position.to_string();
            socket.send(encode(&Reply::Resumed { recovery, missed, position })).await?;
        }
        Ok(())
    }

    async fn hear(&self, message: &Message, room: &str, person: &mut Person) -> Result<(), String> {
        match serde_json::from_slice(message.as_bytes()).map_err(|error| format!("invalid message: {error}"))? {
            Request::Name { name } => {
                let name = name.trim();
                if name.is_empty() || name.chars().count() > MAX_NAME {
                    return Err(format!("a name must have 1 to {MAX_NAME} characters"));
                }
                person.name = name.to_owned();
                let person = person.clone();
                self.people
                    .change(room, |people| {
                        people.insert(person.id, person);
                        true
                    })
                    .await;
            }
            Request::Say { .. } if person.name.is_empty() => return Err("enter a name first".to_owned()),
            Request::Say { text } if text.chars().count() > MAX_TEXT => {
                return Err(format!("a message may have at most {MAX_TEXT} characters"));
            }
            Request::Say { text } => {
                let said = encode(&Reply::Said { from: &person.name, text: &text, at: now() });
                self.said.publish(room, said).await.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}
