use std::future::{Future, pending, poll_fn};
use std::io;
use std::iter::{self, Peekable};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_sink::Sink;
use tokio::time::Instant;
use tower_websocket::{CloseFrame, Error, Event, Message, SendError, WebSocket};

use crate::command::{Command, HELP};
use crate::console::{Console, Input};
use crate::options::Options;
use crate::record::Record;
use crate::screen::Screen;
use crate::view::View;

/// The minimum wait for an input that provides nothing: enough for a program to start writing.
const PATIENCE: Duration = Duration::from_millis(500);

type Ahead = Peekable<Box<dyn Iterator<Item = Message>>>;

/// An open socket, from the first message to its end.
pub(crate) struct Session {
    socket: WebSocket,
    console: Console,
    view: View,
    /// The messages of the options that are not sent yet.
    ahead: Ahead,
    is_binary: bool,
    close: CloseFrame,
    wait: Duration,
    patient_since: Instant,
    /// The time of the last message or event in either direction.
    last: Instant,
    has_read: bool,
    is_closing: bool,
    has_told_close: bool,
    is_over: bool,
    is_clean: bool,
}

impl Session {
    pub(crate) fn new(socket: WebSocket, console: Console, view: View, options: &Options) -> Self {
        let now = Instant::now();
        Self {
            socket,
            console,
            view,
            ahead: boxed(options.messages()),
            is_binary: options.binary,
            close: options.close.clone(),
            wait: options.wait,
            patient_since: now,
            last: now,
            has_read: false,
            is_closing: false,
            has_told_close: false,
            is_over: false,
            is_clean: true,
        }
    }

    /// Returns whether there was no error.
    pub(crate) async fn run(mut self) -> io::Result<bool> {
        while !self.is_over {
            let quiet = self.quiet();
            tokio::select! {
                event = self.socket.next_event() => self.heard(event)?,
                wanted = wanted(&mut self.ahead, &mut self.console) => match wanted {
                    Ok(Wanted::Send(message)) => self.send(message).await?,
                    Ok(Wanted::Input(Input::Line(line))) => self.line(line).await?,
                    Ok(Wanted::Input(Input::End)) => self.last = Instant::now(),
                    Ok(Wanted::Input(Input::Leave)) if self.is_closing => {
                        // The user does not want to wait for the peer's close frame.
                        self.console.release()?;
                        return Ok(false);
                    }
                    Ok(Wanted::Input(Input::Leave)) => self.begin_close(self.close.clone())?,
                    Err(error) => {
                        self.console.release()?;
                        self.error(&format!("cannot read the input: {error}"))?;
                    }
                },
                () = until(quiet) => {
                    // Events that arrived at the same moment come first, and reset the timeout.
                    let heard = self.last;
                    self.hear_all().await?;
                    if self.last == heard {
                        self.begin_close(self.close.clone())?;
                    }
                }
            }
        }
        Ok(self.is_clean)
    }

    /// Returns when to close due to inactivity, or `None` while input is pending.
    fn quiet(&mut self) -> Option<Instant> {
        let may_be_nobody = matches!(self.view, View::Json) && !self.has_read;
        let waits_for_input = self.console.has_input() && !may_be_nobody;
        if self.is_closing || waits_for_input || self.ahead.peek().is_some() {
            return None;
        }
        // A wait that overflows never ends.
        let quiet = self.last.checked_add(self.wait)?;
        Some(if self.console.has_input() { quiet.max(self.patient_since + PATIENCE) } else { quiet })
    }

