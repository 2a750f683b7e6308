//! Two extensions on one connection: compression on RSV1, a checksum on RSV2.

use permessage_deflate::PermessageDeflate;
use websocket_driver::extensions::{
    BoundedBuffer, DuplicateExtension, Extension, ExtensionError, ExtensionFault, Extensions, Message, Offer, Params,
    Pipeline, Rsv, Session, parse_header,
};
use websocket_driver::{Config, Message as Sent, ServerConfig};
use websocket_driver_extensions::test_util::check;
use websocket_tests::wire::{Frame, frames};

use crate::checksum::{Checksum, sum};
use crate::peer::{Deflater, OFFER, RSV1, RSV2, Server, Written, binary, compressed, prose, text};
use crate::puff::Puff;

const BOTH: &str = "x-checksum, permessage-deflate; client_max_window_bits";

fn registered(list: impl IntoIterator<Item = Checksum>) -> Extensions {
    let mut extensions = Extensions::new();
    list.into_iter().for_each(|extension| extensions.register(extension).expect("the first of its name"));
    extensions
}

fn deflate() -> PermessageDeflate {
    PermessageDeflate::new().threshold(0)
}

fn deflate_then_checksum() -> ServerConfig {
    Config::server().extension(deflate()).unwrap().extension(Checksum::new()).unwrap()
}

fn checksum_then_deflate() -> ServerConfig {
    Config::server().extension(Checksum::new()).unwrap().extension(deflate()).unwrap()
}

/// Returns the client's pipeline for a server's response.
fn client(config: impl IntoIterator<Item = &'static str>, answer: &str) -> Pipeline {
    let mut extensions = Extensions::new();
    for name in config {
        match name {
            "deflate" => extensions.register(deflate()).expect("the first"),
            _ => extensions.register(Checksum::new()).expect("the first"),
        }
    }
    let answer = parse_header([answer.as_bytes()]).expect("a header");
    extensions.offer().activate(&answer).expect("an acceptable answer")
}

#[test]
fn extensions_are_accepted_in_order_of_registration() {
    for offers in [&[BOTH][..], &[OFFER, "x-checksum"], &["unknown; a=1", "x-checksum", "", OFFER]] {
        let server = Server::open(deflate_then_checksum(), offers);
        assert_eq!(server.answered.as_deref(), Some("permessage-deflate, x-checksum"));
        let server = Server::open(checksum_then_deflate(), offers);
        assert_eq!(server.answered.as_deref(), Some("x-checksum, permessage-deflate"));
    }
}

#[test]
fn outgoing_messages_pass_extensions_in_order_with_both_bits() {
    let message = prose(1000);
    let mut server = Server::open(deflate_then_checksum(), &[BOTH]);
    let Written { first, payload } = server.send(message.as_str());
    assert_eq!(first, 0x81 | RSV1 | RSV2);
    let (deflated, checksum) = payload.split_last_chunk::<4>().unwrap();
    assert_eq!(*checksum, sum(deflated));
    assert_eq!(Puff::fresh(deflated).unwrap(), message.as_bytes());

    let mut server = Server::open(checksum_then_deflate(), &[BOTH]);
    let Written { first, payload } = server.send(message.as_str());
    assert_eq!(first, 0x81 | RSV1 | RSV2);
    let inflated = Puff::fresh(&payload).unwrap();
    assert_eq!(inflated, [message.as_bytes(), &sum(message.as_bytes())].concat());
}

#[test]
fn incoming_messages_pass_extensions_in_reverse_order() {
    let message = prose(1000);
    let deflated = Deflater::new().message(&message);
    let mut server = Server::open(deflate_then_checksum(), &[BOTH]);
    let payload = [&deflated[..], &sum(&deflated)].concat();
    assert_eq!(server.feed(Frame::text(&payload).rsv(RSV1 | RSV2).bytes()), [text(&message)]);

    let mut server = Server::open(checksum_then_deflate(), &[BOTH]);
    let payload = Deflater::new().message([message.as_bytes(), &sum(message.as_bytes())].concat());
    assert_eq!(server.feed(Frame::text(&payload).rsv(RSV1 | RSV2).bytes()), [text(&message)]);
}

