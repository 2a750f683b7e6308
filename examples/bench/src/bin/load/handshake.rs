//! Connections that are opened to be closed.

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
    /// What came of the answer.
    head: Vec<u8>,
    /// Whether the close is sent.
    closes: bool,
}

/// Connects, shakes hands, closes, each as soon as the server lets it, and again.
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
    // When it is over, those that have begun are brought to their end.
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
            return Err(format!("nothing came for {PATIENCE:?}"));
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
    /// Takes what came; tells whether that was the end of it.
    fn turn(&mut self, options: &Options) -> Result<bool, String> {
        let mut buffer = [0; 1024];
        loop {
            let read = match self.stream.read(&mut buffer) {
                Ok(read) => &buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("a read failed: {error}")),
            };
            if self.closes {
                // The server's close frame, or the end where that came before.
                return match read.first() {
                    Some(&first) if first != FIN | CLOSE => Err(format!("{first:#04x} came in place of a close")),
                    Some(_) => Ok(true),
                    None => Err("a connection ended without a close frame".into()),
                };
            }
            if read.is_empty() {
                return Err("a connection was closed instead of a handshake".into());
            }
            self.head.extend(read);
            if connect::check_answer(options, &self.head)? {
                let mut close = Vec::new();
                put_frame(&mut close, FIN | CLOSE, Some(MASK), &1000_u16.to_be_bytes());
                // So few bytes always fit into a fresh socket.
                self.stream.write_all(&close).map_err(|error| format!("a close failed: {error}"))?;
                self.closes = true;
            }
        }
    }
}
