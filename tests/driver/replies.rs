//! Replies that are encoded without the driver and committed to it.

use bytes::{Buf, BytesMut};
use http::Uri;
use permessage_deflate::PermessageDeflate;
use proptest::prelude::*;
use websocket_driver::{CloseCode, Config, Driver, Event, Message, PreparedMessage, ReplyBuffer, SendError, Version};
use websocket_tests::wire::{Frame, Handshake, ServerFrame, VERSIONS};

use crate::observing::quiet_observer;
use crate::session::{Session, cases, closed};

fn begun(session: &Session) -> ReplyBuffer {
    let mut replies = ReplyBuffer::default();
    session.driver.begin_replies(&mut replies);
    replies
}

#[test]
fn replies_are_written_in_order_after_earlier_messages() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.send("before").unwrap();
    let mut replies = begun(&session);
    replies.send("1").unwrap();
    replies.send_borrowed(&[2; 300][..]).unwrap();
    replies.send(vec![3; 100_000]).unwrap();
    replies.send_prepared(&PreparedMessage::new("4")).unwrap();
    assert!(!replies.is_empty());
    session.driver.send("meanwhile").unwrap();
    session.driver.commit(&mut replies).unwrap();
    assert!(replies.is_empty());
    session.driver.send("behind").unwrap();
    let expected = [
        ServerFrame::text("before"),
        ServerFrame::text("meanwhile"),
        ServerFrame::text("1"),
        ServerFrame::new(2, [2; 300]),
        ServerFrame::new(2, vec![3; 100_000]),
        ServerFrame::text("4"),
        ServerFrame::text("behind"),
    ];
    assert!(session.frames() == expected);
}

#[test]
fn replies_are_committed_without_a_copy_if_nothing_waits() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.output().reclaim();
    let buffer = BytesMut::with_capacity(8192);
    let start = buffer.as_ptr();
    let mut replies = begun(&session);
    replies.lend(buffer);
    assert!(replies.has_buffer());
    replies.send_borrowed("hello").unwrap();
    assert_eq!(replies.reclaim().capacity(), 0, "bytes wait in it");
    session.driver.commit(&mut replies).unwrap();
    assert!(!replies.has_buffer());
    assert_eq!(session.driver.output().chunk().as_ptr(), start);
    assert_eq!(session.frames(), [ServerFrame::text("hello")]);
    // The next buffer contains it.
    session.driver.begin_replies(&mut replies);
    replies.send("again").unwrap();
    session.driver.commit(&mut replies).unwrap();
    assert_eq!(replies.reclaim().as_ptr(), start);
    assert_eq!(session.frames(), [ServerFrame::text("again")]);
}

#[test]
fn small_replies_after_others_are_not_copied() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.send("before").unwrap();
    let mut replies = begun(&session);
    (0..1000).for_each(|_| replies.send("x".repeat(50)).unwrap());
    session.driver.commit(&mut replies).unwrap();
    let frames = session.frames();
    assert_eq!((frames.len(), &frames[0]), (1001, &ServerFrame::text("before")));
}

#[test]
fn full_reply_buffer_accepts_one_message_over_the_limit() {
    for observed in [false, true] {
        let config = Config::server().max_output(1000);
        let config = if observed { config.observer(quiet_observer()) } else { config };
        let mut session = Session::open_with(Version::Hybi13, config);
        session.driver.send("x".repeat(98)).unwrap();
        let mut replies = begun(&session);
        let taken = (0..100).take_while(|_| replies.send_borrowed(&[7; 100][..]).is_ok()).count();
        // A deferred message counts more than its frame.
        assert!(if observed { (3..9).contains(&taken) } else { taken == 9 }, "{taken}");
        assert!(replies.is_full());
        assert_eq!(replies.send("x"), Err(SendError::OutputFull));
        assert_eq!(replies.send_prepared(&"x".into()), Err(SendError::OutputFull));
        // Others may fill the output in the meantime.
        while session.driver.send(vec![7; 100]).is_ok() {}
        session.driver.commit(&mut replies).unwrap();
        session.driver.begin_replies(&mut replies);
        assert_eq!(replies.send("x"), Err(SendError::OutputFull));
        assert_eq!(session.frames().len(), 1 + 9 + taken);
        session.driver.begin_replies(&mut replies);
        assert_eq!(replies.send("x"), Ok(()));
    }
}

