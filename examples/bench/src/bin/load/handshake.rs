//! Connections that are opened and closed again.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use websocket_bench::measurement::Measurement;
use websocket_wire::opcode::CLOSE;
use websocket_wire::{FIN, MASK, put_frame};

use crate::window::Window;
use crate::{Options, PATIENCE, connect};

struct Handshake {
    stream: TcpStream,
    /// The part of the response that has been received.
    head: Vec<u8>,
    /// The close frame has been sent.
    closes: bool,
}

/// Connects, performs a handshake and closes, repeatedly and without pauses.
pub(crate) fn handshakes(options: &Options) -> Result<Measurement, String> {
    let mut poll = Poll::new().map_err(|error| error.to_string())?;
    let mut events = Events::with_capacity(1024);
    let mut opened = 0;
    let request = connect::request(options);
    let mut open = |poll: &Poll, at: usize| -> io::Result<Handshake> {
        opened += 1;
        let mut stream = connect::connect(options.addr, opened)?;
        stream.write_all(&request)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(at), Interest::READABLE)?;
        Ok(Handshake { stream, head: Vec::new(), closes: false })
    };
    let mut window = Window::new(options)?;
    let all = (0..options.connections).map(|at| open(&poll, at)).collect::<io::Result<Vec<_>>>();
    let mut all = all.map_err(|error| error.to_string())?;
    let (mut done, mut heard) = (0, Instant::now());
    // At the end, connections that were started are completed.
    let (mut over, mut left) = (None, options.connections);
    loop {
        match poll.poll(&mut events, Some(Duration::from_secs(1))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        let now = Instant::now();
        if !events.is_empty() {
            heard = now;
        } else if now - heard > PATIENCE {
            return Err(format!("no data within {PATIENCE:?}"));
        }
        for event in &events {
            let Token(at) = event.token();
            if !all[at].turn(options)? {
                continue;
            }
            done += 1;
            if over.is_none() {
                all[at] = open(&poll, at).map_err(|error| error.to_string())?;
            } else {
                left -= 1;
                poll.registry().deregister(&mut all[at].stream).map_err(|error| error.to_string())?;
            }
        }
        match over {
            None => over = window.tick(done)?,
            Some(measured) if left == 0 => return Ok(measured),
            Some(_) => {}
        }
    }
}

impl Handshake {
    /// Reads what has arrived. Returns whether the connection has ended.
    fn turn(&mut self, options: &Options) -> Result<bool, String> {
        let mut buffer = [0; 1024];
        loop {
            let read = match self.stream.read(&mut buffer) {
                Ok(read) => &buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("read failed: {error}")),
            };
            if self.closes {
                // The server's close frame, or the end of the connection before it.
                return match read.first() {
                    Some(&first) if first != FIN | CLOSE => {
                        Err(format!("expected a close frame, received {first:#04x}"))
                    }
                    Some(_) => Ok(true),
                    None => Err("connection ended without a close frame".into()),
                };
            }
            if read.is_empty() {
                return Err("connection was closed during the handshake".into());
            }
            self.head.extend(read);
            if connect::check_answer(options, &self.head)? {
                let mut close = Vec::new();
                put_frame(&mut close, FIN | CLOSE, Some(MASK), &1000_u16.to_be_bytes());
                // A few bytes always fit into the buffer of a new socket.
                self.stream.write_all(&close).map_err(|error| format!("close failed: {error}"))?;
                self.closes = true;
            }
        }
    }
}
