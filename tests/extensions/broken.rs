//! The conformance harness with an extension that breaks a single rule: it must fail and name that
//! rule.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use websocket_driver_extensions::test_util::{check, check_pair};
use websocket_driver_extensions::{BoundedBuffer, Extension, ExtensionFault, Message, Offer, Params, Rsv, Session};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    NameIsNoToken,
    OffersNothing,
    OffersNoAlternative,
    ValueIsNoToken,
    RefusesItsOwnOffer,
    RefusesItsOwnResponse,
    AcceptsWithoutAnOffer,
    AcceptsAnything,
    LooksAtTheFirstOfferOnly,
    ActivatesAnything,
    DoesNotNameTheParameter,
    SetsTheBitOfAnother,
    ClearsTheBitsOfOthers,
    MakesTextOfBinary,
    TransformsWithoutItsBit,
    CannotEncodeAnEmptyMessage,
    KeepsItsBit,
    TakesTheBitsOfOthersOff,
    DecodesToText,
    DecodesWhatHasNoBit,
    CannotDecodeAnEmptyMessage,
    LosesAByteOfLongMessages,
    GivesTheMessageBefore,
    CountsOverAllConnections,
    ForgetsWhenIdle,
    HasNoLimit,
    StopsAtTheLimit,
    MistakesTheLimitForBadData,
    SwallowsWhatTheRoomSays,
    PanicsAtBadData,
    PanicsAfterAnError,
    GivesTooMuchOfBadData,
    BlamesTheNegotiation,
}

use Fault as F;

/// Which fault breaks which rule, identified by words of the message.
const BROKEN: [(Fault, &str); 33] = [
    (F::NameIsNoToken, "its name is a token"),
    (F::OffersNothing, "a client has something to offer"),
    (F::OffersNoAlternative, "an offer has an alternative"),
    (F::ValueIsNoToken, "its parameters and their values are tokens"),
    (F::RefusesItsOwnOffer, "a server accepts an offer of its own client"),
    (F::RefusesItsOwnResponse, "a client takes its own server's response"),
    (F::AcceptsWithoutAnOffer, "without an offer there is no session"),
    (F::AcceptsAnything, "a server passes over an offer with an unknown parameter"),
    (F::LooksAtTheFirstOfferOnly, "a server takes the next offer"),
    (F::ActivatesAnything, "a client refuses a response with an unknown parameter"),
    (F::DoesNotNameTheParameter, "by ExtensionFault::Parameter with its name"),
    (F::SetsTheBitOfAnother, "encode sets bits that it claims, and leaves all others alone"),
    (F::ClearsTheBitsOfOthers, "encode sets bits that it claims, and leaves all others alone"),
    (F::MakesTextOfBinary, "encode leaves text text"),
    (F::TransformsWithoutItsBit, "encode leaves a message as it is that it sets no bit on"),
    (F::CannotEncodeAnEmptyMessage, "encode takes every message"),
    (F::KeepsItsBit, "decode takes off its own bits, and no others"),
    (F::TakesTheBitsOfOthersOff, "decode takes off its own bits, and no others"),
    (F::DecodesToText, "text stays text"),
    (F::DecodesWhatHasNoBit, "decode leaves a message without its bits as it is"),
    (F::CannotDecodeAnEmptyMessage, "what one end encodes the other decodes"),
    (F::LosesAByteOfLongMessages, "a message comes out as it went in"),
    (F::GivesTheMessageBefore, "a message comes out as it went in"),
    (F::CountsOverAllConnections, "what one end encodes the other decodes"),
    (F::ForgetsWhenIdle, "release_idle keeps what later messages need"),
    (F::HasNoLimit, "a message beyond the limit is refused"),
    (F::StopsAtTheLimit, "a message of as many bytes as the limit is taken"),
    (F::MistakesTheLimitForBadData, "by ExtensionFault::MessageTooBig"),
    (F::SwallowsWhatTheRoomSays, "an error of the room is passed on"),
    (F::PanicsAtBadData, "decode never panics"),
    (F::PanicsAfterAnError, "decode never panics"),
    (F::GivesTooMuchOfBadData, "decode never gives more than the limit"),
    (F::BlamesTheNegotiation, "an error of decode is one of a message"),
];

