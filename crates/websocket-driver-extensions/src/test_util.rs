//! A conformance harness: the requirements of RFC 6455 and of this crate's traits on an extension,
//! as a function that its author calls from a test. Requires the feature `test-util`.
//!
//! It checks:
//!
//! - **Negotiation**: server and client agree through the text of the header; the client accepts
//!   every alternative of its offer that the server accepts; an unknown parameter makes the server
//!   skip an offer, and makes the client reject a response by naming the parameter.
//! - **Reserved bits**: a session sets and clears its own bits and no others, leaves a message
//!   without its bits unchanged, and never turns binary into text.
//! - **Messages**: empty ones first and between others, of many sizes, some of them not to be
//!   compressed, are decoded unchanged, in order, in both directions and over two connections side
//!   by side.
//! - **Idle periods**: [`Session::release_idle`] of either side, called any number of times between
//!   messages, does not affect them.
//! - **Limits**: no more is decoded than the limit of the buffer; one byte beyond is
//!   [`ExtensionFault::MessageTooBig`].
//! - **Bad data**: random bytes and truncated or altered messages end in `Ok` within the limit or
//!   in an error about the message, never in a panic, also after an error.
//!
//! Extensions do not see fragments, only complete messages.
//!
//! ```
//! use websocket_driver_extensions::{Extension, Message, Offer, Params, ExtensionFault, BoundedBuffer, Rsv, Session, test_util};
//!
//! /// Sends every message backwards.
//! #[derive(Debug)]
//! struct Backwards;
//!
//! impl Extension for Backwards {
//!     fn name(&self) -> &str {
//!         "x-backwards"
//!     }
//!
//!     fn rsv(&self) -> Rsv {
//!         Rsv::RSV3
//!     }
//!
//!     fn offer(&self) -> Option<Box<dyn Offer>> {
//!         Some(Box::new(Backwards))
//!     }
//!
//!     fn accept(&self, offers: &[Params]) -> Option<(Params, Box<dyn Session>)> {
//!         let takes = |offer: &Params| offer.is_empty();
//!         offers.iter().any(takes).then(|| (Params::new(), Box::new(Backwards) as Box<dyn Session>))
//!     }
//! }
//!
//! impl Offer for Backwards {
//!     fn params(&self) -> Vec<Params> {
//!         vec![Params::new()]
//!     }
//!
//!     fn activate(self: Box<Self>, response: &Params) -> Result<Box<dyn Session>, ExtensionFault> {
//!         match response.iter().next() {
//!             None => Ok(self),
//!             Some((name, value)) => {
//!                 Err(ExtensionFault::Parameter { name: name.to_owned(), value: value.map(Into::into) })
//!             }
//!         }
//!     }
//! }
//!
//! impl Session for Backwards {
//!     fn decode(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
//!         if message.rsv.contains(Rsv::RSV3) {
//!             room.extend(&message.data.iter().rev().copied().collect::<Vec<u8>>())?;
//!             message.data = room.take();
//!             message.rsv = message.rsv.without(Rsv::RSV3);
//!         }
//!         Ok(())
//!     }
//!
//!     fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionFault> {
//!         message.data = message.data.iter().rev().copied().collect::<Vec<u8>>().into();
//!         message.rsv = message.rsv | Rsv::RSV3;
//!         Ok(())
//!     }
//! }
//!
//! test_util::check(|| Backwards);
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::bounded_buffer::BoundedBuffer;
use crate::error::ExtensionFault;
use crate::extension::{Extension, Session};
use crate::header::{parse_header, write_header};
use crate::message::{Message, Rsv};
use crate::params::Params;
use crate::token::is_token;

/// A limit above all messages of the harness.
const NO_LIMIT: usize = usize::MAX;

/// The name of a parameter that no extension knows.
const UNKNOWN: &str = "x-unknown-to-everyone";

/// Checks an extension with the same options on both sides.
///
/// # Panics
///
/// If the extension breaks a rule. The message names the rule.
pub fn check<E: Extension + 'static>(make: impl Fn() -> E) {
    check_pair(&make, &make);
}

/// Checks an extension with different options for client and server. The two must be able to agree.
///
/// # Panics
///
/// If the extension breaks a rule. The message names the rule.
pub fn check_pair<C: Extension + 'static, S: Extension + 'static>(client: impl Fn() -> C, server: impl Fn() -> S) {
    let harness = Harness::new(Box::new(client()), Box::new(server()));
    harness.alternatives();
    harness.unknown_parameters();
    harness.messages();
    harness.messages_of_others();
    harness.idle_periods();
    harness.limits();
    harness.inspection();
    harness.bad_data();
}

