//! Futures that are dropped at every await point: nothing is lost, duplicated or truncated.
//!
//! The transport transfers one byte at a time, and every operation returns `Pending` once before it
//! does. A future that is polled a number of times and dropped, for all small numbers, is dropped
//! at each of its await points. The outcome must be the same as without cancellation.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_websocket::{CloseFrame, Config, Event, Message, MessageKind, ServerConfig, Version, WebSocket, accept};
use websocket_tests::cancel::{FOREVER, polled};
use websocket_tests::insist;
use websocket_tests::wire::{Frame, HIXIE76_CLOSE, Handshake, VERSIONS, frames, server_frames};

use crate::client::texts_of;
use crate::run::run;
use crate::transports::Trickle;

/// A test of an open socket whose outcome must be the same however often the futures in its body
/// are cancelled. The body awaits futures with `insist!` or `polled` and the number of polls, and
/// records messages in the outcome.
macro_rules! cancel_test {
    ($name:ident, |$socket:ident, $times:ident, $outcome:ident| $body:block) => {
        #[test]
        fn $name() {
            run(async || {
                nothing_changes(async |version, $times| {
                    let (mut $socket, trickle) = open(version, Config::server()).await;
                    #[allow(unused_mut, reason = "not all tests note messages")]
                    let mut $outcome = Outcome::default();
                    $body
                    $outcome.of(&$socket, &trickle)
                })
                .await;
            });
        }
    };
}

/// The outcome of a connection.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    messages: Vec<Message>,
    events: usize,
    close: Option<CloseFrame>,
    written: Vec<u8>,
    is_shut_down: bool,
}

/// Returns everything that a client sends: texts, other frames if the version has them, and a close
/// frame.
fn input(version: Version) -> Vec<u8> {
    let long = "long ".repeat(60);
    let body = match version {
        Version::Hixie75 => texts_of(version, &["", "hello", &long, "Grüße"]),
        Version::Hixie76 => [&texts_of(version, &["", "hello", &long, "Grüße"])[..], &HIXIE76_CLOSE].concat(),
        _ => frames([
            Frame::text(""),
            Frame::text("hel").more(),
            Frame::ping("in between"),
            Frame::continuation("lo"),
            Frame::binary([7; 300]),
            Frame::text(&long),
            Frame::pong("not asked for"),
            Frame::text("Grüße"),
            Frame::close(3000, "bye"),
        ]),
    };
    [Handshake::of(version).bytes(), body].concat()
}

async fn open(version: Version, config: ServerConfig) -> (WebSocket<Trickle>, Trickle) {
    let trickle = Trickle::new(input(version));
    (accept(trickle.clone(), config.allow_drafts(true)).await.expect("a handshake"), trickle)
}

impl Outcome {
    fn of(mut self, socket: &WebSocket<Trickle>, trickle: &Trickle) -> Self {
        self.close = socket.close_frame().cloned();
        (self.written, self.is_shut_down) = trickle.written();
        self
    }
}

/// Asserts that the outcome of an undisturbed run is the same as with cancellation.
async fn nothing_changes(test: impl AsyncFn(Version, usize) -> Outcome) {
    for version in VERSIONS {
        let undisturbed = test(version, FOREVER).await;
        assert!(!undisturbed.written.is_empty() && undisturbed.is_shut_down, "{version}");
        for times in (1..=25).chain([100, 1000]) {
            assert_eq!(test(version, times).await, undisturbed, "{version}, {times} polls");
        }
    }
}

cancel_test!(recv_is_cancel_safe, |socket, times, outcome| {
    while let Some(message) = insist!(times, socket.recv()) {
        outcome.messages.push(message.unwrap());
    }
});

cancel_test!(next_event_is_cancel_safe, |socket, times, outcome| {
    while let Some(event) = insist!(times, socket.next_event()) {
        outcome.events += 1;
        if let Event::Message(message) = event.unwrap() {
            outcome.messages.push(message);
        }
    }
});

