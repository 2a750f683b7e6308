//! A driver under test, with convenience methods.

use bytes::Buf;
use proptest::test_runner::Config as ProptestConfig;
use websocket_driver::{CloseFrame, Config, Driver, Event, Message, ProtocolError, ServerConfig, Version};
use websocket_tests::accept;
use websocket_tests::chain::chain;
use websocket_tests::driver::events;
use websocket_tests::wire::{Handshake, ServerFrame, server_frames};

/// A driver with a minimal runtime: it starts on [`Event::Connect`].
pub(crate) struct Session {
    pub(crate) driver: Driver,
}

impl Session {
    /// Creates an open session with the example handshake of the version. The request was passed as
    /// a value, and no response is written.
    pub(crate) fn open(version: Version) -> Self {
        Self::open_with(version, Config::server())
    }

    /// Like [`open`](Self::open), with a configuration.
    pub(crate) fn open_with(version: Version, config: ServerConfig) -> Self {
        let handshake = Handshake::of(version);
        let (_, driver) = accept(&handshake.request(), config.allow_drafts(true)).expect("the handshake is right");
        let mut session = Self { driver };
        assert_eq!(session.feed(&handshake.body), [Event::Open]);
        session.written();
        session
    }

    /// Creates a session that has received nothing.
    pub(crate) fn reading(config: ServerConfig) -> Self {
        Self { driver: Driver::server(config) }
    }

    /// Receives bytes and returns the events that follow.
    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Event> {
        self.driver.receive(bytes.as_ref());
        self.events()
    }

    /// Receives bytes one by one and returns the events that follow, each with the number of bytes
    /// received by then.
    pub(crate) fn feed_slowly(&mut self, bytes: impl AsRef<[u8]>) -> Vec<(usize, Event)> {
        let bytes = bytes.as_ref().iter().zip(1..);
        bytes.flat_map(|(byte, count)| self.feed([*byte]).into_iter().map(move |event| (count, event))).collect()
    }

    /// Ends the transport and returns the events that follow.
    pub(crate) fn eof(&mut self) -> Vec<Event> {
        self.driver.receive_eof();
        self.events()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        events(&mut self.driver)
    }

    /// Returns the output since the last call.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // Frames that wait for room in the output are written when there is some.
        while self.driver.output().has_remaining() {
            let output = self.driver.output();
            all.extend(output.copy_to_bytes(output.remaining()));
        }
        all
    }

    /// Returns the output since the last call as frames.
    pub(crate) fn frames(&mut self) -> Vec<ServerFrame> {
        server_frames(&self.written())
    }

    /// Asserts that these events end a connection for this reason, and that the peer was sent the
    /// right code.
    #[track_caller]
    pub(crate) fn assert_failed(&mut self, events: &[Event], error: ProtocolError, code: u16) {
        assert_eq!(events, failed(error, code));
        assert_eq!(self.frames().iter().map(ServerFrame::close_code).collect::<Vec<_>>(), [Some(code)]);
        assert!(self.driver.is_closed());
    }
}

pub(crate) fn text(text: &str) -> Event {
    Event::Message(Message::text(text))
}

pub(crate) fn binary(bytes: impl AsRef<[u8]>) -> Event {
    Event::Message(Message::binary(bytes.as_ref().to_vec()))
}

pub(crate) fn ping(bytes: impl AsRef<[u8]>) -> Event {
    Event::Ping(bytes.as_ref().to_vec().into())
}

pub(crate) fn closed(code: u16, reason: &str) -> Event {
    Event::Close(CloseFrame { code: code.into(), reason: reason.into() })
}

/// Returns the events for a fault of the peer.
pub(crate) fn failed(error: ProtocolError, code: u16) -> [Event; 2] {
    let reason = chain(&error);
    [Event::Error(error), closed(code, &reason)]
}

/// Sets the number of cases of a property. Failures are not persisted; they become separate tests.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, failure_persistence: None, ..ProptestConfig::default() }
}
