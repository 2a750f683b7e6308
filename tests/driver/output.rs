//! The output queue: small messages are joined, large ones never copied.

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use proptest::prelude::*;
use websocket_driver::{Config, Driver, Event, Message, PreparedMessage, Version};
use websocket_tests::wire::{Frame, ServerFrame, VERSIONS, server_frame};

use crate::session::{Session, cases};

const MIB: usize = 1 << 20;

/// Returns the addresses and lengths of the slices for a vectored write.
fn chunks(driver: &mut Driver) -> Vec<(*const u8, usize)> {
    let mut slices = [IoSlice::new(&[]); 64];
    let output = driver.output();
    let count = output.chunks_vectored(&mut slices);
    slices[..count].iter().map(|slice| (slice.as_ptr(), slice.len())).collect()
}

#[test]
fn large_message_is_echoed_without_a_copy() {
    for opcode in [1, 2] {
        let mut session = Session::open(Version::Hybi13);
        let buffer = BytesMut::from(&Frame::new(opcode, vec![b'x'; MIB]).bytes()[..]);
        // After the header of 14 bytes, unmasked in place.
        let received = buffer[14..].as_ptr();
        session.driver.receive(buffer);
        let Some(Event::Message(message)) = session.driver.poll_event() else { panic!("no message") };
        assert_eq!(message.as_bytes().as_ptr(), received);
        session.driver.send(message).unwrap();
        let chunks = chunks(&mut session.driver);
        assert_eq!((chunks.len(), chunks[0].1, chunks[1]), (2, 10, (received, MIB)));
        assert_eq!(session.frames(), [ServerFrame::new(opcode, vec![b'x'; MIB])]);
    }
}

#[test]
fn large_message_of_the_application_is_sent_without_a_copy() {
    for version in VERSIONS {
        let mut session = Session::open(version);
        let string = "x".repeat(MIB);
        let start = string.as_ptr();
        session.driver.send(string).unwrap();
        assert!(chunks(&mut session.driver).contains(&(start, MIB)), "{version}");
        if !version.is_hixie() {
            let bytes = Bytes::from(vec![7; MIB]);
            session.written();
            session.driver.send(bytes.clone()).unwrap();
            assert!(chunks(&mut session.driver).contains(&(bytes.as_ptr(), MIB)), "{version}");
        }
    }
}

#[test]
fn shared_message_is_sent_on_many_connections_without_a_copy() {
    let message = Message::text("x".repeat(MIB));
    for _ in 0..3 {
        let mut session = Session::open(Version::Hybi13);
        session.driver.send(message.clone()).unwrap();
        assert_eq!(chunks(&mut session.driver)[1], (message.as_bytes().as_ptr(), MIB));
    }
}

#[test]
fn prepared_frame_is_shared_by_idle_connections_until_it_is_written() {
    for len in [1, 1000, 100_000] {
        let prepared = PreparedMessage::new(vec![7; len]);
        let mut sessions = [0; 3].map(|_| Session::open(Version::Hybi13));
        let starts = sessions.each_mut().map(|session| {
            session.driver.output().reclaim();
            session.driver.send_prepared(&prepared).unwrap();
            assert!(!session.driver.output().has_buffer(), "{len}");
            chunks(&mut session.driver)
        });
        assert_eq!((starts[0].len(), &starts[0]), (1, &starts[1]), "{len}");
        assert_eq!(starts[0], starts[2], "{len}");
        for session in &mut sessions {
            session.driver.send("next").unwrap();
            session.driver.send_prepared(&prepared).unwrap();
            let frame = ServerFrame::new(2, vec![7; len]);
            assert_eq!(session.frames(), [frame.clone(), ServerFrame::new(1, "next"), frame], "{len}");
        }
    }
}

