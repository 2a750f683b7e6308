//! The pushes of one connection, on their way from the driver of the crate `redis` to the task that delivers. The driver does not wait,
//! so that what does not fit ends the inbox: the messages behind it are lost to this connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use redis::aio::SendError;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;

use crate::sync::lock;

/// A message that was pushed.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) channel: String,
    pub(crate) payload: Bytes,
    pub(crate) arrived: Instant,
}

/// What the task that delivers holds. It ends when the connection has, or when it was full; what had arrived before is received first.
#[derive(Debug)]
pub(crate) struct Inbox {
    packets: mpsc::Receiver<Packet>,
    bytes: Arc<AtomicUsize>,
}

/// What the driver of the connection holds.
#[derive(Debug)]
struct Feed {
    /// Taken when it was full, or the connection has ended.
    packets: Mutex<Option<mpsc::Sender<Packet>>>,
    bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// Creates an inbox of this size, and the callback that fills it.
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
    /// Waits for a packet; `None` at the end.
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
