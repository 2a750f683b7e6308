//! The messages between nodes other than those of topics.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const SIGNAL: u8 = 1;
const QUESTION: u8 = 2;
const ANSWER: u8 = 3;
const ECHO: u8 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// A signal, in the form of [`Signal::to_bytes`](websocket_hub::backend::Signal::to_bytes).
    Signal(Bytes),
    /// A query for the number of members of a topic.
    Question { from: u64, number: u64, topic: String },
    /// The response of a node.
    Answer { from: u64, number: u64, members: u64 },
    /// A node's message to itself.
    Echo { number: u64 },
}

impl Control {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        match self {
            Self::Signal(signal) => {
                bytes.put_u8(SIGNAL);
                bytes.put_slice(signal);
            }
            Self::Question { from, number, topic } => {
                bytes.put_u8(QUESTION);
                bytes.put_u64(*from);
                bytes.put_u64(*number);
                bytes.put_slice(topic.as_bytes());
            }
            Self::Answer { from, number, members } => {
                bytes.put_u8(ANSWER);
                bytes.put_u64(*from);
                bytes.put_u64(*number);
                bytes.put_u64(*members);
            }
            Self::Echo { number } => {
                bytes.put_u8(ECHO);
                bytes.put_u64(*number);
            }
        }
        bytes.freeze()
    }

    /// Returns `None` for anything that [`to_bytes`](Self::to_bytes) does not return.
    pub(crate) fn from_bytes(mut bytes: Bytes) -> Option<Self> {
        let control = match bytes.try_get_u8().ok()? {
            SIGNAL => return Some(Self::Signal(bytes)),
            QUESTION => {
                let (from, number) = (bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?);
                return Some(Self::Question { from, number, topic: String::from_utf8(bytes.into()).ok()? });
            }
            ANSWER => {
                let (from, number) = (bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?);
                Self::Answer { from, number, members: bytes.try_get_u64().ok()? }
            }
            ECHO => Self::Echo { number: bytes.try_get_u64().ok()? },
            _ => return None,
        };
        bytes.is_empty().then_some(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_is_decoded_as_it_was_encoded() {
        for control in [
            Control::Signal(Bytes::from_static(b"\0\xff")),
            Control::Question { from: 1, number: u64::MAX, topic: "ü".into() },
            Control::Answer { from: 2, number: 3, members: 4 },
            Control::Echo { number: 5 },
        ] {
            let bytes = control.to_bytes();
            assert_eq!(Control::from_bytes(bytes.clone()), Some(control.clone()));
            if !matches!(control, Control::Signal(_) | Control::Question { .. }) {
                assert_eq!(Control::from_bytes(bytes.slice(..bytes.len() - 1)), None, "{control:?}");
            }
        }
    }

    #[test]
    fn malformed_control_is_rejected() {
        for bytes in
            [&b""[..], b"\0", b"\x05", b"\x02", b"\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff", b"\x04\0", &[4; 10]]
        {
            assert_eq!(Control::from_bytes(Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
