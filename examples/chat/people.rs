//! The people in the rooms. Each node publishes a list of those that are connected to it; pages
//! merge the lists.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_websocket::WebSocketSender;
use websocket_hub::{Hub, HubConfig, Member, Overflow, Subscribe};

use super::engine::{Engine, Kept};
use super::protocol::{Person, Reply, encode};

/// A topic for lists of different nodes, of which a newcomer needs the last of each.
const RECENT: usize = 32;

/// The interval at which each of several nodes publishes its lists, and the time for which they are
/// valid.
const REFRESH: Duration = Duration::from_secs(2);
const VALID: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct People {
    hub: Hub,
    node: Arc<str>,
    valid: Option<u64>,
    rooms: Arc<Mutex<HashMap<String, Room>>>,
}

#[derive(Default)]
struct Room {
    people: BTreeMap<u64, Person>,
    /// The time of the last list, so that the next one is later.
    at: u64,
}

impl People {
    pub(super) async fn new(engine: &Engine) -> Result<Self, Box<dyn Error>> {
        let kept = Kept { messages: RECENT, age: VALID, topics: 1000 };
        let people = Self {
            hub: engine.hub("people", kept, HubConfig::new()).await?,
            node: format!("{:016x}", rand::random::<u64>()).into(),
            valid: engine.is_shared().then_some(VALID.as_millis() as u64),
            rooms: Arc::default(),
        };
        if engine.is_shared() {
            tokio::spawn(people.clone().refresh());
        }
        Ok(people)
    }

    /// Subscribes to the lists of a room, until the member is dropped.
    pub(super) async fn follow(&self, room: &str, sender: WebSocketSender) -> Result<Member, Box<dyn Error>> {
        let member = self.hub.join(sender);
        let options = Subscribe::new().recent(RECENT).overflow(Overflow::DropOldest);
        let _ = member.subscribe(room, options).await?;
        Ok(member)
    }

    /// Changes the people in a room. Returns after the list has been sent to all of them.
    pub(super) async fn change(&self, room: &str, change: impl FnOnce(&mut BTreeMap<u64, Person>) -> bool) {
        let list = {
            let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = rooms.entry(room.to_owned()).or_default();
            let list = if change(&mut entry.people) { Some(self.list(entry)) } else { None };
            if entry.people.is_empty() {
                rooms.remove(room);
            }
            list
        };
        if let Some(list) = list {
            // If the engine is unreachable, the next list is sufficient.
            let _ = self.hub.publish(room, list).await;
        }
    }

    fn list(&self, room: &mut Room) -> String {
        room.at = now().max(room.at + 1);
        encode(&Reply::People {
            node: &self.node,
            people: room.people.values().collect(),
            at: room.at,
            valid: self.valid,
        })
    }

    /// Publishes all lists periodically.
    async fn refresh(self) {
        loop {
            tokio::time::sleep(REFRESH).await;
            let lists: Vec<_> = {
                let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
                rooms.iter_mut().map(|(name, room)| (name.clone(), self.list(room))).collect()
            };
            for (room, list) in lists {
                let _ = self.hub.publish(&room, list).await;
            }
        }
    }
}

/// Returns the time in milliseconds.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