/// Echoes a message of each type with sends that are cancelled.
async fn cancelled_sends_change_nothing(
    send: impl AsyncFn(&mut WebSocket<Trickle>, Message) -> Result<(), tower_websocket::Error>,
) {
    nothing_changes(async |version, times| {
        let (mut socket, trickle) = open(version, Config::server()).await;
        let mut outcome = Outcome::default();
        while let Some(message) = insist!(times, socket.recv()) {
            let message = message.unwrap();
            outcome.messages.push(message.clone());
            // There is room, so the message is accepted by the first poll.
            if let Some(result) = polled(times, send(&mut socket, message)) {
                result.unwrap();
            }
        }
        outcome.of(&socket, &trickle)
    })
    .await;
}

#[test]
fn send_is_cancel_safe_once_the_message_is_taken() {
    run(async || cancelled_sends_change_nothing(async |socket, message| socket.send(message).await).await);
}

#[test]
fn send_prepared_is_cancel_safe_once_the_message_is_taken() {
    run(async || {
        cancelled_sends_change_nothing(async |socket, message| socket.send_prepared(&message.into()).await).await;
    });
}

#[test]
fn feed_cancelled_without_room_takes_nothing() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (mut socket, trickle) = open(Version::Hybi13, Config::server().max_output(50)).await;
            insist!(times, socket.flush()).unwrap();
            let head = trickle.written().0.len();
            let (mut fed, mut refused) = (Vec::new(), 0);
            for number in 0..20 {
                let text = format!("message {number:02}, which is more than half of what may be queued");
                match polled(times, socket.feed(text.clone())) {
                    Some(result) => {
                        result.unwrap();
                        fed.push(text);
                    }
                    None => refused += 1,
                }
            }
            assert!(times > 20 || refused > 0, "{times} polls");
            insist!(times, socket.flush()).unwrap();
            // Unlike a send, it completes as soon as the message is accepted.
            let sent = server_frames(&trickle.written().0[head..]).into_iter();
            assert_eq!(sent.map(|frame| String::from_utf8(frame.payload).unwrap()).collect::<Vec<_>>(), fed);
        }
    });
}

cancel_test!(flush_is_resumed_after_cancellation, |socket, times, outcome| {
    while let Some(message) = insist!(times, socket.recv()) {
        outcome.messages.push(message.unwrap());
        for text in ["one", "two"] {
            polled(1, socket.feed(text)).expect("room").unwrap();
        }
        insist!(times, socket.flush()).unwrap();
    }
});

cancel_test!(close_is_resumed_by_close_after_cancellation, |socket, times, outcome| {
    let message = insist!(times, socket.recv()).unwrap().unwrap();
    outcome.messages.push(message.clone());
    let _ = polled(times, socket.send(message));
    insist!(times, socket.close(4000.into(), "bye")).unwrap();
});

cancel_test!(close_is_resumed_by_recv_after_cancellation, |socket, times, outcome| {
    if let Some(result) = polled(times, socket.close(4000.into(), "bye")) {
        result.unwrap();
    }
    // Further messages are dropped by one and returned by the other, so they are not part of the
    // outcome.
    while insist!(times, socket.recv()).is_some() {}
});

#[test]
fn ping_is_sent_whole_despite_cancellation() {
    run(async || {
        for times in 1..=25 {
            let (mut socket, trickle) = open(Version::Hybi13, Config::server()).await;
            insist!(times, socket.flush()).unwrap();
            let head = trickle.written().0.len();
            if let Some(result) = polled(times, socket.send_ping("are you there?")) {
                result.unwrap();
            }
            insist!(times, socket.flush()).unwrap();
            assert_eq!(trickle.written().0[head..], *b"\x89\x0eare you there?");
        }
    });
}

