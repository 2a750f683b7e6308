//! The rooms. Their people and their messages are topics of a hub.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::Version;
use axum_websocket::WebSocket;
use tokio::sync::Mutex;
use websocket_hub::{HistoryLimit, Hub, HubConfig, Member, Message, Notice, Overflow, Position, Subscribe};

use super::protocol::{self, Person, Reply, Request, Since, encode};

const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 4000;

/// The number of earlier messages that a newcomer gets.
const RECENT: usize = 50;

/// The messages that a client that was away can get.
const KEPT: usize = 500;
const KEPT_FOR: Duration = Duration::from_secs(3600);

pub(super) struct Rooms {
    hub: Hub,
    next_id: AtomicU64,
    /// Locked while a list is published, so that the last one is the true one.
    people: Mutex<HashMap<String, BTreeMap<u64, Person>>>,
}

/// The way in which a client joined.
pub(super) struct Entrance {
    pub(super) room: String,
    pub(super) http: Version,
    pub(super) since: Since,
}

impl Rooms {
    pub(super) fn new() -> Self {
        let config =
            HubConfig::new().history(HistoryLimit::new(KEPT).age(KEPT_FOR).topics(1000)).frame(protocol::add_position);
        Self { hub: Hub::new(config), next_id: AtomicU64::new(1), people: Mutex::default() }
    }

    /// Returns whether this can be the name of a room, which is a part of the URL.
    pub(super) fn is_name(room: &str) -> bool {
        (1..=32).contains(&room.len()) && room.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    }

    /// Serves one socket until it ends.
    pub(super) async fn serve(&self, socket: WebSocket, entrance: Entrance) {
        let mut person = Person {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            name: String::new(),
            version: socket.version().as_str(),
            http: format!("{:?}", entrance.http),
        };
        // The person leaves, however the conversation ends.
        let _ = self.talk(socket, &entrance, &mut person).await;
        self.change(&entrance.room, |people| people.remove(&person.id).is_some()).await;
    }

    async fn talk(
        &self,
        mut socket: WebSocket,
        entrance: &Entrance,
        person: &mut Person,
    ) -> Result<(), Box<dyn Error>> {
        let room = &entrance.room;
        let mut member = self.hub.join(socket.sender());
        {
            let rooms = self.people.lock().await;
            let people = rooms.get(room).map(|people| people.values().collect()).unwrap_or_default();
            socket.send(encode(&Reply::People { people, you: Some(person.id) })).await?;
            // A list replaces the one before.
            let latest = Subscribe::new().overflow(Overflow::LatestOnly);
            let _ = member.subscribe(&people_of(room), latest).await?;
        }
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
                // Nothing else is dropped without an end of the connection.
                notice = member.notice() => if let Notice::Gap { .. } = notice {
                    socket.send(encode(&Reply::Gap)).await?;
                },
            }
        }
    }

    /// Subscribes to what is said. A client that does not read is closed with 1013, the default, and returns with its position.
    async fn listen(&self, socket: &mut WebSocket, member: &Member, entrance: &Entrance) -> Result<(), Box<dyn Error>> {
        let position = match &entrance.since {
            Since::Unasked | Since::Beginning => None,
            // An invalid position is treated like one that is not known any more.
            Since::Position(position) => Some(position.parse().unwrap_or(Position::UNKNOWN)),
        };
        let options = Subscribe::new().since(position).recent(RECENT);
        let subscribed = member.subscribe(&said_in(&entrance.room), options).await?;
        if !matches!(entrance.since, Since::Unasked) {
            let (recovery, missed) = protocol::describe(subscribed.recovery);
            let position = subscribed.position.to_string();
            socket.send(encode(&Reply::Resumed { recovery, missed, position })).await?;
        }
        Ok(())
    }

    async fn hear(&self, message: &Message, room: &str, person: &mut Person) -> Result<(), String> {
        match serde_json::from_slice(message.as_bytes()).map_err(|error| format!("not understood: {error}"))? {
            Request::Name { name } => {
                let name = name.trim();
                if name.is_empty() || name.chars().count() > MAX_NAME {
                    return Err(format!("a name has 1 to {MAX_NAME} characters"));
                }
                person.name = name.to_owned();
                let person = person.clone();
                self.change(room, |people| {
                    people.insert(person.id, person);
                    true
                })
                .await;
            }
            Request::Say { .. } if person.name.is_empty() => return Err("say who you are first".to_owned()),
            Request::Say { text } if text.chars().count() > MAX_TEXT => {
                return Err(format!("a text has at most {MAX_TEXT} characters"));
            }
            Request::Say { text } => {
                let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                let said = encode(&Reply::Said { from: &person.name, text: &text, at });
                self.hub.publish(&said_in(room), said).await.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Changes the people in a room, and sends the list to all that are there.
    async fn change(&self, room: &str, change: impl FnOnce(&mut BTreeMap<u64, Person>) -> bool) {
        let mut rooms = self.people.lock().await;
        let people = rooms.entry(room.to_owned()).or_default();
        if change(people) {
            let list = encode(&Reply::People { people: people.values().collect(), you: None });
            // The names of rooms are no longer than those of topics may be.
            let _ = self.hub.publish_local(&people_of(room), list).await;
        }
        if people.is_empty() {
            rooms.remove(room);
        }
    }
}

/// The topic of what is said in a room.
fn said_in(room: &str) -> String {
    format!("said/{room}")
}

/// The topic of who is in a room. Lists have no history.
fn people_of(room: &str) -> String {
    format!("people/{room}")
}
