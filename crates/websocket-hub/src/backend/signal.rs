use bytes::{Buf, BufMut, Bytes, BytesMut};
use tower_websocket::CloseCode;

use crate::publication::{DecodeError, Publication};

const MESSAGE: u8 = 1;
const DISCONNECT: u8 = 2;

/// A request to every node, since the members of a user may be on any of them. Backends transmit it
/// as the bytes of [`to_bytes`](Self::to_bytes).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Signal {
    /// Sends a message to all members of a user.
    Message {
        /// The user.
        user: String,
        /// The message.
        publication: Publication,
    },
    /// Closes the connections of all members of a user.
    Disconnect {
        /// The user.
        user: String,
        /// The code of the close frame. It must be one that may be sent.
        code: CloseCode,
        /// The reason, at most 123 bytes.
        reason: String,
    },
}

impl Signal {
    /// Encodes the signal for the wire between nodes.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        match self {
            Self::Message { user, publication } => {
                bytes.put_u8(MESSAGE);
                put_text(&mut bytes, user);
                bytes.put(publication.to_bytes());
            }
            Self::Disconnect { user, code, reason } => {
                bytes.put_u8(DISCONNECT);
                put_text(&mut bytes, user);
                bytes.put_u16((*code).into());
                bytes.put_slice(reason.as_bytes());
            }
        }
        bytes.freeze()
    }

    /// Decodes the result of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for anything else.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut rest = bytes.clone();
        let kind = rest.try_get_u8().map_err(|_| DecodeError(()))?;
        let len = rest.try_get_u32().map_err(|_| DecodeError(()))? as usize;
        if rest.len() < len {
            return Err(DecodeError(()));
        }
        let user = text(rest.split_to(len))?;
        match kind {
            MESSAGE => Ok(Self::Message { user, publication: Publication::from_bytes(&rest)? }),
            DISCONNECT => {
                let code = CloseCode::from(rest.try_get_u16().map_err(|_| DecodeError(()))?);
                Ok(Self::Disconnect { user, code, reason: text(rest)? })
            }
            _ => Err(DecodeError(())),
        }
    }
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    // The length of user names is limited.
    bytes.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    bytes.put_slice(text.as_bytes());
}

fn text(bytes: Bytes) -> Result<String, DecodeError> {
    String::from_utf8(bytes.into()).map_err(|_| DecodeError(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_is_decoded_as_it_was_encoded() {
        let message = Signal::Message { user: "ann".into(), publication: Publication::new("hello") };
        let Ok(Signal::Message { user, publication }) = Signal::from_bytes(&message.to_bytes()) else { panic!() };
        assert_eq!((&*user, publication.message().as_text()), ("ann", Some("hello")));
        let code = CloseCode::POLICY_VIOLATION;
        let disconnect = Signal::Disconnect { user: String::new(), code, reason: "banned".into() };
        let Ok(Signal::Disconnect { user, code, reason }) = Signal::from_bytes(&disconnect.to_bytes()) else {
            panic!()
        };
        assert_eq!((&*user, u16::from(code), &*reason), ("", 1008, "banned"));
    }

    #[test]
    fn malformed_signal_is_rejected() {
        for bytes in [&b""[..], b"\x01", b"\x01\0\0\0\x01", b"\x01\0\0\0\0", b"\x02\0\0\0\0\x03", b"\x03\0\0\0\0\0\0"] {
            assert!(Signal::from_bytes(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