#[test]
fn send_pong_is_cancel_safe() {
    run(async || {
        for times in 1..=25 {
            for by_sender in [false, true] {
                let (mut socket, trickle) = open(Version::Hybi13, Config::server()).await;
                insist!(times, socket.flush()).unwrap();
                let head = trickle.written().0.len();
                let sent = if by_sender {
                    polled(times, socket.sender().send_pong("still here"))
                } else {
                    polled(times, socket.send_pong("still here"))
                };
                sent.unwrap_or(Ok(())).unwrap();
                insist!(times, socket.flush()).unwrap();
                assert_eq!(trickle.written().0[head..], *b"\x8a\x0astill here");
            }
        }
    });
}

#[test]
fn sender_feed_and_flush_are_cancel_safe() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (socket, trickle) = open(Version::Hybi13, Config::server().max_output(50)).await;
            let (sender, _reader) = socket.split();
            insist!(times, sender.flush()).unwrap();
            let head = trickle.written().0.len();
            let (mut fed, mut refused) = (Vec::new(), 0);
            for number in 0..20 {
                let text = format!("message {number:02}, which is more than half of what may be queued");
                match polled(times, sender.feed(text.clone())) {
                    Some(result) => {
                        result.unwrap();
                        fed.push(text);
                    }
                    None => refused += 1,
                }
            }
            assert!(times > 20 || refused > 0, "{times} polls");
            insist!(times, sender.flush()).unwrap();
            let sent = server_frames(&trickle.written().0[head..]).into_iter();
            assert_eq!(sent.map(|frame| String::from_utf8(frame.payload).unwrap()).collect::<Vec<_>>(), fed);
        }
    });
}

#[test]
fn send_cancelled_without_room_sends_nothing() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (mut socket, trickle) = open(Version::Hybi13, Config::server().max_output(50)).await;
            insist!(times, socket.flush()).unwrap();
            let head = trickle.written().0.len();
            let mut done = Vec::new();
            for number in 0..20 {
                let text = format!("message {number:02}, which is more than half of what may be queued");
                if let Some(result) = polled(times, socket.send(text.clone())) {
                    result.unwrap();
                    done.push(text);
                }
            }
            insist!(times, socket.flush()).unwrap();
            // Each message is complete, at most once and in order, and those whose sender was
            // notified are there.
            let sent: Vec<_> = server_frames(&trickle.written().0[head..])
                .into_iter()
                .map(|frame| String::from_utf8(frame.payload).unwrap())
                .collect();
            assert!(sent.is_sorted_by(|one, next| one < next), "{times} polls: {sent:?}");
            assert!(done.iter().all(|text| sent.contains(text)), "{times} polls: {sent:?}, but done: {done:?}");
            assert!(!sent.is_empty() && (times > 1 || sent.len() < 20), "{times} polls: {sent:?}");
        }
    });
}

cancel_test!(recv_in_select_is_cancel_safe, |socket, times, outcome| {
    loop {
        let other = async {
            for _ in 0..times.min(1000) {
                tokio::task::yield_now().await;
            }
        };
        // If the other branch completes first, other tasks such as the background run in between.
        tokio::select! {
            message = socket.recv() => match message {
                Some(message) => {
                    let message = message.unwrap();
                    outcome.messages.push(message.clone());
                    socket.send(message).await.unwrap();
                }
                None => break,
            },
            () = other => {}
        }
    }
});

#[test]
fn socket_moved_to_another_task_continues() {
    run(async || {
        for times in 1..=25 {
            let (mut socket, trickle) = open(Version::Hybi13, Config::server()).await;
            let mut texts = Vec::new();
            while let Some(message) = polled(times, socket.recv()).unwrap_or(Some(Ok(Message::text("again")))) {
                texts.push(message.unwrap());
                socket = tokio::spawn(async move {
                    tokio::task::yield_now().await;
                    socket
                })
                .await
                .unwrap();
            }
            texts.retain(|message| message.as_text() != Some("again"));
            assert_eq!(texts.len(), 5);
            assert!(trickle.written().1);
        }
    });
}