/// The two ends of a connection: the sessions of the client and the server.
type Ends = [Box<dyn Session>; 2];

struct Harness {
    client: Box<dyn Extension>,
    server: Box<dyn Extension>,
    name: String,
    claim: Rsv,
}

impl Harness {
    fn new(client: Box<dyn Extension>, server: Box<dyn Extension>) -> Self {
        let (name, claim) = (client.name().to_owned(), client.rsv());
        let harness = Self { client, server, name, claim };
        harness.rule(is_token(&harness.name), "its name is a token", || harness.name.clone());
        let same = harness.server.name() == harness.name && harness.server.rsv() == claim;
        harness.rule(same, "both sides have the same name and claim the same bits", || format!("{:?}", harness.server));
        harness
    }

    /// Panics unless the rule holds.
    fn rule(&self, holds: bool, rule: &str, found: impl FnOnce() -> String) {
        if !holds {
            panic!("the extension {} breaks the rule that {rule}; found: {}", self.name, found());
        }
    }

    // Negotiation.

    fn offer(&self) -> Box<dyn crate::extension::Offer> {
        let offer = self.client.offer();
        self.rule(offer.is_some(), "a client has something to offer, or there is nothing to check", || {
            "no offer".into()
        });
        offer.expect("there is one")
    }

    /// Returns the client's offer as the server parses it.
    fn offered(&self) -> Vec<Params> {
        let params = self.offer().params();
        self.rule(!params.is_empty(), "an offer has an alternative at least", || "none".into());
        params.into_iter().map(|params| self.over_the_wire(params)).collect()
    }

    fn over_the_wire(&self, params: Params) -> Params {
        let header = write_header([(self.name.as_str(), &params)]).unwrap_or_default();
        let entries = parse_header([header.as_bytes()]);
        let came = matches!(&entries, Ok(entries) if *entries == [(self.name.clone(), params.clone())]);
        self.rule(came, "its parameters and their values are tokens, so that the header carries them", || {
            header.clone()
        });
        params
    }

    fn connect(&self) -> Ends {
        let accepted = self.server.accept(&self.offered());
        self.rule(accepted.is_some(), "a server accepts an offer of its own client", || {
            format!("{:?}", self.offered())
        });
        let (response, server) = accepted.expect("it was accepted");
        [self.activate(&self.over_the_wire(response)), server]
    }

    fn activate(&self, response: &Params) -> Box<dyn Session> {
        let activated = self.offer().activate(response);
        let holds = activated.is_ok();
        self.rule(holds, "a client takes its own server's response", || format!("{response} gives {activated:?}"));
        self.offer().activate(response).expect("it did before")
    }

    fn alternatives(&self) {
        let rule = "without an offer there is no session";
        self.rule(self.server.accept(&[]).is_none(), rule, || "one".into());
        for offer in self.offered() {
            if let Some((response, _)) = self.server.accept(&[offer]) {
                self.activate(&self.over_the_wire(response));
            }
        }
        self.connect();
    }

    fn unknown_parameters(&self) {
        let good = self.offered();
        let response = self.server.accept(&good).map(|(response, _)| response).unwrap_or_default();
        for value in [None, Some("1".to_owned())] {
            let with_unknown = |params: &Params| {
                let mut params = params.clone();
                params.push(UNKNOWN, value.clone());
                params
            };
            let bad: Vec<Params> = good.iter().map(with_unknown).collect();
            let accepted = self.server.accept(&bad);
            let rule = "a server passes over an offer with an unknown parameter";
            self.rule(accepted.is_none(), rule, || format!("{bad:?} gives {accepted:?}"));
            let accepted = self.server.accept(&[bad, good.clone()].concat()).map(|(response, _)| response);
            let rule = "a server takes the next offer instead of one that it passes over";
            self.rule(accepted.as_ref() == Some(&response), rule, || format!("{accepted:?}, not {response}"));

            let activated = self.offer().activate(&with_unknown(&response));
            let names_it = matches!(&activated, Err(ExtensionFault::Parameter { name, .. }) if name == UNKNOWN);
            let rule =
                "a client refuses a response with an unknown parameter, by ExtensionFault::Parameter with its name";
            self.rule(names_it, rule, || format!("{activated:?}"));
        }
    }

