//! A message on its way to the members of a topic.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use tower_websocket::config::Charge;
use tower_websocket::{Budget, Message, PreparedMessage, Utf8Bytes};

use crate::config::{Frame, ToFrame};
use crate::position::Position;
use crate::sync::lock;

/// The approximate number of bytes that a publication takes in addition to its payload.
const OVERHEAD: usize = 128;

/// The flags of the envelope.
const TEXT: u8 = 1;
const EXCEPT: u8 = 2;

/// A member of a hub, on any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberId {
    pub(crate) node: u64,
    pub(crate) member: u64,
}

/// A message published to a topic, and optionally a member that does not receive it. Cheap to
/// clone.
///
/// Backends transmit it as encoded by [`to_bytes`](Self::to_bytes), so that all of them agree on
/// the format.
#[derive(Clone)]
pub struct Publication(Arc<Inner>);

struct Inner {
    message: PreparedMessage,
    except: Option<MemberId>,
    /// The message with the application's frame, which is created once. `None` if the callback has
    /// panicked.
    framed: OnceLock<Option<PreparedMessage>>,
    /// The part of the budget. It is charged once for all members.
    charge: Mutex<Option<Charge>>,
}

impl Publication {
    /// Creates a publication for all members.
    pub fn new(message: impl Into<PreparedMessage>) -> Self {
        Self::except(message, None)
    }

    /// Creates a publication for all members except one.
    pub fn except(message: impl Into<PreparedMessage>, member: Option<MemberId>) -> Self {
        let message = message.into();
        Self(Arc::new(Inner { message, except: member, framed: OnceLock::new(), charge: Mutex::default() }))
    }

    /// Returns the message, without the frame of [`HubConfig::frame`](crate::HubConfig::frame).
    #[must_use]
    pub fn message(&self) -> &Message {
        self.0.message.message()
    }

    /// Returns the member that does not receive the message.
    #[must_use]
    pub fn excluded(&self) -> Option<MemberId> {
        self.0.except
    }

    /// Encodes the publication for transmission between nodes: a byte of flags, the excluded member
    /// in 16 bytes if there is one, and the payload.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let message = self.message();
        let mut bytes = BytesMut::with_capacity(17 + message.len());
        let text = if message.as_text().is_some() { TEXT } else { 0 };
        bytes.put_u8(text | if self.0.except.is_some() { EXCEPT } else { 0 });
        if let Some(MemberId { node, member }) = self.0.except {
            bytes.put_u64(node);
            bytes.put_u64(member);
        }
        bytes.put_slice(message.as_bytes());
        bytes.freeze()
    }

    /// Decodes the output of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for any other input.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (&flags, rest) = bytes.split_first().ok_or(DecodeError(()))?;
        if flags & !(TEXT | EXCEPT) != 0 {
            return Err(DecodeError(()));
        }
        let (except, payload) = if flags & EXCEPT == 0 {
            (None, rest)
        } else {
            let (node, rest) = rest.split_first_chunk().ok_or(DecodeError(()))?;
            let (member, rest) = rest.split_first_chunk().ok_or(DecodeError(()))?;
            (Some(MemberId { node: u64::from_be_bytes(*node), member: u64::from_be_bytes(*member) }), rest)
        };
        let payload = bytes.slice_ref(payload);
        let message = if flags & TEXT == 0 {
            Message::Binary(payload)
        } else {
            Message::Text(Utf8Bytes::try_from(payload).map_err(|_| DecodeError(()))?)
        };
        Ok(Self::except(message, except))
    }

    /// Returns the number of bytes charged to histories and budgets.
    pub(crate) fn size(&self) -> usize {
        self.message().len() + OVERHEAD
    }

    /// Charges the budget until the last reference to this publication is dropped.
    pub(crate) fn charge(&self, budget: Option<&Budget>) {
        if let Some(budget) = budget {
            let framed = self.0.framed.get().and_then(Option::as_ref).map_or(0, |framed| framed.message().len());
            lock(&self.0.charge).get_or_insert_with(|| Charge::new(budget)).set(self.size() + framed);
        }
    }
}

/// Omits the message, which may be confidential.
impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication").field("len", &self.message().len()).field("except", &self.0.except).finish()
    }
}

/// The error of decoding a [`Publication`] or a [`Signal`](crate::backend::Signal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message from another node")]
pub struct DecodeError(pub(crate) ());

/// A publication that has arrived at this node.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// `None` for a message to a user.
    pub(crate) topic: Option<Arc<str>>,
    pub(crate) position: Position,
    pub(crate) publication: Publication,
}

impl Delivery {
    /// Returns the message to write to the members. The first call creates it. Returns `None` if
    /// the application's callback has panicked.
    pub(crate) fn prepared(&self, frame: Option<&Frame>, panicked: impl FnOnce()) -> Option<&PreparedMessage> {
        let inner = &*self.publication.0;
        let (Some(frame), Some(topic)) = (frame, &self.topic) else {
            return Some(&inner.message);
        };
        let framed = inner.framed.get_or_init(|| {
            let message = inner.message.message();
            let outgoing = ToFrame { topic, position: self.position, message };
            let framed = catch_unwind(AssertUnwindSafe(|| PreparedMessage::new(frame(&outgoing))));
            framed.inspect_err(|_| panicked()).ok()
        });
        framed.as_ref()
    }

    pub(crate) fn is_for(&self, member: MemberId) -> bool {
        self.publication.0.except != Some(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publication_is_decoded_as_it_was_encoded() {
        let member = MemberId { node: 1, member: u64::MAX };
        for message in
            [Message::text("text"), Message::text(""), Message::binary(&b"\xff"[..]), Message::binary(vec![])]
        {
            for except in [None, Some(member)] {
                let decoded =
                    Publication::from_bytes(&Publication::except(message.clone(), except).to_bytes()).unwrap();
                assert_eq!((decoded.message(), decoded.excluded()), (&message, except));
            }
        }
    }

    #[test]
    fn malformed_publication_is_rejected() {
        for bytes in [&b""[..], b"\x04", b"\x02", b"\x03123456789012345", b"\x01\xff"] {
            assert!(Publication::from_bytes(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
