//! The messages between nodes other than those of topics.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use websocket_hub::backend::Signal;

const SIGNAL: u8 = 1;
const COUNT: u8 = 2;

/// A message to all nodes.
#[derive(Debug)]
pub(crate) enum Control {
    Signal(Signal),
    /// A query for the number of members of a topic.
    Count {
        node: u64,
        question: u64,
        topic: String,
    },
}

/// The response to the node that sent a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) question: u64,
    pub(crate) members: u64,
}

impl Control {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        match self {
            Self::Signal(signal) => {
                bytes.put_u8(SIGNAL);
                bytes.put(signal.to_bytes());
            }
            Self::Count { node, question, topic } => {
                bytes.put_u8(COUNT);
                bytes.put_u64(*node);
                bytes.put_u64(*question);
                bytes.put_slice(topic.as_bytes());
            }
        }
        bytes.freeze()
    }

    /// Returns `None` for a message of another version or program.
    pub(crate) fn from_bytes(mut bytes: Bytes) -> Option<Self> {
        match bytes.try_get_u8().ok()? {
            SIGNAL => Some(Self::Signal(Signal::from_bytes(&bytes).ok()?)),
            COUNT => Some(Self::Count {
                node: bytes.try_get_u64().ok()?,
                question: bytes.try_get_u64().ok()?,
                topic: String::from_utf8(bytes.into()).ok()?,
            }),
            _ => None,
        }
    }
}

impl Answer {
    pub(crate) fn to_bytes(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(16);
        bytes.put_u64(self.question);
        bytes.put_u64(self.members);
        bytes.freeze()
    }

    pub(crate) fn from_bytes(mut bytes: Bytes) -> Option<Self> {
        Some(Self { question: bytes.try_get_u64().ok()?, members: bytes.try_get_u64().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_message_is_decoded_as_it_was_encoded() {
        let count = Control::Count { node: 1, question: u64::MAX, topic: "t".into() };
        let Some(Control::Count { node, question, topic }) = Control::from_bytes(count.to_bytes()) else { panic!() };
        assert_eq!((node, question, &*topic), (1, u64::MAX, "t"));
        let answer = Answer { question: 1, members: 2 };
        assert_eq!(Answer::from_bytes(answer.to_bytes()), Some(answer));
    }

    #[test]
    fn malformed_control_message_is_ignored() {
        for bytes in
            [&b""[..], b"\x01", b"\x01\x09", b"\x02", b"\x02123456781234567", b"\x0212345678123456789\xff", b"\x03"]
        {
            assert!(Control::from_bytes(Bytes::from_static(bytes)).is_none(), "{bytes:?}");
        }
        assert_eq!(Answer::from_bytes(Bytes::from_static(b"123456789012345")), None);
    }
}