/// Returns what a client sends that answers the first pings before they were sent, between
/// messages.
fn ponging() -> Vec<u8> {
    let pong = |number: u64| Frame::pong(number.to_be_bytes());
    let body = frames([
        Frame::text("one"),
        Frame::text("tw").more(),
        pong(1),
        Frame::continuation("o"),
        pong(2),
        Frame::binary([7; 300]),
        pong(3),
        Frame::text("three"),
        Frame::close(3000, "bye"),
    ]);
    [Handshake::of(Version::Hybi13).bytes(), body].concat()
}

#[test]
fn ping_is_cancel_safe() {
    run(async || {
        let mut undisturbed = None;
        for times in [FOREVER].into_iter().chain(1..=60).chain([100, 200, 400, 800]) {
            for by_sender in [false, true] {
                let trickle = Trickle::new(ponging());
                let mut socket = accept(trickle.clone(), Config::server()).await.expect("a handshake");
                insist!(times, socket.flush()).unwrap();
                let head = trickle.written().0.len();
                let mut messages = Vec::new();
                for _ in 0..3 {
                    if by_sender {
                        let sender = socket.sender();
                        // Nothing receives, so no pong is processed.
                        let polls = times.min(1000);
                        assert!(polled(polls, sender.ping()).is_none());
                    } else {
                        // The close may be received before its pong.
                        let _ = polled(times, socket.ping());
                    }
                }
                while let Some(message) = insist!(times, socket.recv()) {
                    messages.push(message.unwrap());
                }
                let outcome = (messages, socket.close_frame().cloned(), trickle.written().1);
                assert_eq!(outcome.0.len(), 4);
                assert_eq!(undisturbed.get_or_insert_with(|| outcome.clone()), &outcome, "{times} polls");
                // Complete frames: up to three pings, and the answer to the close frame.
                let written = server_frames(&trickle.written().0[head..]);
                let (close, pings) = written.split_last().unwrap();
                assert_eq!(close.close_code(), Some(3000));
                assert!((1..=3).contains(&pings.len()) && pings.iter().all(|ping| ping.opcode == 9), "{written:?}");
            }
        }
    });
}

#[test]
fn sender_cancelled_sends_whole_messages_or_none() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (mut socket, trickle) = open(Version::Hybi13, Config::server().max_output(50)).await;
            insist!(times, socket.flush()).unwrap();
            let head = trickle.written().0.len();
            let sender = socket.sender();
            let mut done = Vec::new();
            for number in 0..20 {
                let text = format!("message {number:02}, which is more than half of what may be queued");
                let prepared = tower_websocket::PreparedMessage::new(text.as_str());
                let result = match number % 3 {
                    0 => polled(times, sender.send(text.clone())),
                    1 => polled(times, sender.send_prepared(&prepared)),
                    _ => polled(times, socket.send_prepared(&prepared)),
                };
                if let Some(result) = result {
                    result.unwrap();
                    done.push(text);
                }
                // Between them, to be complete as well.
                let _ = polled(times, sender.send_ping("ping"));
            }
            insist!(times, socket.flush()).unwrap();
            let sent: Vec<_> = server_frames(&trickle.written().0[head..])
                .into_iter()
                .filter(|frame| frame.opcode == 1)
                .map(|frame| String::from_utf8(frame.payload).unwrap())
                .collect();
            assert!(sent.is_sorted_by(|one, next| one < next), "{times} polls: {sent:?}");
            assert!(done.iter().all(|text| sent.contains(text)), "{times} polls: {sent:?}, but done: {done:?}");
            assert!(!sent.is_empty(), "{times} polls");
        }
    });
}

