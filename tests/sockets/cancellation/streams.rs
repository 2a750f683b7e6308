//! Cancelled reads and writes of messages in pieces.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_websocket::{Config, Message, MessageKind};
use websocket_tests::cancel::polled;
use websocket_tests::insist;

use super::open_and_flush;
use crate::run::run;

fn whole(kind: MessageKind, payload: Vec<u8>) -> Message {
    match kind {
        MessageKind::Text => Message::text(String::from_utf8(payload).unwrap()),
        MessageKind::Binary => Message::binary(payload),
    }
}

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
                outcome.messages.push(whole(message.kind(), all));
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
                outcome.messages.push(whole(message.kind(), all));
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
            let (mut socket, trickle, head) = open_and_flush(times, Config::server().max_output(50)).await;
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