    /// Reports all events that have arrived.
    async fn hear_all(&mut self) -> io::Result<()> {
        while !self.is_over {
            match at_once(self.socket.next_event()).await {
                Some(event) => self.heard(event)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Reports an event, or the end.
    fn heard(&mut self, event: Option<Result<Event, Error>>) -> io::Result<()> {
        self.last = Instant::now();
        match event {
            Some(Ok(Event::Error(error))) => self.error(&chain(error))?,
            Some(Ok(event)) => {
                self.has_told_close |= matches!(event, Event::Close(_));
                if let Some(record) = Record::of(&event) {
                    self.tell(&record)?;
                }
            }
            Some(Err(error)) => self.error(&chain(error))?,
            None => {
                self.is_over = true;
                self.console.release()?;
                if let Some(close) = self.socket.close_frame().filter(|_| !self.has_told_close) {
                    self.console.print(&self.view.record(&Record::closed(close)))?;
                }
                if matches!(self.view, View::Json) {
                    self.tell(&Record::Eof)?;
                }
            }
        }
        Ok(())
    }

    async fn line(&mut self, line: Vec<u8>) -> io::Result<()> {
        self.has_read = true;
        let line = match String::from_utf8(line) {
            Ok(line) => line,
            Err(error) if self.is_binary => return self.send(Message::binary(error.into_bytes())).await,
            Err(_) => return self.error("a line is not UTF-8; --binary sends lines unchanged"),
        };
        if !self.console.is_typed() {
            let message = if self.is_binary { Message::binary(line.into_bytes()) } else { Message::text(line) };
            return self.send(message).await;
        }
        match Command::parse(&line, self.is_binary) {
            Ok(Command::Send(message)) => self.send(message).await,
            Ok(Command::Ping(data)) => self.ping(data).await,
            Ok(Command::Close(close)) => self.begin_close(close.unwrap_or_else(|| self.close.clone())),
            Ok(Command::Help) => self.echo(|screen| screen.notice(HELP)),
            Err(problem) => self.echo(|screen| screen.error(&problem)),
        }
    }

    async fn send(&mut self, message: Message) -> io::Result<()> {
        if !self.room().await? {
            return Ok(());
        }
        let echo = message.clone();
        // It is written while the next event is awaited.
        let sent = self.socket.feed(message).await;
        if self.said(sent)? { self.echo(|screen| screen.sent(&echo)) } else { Ok(()) }
    }

    async fn ping(&mut self, data: String) -> io::Result<()> {
        if !self.room().await? {
            return Ok(());
        }
        let sent = match at_once(self.socket.send_ping(data.clone())).await {
            Some(sent) => sent,
            // Accepted for sending.
            None => Ok(()),
        };
        if self.said(sent)? { self.echo(|screen| screen.sent_ping(&data)) } else { Ok(()) }
    }

    /// Waits until the socket can accept a message, and reports events meanwhile. Returns whether
    /// there is still a message to send.
    async fn room(&mut self) -> io::Result<bool> {
        loop {
            let (socket, console) = (&mut self.socket, &mut self.console);
            let room_or_event = poll_fn(|cx| match Pin::new(&mut *socket).poll_ready(cx) {
                Poll::Ready(ready) => Poll::Ready(Room::Ready(ready)),
                Poll::Pending => pin!(socket.next_event()).poll(cx).map(Room::Event),
            });
            match or_leave(room_or_event, console).await? {
                Some(Room::Ready(Ok(()))) => return Ok(true),
                Some(Room::Ready(Err(error))) => {
                    self.said(Err(error))?;
                    return Ok(false);
                }
                Some(Room::Event(event)) => self.heard(event)?,
                // The peer reads nothing, and the user interrupts.
                None => {
                    self.begin_close(self.close.clone())?;
                    return Ok(false);
                }
            }
            if self.is_over {
                return Ok(false);
            }
        }
    }

    /// Handles the result of sending. Returns whether it succeeded.
    fn said(&mut self, sent: Result<(), Error>) -> io::Result<bool> {
        self.last = Instant::now();
        match sent {
            Ok(()) => return Ok(true),
            // The peer closed first, which the events report.
            Err(Error::Send(SendError::Closed)) => self.ahead = boxed(iter::empty()),
            Err(error) => self.error(&chain(error))?,
        }
        Ok(false)
    }

    /// Starts the closing handshake. Events are still reported until the peer's close frame
    /// arrives.
    fn begin_close(&mut self, close: CloseFrame) -> io::Result<()> {
        self.is_closing = true;
        self.ahead = boxed(iter::empty());
        self.echo(|screen| screen.sent_close(&close))?;
        self.console.release()?;
        match self.socket.start_close(close.code, &close.reason) {
            Ok(()) => Ok(()),
            Err(error) => self.error(&chain(error)),
        }
    }

    fn tell(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.console.print(&self.view.record(record))
    }

    fn error(&mut self, message: &str) -> io::Result<()> {
        self.is_clean = false;
        self.tell(&Record::Error { message })
    }

    /// Prints a typed line that was carried out, as the prompt erases it.
    fn echo(&mut self, lines: impl FnOnce(Screen) -> String) -> io::Result<()> {
        match self.view {
            View::Screen(screen) if self.console.is_typed() => self.console.print(&lines(screen)),
            _ => Ok(()),
        }
    }
}

/// Returns an error and its sources, separated by colons.
fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

fn boxed(messages: impl Iterator<Item = Message> + 'static) -> Ahead {
    let messages: Box<dyn Iterator<Item = Message>> = Box::new(messages);
    messages.peekable()
}

/// The first of two: room for a message, or an event.
enum Room {
    Ready(Result<(), Error>),
    Event(Option<Result<Event, Error>>),
}

/// The next thing to do.
enum Wanted {
    Send(Message),
    Input(Input),
}

async fn wanted(ahead: &mut Ahead, console: &mut Console) -> io::Result<Wanted> {
    match ahead.next() {
        Some(message) => Ok(Wanted::Send(message)),
        None => console.next().await.map(Wanted::Input),
    }
}

/// Returns the output of a future, or `None` if the user interrupts first.
async fn or_leave<T>(future: impl Future<Output = T>, console: &mut Console) -> io::Result<Option<T>> {
    tokio::select! {
        biased;
        output = future => Ok(Some(output)),
        told = console.interrupted() => told.map(|()| None),
    }
}

/// Returns the output of a future if it is ready.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => pending().await,
    }
}
