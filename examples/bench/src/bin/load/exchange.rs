//! Many connections, batches of messages on them, and what comes back.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::plan::{Plan, Progress};
use crate::{Options, PATIENCE, connect};

/// The batches of a connection take turns with so many plans, so that a server does not get away with what it sent before.
const PLANS: usize = 3;

pub(crate) struct Exchange {
    poll: Poll,
    events: Events,
    plans: Vec<Plan>,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    /// Messages that have to come back, up to now.
    pub(crate) sent: u64,
    /// Messages that did.
    pub(crate) received: u64,
    /// When a byte came last.
    heard: Instant,
}

struct Connection {
    stream: TcpStream,
    plan: usize,
    /// What of the batch is written.
    written: usize,
    /// Whether the reply is waited for.
    waits: bool,
    progress: Progress,
}

impl Exchange {
    /// Opens the connections. Neighbours begin with different plans, unless they are to hear all the same.
    pub(crate) fn open(options: &Options, same: bool) -> Result<Self, String> {
        let plans = (0..PLANS).map(|number| Plan::new(options, number)).collect::<Result<_, _>>()?;
        let poll = Poll::new().map_err(|error| error.to_string())?;
        let mut connections = Vec::with_capacity(options.connections);
        for number in 0..options.connections {
            let mut stream = connect::open(options, number)?;
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)
                .map_err(|error| error.to_string())?;
            let plan = if same { 0 } else { number % PLANS };
            connections.push(Connection {
                stream,
                plan,
                written: usize::MAX,
                waits: false,
                progress: Progress::default(),
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            plans,
            connections,
            buffer: vec![0; 256 * 1024],
            sent: 0,
            received: 0,
            heard: Instant::now(),
        })
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Has a connection wait for its next reply.
    pub(crate) fn expect(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        connection.turn_to_next();
        connection.written = usize::MAX;
        self.sent += self.plans[connection.plan].messages as u64;
    }

    /// Sends the next batch on a connection, to which a reply has to come.
    pub(crate) fn send(&mut self, number: usize) -> Result<(), String> {
        // Nothing was to come before.
        self.heard = Instant::now();
        let connection = &mut self.connections[number];
        connection.turn_to_next();
        let plan = &self.plans[connection.plan];
        self.sent += plan.messages as u64;
        connection.write(&plan.batch)
    }

    /// Waits, and takes what came. Where a reply is whole, `again` is asked whether to send the next batch.
    pub(crate) fn turn(&mut self, mut again: impl FnMut(usize) -> bool) -> Result<(), String> {
        match self.poll.poll(&mut self.events, Some(Duration::from_secs(1))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        let now = Instant::now();
        if !self.events.is_empty() {
            self.heard = now;
        } else if now - self.heard > PATIENCE {
            return Err(format!("nothing came for {PATIENCE:?}, with {} messages missing", self.sent - self.received));
        }
        for event in &self.events {
            let Token(number) = event.token();
            let connection = &mut self.connections[number];
            if event.is_writable() {
                connection.write(&self.plans[connection.plan].batch)?;
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
                // At once, not after the other events: the server has it while the rest is read.
                connection.turn_to_next();
                let plan = &self.plans[connection.plan];
                self.sent += plan.messages as u64;
                connection.write(&plan.batch)?;
            }
        }
        Ok(())
    }

    /// Waits for what is missing.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        while self.received < self.sent {
            self.turn(|_| false)?;
        }
        Ok(())
    }
}

impl Connection {
    fn turn_to_next(&mut self) {
        self.plan = (self.plan + 1) % PLANS;
        self.written = 0;
        self.waits = true;
    }

    /// Writes what is left of the batch, as far as the socket takes it.
    fn write(&mut self, batch: &[u8]) -> Result<(), String> {
        while let Some(rest) = batch.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a write failed: {error}")),
            }
        }
        Ok(())
    }

    /// Reads all there is; tells whether the reply is whole. The poll tells of what comes later, so a read that is not full
    /// is the last.
    fn read(&mut self, plan: &mut Plan, buffer: &mut [u8]) -> Result<bool, String> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("a read failed: {error}")),
            };
            if !self.waits {
                return Err(format!(
                    "{read} bytes came unasked: {:?}",
                    buffer[..read.min(16)].escape_ascii().to_string()
                ));
            }
            if plan.check(&mut self.progress, &buffer[..read])? {
                self.waits = false;
                return Ok(true);
            }
            if read < buffer.len() {
                return Ok(false);
            }
        }
    }
}
