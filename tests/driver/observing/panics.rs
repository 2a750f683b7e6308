//! Observers that panic.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use websocket_driver::{
    CloseCause, Config, ConnectionObserver, ConnectionOpened, Observer, ProtocolError, Traffic, Version,
};
use websocket_tests::accept;
use websocket_tests::wire::{Frame, Handshake};

use super::Notes;
use crate::session::Session;

/// Panics in one of its calls, and counts the calls that it gets.
struct Panicking {
    call: &'static str,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Panicking {
    fn called(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
        assert_ne!(call, self.call, "an observer panics");
    }
}

impl Observer for Panicking {
    fn opened(&self, _: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        self.called("opened");
        Box::new(Self { call: self.call, calls: self.calls.clone() })
    }

    fn refused(&self, _: &ProtocolError) {
        self.called("refused");
    }
}

impl ConnectionObserver for Panicking {
    fn passed(&mut self, _: &Traffic) {
        self.called("passed");
    }

    fn answered(&mut self, _: Duration) {
        self.called("answered");
    }

    fn closed(&mut self, _: &CloseCause) {
        self.called("closed");
    }
}

#[test]
fn panic_of_an_observer_affects_neither_the_connection_nor_the_other_observer() {
    let all = ["opened", "answered", "passed", "closed"];
    for (at, call) in all.into_iter().enumerate() {
        let (notes, calls) = (Notes::default(), Arc::default());
        let config = Config::server().observer((Panicking { call, calls: Arc::clone(&calls) }, notes.clone()));
        let mut session = Session::open_with(Version::Hybi13, config);
        session.driver.report_round_trip(Duration::from_millis(7));
        session.driver.send("hello").unwrap();
        assert_eq!(session.written(), Frame::text("hello").unmasked().bytes(), "{call}");
        session.driver.conclude();
        let told = notes.take();
        assert_eq!((told.opened.len(), told.answered.len(), told.closed.len(), told.late), (1, 1, 1, 0), "{call}");
        assert_eq!(told.traffic.messages_sent, 1, "{call}");
        assert_eq!(*calls.lock().unwrap(), all[..=at], "nothing is called after a panic");
    }
}

#[test]
fn panic_about_a_refusal_does_not_change_the_answer() {
    let (notes, calls) = (Notes::default(), Arc::default());
    let config = || {
        let panicking = Panicking { call: "refused", calls: Arc::clone(&calls) };
        Config::server().observer((panicking, notes.clone()))
    };
    let mut session = Session::reading(config());
    session.feed(Handshake::of(Version::Hybi13).without("Sec-WebSocket-Key").bytes());
    assert!(session.written().starts_with(b"HTTP/1.1 400"));
    accept(&Handshake::of(Version::Hybi13).without("Host").request(), config()).unwrap_err();
    assert_eq!((notes.take().refused.len(), calls.lock().unwrap().len()), (2, 2));
}
