//! However the input is split, the events are the same and in the same order, and so is the output
//! in total.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;
use std::sync::LazyLock;
use websocket_driver::{CloseCode, Config, Driver, Event, ServerConfig, Version};
use websocket_tests::wire::{Frame, HIXIE76_CLOSE, Handshake, KEY, VERSIONS, frames, hixie_text};

use crate::hybi_framing::violations;
use crate::session::{Session, cases};

/// The bytes of a client, for a driver that was given the request or one that reads it.
#[derive(Debug, Clone)]
pub(crate) struct Transcript {
    pub(crate) given: Option<Handshake>,
    pub(crate) input: Vec<u8>,
}

impl Transcript {
    /// Returns the same conversation for both kinds of driver.
    pub(crate) fn both(handshake: &Handshake, frames: &[u8]) -> [Self; 2] {
        let body = [&handshake.body[..], frames].concat();
        let whole = [&handshake.head()[..], &body].concat();
        [Self { given: Some(handshake.clone()), input: body }, Self { given: None, input: whole }]
    }
}

/// How input arrives and output is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// The transport is only written to at the end.
    lazy: bool,
    /// Bytes are read directly into the driver's buffer.
    in_place: bool,
    /// The end of the transport is known before the last piece is parsed.
    eof_at_once: bool,
}

pub(crate) fn limits() -> ServerConfig {
    Config::server()
        .allow_drafts(true)
        .max_frame_size(200)
        .max_message_size(300)
        .max_fragments(20)
        .max_head_size(600)
        .max_headers(16)
}

