//! Arbitrary bytes as a head, and after the handshake of each version: no panic, no unbounded
//! growth, the connection ends up closed or waiting, and the output is valid.

use bytes::Buf;
use proptest::prelude::*;
use websocket_driver::{Config, Event, Version};
use websocket_tests::wire::{Answer, Frame, Handshake, LengthForm, VERSIONS, hixie_text, server_frames};

use crate::chunking::limits;
use crate::session::{Session, cases};

/// Feeds pieces and checks the invariants after each one. `held` is the maximum input that may be
/// buffered.
fn check(mut session: Session, pieces: &[Vec<u8>], held: usize) -> Result<(Session, Vec<u8>), TestCaseError> {
    let (mut ended, mut fed, mut written) = (false, 0, Vec::new());
    for piece in pieces {
        fed += piece.len();
        session.driver.receive(&piece[..]);
        let mut failed = false;
        while let Some(event) = session.driver.poll_event() {
            prop_assert!(!ended, "{event:?} behind the close");
            prop_assert!(!failed || matches!(event, Event::Close(_)), "{event:?} behind an error");
            match &event {
                Event::Connect => session.driver.start().unwrap(),
                // In the hixie drafts, each invalid byte may have become a replacement character.
                Event::Message(message) => prop_assert!(message.len() <= 600),
                Event::Ping(data) | Event::Pong(data) => prop_assert!(data.len() <= 125),
                Event::Error(error) => {
                    prop_assert!(!error.to_string().is_empty());
                    failed = true;
                }
                Event::Close(close) => {
                    prop_assert_eq!(session.driver.close_frame(), Some(close));
                    ended = true;
                }
                _ => {}
            }
        }
        prop_assert_eq!(session.driver.is_closed(), ended);
        prop_assert!(session.driver.input().len() <= fed.min(held), "{} bytes held", session.driver.input().len());
        prop_assert!(session.driver.output().remaining() <= 17 * 1024);
        written.extend(session.written());
    }
    session.eof();
    prop_assert!(session.driver.is_closed());
    written.extend(session.written());
    Ok((session, written))
}

/// Generates bytes that are more often meaningful than random ones.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(&[0x00, 0x01, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x88, 0x89, 0xfe, 0xff][..])
    ];
    prop::collection::vec(byte, 0..60)
}

/// Generates a frame, any part of which may be invalid.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let form =
        prop::sample::select(&[LengthForm::Shortest, LengthForm::Shortest, LengthForm::Bits16, LengthForm::Bits64][..]);
    let opcode = prop_oneof![4 => prop::sample::select(&[0, 1, 2, 8, 9, 10][..]), 1 => 0..16u8];
    let payload = prop_oneof!["\\PC{0,40}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..220)];
    let rare = prop::option::weighted(0.05, any::<u64>());
    (opcode, any::<bool>(), payload, form, rare, prop::option::weighted(0.95, any::<[u8; 4]>())).prop_map(
        |(opcode, fin, payload, form, announced, mask)| {
            let mut frame = Frame::new(opcode, payload).length_form(form);
            frame = announced.into_iter().fold(frame, Frame::announcing);
            frame = if fin { frame } else { frame.more() };
            if let Some(key) = mask { frame.mask(key) } else { frame.unmasked() }.bytes()
        },
    )
}

fn hixie_frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "\\PC{0,40}".prop_map(hixie_text),
        prop::collection::vec(0..0xffu8, 0..220).prop_map(hixie_text),
        (0x80u8.., 0..100u8).prop_map(|(kind, length)| [vec![kind, length], vec![kind; length.into()]].concat()),
    ]
}

/// Generates a line of a head, usually one of a handshake.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let lines = VERSIONS.map(|version| Handshake::of(version).head());
    let lines: Vec<Vec<u8>> =
        lines.iter().flat_map(|head| head.split_inclusive(|&byte| byte == b'\n').map(Vec::from)).collect();
    prop_oneof![
        8 => prop::sample::select(lines),
        1 => "[A-Za-z-]{0,10}:[ -~]{0,20}\r\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..10),
    ]
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn arbitrary_bytes_after_a_handshake_are_survived(
        version in prop::sample::select(&VERSIONS[..]),
        pieces in prop::collection::vec(prop_oneof![noise(), frame(), hixie_frame()], 0..10),
    ) {
        let session = Session::open_with(version, limits());
        let held = if version.is_hixie() { 200 } else { 200 + 14 };
        let (_, written) = check(session, &pieces, held)?;
        if version.is_hixie() {
            prop_assert!(written.is_empty() || written == [0xff, 0x00]);
        } else {
            server_frames(&written);
        }
    }

    #[test]
    fn arbitrary_frames_are_survived(pieces in prop::collection::vec(frame(), 0..20)) {
        let (_, written) = check(Session::open_with(Version::Hybi13, limits()), &pieces, 214)?;
        server_frames(&written);
    }

    #[test]
    fn arbitrary_head_is_survived(
        lines in prop::collection::vec(line(), 0..20),
        noise in noise(),
        whole in any::<bool>(),
    ) {
        let mut pieces = lines;
        pieces.push(noise);
        if whole {
            pieces = vec![pieces.concat()];
        }
        let (_, written) = check(Session::reading(limits()), &pieces, 600)?;
        if !written.is_empty() {
            let (answer, length) = Answer::read(&written).expect("a whole head");
            prop_assert!(matches!(answer.status, 101 | 400 | 405 | 426));
            if answer.status != 101 {
                prop_assert_eq!(answer.all("Content-Length"), [(written.len() - length).to_string()]);
            }
        }
    }

    #[test]
    fn arbitrary_values_in_a_handshake_are_survived(
        version in prop::sample::select(&VERSIONS[..]),
        changed in any::<prop::sample::Index>(),
        value in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "[ -~]{0,40}".prop_map(String::into_bytes)],
    ) {
        let mut handshake = Handshake::of(version);
        let count = handshake.headers.len();
        let Ok(value) = http::HeaderValue::from_bytes(&value) else { return Ok(()) };
        handshake.headers[changed.index(count)].1 = value.as_bytes().to_vec();
        match websocket_tests::accept(&handshake.request(), Config::server().allow_drafts(true)) {
            Ok((response, _)) => prop_assert_eq!(response.status(), 101),
            Err(error) => prop_assert!(matches!(error.status().as_u16(), 400 | 426)),
        }
    }
}