#[test]
fn complete_payload_stays_where_it_was_read() {
    let mut session = Session::open(Version::Hybi13);
    let buffer = BytesMut::from(&[Frame::binary([7; 300]).bytes(), Frame::binary([8; 400]).bytes()].concat()[..]);
    let (first, second) = (buffer[8..].as_ptr(), buffer[8 + 300 + 8..].as_ptr());
    session.driver.receive(buffer);
    for start in [first, second] {
        let Some(Event::Message(message)) = session.driver.poll_event() else { panic!("no message") };
        assert_eq!(message.as_bytes().as_ptr(), start);
    }
}

#[test]
fn small_frames_are_joined_into_one_chunk() {
    for version in VERSIONS {
        let mut session = Session::open(version);
        let mut expected = 0;
        for i in 0..200 {
            session.driver.send("x".repeat(i)).unwrap();
            expected += i + 2 + usize::from(!version.is_hixie() && i > 125) * 2;
        }
        let chunks = chunks(&mut session.driver);
        assert_eq!((chunks.len(), chunks[0].1), (1, expected), "{version}");
        assert_eq!(session.driver.output().chunk().len(), expected);
    }
}

/// Queues small and large messages and control frames in turn.
fn mixed() -> (Session, Vec<ServerFrame>) {
    let mut session = Session::open(Version::Hybi13);
    let mut expected = Vec::new();
    for size in [5, 40_000, 0, 33_000, 33_000, 200, 16_000] {
        let payload: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        session.driver.send(payload.clone()).unwrap();
        session.driver.send_ping(format!("{size}")).unwrap();
        expected.extend([ServerFrame::new(2, payload), ServerFrame::new(9, format!("{size}"))]);
    }
    (session, expected)
}

#[test]
fn order_is_kept_across_small_and_large_messages() {
    let (mut session, sent) = mixed();
    assert!(chunks(&mut session.driver).len() > 4);
    let frames = session.frames();
    assert_eq!(frames.len(), sent.len());
    // Pings may overtake messages.
    let messages = |frames: Vec<ServerFrame>| frames.into_iter().filter(|frame| frame.opcode < 8).collect::<Vec<_>>();
    assert_eq!(messages(frames), messages(sent));
    assert!(!session.driver.output().has_remaining());
}

#[test]
fn remaining_length_matches_the_chunks_whatever_is_written() {
    let whole = mixed().0.written();
    for step in [1, 7, 1000, 4096, 16_384, 33_003, 40_004, 100_000] {
        let (mut session, _) = mixed();
        let mut written = Vec::new();
        // If it is written byte by byte, checking the first chunks is enough.
        while written.len() < whole.len().min(45_000 * step) {
            let output = session.driver.output();
            let mut slices = [IoSlice::new(&[]); 64];
            let count = output.chunks_vectored(&mut slices);
            let waiting: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            assert_eq!((output.remaining(), waiting), (whole.len() - written.len(), output.remaining()));
            assert_eq!(output.chunk().as_ptr(), slices[0].as_ptr());
            let taken: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
            output.advance(taken.len());
            written.extend(taken);
        }
        assert_eq!(written, whole[..written.len()]);
    }
}

#[test]
fn partial_write_leaves_the_rest_unchanged() {
    let build = || {
        let mut session = Session::open(Version::Hybi13);
        session.driver.send("small").unwrap();
        session.driver.send(vec![9; 40_000]).unwrap();
        session.driver.send("behind").unwrap();
        session
    };
    let whole = build().written();
    let edges = (0..30).chain(39_990..whole.len() + 1);
    for cut in edges {
        let mut session = build();
        session.driver.output().advance(cut);
        // Later messages are queued after it.
        session.driver.send("later").unwrap();
        assert_eq!(session.written(), [&whole[cut..], b"\x81\x05later"].concat(), "{cut}");
    }
}

