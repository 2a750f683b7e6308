//! Idle periods of a connection, in which permessage-deflate releases memory: `Driver::release_idle`.

use permessage_deflate::PermessageDeflate;
use proptest::prelude::*;
use websocket_driver::{Budget, Config, Event, MessageKind};
use websocket_tests::wire::frames;

use crate::options::options;
use crate::peer::{Deflater, Server, binary, cases, fragments, noise, prose, text};
use crate::puff::Puff;

/// The memory of a connection whose codecs are in use.
const COMPRESSOR: usize = 290_000;
const DECOMPRESSOR: usize = 47_552;

impl Server {
    /// Has no message for one interval, or for two, after which memory is released.
    fn idle(&mut self, intervals: usize) {
        (0..intervals).for_each(|_| self.driver.release_idle());
    }
}

#[test]
fn messages_before_and_after_idle_periods_have_one_context() {
    for bits in 9..=15 {
        let mut server = Server::deflate(options(&format!("mwb={bits} rmwb={bits}")).threshold(0));
        let (mut client, mut puff) = (Deflater::with_window(bits), Puff::default());
        let mut max_intervals = 0;
        for (number, len) in
            [0, 1, 90, 900, 900, 7, 3000, 3000, 70_000, 200, 1, 0, 200, 40_000, 7].into_iter().enumerate()
        {
            let content = prose(len);
            assert_eq!(server.feed(client.text(&content)), [text(&content)], "{len} bytes, {bits} bits");
            let sent = server.send(content.clone());
            assert_eq!(sent.first, 0xc1);
            assert_eq!(puff.message(&sent.payload).unwrap(), content.as_bytes(), "{len} bytes, {bits} bits");
            server.idle(number % 4);
            max_intervals = max_intervals.max(number % 4);
        }
        assert_eq!(max_intervals, 3);
    }
}

#[test]
fn compressor_of_an_idle_connection_is_released() {
    let budget = Budget::new(1 << 30);
    let config = Config::server().budget(&budget);
    for (words, decompressor) in [("", DECOMPRESSOR), ("rmwb=11", DECOMPRESSOR), ("rnct", 0)] {
        let mut server = Server::limited(options(words), config.clone());
        let opened = server.driver.memory();
        let mut client = Deflater::with_window(11);
        if decompressor == 0 {
            client = client.no_takeover();
        }
        for len in [300, 3000, 40_000] {
            assert_eq!(server.feed(client.text(prose(len))), [text(&prose(len))]);
            server.send(prose(300));
            server.driver.charge();
            let active = server.driver.memory();
            assert!(active > COMPRESSOR + decompressor, "{words} {active}");
            // It may be used again soon.
            server.idle(1);
            assert_eq!(server.driver.memory(), active);
            assert_eq!(budget.used(), active);
            server.idle(1);
            assert_eq!(server.driver.memory(), opened + decompressor);
            assert_eq!(budget.used(), opened + decompressor);
        }
    }
    assert_eq!(budget.used(), 0);
}

#[test]
fn first_message_after_an_idle_period_is_compressed_without_earlier_ones() {
    let mut server = Server::deflate(PermessageDeflate::new());
    let mut puff = Puff::default();
    let content = prose(3000);
    let sizes = [0, 1, 2, 0].map(|intervals| {
        server.idle(intervals);
        let payload = server.send(content.clone()).payload;
        assert_eq!(puff.message(&payload).unwrap(), content.as_bytes());
        payload.len()
    });
    let [first, repeated, after_idle, again] = sizes;
    assert!(repeated < 100 && again < 100 && first > 500, "{sizes:?}");
    assert_eq!(after_idle, first);
}

#[test]
fn compressor_of_an_idle_connection_is_kept_if_the_option_is_set() {
    let mut server = Server::deflate(PermessageDeflate::new().keep_idle_context(true));
    let content = prose(3000);
    assert_eq!(server.feed(Deflater::new().text(&content)).len(), 1);
    server.send(content.clone());
    let active = server.driver.memory();
    server.idle(10);
    assert_eq!(server.driver.memory(), active);
    assert!(server.send(content).payload.len() < 100);
}

#[test]
fn compressor_is_kept_by_sent_messages_only() {
    let mut server = Server::deflate(PermessageDeflate::new());
    let mut client = Deflater::new();
    server.feed(client.text(prose(3000)));
    server.send(prose(3000));
    for _ in 0..5 {
        server.idle(1);
        assert!(server.send(prose(3000)).payload.len() < 100);
    }
    for _ in 0..2 {
        server.idle(1);
        assert_eq!(server.feed(client.text(prose(3000))), [text(&prose(3000))]);
        // Shorter than the threshold, so that they are not compressed.
        assert_eq!(server.send("short").first, 0x81);
    }
    assert!(server.send(prose(3000)).payload.len() > 500);
}

#[test]
fn unfinished_messages_are_not_interrupted() {
    for (words, has_context) in [("", true), ("nct rnct", false)] {
        let mut server = Server::deflate(options(words).threshold(0));
        server.driver.stream_messages(Some(1 << 20));
        let (mut client, mut puff) = (Deflater::new(), Puff::default());
        if !has_context {
            client = client.no_takeover();
        }
        for _ in 0..3 {
            let content = prose(5000);
            server.driver.start_message(MessageKind::Text).unwrap();
            let mut received = Vec::new();
            let arriving = frames(fragments(1, &client.message(&content), 50));
            let mut pieces = content.as_bytes().chunks(100);
            for bytes in arriving.chunks(40) {
                server.idle(3);
                if let Some(piece) = pieces.next() {
                    server.driver.send_fragment(piece.to_vec()).unwrap();
                }
                server.idle(3);
                for event in server.feed(bytes) {
                    let Event::Chunk(chunk) = event else { panic!("{event:?}") };
                    received.extend_from_slice(&chunk.data);
                }
            }
            server.driver.finish_message(pieces.flatten().copied().collect::<Vec<_>>()).unwrap();
            assert!(received == content.as_bytes(), "{words}");
            let payload = server.frames().into_iter().flat_map(|frame| frame.payload).collect::<Vec<_>>();
            let sent = if has_context { puff.message(&payload) } else { Puff::fresh(&payload) };
            assert!(sent.unwrap() == content.as_bytes(), "{words}");
            server.idle(2);
            assert!(server.driver.memory() < DECOMPRESSOR + 3000, "{words} {}", server.driver.memory());
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// Idle periods of any length between messages of any content do not affect them.
    #[test]
    fn idle_periods_do_not_affect_messages(
        steps in prop::collection::vec((prop_oneof![0usize..1000, 0usize..40_000], any::<bool>(), 0usize..4, any::<bool>()), 1..12),
        bits in 9u8..=15,
    ) {
        let mut server = Server::deflate(options(&format!("mwb={bits} rmwb={bits}")).threshold(0));
        let (mut client, mut puff) = (Deflater::with_window(bits), Puff::default());
        for (len, is_noise, intervals, is_received) in steps {
            let content = if is_noise { noise(len, 5) } else { prose(len).into_bytes() };
            server.idle(intervals);
            if is_received {
                prop_assert!(server.feed(client.binary(&content)) == [binary(&content)]);
            } else {
                let sent = server.send(content.clone());
                prop_assert!(puff.message(&sent.payload).unwrap() == content);
            }
        }
        prop_assert!(puff.reach <= 1 << bits);
    }
}