cancel_test!(close_of_sender_is_started_despite_cancellation, |socket, times, outcome| {
    let sender = socket.sender();
    // Nothing is received meanwhile, so that it does not complete.
    assert!(polled(times, sender.close(4000.into(), "bye")).is_none());
    while insist!(times, socket.recv()).is_some() {}
    sender.close(4000.into(), "bye").await.unwrap();
});

cancel_test!(for_each_borrowed_is_cancel_safe, |socket, times, outcome| {
    insist!(
        times,
        socket.for_each_borrowed(|message, replies| {
            outcome.messages.push(message.into());
            replies.send_borrowed(message).unwrap();
        })
    )
    .unwrap();
});

cancel_test!(recv_stream_and_chunk_are_cancel_safe, |socket, times, outcome| {
    loop {
        match polled(times, socket.recv_stream(1 << 20)) {
            None => {}
            Some(None) => break,
            Some(Some(message)) => {
                let mut message = message.unwrap();
                let mut all = Vec::new();
                while let Some(chunk) = insist!(times, message.chunk()).unwrap() {
                    all.extend(chunk);
                }
                outcome.messages.push(match message.kind() {
                    MessageKind::Text => Message::text(String::from_utf8(all).unwrap()),
                    MessageKind::Binary => Message::binary(all),
                });
            }
        }
    }
});

cancel_test!(recv_continues_after_a_cancelled_recv_stream, |socket, times, outcome| {
    loop {
        // Where it is done although it was to be cancelled, the message is received in this way.
        let is_pending = match polled(times.min(30), socket.recv_stream(1 << 20)) {
            None => true,
            Some(None) => break,
            Some(Some(message)) => {
                let mut message = message.unwrap();
                let mut all = Vec::new();
                insist!(times, message.read_to_end(&mut all)).unwrap();
                outcome.messages.push(match message.kind() {
                    MessageKind::Text => Message::text(String::from_utf8(all).unwrap()),
                    MessageKind::Binary => Message::binary(all),
                });
                false
            }
        };
        if is_pending {
            match polled(times.min(30), socket.recv()) {
                None => {}
                Some(None) => break,
                Some(Some(message)) => outcome.messages.push(message.unwrap()),
            }
        }
    }
});

cancel_test!(streamed_message_is_sent_once_despite_cancellation, |socket, times, outcome| {
    while let Some(message) = insist!(times, socket.recv()) {
        let message = message.unwrap();
        let sender = socket.sender();
        let mut streamed = sender.send_stream(message.kind());
        // Refused in the drafts that have no fragments.
        for piece in message.as_bytes().chunks(70) {
            let _ = insist!(times, streamed.write_chunk(piece.to_vec()));
        }
        let _ = insist!(times, streamed.flush());
        let _ = insist!(times, streamed.finish());
        outcome.messages.push(message);
    }
});

#[test]
fn fragment_cancelled_without_room_is_not_sent() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (mut socket, trickle) = open(Version::Hybi13, Config::server().max_output(50)).await;
            insist!(times, socket.flush()).unwrap();
            let head = trickle.written().0.len();
            let (mut taken, mut refused) = (Vec::new(), 0);
            let mut message = socket.send_stream(MessageKind::Text);
            for number in 0..20 {
                let text = format!("fragment {number:02}, which is more than half of what may be queued");
                match polled(times, message.write_all(text.as_bytes())) {
                    Some(result) => {
                        result.unwrap();
                        taken.push(text);
                    }
                    None => refused += 1,
                }
            }
            assert!(times > 20 || refused > 0, "{times} polls");
            insist!(times, message.finish()).unwrap();
            let (written, mut rest) = (trickle.written().0, Vec::new());
            let mut bytes = &written[head..];
            while let [first, len, payload @ ..] = bytes {
                let (payload, behind) = payload.split_at(usize::from(*len));
                assert_eq!(first & 0x80 != 0, behind.is_empty());
                rest.extend_from_slice(payload);
                bytes = behind;
            }
            assert_eq!(String::from_utf8(rest).unwrap(), taken.concat());
        }
    });
}