#[test]
fn message_may_have_either_bit_or_none() {
    let mut server = Server::open(deflate_then_checksum(), &[BOTH]);
    assert_eq!(server.feed(Frame::text("plain").bytes()), [text("plain")]);
    let checked = [b"checked", &sum(b"checked")[..]].concat();
    assert_eq!(server.feed(Frame::text(&checked).rsv(RSV2).bytes()), [text("checked")]);
    assert_eq!(server.feed(Deflater::new().text("deflated")), [text("deflated")]);
    server.driver.set_compression(false);
    assert_eq!(server.send("checked").first, 0x81 | RSV2);
    assert_eq!(server.frames(), []);
}

#[test]
fn wrong_checksum_fails_with_1002_and_names_the_extension() {
    let mut server = Server::open(deflate_then_checksum(), &[BOTH]);
    let events = server.feed(Frame::text("no checksum").rsv(RSV2).bytes());
    let reason = server.assert_failed(&events, 1002);
    assert_eq!(reason, "extension \"x-checksum\" failed: cannot decode payload: wrong checksum");
}

#[test]
fn pipelines_of_client_and_server_interoperate() {
    for (config, names) in [
        (deflate_then_checksum(), ["deflate", "x-checksum"]),
        (checksum_then_deflate(), ["x-checksum", "deflate"]),
        // The response determines the order, not the client.
        (checksum_then_deflate(), ["deflate", "x-checksum"]),
    ] {
        let mut server = Server::open(config, &[BOTH]);
        let mut client = client(names, server.answered.as_deref().unwrap());
        assert_eq!(client.names().collect::<Vec<_>>().join(", "), server.answered.clone().unwrap());
        for (i, len) in [0, 5, 1000, 0, 70_000, 1000].into_iter().enumerate() {
            let mut message = Message::new(i % 2 == 0, prose(len));
            client.encode(&mut message).unwrap();
            assert_eq!(message.rsv, Rsv::RSV1 | Rsv::RSV2);
            let frame = Frame::new(2 - (i % 2 == 0) as u8, &message.data).rsv(message.rsv.to_first_byte());
            let event = if i % 2 == 0 { text(&prose(len)) } else { binary(prose(len)) };
            assert_eq!(server.feed(frame.bytes()), [event]);

            let Written { first, payload } = server.send(Sent::text(prose(len)));
            let mut message = Message::new(true, payload);
            message.rsv = Rsv::from_first_byte(first);
            client.decode(&mut message, 100_000, &mut |_| Ok(())).unwrap();
            assert_eq!(message, Message::new(true, prose(len)));
        }
    }
}

#[test]
fn first_registered_of_two_extensions_on_one_bit_is_accepted() {
    let extensions = [Checksum::new().on(Rsv::RSV1), Checksum::new().named("x-other").on(Rsv::RSV1 | Rsv::RSV3)];
    let offered = parse_header([b"x-other, x-checksum".as_slice()]).unwrap();
    let answer = |extensions: &[Checksum]| registered(extensions.iter().cloned()).accept(&offered).1.unwrap();
    assert_eq!(answer(&extensions), "x-checksum");
    assert_eq!(answer(&[extensions[1].clone(), extensions[0].clone()]), "x-other");
    // An extension without an offer claims nothing.
    let only_other = parse_header([b"x-other".as_slice()]).unwrap();
    assert_eq!(registered(extensions).accept(&only_other).1.unwrap(), "x-other");
}

#[test]
fn response_with_two_extensions_on_one_bit_is_refused() {
    let extensions = registered([Checksum::new(), Checksum::new().named("x-other")]);
    let response = parse_header([b"x-other, x-checksum".as_slice()]).unwrap();
    let error = extensions.offer().activate(&response).unwrap_err();
    let reason = ExtensionFault::RsvConflict { other: "x-other".into() };
    assert_eq!(error, ExtensionError::new("x-checksum", reason));
    assert_eq!(error.close_code(), 1010);
}

