//! Any messages, with any negotiated parameters and any fragmentation, are transmitted unchanged,
//! and arbitrary bytes do no harm.

use permessage_deflate::PermessageDeflate;
use proptest::prelude::*;
use proptest::sample::Index;
use websocket_driver::extensions::{Message, Pipeline, Rsv, parse_header};
use websocket_driver::{Config, Event};
use websocket_tests::wire::{Frame, frames};

use crate::options::{bits, offered, only};
use crate::peer::{Deflater, Server, binary, cases, compressed, fragments, noise, prose, text};
use crate::puff::Puff;

/// Generates compressible text, noise and zeros of up to `most` bytes, concatenated.
fn data(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let part = (0..4, 0..most, any::<u64>()).prop_map(|(kind, len, seed)| match kind {
        0 => noise(len, seed),
        1 => prose(len).into_bytes(),
        2 => vec![seed as u8; len],
        _ => noise(len.min(300), seed).into_iter().cycle().take(len).collect(),
    });
    let most = move |parts: Vec<Vec<u8>>| {
        let mut data = parts.concat();
        data.truncate(most);
        data
    };
    prop::collection::vec(part, 0..4).prop_map(most)
}

/// Generates mostly small messages, some of up to 1 MiB.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => data(300), 4 => data(10_000), 1 => data(100_000), 1 => data(1 << 20)]
}

fn options() -> impl Strategy<Value = PermessageDeflate> {
    let flags = any::<(bool, bool)>();
    (8..=15_u8, 9..=15_u8, flags, 0..=9_u8, 1..=9_u8, prop_oneof![Just(0), Just(64), 0..5000_usize]).prop_map(
        |(own, peer, (fresh, request_fresh), level, mem_level, threshold)| {
            PermessageDeflate::new()
                .max_window_bits(bits(own))
                .request_max_window_bits(bits(peer))
                .no_context_takeover(fresh)
                .request_no_context_takeover(request_fresh)
                .level(level)
                .mem_level(mem_level)
                .threshold(threshold)
        },
    )
}

/// Returns both ends of a connection, or `None` if the options are incompatible.
fn connect(client: PermessageDeflate, server: PermessageDeflate) -> Option<(Pipeline, Server)> {
    let offered = offered(client);
    let server = Server::open(Config::server().extension(server).unwrap(), &[&offered.header()?]);
    let response = parse_header([server.answered.as_ref()?.as_bytes()]).unwrap();
    Some((offered.activate(&response).expect("acceptable"), server))
}

/// Feeds bytes in pieces of these sizes, repeatedly.
fn feed(server: &mut Server, bytes: &[u8], sizes: &[usize]) -> Vec<Event> {
    let (mut rest, mut events) = (bytes, Vec::new());
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min(*size));
        events.extend(server.feed(piece));
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    events
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn messages_are_transmitted_unchanged_in_both_directions(
        client in options(),
        server in options(),
        messages in prop::collection::vec((message(), any::<bool>(), 1..100_000_usize), 1..8),
        pieces in prop::collection::vec(1..70_000_usize, 1..4),
    ) {
        let Some((mut client, mut server)) = connect(client, server) else { return Ok(()) };
        for (data, may_compress, fragment) in messages {
            let mut message = Message::new(false, data.clone());
 message.may_compress = may_compress;
            client.encode(&mut message).unwrap();
            let sent = match message.rsv {
                Rsv::NONE => Frame::binary(&message.data).bytes(),
                _ => frames(fragments(2, &message.data, fragment)),
            };
            let events = feed(&mut server, &sent, &pieces);
            prop_assert!(events == [binary(&data)], "{} bytes", data.len());

            server.driver.set_compression(may_compress);
            let written = server.send(data.clone());
            let mut message = Message::new(false, written.payload);
 message.rsv = Rsv::from_first_byte(written.first);
            client.decode(&mut message, data.len(), &mut |_| Ok(())).unwrap();
            prop_assert!(message.data == data && message.rsv == Rsv::NONE, "{} bytes", data.len());
        }
    }

    #[test]
    fn server_output_is_read_by_another_inflater(
        options in options(),
        messages in prop::collection::vec(data(20_000), 1..6),
    ) {
        let Some((_, mut server)) = connect(PermessageDeflate::new(), options) else { return Ok(()) };
        let is_fresh = server.answered.as_ref().unwrap().contains("server_no_context_takeover");
        let mut puff = Puff::default();
        for data in messages {
            let written = server.send(data.clone());
            if is_fresh {
                puff = Puff::default();
            }
            let came = if written.first == 0xc2 { puff.message(&written.payload) } else { Ok(written.payload) };
            prop_assert!(came == Ok(data));
        }
    }

    #[test]
    fn server_reads_output_of_another_deflater(
        window in 9..=15_u8,
        is_fresh in any::<bool>(),
        messages in prop::collection::vec((message(), 1..5000_usize), 1..6),
    ) {
        let options = PermessageDeflate::new().request_max_window_bits(bits(window)).request_no_context_takeover(is_fresh);
        let mut server = Server::deflate(options);
        let client = Deflater::with_window(window);
        let mut client = if is_fresh { client.no_takeover() } else { client };
        for (data, fragment) in messages {
            let events = server.feed(frames(fragments(2, &client.message(&data), fragment)));
            prop_assert!(events == [binary(&data)], "{} bytes", data.len());
        }
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_split(
        kinds in prop::collection::vec((0..9, 0..3000_usize, 1..200_usize), 1..12),
        pieces in prop::collection::vec(1..500_usize, 1..20),
    ) {
        let mut client = Deflater::new();
        let bytes: Vec<u8> = kinds.into_iter().flat_map(|(kind, len, size)| match kind {
            0 => client.text(prose(len)),
            1 => client.binary(noise(len, len as u64)),
            2 => frames(fragments(1, &client.message(prose(len)), size)),
            3 => {
                let parts = fragments(2, &client.message(prose(len)), size);
                frames(parts.into_iter().flat_map(|part| [part, Frame::ping("between")]))
            }
            4 => Frame::text(prose(len)).bytes(),
            5 => compressed(1, [0x00]),
            6 if len % 4 == 0 => compressed(1, noise(size, len as u64)),
            7 if len % 4 == 0 => client.text(b"not UTF-8: \xff"),
            8 if len % 4 == 0 => compressed(9, "a ping"),
            _ => Frame::ping("!").bytes(),
        }).collect();
        let open = || Server::limited(PermessageDeflate::new(), Config::server().max_message_size(2500));
        let [mut whole, mut cut, mut slow] = [(); 3].map(|()| open());
        let events = whole.feed(&bytes);
        let written = whole.bytes();
        prop_assert!(feed(&mut cut, &bytes, &pieces) == events);
        prop_assert!(feed(&mut slow, &bytes, &[1]) == events);
        prop_assert!(cut.bytes() == written && slow.bytes() == written);
    }
}