/// An extension that inserts a marker and the message number before each message.
#[derive(Debug, Clone)]
struct Faulty {
    fault: Fault,
    claim: Rsv,
}

const MARK: u8 = b'!';

/// Used by [`Fault::CountsOverAllConnections`].
static COUNT: AtomicU8 = AtomicU8::new(0);

impl Faulty {
    fn session(&self) -> Box<dyn Session> {
        Box::new(FaultySession { fault: self.fault, sent: 0, came: 0, failed: false, before: Bytes::new() })
    }
}

impl Extension for Faulty {
    fn name(&self) -> &str {
        if self.fault == F::NameIsNoToken { "x faulty" } else { "x-faulty" }
    }

    fn rsv(&self) -> Rsv {
        self.claim
    }

    fn offer(&self) -> Option<Box<dyn Offer>> {
        (self.fault != F::OffersNothing).then(|| Box::new(self.clone()) as Box<dyn Offer>)
    }

    fn accept(&self, offers: &[Params]) -> Option<(Params, Box<dyn Session>)> {
        let is_fine = |offer: &Params| match self.fault {
            F::RefusesItsOwnOffer => false,
            F::AcceptsAnything => true,
            _ => offer.iter().all(|(name, _)| name == "x-known"),
        };
        let accepts = match self.fault {
            F::AcceptsWithoutAnOffer => offers.iter().all(is_fine),
            F::LooksAtTheFirstOfferOnly => offers.first().is_some_and(is_fine),
            _ => offers.iter().any(is_fine),
        };
        accepts.then(|| (Params::new(), self.session()))
    }
}

impl Offer for Faulty {
    fn params(&self) -> Vec<Params> {
        match self.fault {
            F::OffersNoAlternative => vec![],
            F::ValueIsNoToken => vec![Params::new().value("x-known", "two words")],
            _ => vec![Params::new()],
        }
    }

    fn activate(self: Box<Self>, response: &Params) -> Result<Box<dyn Session>, ExtensionFault> {
        match (response.iter().next(), self.fault) {
            (None, F::RefusesItsOwnResponse) => Err(ExtensionFault::NotOffered),
            (Some(_), F::DoesNotNameTheParameter) => Err(ExtensionFault::Parameter { name: "x".into(), value: None }),
            (None, _) | (_, F::ActivatesAnything) => Ok(self.session()),
            (Some((name, value)), _) => {
                Err(ExtensionFault::Parameter { name: name.into(), value: value.map(Into::into) })
            }
        }
    }
}

#[derive(Debug)]
struct FaultySession {
    fault: Fault,
    sent: u8,
    came: u8,
    failed: bool,
    before: Bytes,
}

impl Session for FaultySession {
    fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionFault> {
        if self.fault == F::CannotEncodeAnEmptyMessage && message.data.is_empty() {
            return Err(ExtensionFault::Encode("it is empty"));
        }
        let count = match self.fault {
            F::CountsOverAllConnections => COUNT.fetch_add(1, Ordering::Relaxed),
            _ => self.sent,
        };
        self.sent = self.sent.wrapping_add(1);
        message.data = [&[MARK, count], &message.data[..]].concat().into();
        message.rsv = match self.fault {
            F::SetsTheBitOfAnother => message.rsv | Rsv::RSV2 | Rsv::RSV1,
            F::ClearsTheBitsOfOthers => Rsv::RSV2,
            F::TransformsWithoutItsBit => message.rsv,
            _ => message.rsv | Rsv::RSV2,
        };
        message.is_text |= self.fault == F::MakesTextOfBinary;
        Ok(())
    }

