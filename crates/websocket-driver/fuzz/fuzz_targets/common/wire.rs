use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::BytesMut;
use websocket_driver::{Driver, Event, Message};
use websocket_wire::put_frame;

use crate::options::Options;
use crate::size::size;

/// No frame is sent after this many bytes, so that a run stays short.
const MAX_SENT: usize = 64 * 1024;

/// The rest is received at once after this many pieces, for the same reason.
const MAX_PIECES: usize = 1000;

/// The bytes that a peer sends.
#[derive(Debug)]
pub struct Frames(Vec<Frame>);

/// A masking key.
pub type Mask = [u8; 4];

/// The masking key that a client with [`RANDOM`](crate::RANDOM) uses.
pub const MASK: Mask = *b"the ";

/// A frame with a well-formed header, or arbitrary bytes.
#[derive(Debug)]
enum Frame {
    Raw(Vec<u8>),
    /// A frame of the hybi drafts and RFC 6455, with correct masking.
    Hybi {
        first: u8,
        mask: Mask,
        payload: Vec<u8>,
    },
    /// A frame that is masked on the wrong side.
    WronglyMasked {
        first: u8,
        mask: Mask,
        payload: Vec<u8>,
    },
    /// A hixie frame that ends with FF.
    HixieText {
        kind: u8,
        text: Vec<u8>,
    },
    /// A hixie frame with a length, whose encoding has redundant bytes.
    HixieSkipped {
        kind: u8,
        zeros: u8,
        payload: Vec<u8>,
    },
}

/// One byte for the kind and few for the content, so that seeds are easy to write: see
/// `seeds/make.py`.
impl<'a> Arbitrary<'a> for Frame {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? % 7 {
            0 => Self::Raw(bytes(u)?),
            1 => Self::Hybi { first: u.arbitrary()?, mask: u.arbitrary()?, payload: bytes(u)? },
            2 => Self::Hybi { first: u.arbitrary()?, mask: u.arbitrary()?, payload: long(u)? },
            3 => Self::Hybi { first: u.arbitrary()?, mask: u.arbitrary()?, payload: stored(&bytes(u)?) },
            4 => Self::WronglyMasked { first: u.arbitrary()?, mask: u.arbitrary()?, payload: bytes(u)? },
            5 => Self::HixieText { kind: u.arbitrary::<u8>()? & 0x7f, text: long(u)? },
            _ => Self::HixieSkipped { kind: u.arbitrary::<u8>()? | 0x80, zeros: u.arbitrary()?, payload: long(u)? },
        })
    }
}

pub(crate) fn bytes(u: &mut Unstructured) -> Result<Vec<u8>> {
    let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
    Ok(u.bytes(len)?.to_vec())
}

/// Repeated bytes, slightly more than 64 KiB at most.
fn long(u: &mut Unstructured) -> Result<Vec<u8>> {
    let (more, piece) = (usize::from(u.arbitrary::<u16>()?), bytes(u)?);
    Ok(piece.iter().copied().cycle().take(piece.len() + more).collect())
}

/// A stored block of deflate (RFC 1951 §3.2.4) as a message (RFC 7692 §7.2.1).
fn stored(payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16;
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), payload, &[0]].concat()
}

impl Frame {
    fn write(&self, by_client: bool, out: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => out.extend(bytes),
            Self::Hybi { first, mask, payload } => put_frame(out, *first, by_client.then_some(*mask), payload),
            Self::WronglyMasked { first, mask, payload } => {
                put_frame(out, *first, (!by_client).then_some(*mask), payload)
            }
            Self::HixieText { kind, text } => {
                out.push(*kind);
                out.extend(text);
                out.push(0xff);
            }
            Self::HixieSkipped { kind, zeros, payload } => {
                out.push(*kind);
                out.extend((0..zeros % 12).map(|_| 0x80));
                let len = payload.len();
                out.extend((1..3).rev().filter(|i| len >> (7 * i) > 0).map(|i| 0x80 | (len >> (7 * i)) as u8));
                out.push(len as u8 & 0x7f);
                out.extend(payload);
            }
        }
    }
}

impl<'a> Arbitrary<'a> for Frames {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (mut frames, mut sent) = (Vec::new(), Vec::new());
        while sent.len() < MAX_SENT && u.arbitrary()? {
            let frame: Frame = u.arbitrary()?;
            frame.write(true, &mut sent);
            frames.push(frame);
        }
        Ok(Self(frames))
    }
}

impl Frames {
    pub fn write(&self, by_client: bool, out: &mut Vec<u8>) {
        self.0.iter().for_each(|frame| frame.write(by_client, out));
    }

    /// Returns the messages of the first frames, up to one that is anything else or exceeds a
    /// limit.
    pub fn messages(&self, options: &Options) -> Vec<Event> {
        let limit = options.max_size();
        let message = |frame: &Frame| match frame {
            Frame::Hybi { payload, .. } if payload.len() > limit => None,
            Frame::Hybi { first: 0x81, payload, .. } => String::from_utf8(payload.clone()).ok().map(Message::from),
            Frame::Hybi { first: 0x82, payload, .. } => Some(Message::from(payload.clone())),
            _ => None,
        };
        let most = options.max_frame_rate().map_or(usize::MAX, |rate| rate as usize);
        self.0.iter().map_while(message).map(Event::Message).take(most).collect()
    }

    /// Same as [`messages`](Self::messages) for the hixie drafts.
    pub fn hixie_messages(&self, options: &Options) -> Vec<Event> {
        let limit = options.max_size();
        let message = |frame: &Frame| match frame {
            Frame::HixieText { text, .. } if !text.contains(&0xff) => {
                // The limit applies to the text with replacements, which is never shorter.
                let text = String::from_utf8_lossy(text).into_owned();
                (text.len() <= limit).then(|| Message::from(text))
            }
            _ => None,
        };
        let most = options.max_frame_rate().map_or(usize::MAX, |rate| rate as usize);
        self.0.iter().map_while(message).map(Event::Message).take(most).collect()
    }
}

/// How bytes are received: in pieces of these sizes, repeated and without zeros; in a buffer of the
/// driver or of the caller; and whether the connection is observed.
#[derive(Debug, Arbitrary)]
pub struct Cut {
    sizes: [u8; 4],
    buffer: u8,
}

impl Cut {
    /// All bytes at once.
    pub const NONE: Self = Self { sizes: [0; 4], buffer: 0 };

    pub fn pieces<'a>(&self, mut rest: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let mut sizes = self.sizes.iter().filter(|size| **size > 0).cycle().take(MAX_PIECES);
        std::iter::from_fn(move || {
            let size = sizes.next().map_or(usize::MAX, |byte| size(*byte));
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }

    pub(crate) fn is_observed(&self) -> bool {
        self.buffer / 3 % 2 == 1
    }

    pub(crate) fn receive(&self, driver: &mut Driver, piece: &[u8]) {
        match self.buffer % 3 {
            0 => driver.receive(piece),
            1 => driver.input().extend_from_slice(piece),
            _ => {
                if driver.input().is_empty() {
                    *driver.input() = BytesMut::with_capacity(2 * piece.len());
                }
                driver.input().extend_from_slice(piece);
            }
        }
    }
}