/// Returns the length of the decoded message if it is within the limit, or the reason for a
/// failure.
fn decode(pipeline: &mut Pipeline, data: &[u8], limit: usize) -> Result<usize, TestCaseError> {
    let mut inspected = 0;
    let mut message = Message::new(true, data.to_vec());
    message.rsv = Rsv::RSV1;
    let mut inspect = |piece: &[u8]| {
        inspected += piece.len();
        Ok(())
    };
    let decoded = pipeline.decode(&mut message, limit, &mut inspect);
    prop_assert!(inspected <= limit, "{inspected} bytes came out");
    match decoded {
        Ok(()) => {
            prop_assert!(message.data.len() <= limit && inspected <= message.data.len());
            Ok(message.data.len())
        }
        Err(error) => {
            prop_assert!(matches!(error.close_code(), 1002 | 1009), "{error}");
            Ok(0)
        }
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn random_bytes_never_make_a_decoder_panic_or_exceed_its_limit(
        window in 8..=15_u8,
        is_fresh in any::<bool>(),
        limit in prop_oneof![0..10_usize, 0..100_000_usize],
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
    ) {
        let options = PermessageDeflate::new().request_max_window_bits(bits(window)).request_no_context_takeover(is_fresh);
        let mut pipeline = only(options).accept(&parse_header([crate::peer::OFFER.as_bytes()]).unwrap()).0;
        for message in messages {
            decode(&mut pipeline, &message, limit)?;
        }
    }

    #[test]
    fn altered_messages_never_make_a_decoder_panic_or_exceed_its_limit(
        messages in prop::collection::vec((data(2000), any::<Index>(), any::<u8>(), 0..4), 1..5),
        limit in 0..3000_usize,
    ) {
        let mut pipeline = only(PermessageDeflate::new()).accept(&parse_header([crate::peer::OFFER.as_bytes()]).unwrap()).0;
        let mut client = Deflater::new();
        for (data, at, byte, kind) in messages {
            let mut sent = client.message(&data);
            let at = at.index(sent.len());
            match kind {
                0 => sent[at] = byte,
                1 => sent.truncate(at),
                2 => sent.insert(at, byte),
                _ => sent.extend([0x00, 0x00, 0xff, 0xff, byte]),
            }
            decode(&mut pipeline, &sent, limit)?;
        }
    }
}

#[test]
fn properties_cover_messages_of_a_mebibyte() {
    let long = [prose(1 << 19).into_bytes(), noise(1 << 19, 1)].concat();
    let mut server = Server::deflate(PermessageDeflate::new());
    let payload = Deflater::new().message(&long);
    assert!(server.feed(frames(fragments(2, &payload, 10_000))) == [binary(&long)]);
    assert!(Puff::fresh(&server.send(long.clone()).payload).unwrap() == long);
    assert!(server.feed(Deflater::new().no_takeover().text("é".repeat(1 << 19))).len() == 1);
    assert!(server.feed(Frame::text("in step").bytes()) == [text("in step")]);
}