#[test]
fn few_slices_are_filled_with_the_first_chunks() {
    let (mut session, _) = mixed();
    let all = chunks(&mut session.driver);
    for room in 0..4 {
        let mut slices = vec![IoSlice::new(&[]); room];
        let output = session.driver.output();
        assert_eq!(output.chunks_vectored(&mut slices), room);
        assert!(slices.iter().zip(&all).all(|(slice, chunk)| (slice.as_ptr(), slice.len()) == *chunk));
    }
}

#[test]
fn lent_buffer_is_used_and_returned_when_everything_is_written() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.output().reclaim();
    let buffer = BytesMut::with_capacity(8192);
    let start = buffer.as_ptr();
    session.driver.output().lend(buffer);
    // A second buffer is not needed, and must not replace queued output.
    session.driver.send("first").unwrap();
    session.driver.output().lend(BytesMut::with_capacity(64));
    assert_eq!(session.frames(), [ServerFrame::text("first")]);
    for _ in 0..10 {
        session.driver.send("hello").unwrap();
        assert_eq!(session.driver.output().chunk().as_ptr(), start);
        assert_eq!(session.driver.output().reclaim().capacity(), 0, "bytes wait in it");
        session.written();
    }
    assert!(session.driver.output().has_buffer());
    assert_eq!(session.driver.output().reclaim().capacity(), 8192);
    assert!(!session.driver.output().has_buffer());
    session.driver.send("without one").unwrap();
    assert_eq!(session.frames(), [ServerFrame::text("without one")]);
}

#[test]
fn few_bytes_in_a_large_buffer_are_moved_to_a_small_one() {
    for (sent, written) in [(vec![100], 50), (vec![60_000, 100], 60_010), (vec![30_000, 20_000, 100], 30_000)] {
        let mut session = Session::open(Version::Hybi13);
        session.driver.output().reclaim();
        session.driver.output().lend(BytesMut::with_capacity(128 * 1024));
        let messages: Vec<_> = sent.iter().map(|&len| vec![7; len]).collect();
        messages.iter().for_each(|message| session.driver.send_borrowed(&message[..]).unwrap());
        session.driver.output().advance(written);
        let rest: Vec<u8> = chunks_of(&mut session.driver).concat();
        let mut buffer = session.driver.output().shrink();
        assert!(buffer.is_empty() && buffer.try_reclaim(128 * 1024), "{sent:?}");
        assert!(session.driver.memory() < size_of::<Driver>() + rest.len() + 64 * 1024, "{}", session.driver.memory());
        assert_eq!(session.driver.output().shrink().capacity(), 0, "it is small already");
        session.driver.send("behind").unwrap();
        assert_eq!(session.written(), [&rest[..], b"\x81\x06behind"].concat(), "{sent:?}");
    }
}

#[test]
fn large_buffer_with_many_bytes_is_kept() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.output().reclaim();
    session.driver.output().lend(BytesMut::with_capacity(4096));
    session.driver.send(vec![7; 1000]).unwrap();
    assert_eq!(session.driver.output().shrink().capacity(), 0);
    assert_eq!(session.frames(), [ServerFrame::new(2, vec![7; 1000])]);
    assert_eq!(session.driver.output().shrink().capacity(), 4096, "nothing waits in it");
}

#[test]
fn header_of_a_large_message_does_not_keep_its_buffer_alive() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.output().reclaim();
    session.driver.output().lend(BytesMut::with_capacity(128 * 1024));
    session.driver.send(vec![7; 100_000]).unwrap();
    let mut buffer = session.driver.output().shrink();
    assert!(buffer.try_reclaim(128 * 1024), "nothing else is in it");
    assert_eq!(session.frames(), [ServerFrame::new(2, vec![7; 100_000])]);
}

