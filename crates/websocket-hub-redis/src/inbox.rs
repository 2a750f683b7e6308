//! The pushes of one connection, between the driver of the crate `redis` and the task that delivers
//! them. The driver cannot wait, so the inbox is closed when it is full: later messages are lost to
//! this connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use redis::aio::SendError;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;

use crate::sync::lock;

/// A pushed message.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) channel: String,
    pub(crate) payload: Bytes,
    pub(crate) arrived: Instant,
}

/// The receiving half, owned by the delivering task. It ends when the connection has ended or the
/// inbox was full, after everything that had arrived before.
#[derive(Debug)]
pub(crate) struct Inbox {
    packets: mpsc::Receiver<Packet>,
    bytes: Arc<AtomicUsize>,
}

/// The sending half, owned by the driver of the connection.
#[derive(Debug)]
struct Feed {
    /// `None` once the inbox was full or the connection has ended.
    packets: Mutex<Option<mpsc::Sender<Packet>>>,
    bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// Creates an inbox of the given size, and the callback that fills it.
pub(crate) fn inbox(
    max_messages: usize,
    max_bytes: usize,
) -> (Inbox, impl Fn(PushInfo) -> Result<(), SendError> + Send + Sync + 'static) {
    let (sender, packets) = mpsc::channel(max_messages.clamp(1, tokio::sync::Semaphore::MAX_PERMITS));
    let bytes = Arc::new(AtomicUsize::new(0));
    let feed = Feed { packets: Mutex::new(Some(sender)), bytes: bytes.clone(), max_bytes };
    (Inbox { packets, bytes }, move |push| feed.push(push))
}

impl Feed {
    fn push(&self, push: PushInfo) -> Result<(), SendError> {
        let mut packets = lock(&self.packets);
        match push.kind {
            PushKind::Message => {
                let [Value::BulkString(channel), Value::BulkString(payload)] =
                    <[Value; 2]>::try_from(push.data).map_err(|_| SendError)?
                else {
                    return Err(SendError);
                };
                let len = channel.len() + payload.len();
                let is_full = self.bytes.fetch_add(len, Ordering::Relaxed) + len > self.max_bytes;
                let channel = String::from_utf8(channel).map_err(|_| SendError)?;
                let packet = Packet { channel, payload: payload.into(), arrived: Instant::now() };
                let sent = packets.as_ref().is_some_and(|packets| !is_full && packets.try_send(packet).is_ok());
                if !sent {
                    *packets = None;
                    return Err(SendError);
                }
            }
            PushKind::Disconnection => *packets = None,
            _ => {}
        }
        Ok(())
    }
}

impl Inbox {
    /// Waits for a packet. Returns `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no packet is lost.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        let packet = self.packets.recv().await;
        self.taken(packet)
    }

    /// Returns a packet that has arrived, if any.
    pub(crate) fn try_next(&mut self) -> Result<Packet, TryRecvError> {
        let packet = self.packets.try_recv()?;
        self.taken(Some(packet)).ok_or(TryRecvError::Empty)
    }

    /// Returns the number of packets that have arrived.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    fn taken(&self, packet: Option<Packet>) -> Option<Packet> {
        if let Some(packet) = &packet {
            self.bytes.fetch_sub(packet.channel.len() + packet.payload.len(), Ordering::Relaxed);
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &str) -> PushInfo {
        let data = ["c", payload].map(|text| Value::BulkString(text.into()));
        PushInfo { kind: PushKind::Message, data: data.into() }
    }

    async fn payloads(mut inbox: Inbox) -> Vec<Bytes> {
        let mut payloads = Vec::new();
        while let Some(packet) = inbox.next().await {
            payloads.push(packet.payload);
        }
        payloads
    }

    #[tokio::test]
    async fn inbox_ends_when_it_is_full_and_not_before() {
        let (inbox, push) = inbox(3, 100);
        for payload in ["1", "2", "3"] {
            assert!(push(message(payload)).is_ok());
        }
        for payload in ["4", "5"] {
            assert!(push(message(payload)).is_err());
        }
        assert_eq!(payloads(inbox).await, ["1", "2", "3"]);
    }

    #[tokio::test]
    async fn inbox_is_bounded_in_bytes() {
        let (mut inbox, push) = inbox(100, 10);
        for _ in 0..5 {
            assert!(push(message("1234")).is_ok());
            assert!(push(message("5678")).is_ok());
            assert_eq!(inbox.next().await.unwrap().payload, "1234");
            assert_eq!(inbox.try_next().unwrap().payload, "5678");
        }
        assert!(push(message("0123456789")).is_err());
        assert!(inbox.next().await.is_none());
    }

    #[tokio::test]
    async fn inbox_ends_with_the_connection() {
        let (inbox, push) = inbox(100, 100);
        assert!(push(message("1")).is_ok());
        assert!(push(PushInfo { kind: PushKind::Subscribe, data: vec![] }).is_ok());
        assert!(push(PushInfo { kind: PushKind::Disconnection, data: vec![] }).is_ok());
        assert!(push(message("2")).is_err());
        assert_eq!(payloads(inbox).await, ["1"]);
    }
}