#[test]
fn two_extensions_of_one_name_cannot_be_registered() {
    let error = Config::server().extension(deflate()).unwrap().extension(deflate()).unwrap_err();
    assert_eq!(error, DuplicateExtension("permessage-deflate".into()));
    let mut extensions = registered([Checksum::new()]);
    assert_eq!(extensions.register(Checksum::new().on(Rsv::RSV3)), Err(DuplicateExtension("x-checksum".into())));
    let header = extensions.offer().header();
    assert_eq!(header.as_deref(), Some("x-checksum"), "the first one stays");
}

#[test]
fn session_output_over_the_limit_is_stopped_at_any_position() {
    for config in [deflate_then_checksum(), checksum_then_deflate()] {
        let names = if Server::open(config.clone(), &[BOTH]).answered.unwrap().starts_with('x') {
            ["x-checksum", "deflate"]
        } else {
            ["deflate", "x-checksum"]
        };
        for (len, fits) in [(996, true), (1001, false), (100_000, false)] {
            let mut server = Server::open(config.clone().max_message_size(1000), &[BOTH]);
            let mut client = client(names, server.answered.as_deref().unwrap());
            let mut message = Message::new(true, "x".repeat(len));
            client.encode(&mut message).unwrap();
            let events = server.feed(Frame::text(&message.data).rsv(message.rsv.to_first_byte()).bytes());
            if fits {
                assert_eq!(events, [text(&"x".repeat(len))]);
            } else {
                server.assert_failed(&events, 1009);
            }
        }
    }
}

#[test]
fn extension_that_was_not_negotiated_has_no_bit() {
    let mut server = Server::open(deflate_then_checksum(), &[OFFER]);
    assert_eq!(server.send("x").first, 0x81 | RSV1);
    let events = server.feed(Frame::text("x").rsv(RSV2).bytes());
    server.assert_failed(&events, 1002);
    let mut server = Server::open(deflate_then_checksum(), &["x-checksum"]);
    let events = server.feed(compressed(1, "x"));
    server.assert_failed(&events, 1002);
}

#[test]
fn extension_without_a_bit_sees_every_message() {
    /// Swaps upper and lower case.
    #[derive(Debug)]
    struct SwapCase;

    fn swap(message: &mut Message) {
        let swap = |byte: &u8| if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { *byte };
        message.data = message.data.iter().map(swap).collect();
    }

    impl Session for SwapCase {
        fn decode(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
            room.extend(&message.data)?;
            message.data = room.take();
            swap(message);
            Ok(())
        }

        fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionFault> {
            swap(message);
            Ok(())
        }
    }

    impl Offer for SwapCase {
        fn params(&self) -> Vec<Params> {
            vec![Params::new()]
        }

        fn activate(self: Box<Self>, response: &Params) -> Result<Box<dyn Session>, ExtensionFault> {
            match response.iter().next() {
                None => Ok(self),
                Some((name, _)) => Err(ExtensionFault::Parameter { name: name.into(), value: None }),
            }
        }
    }

    impl Extension for SwapCase {
        fn name(&self) -> &str {
            "x-swap-case"
        }

        fn rsv(&self) -> Rsv {
            Rsv::NONE
        }

        fn offer(&self) -> Option<Box<dyn Offer>> {
            Some(Box::new(Self))
        }

        fn accept(&self, offers: &[Params]) -> Option<(Params, Box<dyn Session>)> {
            offers.iter().any(Params::is_empty).then(|| (Params::new(), Box::new(Self) as _))
        }
    }

    check(|| SwapCase);
    let config = Config::server().extension(SwapCase).unwrap().extension(deflate()).unwrap();
    let mut server = Server::open(config, &["x-swap-case", OFFER]);
    // Text is validated after decoding, in one frame or in several.
    assert_eq!(server.feed(Frame::text("Hello").bytes()), [text("hELLO")]);
    let parts = [Frame::text("He\u{e9}".as_bytes()).more(), Frame::continuation("LLO")];
    assert_eq!(server.feed(frames(parts)), [text("hEéllo")]);
    assert_eq!(server.feed(Deflater::new().text("Hello")), [text("hELLO")]);
    let Written { first, payload } = server.send("Hello");
    assert_eq!((first, Puff::fresh(&payload).unwrap()), (0x81 | RSV1, b"hELLO".to_vec()));
}