#[test]
fn reply_buffer_accepts_nothing_before_it_is_begun() {
    let mut session = Session::open(Version::Hybi13);
    let mut replies = ReplyBuffer::default();
    for _ in 0..2 {
        assert!(replies.is_full() && replies.is_empty());
        assert_eq!(replies.send("early"), Err(SendError::OutputFull));
        assert_eq!(replies.send_borrowed("early"), Err(SendError::OutputFull));
        session.driver.begin_replies(&mut replies);
        replies.send("in time").unwrap();
        session.driver.commit(&mut replies).unwrap();
    }
    assert_eq!(session.frames(), [ServerFrame::text("in time"), ServerFrame::text("in time")]);
}

#[test]
fn replies_left_in_the_buffer_are_committed_with_the_next() {
    let mut session = Session::open(Version::Hybi13);
    let mut replies = begun(&session);
    replies.send("1").unwrap();
    session.driver.begin_replies(&mut replies);
    replies.send("2").unwrap();
    session.driver.commit(&mut replies).unwrap();
    assert_eq!(session.frames(), [ServerFrame::text("1"), ServerFrame::text("2")]);
}

#[test]
fn replies_are_dropped_once_the_connection_closes() {
    for observed in [false, true] {
        let config = if observed { Config::server().observer(quiet_observer()) } else { Config::server() };
        for close_by_peer in [false, true] {
            let mut session = Session::open_with(Version::Hybi13, config.clone());
            let mut replies = begun(&session);
            replies.send("late").unwrap();
            replies.send(vec![7; 100_000]).unwrap();
            if close_by_peer {
                assert_eq!(session.feed(Frame::close(1000, "").bytes()), [closed(1000, "")]);
            } else {
                session.driver.start_close(CloseCode::NORMAL, "").unwrap();
            }
            assert_eq!(session.driver.commit(&mut replies), Err(SendError::Closed));
            assert!(replies.is_empty());
            session.driver.begin_replies(&mut replies);
            assert_eq!(replies.send("later"), Err(SendError::Closed));
            assert_eq!(replies.start_close(CloseCode::NORMAL, ""), Ok(()));
            assert_eq!(session.driver.commit(&mut replies), Ok(()));
            assert_eq!(session.frames(), [ServerFrame::close(1000, "")]);
        }
    }
}

#[test]
fn close_is_the_last_reply() {
    let mut session = Session::open(Version::Hybi13);
    let mut replies = begun(&session);
    replies.send("last").unwrap();
    assert_eq!(replies.start_close(1005.into(), "reason"), Err(SendError::InvalidCloseCode(1005.into())));
    assert_eq!(replies.start_close(CloseCode::NORMAL, &"x".repeat(124)), Err(SendError::ReasonTooLong));
    replies.start_close(CloseCode::GOING_AWAY, "bye").unwrap();
    replies.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(replies.send("never"), Err(SendError::Closed));
    session.driver.begin_replies(&mut replies);
    assert_eq!(replies.send_borrowed("never"), Err(SendError::Closed));
    session.driver.commit(&mut replies).unwrap();
    assert_eq!(session.frames(), [ServerFrame::text("last"), ServerFrame::close(1001, "bye")]);
    assert_eq!(session.feed(Frame::close(1001, "").bytes()), [closed(1001, "")]);
}

#[test]
fn reply_buffer_for_hixie_accepts_only_texts() {
    for version in [Version::Hixie75, Version::Hixie76] {
        let session = Session::open(version);
        let mut replies = begun(&session);
        let error = Err(SendError::NotSupported { version: version.as_str() });
        assert_eq!((replies.send(vec![1]), replies.send_borrowed(&[1][..])), (error.clone(), error.clone()));
        assert_eq!(replies.send_prepared(&PreparedMessage::new(vec![1])), error);
        assert_eq!(replies.send("text"), Ok(()));
    }
}

#[test]
fn large_reply_is_not_copied() {
    let mut session = Session::open(Version::Hybi13);
    let mut replies = begun(&session);
    let message = Message::binary(vec![7; 100_000]);
    replies.send(message.clone()).unwrap();
    session.driver.commit(&mut replies).unwrap();
    let output = session.driver.output();
    output.advance(10);
    assert_eq!(output.chunk().as_ptr(), message.as_bytes().as_ptr());
}

/// How a connection may send messages.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Server(Version),
    Deflate,
    Observed,
    Client,
}