/// Feeds a transcript in pieces to an application that echoes every message, and closes on request.
pub(crate) fn run(transcript: &Transcript, cuts: &[usize], manner: Manner) -> (Vec<Event>, Vec<u8>) {
    let driver = match &transcript.given {
        Some(handshake) => websocket_tests::accept(&handshake.request(), limits()).expect("a valid handshake").1,
        None => Driver::server(limits()),
    };
    let mut session = Session { driver };
    let (mut events, mut written) = (Vec::new(), Vec::new());
    let length = transcript.input.len();
    let ends = cuts.iter().copied().chain([length]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    for (start, end) in starts.zip(ends) {
        let piece = &transcript.input[start..end];
        if manner.in_place {
            session.driver.input().put_slice(piece);
        } else {
            session.driver.receive(BytesMut::from(piece));
        }
        if manner.eof_at_once && end == length {
            session.driver.receive_eof();
        }
        pump(&mut session, &mut events);
        if !manner.lazy {
            written.extend(session.written());
        }
    }
    session.driver.receive_eof();
    pump(&mut session, &mut events);
    written.extend(session.written());
    (events, written)
}

fn pump(session: &mut Session, events: &mut Vec<Event>) {
    while let Some(event) = session.driver.poll_event() {
        match &event {
            Event::Connect => session.driver.start().unwrap(),
            Event::Message(message) if message.as_text() == Some("close") => {
                session.driver.start_close(CloseCode::GOING_AWAY, "as told").unwrap();
            }
            // Refused after a close.
            Event::Message(message) => drop(session.driver.send(message.clone())),
            _ => {}
        }
        events.push(event);
    }
    assert!(!session.driver.has_frame(), "all that is whole was told");
}

fn hybi_conversations() -> Vec<Vec<u8>> {
    let text = |text: &str| Frame::text(text);
    let mut all = vec![
        vec![],
        frames([text("Hello"), Frame::binary([0xff; 130]), text(""), text(&"€".repeat(60))]),
        frames([
            text("κό").more(),
            Frame::ping("1"),
            Frame::continuation("σμ").more(),
            Frame::pong("2"),
            Frame::continuation("ε"),
        ]),
        frames([Frame::text(b"\xf0\x9f").more(), Frame::ping("x"), Frame::continuation(b"\x98\x80"), text("next")]),
        frames([text("one"), Frame::close(1000, "done"), text("discarded")]),
        frames([text("one"), Frame::new(8, ""), Frame::ping("discarded")]),
        frames([text("close"), text("under way"), Frame::ping("unanswered"), Frame::close(1001, "")]),
        frames([text("close"), Frame::text(b"\xff"), Frame::close(1001, "")]),
        frames([text("good"), Frame::text(b"bad \xed\xa0\x80 bytes"), text("late")]),
        frames([Frame::text("good").more(), Frame::continuation(b"\xe2\x82").more(), Frame::continuation(b"\xe2")]),
        frames([Frame::text(b"cut \xe2\x82"), text("late")]),
        frames([Frame::binary([1; 200]), Frame::binary([1; 201])]),
        frames([Frame::text([b'x'; 150]).more(), Frame::text([b'y'; 100])]),
        frames([Frame::text([b'x'; 150]).more(), Frame::continuation([b'y'; 150]).more(), Frame::continuation("z")]),
        frames((0..25).map(|i| Frame::new(u8::from(i == 0), "").more())),
        frames((0..25).map(|i| Frame::new(u8::from(i == 0), b"\xff").more())),
        frames([text("ok"), Frame::close(1006, "")]),
        frames([text("ok"), Frame::close(1000, b"\xff")]),
        frames([text("ok"), Frame::new(8, "x"), text("late")]),
        frames((0..40).map(|i| Frame::ping([i; 5]))),
    ];
    all.extend(violations().into_iter().map(|(_, bytes, _)| [bytes, frames([text("behind")])].concat()));
    all
}

fn hixie_conversations() -> Vec<Vec<u8>> {
    vec![
        vec![],
        [hixie_text("Hello"), hixie_text(""), hixie_text("€".repeat(60))].concat(),
        [hixie_text(b"\xf0\x9f"), vec![0x80, 3, 0x00, b'x', 0xff], hixie_text("next")].concat(),
        [hixie_text("one"), HIXIE76_CLOSE.into(), hixie_text("late")].concat(),
        [hixie_text("close"), hixie_text("under way"), HIXIE76_CLOSE.into(), hixie_text("late")].concat(),
        [hixie_text([b'x'; 200]), hixie_text([b'y'; 201]), hixie_text("late")].concat(),
        [hixie_text("ok"), hixie_text([b'x'; 500])].concat(),
        [&hixie_text("ok")[..], &[0x00], &[b'x'; 400]].concat(),
        [&hixie_text("ok")[..], &[0x80; 30]].concat(),
        [&hixie_text("ok")[..], &[0x81], &[0xff; 30]].concat(),
        [&[0x80, 0x81, 72][..], &[0xff; 200], &hixie_text("in step"), &[0x80, 0x81, 73], &[0; 201]].concat(),
        [&[0x80, 0x00, 0x80, 0x80, 0x00][..], &hixie_text("in step"), b"\x00cut"].concat(),
        [&[0x80, 0x00][..]].concat(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

fn refused() -> Vec<Handshake> {
    let right = || Handshake::of(Version::Hybi13);
    vec![
        Handshake::get("/"),
        Handshake::hybi("99"),
        right().with("Sec-WebSocket-Key", KEY),
        right().set("Host", "a b"),
        right().with("Content-Length", "4"),
        Handshake::of(Version::Hixie76).set("Sec-WebSocket-Key1", "x"),
        Handshake { http: "HTTP/1.0".into(), ..right() },
        Handshake { http: "HTTP/3".into(), ..right() },
        Handshake { target: "/a b".into(), ..right() },
        right().with("X-Long", "x".repeat(600)),
        (0..20).fold(right(), |all, _| all.with("X", "")),
    ]
}

pub(crate) static TRANSCRIPTS: LazyLock<Vec<Transcript>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for version in VERSIONS {
        let handshake = Handshake::of(version);
        let conversations = if version.is_hixie() { hixie_conversations() } else { hybi_conversations() };
        // The older hybi drafts have the same framing.
        let count = if matches!(version, Version::Hybi8 | Version::Hybi7) { 9 } else { conversations.len() };
        all.extend(conversations[..count].iter().flat_map(|frames| Transcript::both(&handshake, frames)));
    }
    for handshake in refused() {
        let input = [&handshake.head()[..], &Frame::text("behind").bytes()].concat();
        all.push(Transcript { given: None, input: [&b"\r\n\r\n"[..], &input].concat() });
        all.push(Transcript { given: None, input });
    }
    all
});

/// Checks that splitting makes no difference. Otherwise returns the actual and the expected result.
fn same(
    transcript: &Transcript,
    cuts: &[usize],
    manner: Manner,
    expected: &(Vec<Event>, Vec<u8>),
) -> Result<(), String> {
    let (events, written) = run(transcript, cuts, manner);
    if (&events, &written) == (&expected.0, &expected.1) {
        return Ok(());
    }
    let outcome = |events: &[Event], written: &[u8]| format!("{events:?}\n{}", written.escape_ascii());
    let (was, should) = (outcome(&events, &written), outcome(&expected.0, &expected.1));
    let kind = if transcript.given.is_some() { "given the request" } else { "reading the head" };
    let input = transcript.input.escape_ascii();
    let cuts = if cuts.len() > 12 { "everywhere".into() } else { format!("at {cuts:?}") };
    Err(format!("{kind}, {manner:?}, cut {cuts}:\n{input}\nwas\n{was}\nand not\n{should}"))
}

#[track_caller]
fn assert_same(transcript: &Transcript, cuts: &[usize], manner: Manner, expected: &(Vec<Event>, Vec<u8>)) {
    if let Err(error) = same(transcript, cuts, manner, expected) {
        panic!("{error}");
    }
}

#[test]
fn whole_and_byte_by_byte_are_the_same() {
    for transcript in TRANSCRIPTS.iter() {
        let expected = run(transcript, &[], Manner::default());
        assert!(matches!(expected.0.last(), Some(Event::Close(_))), "it ends");
        let cuts: Vec<usize> = (1..transcript.input.len()).collect();
        for lazy in [false, true] {
            for in_place in [false, true] {
                let manner = Manner { lazy, in_place, eof_at_once: lazy };
                assert_same(transcript, &cuts, manner, &expected);
                assert_same(transcript, &[], manner, &expected);
            }
        }
    }
}

#[test]
fn cut_anywhere_is_the_same() {
    // All short transcripts; of those with a head, the first of each version.
    let short = TRANSCRIPTS.iter().filter(|transcript| transcript.input.len() < 100);
    let long = TRANSCRIPTS.iter().filter(|transcript| transcript.input.len() >= 100);
    for transcript in short.chain(long.step_by(7)) {
        let expected = run(transcript, &[], Manner::default());
        for cut in 0..=transcript.input.len() {
            let manner = Manner { eof_at_once: cut % 2 == 0, ..Manner::default() };
            assert_same(transcript, &[cut], manner, &expected);
        }
    }
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn arbitrary_cuts_are_the_same(
        number in 0..TRANSCRIPTS.len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        (lazy, in_place, eof_at_once) in any::<(bool, bool, bool)>(),
    ) {
        let transcript = &TRANSCRIPTS[number];
        let expected = run(transcript, &[], Manner::default());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(transcript.input.len() + 1)).collect();
        cuts.sort_unstable();
        same(transcript, &cuts, Manner { lazy, in_place, eof_at_once }, &expected).map_err(TestCaseError::fail)?;
    }
}