    // Messages.

    fn messages(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            // Two connections, each with every other message: their states are independent.
            let mut connections = [self.connect(), self.connect()];
            for (ends, message) in
                (0..).map(|i| i % 2).zip(self.traffic()).chain([0, 1].into_iter().zip(self.traffic()))
            {
                let sent = self.encode(&mut connections[ends][from], &message);
                let came = self.decode(&mut connections[ends][to], &sent, NO_LIMIT);
                self.rule(came.is_ok(), "what one end encodes the other decodes", || {
                    format!("{came:?} of {}", tell(&message))
                });
                let came = came.expect("it is");
                self.rule(came.is_text == message.is_text, "text stays text", || tell(&came));
                let rule = "decode takes off its own bits, and no others";
                self.rule(came.rsv == message.rsv, rule, || format!("{} of {}", tell(&came), tell(&sent)));
                let rule = "a message comes out as it went in";
                self.rule(came.data == message.data, rule, || format!("{} of {}", tell(&came), tell(&message)));
            }
        }
    }

    fn messages_of_others(&self) {
        if self.claim.is_empty() {
            return;
        }
        let mut ends = self.connect();
        for message in self.traffic() {
            let sent = self.encode(&mut ends[0], &message);
            let _ = self.decode(&mut ends[1], &sent, NO_LIMIT);
            let came = self.decode(&mut ends[1], &message, NO_LIMIT);
            let rule = "decode leaves a message without its bits as it is";
            self.rule(came.as_ref() == Ok(&message), rule, || {
                format!("{:?} of {}", came.as_ref().map(tell), tell(&message))
            });
        }
    }

    fn idle_periods(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            for intervals in [[2, 0], [0, 2], [1, 3]] {
                let mut ends = self.connect();
                // Each twice, so that an encoder may refer to the one before.
                for message in self.traffic().iter().flat_map(|message| [message; 2]) {
                    for (end, count) in ends.iter_mut().zip(intervals) {
                        (0..count).for_each(|_| end.release_idle());
                    }
                    let sent = self.encode(&mut ends[from], message);
                    let came = self.decode(&mut ends[to], &sent, NO_LIMIT);
                    let rule = "release_idle keeps what later messages need";
                    self.rule(came.as_ref() == Ok(message), rule, || format!("{came:?} of {}", tell(message)));
                }
            }
        }
    }

    fn limits(&self) {
        for len in [0, 1, 100, 5000, 70_000, 300_000] {
            for data in [text(len), noise(len, 7)] {
                let message = Message::new(false, data);
                let decode = |limit| {
                    let mut ends = self.connect();
                    let sent = self.encode(&mut ends[0], &message);
                    let is_transformed = sent.rsv.intersects(self.claim) || sent.data != message.data;
                    is_transformed.then(|| self.decode(&mut ends[1], &sent, limit))
                };
                let Some(came) = decode(len) else { continue };
                let rule = "a message of as many bytes as the limit is taken";
                self.rule(came.is_ok(), rule, || format!("{came:?} with a limit of {len}"));
                for limit in [0, 1, len / 2, len.saturating_sub(1)].into_iter().filter(|limit| *limit < len) {
                    let came = decode(limit);
                    let is_refused = matches!(came, Some(Err(ExtensionFault::MessageTooBig { .. })));
                    let rule = "a message beyond the limit is refused, by ExtensionFault::MessageTooBig";
                    self.rule(is_refused, rule, || format!("{} with a limit of {limit}", tell_result(&came)));
                }
            }
        }
    }

    fn inspection(&self) {
        let mut ends = self.connect();
        let mut message = self.encode(&mut ends[0], &Message::new(true, text(300_000)));
        let mut is_asked = false;
        let mut refuse = |_: &[u8]| {
            is_asked = true;
            Err(ExtensionFault::InvalidUtf8)
        };
        let decoded = ends[1].decode(&mut message, &mut BoundedBuffer::new(NO_LIMIT, &mut refuse));
        let holds = !is_asked || decoded == Err(ExtensionFault::InvalidUtf8);
        self.rule(holds, "an error of the room is passed on", || format!("{decoded:?}"));
    }

    fn bad_data(&self) {
        let limit = 1000;
        for seed in 1..400 {
            let mut ends = self.connect();
            // On one session, to cover messages after an error.
            for step in 0..6 {
                let random = noise(4 + limit, seed * 8 + step);
                let len = usize::from(random[0]) * limit / 255 * usize::from(random[1]) / 255;
                let mut message = Message::new(step % 2 == 0, random.slice(4..4 + len));
                if random[2].is_multiple_of(2) {
                    let sent = self.encode(&mut ends[0], &Message::new(message.is_text, text(limit / 2)));
                    message.data = altered(&sent.data, &random);
                }
                message.rsv = self.claim;
                let decoded = catch_unwind(AssertUnwindSafe(|| self.decode(&mut ends[1], &message, limit)));
                self.rule(decoded.is_ok(), "decode never panics", || format!("a panic at {message:?}"));
                match decoded.expect("it did not") {
                    Ok(came) => {
                        self.rule(came.data.len() <= limit, "decode never gives more than the limit", || tell(&came))
                    }
                    Err(reason) => {
                        let is_of_message = matches!(
                            reason,
                            ExtensionFault::MessageTooBig { .. }
                                | ExtensionFault::InvalidUtf8
                                | ExtensionFault::InvalidData(_)
                        );
                        self.rule(is_of_message, "an error of decode is one of a message", || format!("{reason:?}"));
                    }
                }
            }
        }
    }

    fn encode(&self, session: &mut Box<dyn Session>, message: &Message) -> Message {
        let mut sent = message.clone();
        let encoded = session.encode(&mut sent);
        self.rule(encoded.is_ok(), "encode takes every message", || format!("{encoded:?} of {}", tell(message)));
        let found = || format!("{} of {}", tell(&sent), tell(message));
        let same = sent.rsv.without(self.claim) == message.rsv.without(self.claim);
        self.rule(same, "encode sets bits that it claims, and leaves all others alone", found);
        self.rule(sent.is_text == message.is_text, "encode leaves text text and binary binary", found);
        let is_marked = self.claim.is_empty() || sent.rsv.intersects(self.claim);
        let rule = "encode leaves a message as it is that it sets no bit on";
        self.rule(is_marked || sent.data == message.data, rule, found);
        sent
    }

    fn decode(&self, session: &mut Box<dyn Session>, sent: &Message, limit: usize) -> Result<Message, ExtensionFault> {
        let mut message = sent.clone();
        let mut pass = |_: &[u8]| Ok(());
        session.decode(&mut message, &mut BoundedBuffer::new(limit, &mut pass))?;
        Ok(message)
    }

    /// Returns messages of many kinds, the empty ones first.
    fn traffic(&self) -> Vec<Message> {
        let others = (Rsv::RSV1 | Rsv::RSV2 | Rsv::RSV3).without(self.claim);
        let sizes = [0, 0, 1, 2, 100, 100, 0, 3, 1000, 0, 0, 70, 33_000, 33_000, 0, 100, 140_000, 0, 5];
        let messages = sizes.into_iter().enumerate().map(|(i, len)| Message {
            rsv: if i % 5 < 3 { Rsv::NONE } else { others },
            may_compress: i % 7 != 6,
            ..if i % 3 < 2 { Message::new(true, text(len)) } else { Message::new(false, noise(len, i as u64 + 1)) }
        });
        messages.collect()
    }
}

/// Describes a message briefly.
fn tell(message: &Message) -> String {
    let kind = if message.is_text { "text" } else { "binary" };
    format!("a {kind} message of {} bytes with {:?}", message.data.len(), message.rsv)
}

fn tell_result(result: &Option<Result<Message, ExtensionFault>>) -> String {
    format!("{:?}", result.as_ref().map(|result| result.as_ref().map(tell)))
}

fn text(len: usize) -> Bytes {
    b"text that repeats itself, ".iter().copied().cycle().take(len).collect()
}

/// Returns pseudo-random bytes (xorshift).
fn noise(len: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(step).collect()
}

/// Returns the data truncated or with one byte changed.
fn altered(data: &[u8], random: &[u8]) -> Bytes {
    let mut data = data.to_vec();
    let at = (usize::from(random[3]) << 8 | usize::from(random[1])) % data.len().max(1);
    match data.get_mut(at) {
        Some(byte) if random[2].is_multiple_of(4) => *byte ^= random[0] | 1,
        _ => data.truncate(at),
    }
    data.into()
}