#[test]
fn discarded_output_counts_as_flushed_and_not_as_written() {
    let mut session = Session::open(Version::Hybi13);
    assert!(!session.driver.discard_output());
    session.driver.send(vec![7; 100_000]).unwrap();
    session.driver.output().advance(20);
    session.driver.send("behind").unwrap();
    session.feed(Frame::ping("ahead").bytes());
    session.feed(Frame::ping("later").bytes());
    let end = session.driver.output().end_position();
    assert!(session.driver.output().flushed_position() < end);
    assert!(session.driver.discard_output());
    assert!(!session.driver.wants_write() && !session.driver.discard_output());
    for _ in 0..2 {
        assert!(session.driver.output().flushed_position() >= end);
        session.driver.output().reclaim();
    }
    session.driver.send("again").unwrap();
    assert!(session.driver.output().end_position() >= end + 7);
    assert_eq!(session.written(), b"\x81\x05again");
}

fn chunks_of(driver: &mut Driver) -> Vec<Vec<u8>> {
    let mut slices = [IoSlice::new(&[]); 64];
    let output = driver.output();
    let count = output.chunks_vectored(&mut slices);
    slices[..count].iter().map(|slice| slice.to_vec()).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    SendPrepared(usize),
    Ping(u8),
    Write(usize),
    WriteAll,
    Reclaim,
    Shrink,
    Discard,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..2000_usize).prop_map(Step::Send),
        1 => (15_000..40_000_usize).prop_map(Step::Send),
        2 => (0..2000_usize).prop_map(Step::SendPrepared),
        1 => (15_000..40_000_usize).prop_map(Step::SendPrepared),
        3 => any::<u8>().prop_map(Step::Ping),
        2 => (0..100_usize).prop_map(Step::Write),
        2 => (0..30_000_usize).prop_map(Step::Write),
        1 => Just(Step::WriteAll),
        1 => Just(Step::Reclaim),
        1 => Just(Step::Shrink),
    ]
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn flushed_position_reaches_a_message_when_it_is_written(
        mut steps in prop::collection::vec(step(), 1..80),
        discard in prop::option::of(0..80_usize),
    ) {
        if let Some(at) = discard {
            steps.insert(at.min(steps.len()), Step::Discard);
        }
        let mut session = Session::open_with(Version::Hybi13, Config::server().max_output(usize::MAX));
        let (mut written, mut read) = (Vec::new(), 0);
        // The ends of the queued messages, the number written or discarded, and whether output was
        // discarded.
        let (mut ends, mut done, mut is_discarded) = (Vec::new(), 0, false);
        let mut before = 0;
        for step in steps {
            let driver = &mut session.driver;
            match step {
                Step::Send(len) => driver.send(vec![7; len]).unwrap(),
                Step::SendPrepared(len) => driver.send_prepared(&PreparedMessage::new(vec![7; len])).unwrap(),
                Step::Ping(number) => driver.send_ping(vec![number]).unwrap(),
                Step::Write(len) => {
                    let output = driver.output();
                    written.extend(output.copy_to_bytes(len.min(output.remaining())));
                }
                Step::WriteAll => {
                    let output = driver.output();
                    written.extend(output.copy_to_bytes(output.remaining()));
                }
                Step::Reclaim => drop(driver.output().reclaim()),
                Step::Shrink => drop(driver.output().shrink()),
                Step::Discard => {
                    is_discarded |= driver.discard_output();
                    done = ends.len();
                }
            }
            let output = driver.output();
            if matches!(step, Step::Send(_) | Step::SendPrepared(_)) {
                ends.push(output.end_position());
            }
            let flushed = output.flushed_position();
            prop_assert!(before <= flushed);
            before = flushed;
            prop_assert!(flushed <= output.end_position());
            prop_assert!(output.has_remaining() || ends.iter().all(|&end| end <= flushed));
            // No frames follow the discarded ones.
            while !is_discarded && let Some((frame, len)) = server_frame(&written[read..]) {
                read += len;
                done += usize::from(frame.opcode < 8);
            }
            let flushed = ends.iter().filter(|&&end| end <= flushed).count();
            prop_assert!(is_discarded && done <= flushed || flushed == done, "{flushed} {done}");
        }
    }
}
