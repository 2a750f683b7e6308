use arbitrary::Arbitrary;
use bytes::Buf;
use websocket_driver::{CloseCode, Config, Driver, Event, MessageRef, PreparedMessage, ReadyState};

use crate::wire::{Cut, size};

/// The limits, and what the application does beside echoing.
#[derive(Debug, Arbitrary)]
pub struct Options {
    max_message_size: u8,
    max_frame_size: u8,
    max_fragments: u8,
    max_output: u8,
    /// Behind which event it closes.
    close_behind: u8,
    /// Behind how many events it writes its output.
    write_behind: u8,
}

/// The longest head, the default of [`Config::max_head_size`].
const MAX_HEAD: usize = 16 * 1024;

impl Options {
    pub fn limit(&self, config: Config) -> Config {
        config
            .max_message_size(self.max_message_size())
            .max_frame_size(self.max_frame_size())
            .max_fragments(self.max_fragments.into())
            .max_output(size(self.max_output))
    }

    /// The longest message in one frame.
    pub fn max_size(&self) -> usize {
        self.max_message_size().min(self.max_frame_size())
    }

    /// How many events come before the application closes.
    pub fn close_behind(&self) -> Option<usize> {
        (self.close_behind > 0).then_some(self.close_behind.into())
    }

    fn max_message_size(&self) -> usize {
        size(self.max_message_size)
    }

    fn max_frame_size(&self) -> usize {
        size(self.max_frame_size)
    }
}

/// An application that echoes what it is told, and keeps it.
pub struct App<'a> {
    options: &'a Options,
    events: Vec<Event>,
    written: Vec<u8>,
    /// Without the one that a request has come, so that it does the same where someone else has read that.
    count: usize,
}

impl App<'_> {
    pub fn take(&mut self, driver: &mut Driver, event: Event) {
        match &event {
            Event::Connect => {
                driver.start().expect("a request");
                return self.events.push(event);
            }
            Event::Message(message) => self.echo(driver, message.borrowed()),
            Event::Ping(data) => assert!(data.len() <= 125),
            Event::Pong(data) => _ = driver.ping(data.clone()),
            _ => {}
        }
        self.keep(driver, event);
    }

    pub fn look(&mut self, driver: &mut Driver, message: MessageRef) {
        self.echo(driver, message);
        self.keep(driver, Event::Message(message.into()));
    }

    /// Whatever becomes of it: the connection may be closing, or the output full.
    fn echo(&self, driver: &mut Driver, message: MessageRef) {
        let len = match message {
            MessageRef::Text(text) => text.len(),
            MessageRef::Binary(bytes) => bytes.len(),
        };
        // In the hixie drafts each wrong byte becomes a character of three.
        let growth = if driver.version().is_some_and(|version| version.is_hixie()) { 3 } else { 1 };
        assert!(len <= growth * self.options.max_message_size());
        _ = match self.count % 3 {
            0 => driver.send(message),
            1 => driver.send_borrowed(message),
            _ => driver.send_prepared(&PreparedMessage::new(message)),
        };
    }

    fn keep(&mut self, driver: &mut Driver, event: Event) {
        self.events.push(event);
        self.count += 1;
        if Some(self.count) == self.options.close_behind() {
            driver.close(CloseCode::NORMAL, "bye").expect("a code and a reason");
        }
        if self.count.checked_rem(self.options.write_behind.into()) == Some(0) {
            self.write(driver);
        }
    }

    fn write(&mut self, driver: &mut Driver) {
        let output = driver.output();
        self.written.extend(output.copy_to_bytes(output.remaining()));
    }
}

/// Reads event by event.
pub fn by_event(driver: &mut Driver, app: &mut App) {
    while let Some(event) = driver.poll_event() {
        app.take(driver, event);
    }
}

/// Gives a driver bytes and their end, and gives the events and what was written.
pub fn run(
    mut driver: Driver,
    bytes: &[u8],
    cut: &Cut,
    options: &Options,
    mut read: impl FnMut(&mut Driver, &mut App),
) -> (Vec<Event>, Vec<u8>) {
    let mut app = App { options, events: Vec::new(), written: Vec::new(), count: 0 };
    read(&mut driver, &mut app);
    for piece in cut.pieces(bytes) {
        cut.receive(&mut driver, piece);
        read(&mut driver, &mut app);
        let held = match driver.ready_state() {
            ReadyState::Connecting => MAX_HEAD,
            ReadyState::Open | ReadyState::Closing => options.max_frame_size().max(125) + 14,
            ReadyState::Closed => 0,
        };
        assert!(driver.input().len() <= held, "{} bytes held", driver.input().len());
    }
    driver.receive_eof();
    read(&mut driver, &mut app);
    app.write(&mut driver);

    assert!(driver.is_closed() && !driver.expects_eof());
    assert_eq!(driver.poll_event(), None);
    let [before @ .., Event::Close(close)] = &app.events[..] else { panic!("no close at the end") };
    assert_eq!(driver.close_frame(), Some(close));
    assert!(before.iter().all(|event| !matches!(event, Event::Close(_))));
    assert!(before.iter().rev().skip(1).all(|event| !matches!(event, Event::Error(_))));
    (app.events, app.written)
}