fn open(kind: Kind) -> Session {
    match kind {
        Kind::Server(version) => Session::open(version),
        Kind::Observed => Session::open_with(Version::Hybi13, Config::server().observer(quiet_observer())),
        Kind::Deflate => {
            let config = Config::server().extension(PermessageDeflate::new()).unwrap();
            let request =
                Handshake::of(Version::Hybi13).with("Sec-WebSocket-Extensions", "permessage-deflate").request();
            let (response, mut driver) = websocket_tests::accept(&request, config).unwrap();
            assert!(response.headers().contains_key("sec-websocket-extensions"));
            assert_eq!(driver.poll_event(), Some(Event::Open));
            Session { driver }
        }
        Kind::Client => {
            let config = Config::client().random(|bytes| bytes.fill(0x5a));
            let mut driver = Driver::client(&Uri::from_static("ws://example.com/"), config).unwrap();
            let mut server = Driver::server(Config::server());
            driver.start().unwrap();
            let output = driver.output();
            server.receive(&output.copy_to_bytes(output.remaining())[..]);
            assert_eq!(server.poll_event(), Some(Event::Connect));
            server.start().unwrap();
            let output = server.output();
            driver.receive(&output.copy_to_bytes(output.remaining())[..]);
            assert_eq!(driver.poll_event(), Some(Event::Open));
            Session { driver }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send {
        how: u8,
        is_text: bool,
        len: usize,
    },
    Commit,
    /// By others than the handler, committed at once.
    Aside(usize),
    Write(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![3 => 0..60_usize, 2 => 60..3000_usize, 1 => 3000..70_000_usize];
    prop_oneof![
        10 => (0..3_u8, any::<bool>(), len).prop_map(|(how, is_text, len)| Step::Send { how, is_text, len }),
        3 => Just(Step::Commit),
        1 => (0..3000_usize).prop_map(Step::Aside),
        2 => (0..100_000_usize).prop_map(Step::Write),
        1 => prop::bool::weighted(0.2).prop_map(|close| if close { Step::Close } else { Step::Commit }),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => prop::sample::select(&VERSIONS[..]).prop_map(Kind::Server),
        1 => Just(Kind::Deflate),
        1 => Just(Kind::Observed),
        1 => Just(Kind::Client),
    ]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn replies_are_written_as_messages_sent_by_the_driver(
        kind in kind(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (mut direct, mut session) = (open(kind), open(kind));
        let mut replies = begun(&session);
        let (mut expected, mut written) = (Vec::new(), Vec::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send { how, is_text, len } => {
                    let fill = vec![b'a' + (number % 26) as u8; len];
                    let message = if is_text { String::from_utf8(fill).unwrap().into() } else { Message::from(fill) };
                    if replies.is_full() {
                        let _ = session.driver.commit(&mut replies);
                        written.extend(session.written());
                        session.driver.begin_replies(&mut replies);
                    }
                    if direct.driver.is_output_full() {
                        expected.extend(direct.written());
                    }
                    let results = match how {
                        0 => (direct.driver.send(message.clone()), replies.send(message)),
                        1 => (direct.driver.send_borrowed(message.borrowed()), replies.send_borrowed(message.borrowed())),
                        _ => {
                            let prepared = PreparedMessage::new(message);
                            (direct.driver.send_prepared(&prepared), replies.send_prepared(&prepared))
                        }
                    };
                    prop_assert_eq!(results.0, results.1);
                }
                Step::Commit => {
                    session.driver.commit(&mut replies).unwrap();
                    session.driver.begin_replies(&mut replies);
                }
                Step::Aside(len) => {
                    let _ = session.driver.commit(&mut replies);
                    for (driver, bytes) in [(&mut direct.driver, &mut expected), (&mut session.driver, &mut written)] {
                        if driver.is_output_full() {
                            let output = driver.output();
                            bytes.extend(output.copy_to_bytes(output.remaining()));
                        }
                        let _ = driver.send("x".repeat(len));
                    }
                    session.driver.begin_replies(&mut replies);
                }
                Step::Write(len) => {
                    for (session, bytes) in [(&mut direct, &mut expected), (&mut session, &mut written)] {
                        let output = session.driver.output();
                        bytes.extend(output.copy_to_bytes(len.min(output.remaining())));
                    }
                    // Not committed, to be committed to partially written output.
                }
                Step::Close => {
                    direct.driver.start_close(CloseCode::NORMAL, "bye").unwrap();
                    replies.start_close(CloseCode::NORMAL, "bye").unwrap();
                }
            }
        }
        session.driver.commit(&mut replies).unwrap();
        expected.extend(direct.written());
        written.extend(session.written());
        prop_assert!(expected == written, "{} and {} bytes", expected.len(), written.len());
    }
}