    fn decode(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
        if !message.rsv.contains(Rsv::RSV2) {
            if self.fault == F::DecodesWhatHasNoBit {
                message.data = message.data.slice(message.data.len().min(2)..);
            }
            return Ok(());
        }
        if self.failed && self.fault == F::PanicsAfterAnError {
            panic!("after an error");
        }
        let decoded = self.decode_marked(message, room);
        self.failed |= decoded.is_err();
        decoded
    }

    fn release_idle(&mut self) {
        if self.fault == F::ForgetsWhenIdle {
            self.sent = 0;
        }
    }
}

impl FaultySession {
    fn decode_marked(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
        let data = match (&message.data[..], self.fault) {
            ([MARK, count, data @ ..], _) if *count == self.came => data,
            (data, F::PanicsAtBadData) => panic!("a wrong mark: {}", data[0]),
            (_, F::GivesTooMuchOfBadData) => {
                message.data = vec![0; room.limit() + 1].into();
                return Ok(());
            }
            (_, F::BlamesTheNegotiation) => return Err(ExtensionFault::Unknown),
            _ => return Err(ExtensionFault::InvalidData("it has no mark, or was not the next")),
        };
        self.came = self.came.wrapping_add(1);
        let extended = match self.fault {
            F::CannotDecodeAnEmptyMessage if data.is_empty() => Err(ExtensionFault::InvalidData("it is empty")),
            F::StopsAtTheLimit if data.len() == room.limit() => {
                Err(ExtensionFault::MessageTooBig { limit: room.limit() })
            }
            F::HasNoLimit => Ok(()),
            _ => room.extend(data),
        };
        match extended {
            Err(ExtensionFault::MessageTooBig { .. }) if self.fault == F::MistakesTheLimitForBadData => {
                return Err(ExtensionFault::InvalidData("it is long"));
            }
            Err(ExtensionFault::InvalidUtf8) if self.fault == F::SwallowsWhatTheRoomSays => {}
            other => other?,
        }
        let kept = data.len() - usize::from(self.fault == F::LosesAByteOfLongMessages && data.len() > 1000);
        message.data = Bytes::copy_from_slice(&data[..kept]);
        if self.fault == F::GivesTheMessageBefore {
            std::mem::swap(&mut self.before, &mut message.data);
        }
        match self.fault {
            F::KeepsItsBit => {}
            F::TakesTheBitsOfOthersOff => message.rsv = Rsv::NONE,
            _ => message.rsv = message.rsv.without(Rsv::RSV2),
        }
        message.is_text |= self.fault == F::DecodesToText;
        Ok(())
    }
}

/// Returns the harness's message about an extension, or `None` if it conforms.
fn verdict(check: impl FnOnce()) -> Option<String> {
    let error = catch_unwind(AssertUnwindSafe(check)).err()?;
    Some(error.downcast_ref::<String>().expect("a sentence").clone())
}

fn faulty(fault: Fault) -> Faulty {
    Faulty { fault, claim: Rsv::RSV2 }
}

#[test]
fn extension_without_a_fault_conforms() {
    assert_eq!(verdict(|| check(|| faulty(F::None))), None);
}

#[test]
fn extension_fault_is_found_and_the_rule_named() {
    for (fault, rule) in BROKEN {
        let verdict = verdict(|| check(|| faulty(fault))).unwrap_or_default();
        assert!(verdict.starts_with("the extension x"), "{fault:?}: {verdict:?}");
        assert!(verdict.contains(" breaks the rule that ") && verdict.contains(rule), "{fault:?}: {verdict:?}");
    }
}

#[test]
fn client_and_server_with_different_bits_are_found() {
    let other = || Faulty { claim: Rsv::RSV3, ..faulty(F::None) };
    let verdict = verdict(|| check_pair(|| faulty(F::None), other)).unwrap_or_default();
    assert!(verdict.contains("both sides have the same name and claim the same bits"), "{verdict:?}");
}
