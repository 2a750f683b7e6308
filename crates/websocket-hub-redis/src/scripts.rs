//! The scripts that run atomically in Redis, their arguments and their replies.
//!
//! A topic has two keys. The hash `meta` contains its epoch, the offset of its last message and the
//! Redis process that began the epoch. The stream contains its last messages, with the offset as
//! the first part of the ID, so that a range of offsets is a range of IDs.

use std::time::Duration;

use bytes::Bytes;
use redis::{RedisResult, Script};
use websocket_hub::Position;
use websocket_hub::backend::{History, HistoryQuery, Publication};

use crate::config::Streams;
use crate::error::RedisBackendError;
use crate::keys::Keys;
use crate::server::Connection;

const TOPIC: &str = include_str!("scripts/topic.lua");
const PUBLISH: &str = include_str!("scripts/publish.lua");
const HISTORY: &str = include_str!("scripts/history.lua");

/// Topics with a stream.
#[derive(Debug)]
pub(crate) struct Topics {
    keys: Keys,
    streams: Streams,
    publish: Script,
    history: Script,
}

impl Topics {
    pub(crate) fn new(keys: Keys, streams: Streams) -> Self {
        let script = |code| Script::new(&format!("{TOPIC}{code}"));
        Self { keys, streams, publish: script(PUBLISH), history: script(HISTORY) }
    }

    pub(crate) async fn publish(&self, mut connection: Connection, topic: &str, payload: &[u8]) -> RedisResult<String> {
        self.publish
            .key(self.keys.meta(topic))
            .key(self.keys.stream(topic))
            .arg(self.process(&connection))
            .arg(new_epoch())
            .arg(self.memory())
            .arg(self.streams.messages)
            .arg(millis(self.streams.age))
            .arg(self.keys.channel(topic))
            .arg(payload)
            .invoke_async(&mut connection.redis)
            .await
    }

    /// Reads the messages after a position, or the last ones if there is none.
    pub(crate) async fn history(
        &self,
        mut connection: Connection,
        topic: &str,
        query: HistoryQuery,
    ) -> RedisResult<Vec<Bytes>> {
        let since = query.since.map(|since| (format!("{:x}", since.epoch()), since.offset().saturating_add(1)));
        let (epoch, from) = since.unwrap_or_default();
        self.history
            .key(self.keys.meta(topic))
            .key(self.keys.stream(topic))
            .arg(self.process(&connection))
            .arg(new_epoch())
            .arg(self.memory())
            .arg(epoch)
            .arg(format!("{from}-0"))
            .arg(query.recent)
            .invoke_async(&mut connection.redis)
            .await
    }

    /// Queries the positions of topics in one round trip, and extends the time for which they are
    /// stored. A topic whose state is uncertain has no position.
    pub(crate) async fn positions<T: AsRef<str>>(
        &self,
        mut connection: Connection,
        topics: &[T],
    ) -> RedisResult<Vec<Position>> {
        let mut pipeline = redis::pipe();
        for topic in topics {
            let meta = self.keys.meta(topic.as_ref());
            pipeline.cmd("HMGET").arg(&meta).arg("epoch").arg("process").arg("offset");
            pipeline.cmd("PEXPIRE").arg(&meta).arg(self.memory()).ignore();
        }
        let known: Vec<[Option<String>; 3]> = pipeline.query_async(&mut connection.redis).await?;
        let process = self.process(&connection);
        let position = |[epoch, by, offset]: [Option<String>; 3]| {
            let epoch = u64::from_str_radix(&epoch?, 16).ok()?;
            (by? == process).then_some(Position::new(epoch, offset?.parse().ok()?))
        };
        Ok(known.into_iter().map(|known| position(known).unwrap_or(Position::UNKNOWN)).collect())
    }

    /// Returns the name of the Redis process whose state is trusted.
    fn process<'a>(&self, connection: &'a Connection) -> &'a str {
        if self.streams.is_durable { "any" } else { &connection.process }
    }

    fn memory(&self) -> u64 {
        millis(self.streams.memory.max(self.streams.age))
    }
}

/// Parses the reply of [`Topics::history`].
pub(crate) fn parse_history(query: HistoryQuery, reply: Vec<Bytes>) -> Result<History, RedisBackendError> {
    let mut items = reply.into_iter();
    let reached = items.next().and_then(|text| parse_position(&text)).ok_or(RedisBackendError::UnexpectedReply)?;
    let mut messages = Vec::with_capacity(items.len() / 2);
    while let (Some(id), Some(payload)) = (items.next(), items.next()) {
        let message = parse_offset(&id).zip(Publication::from_bytes(&payload).ok());
        let (offset, publication) = message.ok_or(RedisBackendError::UnexpectedReply)?;
        messages.push((Position::new(reached.epoch(), offset), publication));
    }
    let is_complete = match query.since {
        None => {
            messages.reverse();
            true
        }
        Some(since) => {
            let follows = |(position, _): &(Position, _)| Some(position.offset()) == since.offset().checked_add(1);
            since == reached || (since.epoch() == reached.epoch() && messages.first().is_some_and(follows))
        }
    };
    Ok(History::new(reached, messages, is_complete))
}

/// Splits a message published by [`Topics::publish`] into its parts.
pub(crate) fn parse_message(payload: &Bytes) -> Option<(Position, Publication)> {
    let space = payload.iter().position(|&byte| byte == b' ')?;
    let position = parse_position(&payload[..space])?;
    Some((position, Publication::from_bytes(&payload.slice(space + 1..)).ok()?))
}

pub(crate) fn parse_position(text: &[u8]) -> Option<Position> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The ID of an entry is the offset followed by `-0`.
fn parse_offset(id: &[u8]) -> Option<u64> {
    std::str::from_utf8(id).ok()?.strip_suffix("-0")?.parse().ok()
}

/// Returns an epoch for a topic that needs a new one.
fn new_epoch() -> String {
    // 0 is the epoch of the unknown position.
    format!("{:x}", rand::random_range(1..=u64::MAX))
}

/// Redis rejects 0, and values that exceed 64 bits when added to the current time.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 52)
}
