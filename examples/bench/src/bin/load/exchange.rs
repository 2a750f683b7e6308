//! Many connections, the batches sent on them, and the replies.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use websocket_wire::opcode::{PING, PONG};
use websocket_wire::{FIN, MASK, put_frame, read_frame};

use crate::plan::{Plan, Progress};
use crate::transport::Transport;
use crate::{Options, PATIENCE, connect};

/// The interval at which pings are answered while connections are opened.
const OPENING: Duration = Duration::from_secs(1);

pub(crate) struct Exchange {
    poll: Poll,
    events: Events,
    plans: Vec<Plan>,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    /// The number of replies expected so far.
    pub(crate) sent: u64,
    /// The number of replies received.
    pub(crate) received: u64,
    /// The time of the last byte received.
    heard: Instant,
}

struct Connection {
    stream: Transport,
    plan: usize,
    /// The number of batches, including the current one.
    turns: usize,
    /// The number of bytes of the batch that are written.
    written: usize,
    /// A reply is expected.
    waits: bool,
    progress: Progress,
}

impl Exchange {
    /// Opens the connections. Adjacent ones start with different plans, unless all are to receive
    /// the same.
    pub(crate) fn open(options: &Options, same: bool) -> Result<Self, String> {
        let mut exchange = Self {
            poll: Poll::new().map_err(|error| error.to_string())?,
            events: Events::with_capacity(1024),
            plans: Plan::all(options)?,
            connections: Vec::with_capacity(options.connections),
            buffer: vec![0; 256 * 1024],
            sent: 0,
            received: 0,
            heard: Instant::now(),
        };
        let mut answered = Instant::now();
        for number in 0..options.connections {
            let mut stream = connect::open(options, number)?;
            let registry = exchange.poll.registry();
            registry
                .register(stream.tcp_stream(), Token(number), Interest::READABLE | Interest::WRITABLE)
                .map_err(|error| error.to_string())?;
            exchange.connections.push(Connection {
                stream,
                plan: if same { 0 } else { number % exchange.plans.len() },
                turns: 0,
                written: usize::MAX,
                waits: false,
                progress: Progress::new(options),
            });
            if answered.elapsed() >= OPENING {
                exchange.answer_pings(Duration::ZERO)?;
                answered = Instant::now();
            }
        }
        Ok(exchange)
    }

    /// Returns the number of connections.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Makes a connection expect its next reply.
    pub(crate) fn expect(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        connection.turn_to_next(self.plans.len());
        connection.written = usize::MAX;
        self.sent += self.plans[connection.plan].messages as u64;
    }

    /// Sends the next batch on a connection, which then expects a reply.
    pub(crate) fn send(&mut self, number: usize) -> Result<(), String> {
        // No reply was expected before.
        self.heard = Instant::now();
        let connection = &mut self.connections[number];
        connection.turn_to_next(self.plans.len());
        let plan = &self.plans[connection.plan];
        self.sent += plan.messages as u64;
        connection.write(plan)
    }

    /// Waits for replies and reads them. When a reply is complete, `again` decides whether to send
    /// the next batch.
    pub(crate) fn turn(&mut self, mut again: impl FnMut(usize) -> bool) -> Result<(), String> {
        match self.poll.poll(&mut self.events, Some(Duration::from_secs(1))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        let now = Instant::now();
        if !self.events.is_empty() {
            self.heard = now;
        } else if now - self.heard > PATIENCE {
            return Err(format!("no data within {PATIENCE:?}, {} messages are missing", self.sent - self.received));
        }
        for event in &self.events {
            let Token(number) = event.token();
            let connection = &mut self.connections[number];
            if event.is_writable() {
                connection.write(&self.plans[connection.plan])?;
            }
            if !(event.is_readable() || event.is_read_closed() || event.is_error()) {
                continue;
            }
            let plan = &mut self.plans[connection.plan];
            if !connection.read(plan, &mut self.buffer)? {
                continue;
            }
            self.received += plan.messages as u64;
            if again(number) {
                // Immediately, not after the other events, so that the server works while the rest
                // is read.
                connection.turn_to_next(self.plans.len());
                let plan = &self.plans[connection.plan];
                self.sent += plan.messages as u64;
                connection.write(plan)?;
            }
        }
        Ok(())
    }

    /// Answers pings for a period, in which nothing else may arrive.
    pub(crate) fn answer_pings(&mut self, period: Duration) -> Result<(), String> {
        let end = Instant::now() + period;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.to_string()),
                _ => {}
            }
            for event in &self.events {
                let Token(number) = event.token();
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.connections[number].answer_ping(&mut self.buffer)?;
                }
            }
            if left.is_zero() && self.events.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits for the missing replies.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        while self.received < self.sent {
            self.turn(|_| false)?;
        }
        Ok(())
    }
}

impl Connection {
    fn turn_to_next(&mut self, plans: usize) {
        self.plan = (self.plan + 1) % plans;
        self.turns += 1;
        self.written = 0;
        self.waits = true;
    }

    /// Writes the rest of the batch, as far as the socket accepts it.
    fn write(&mut self, plan: &Plan) -> Result<(), String> {
        while let Some(rest) = plan.batch(self.turns).get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("write failed: {error}")),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(format!("write failed: {error}")),
            _ => Ok(()),
        }
    }

    /// Reads everything available, which must be pings, and answers them.
    fn answer_ping(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        let read = match self.stream.read(buffer) {
            Ok(0) => return Err("the server closed an idle connection".into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("read failed: {error}")),
        };
        let (mut rest, mut pongs) = (&buffer[..read], Vec::new());
        while let Some((header, payload, behind)) = read_frame(rest) {
            if header.first != FIN | PING {
                break;
            }
            put_frame(&mut pongs, FIN | PONG, Some(MASK), payload);
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(format!("expected a ping, received {:#04x}", rest[0]));
        }
        // A few bytes always fit into the buffer of an idle socket.
        self.stream.write_all(&pongs).map_err(|error| format!("pong failed: {error}"))
    }

    /// Reads everything available. Returns whether the reply is complete. The poll reports later
    /// data, so a read that does not fill the buffer is the last.
    fn read(&mut self, plan: &mut Plan, buffer: &mut [u8]) -> Result<bool, String> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("read failed: {error}")),
            };
            if !self.waits {
                return Err(format!(
                    "{read} unexpected bytes: {:?}",
                    buffer[..read.min(16)].escape_ascii().to_string()
                ));
            }
            if plan.check(self.turns, &mut self.progress, &buffer[..read])? {
                self.waits = false;
                return Ok(true);
            }
            if read < buffer.len() {
                return Ok(false);
            }
        }
    }
}
