use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until};
use tower_websocket::Version;
use websocket_wire::{FIN, opcode, put_frame, put_hixie_text};

use crate::handshake::Handshake;
use crate::ledger::End;
use crate::peer::Target;
use crate::script::Line;
use crate::wire::{Incoming, Parser};

/// The maximum number of bytes per read.
const ROOM: usize = 64 * 1024;

/// The maximum time that the server may take for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// A client on a plain TCP stream that encodes and decodes everything itself.
#[derive(Debug)]
pub(super) struct Raw {
    stream: TcpStream,
    version: Version,
    parser: Parser,
    input: BytesMut,
    pub(super) output: BytesMut,
    pub(super) rng: StdRng,
    /// Whether to close the output when it is written.
    ends: bool,
    has_ended: bool,
    /// Whether the server accepts nothing more. Data that it has sent may still arrive.
    is_broken: bool,
}

/// The result of waiting.
#[derive(Debug)]
pub(super) enum Step {
    Read(usize),
    Wrote,
    /// The server has closed its side.
    Ended,
    Time,
}

impl Raw {
    /// Connects without sending anything.
    pub(super) async fn connect(target: Target, version: Version, rng: StdRng, is_slow: bool) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if is_slow {
            socket.set_recv_buffer_size(16 * 1024)?;
        }
        let stream = socket.connect(target.addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            version,
            parser: Parser::new(version),
            input: BytesMut::new(),
            output: BytesMut::new(),
            rng,
            ends: false,
            has_ended: false,
            is_broken: false,
        })
    }

    /// Performs the handshake. Returns `Err` if it fails.
    pub(super) async fn open(
        target: Target,
        version: Version,
        rng: StdRng,
        is_slow: bool,
    ) -> Result<Result<Self, End>, String> {
        let connected = Self::connect(target, version, rng, is_slow).await;
        let mut raw = connected.map_err(|error| format!("cannot connect: {error}"))?;
        let handshake = raw.request(target);
        Ok(raw.answer(&handshake).await?.map(|()| raw))
    }

    /// Queues the request.
    pub(super) fn request(&mut self, target: Target) -> Handshake {
        let (host, path) = (target.addr.to_string(), format!("/{}", target.id));
        let handshake = Handshake::new(self.version, &host, &path, &mut self.rng);
        self.output.put_slice(&handshake.request);
        handshake
    }

    /// Receives the response.
    pub(super) async fn answer(&mut self, handshake: &Handshake) -> Result<Result<(), End>, String> {
        let limit = Instant::now() + PATIENCE;
        loop {
            match handshake.answer(&mut self.input) {
                Ok(Some(())) => return Ok(Ok(())),
                Ok(None) => {}
                Err(0) => return Err("a wrong answer to the handshake".into()),
                Err(status) => return Ok(Err(End::Refused(status))),
            }
            match self.step(limit, ROOM).await {
                Ok(Step::Ended) => return Ok(Err(End::Lost("no answer to the handshake".into()))),
                Ok(Step::Time) => return Err("no answer to the handshake in time".into()),
                Ok(_) => {}
                Err(error) => return Ok(Err(End::Lost(format!("in the handshake: {error}")))),
            }
        }
    }

    /// Queues a message, whole or in fragments.
    pub(super) fn say(&mut self, line: &Line) {
        if self.version.is_hixie() {
            return put_hixie_text(&mut self.output, &line.data);
        }
        let mut opcode = if line.is_text { opcode::TEXT } else { opcode::BINARY };
        let mut rest = &line.data[..];
        while self.rng.random_bool(0.3) {
            let (first, others) = rest.split_at(self.rng.random_range(0..=rest.len()));
            self.frame(false, opcode, first);
            (opcode, rest) = (opcode::CONTINUATION, others);
        }
        self.frame(true, opcode, rest);
    }

    /// Queues a frame.
    pub(super) fn frame(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        let fin = if fin { FIN } else { 0 };
        put_frame(&mut self.output, fin | opcode, Some(self.rng.random()), payload);
    }

    /// Queues a close as specified by the version.
    pub(super) fn close(&mut self, code: u16) {
        match self.version {
            Version::Hixie75 => self.ends = true,
            Version::Hixie76 => self.output.put_slice(&[0xff, 0x00]),
            _ if code == 1005 => self.frame(true, opcode::CLOSE, b""),
            _ => self.frame(true, opcode::CLOSE, &code.to_be_bytes()),
        }
    }

    /// Closes the output after the queued data.
    pub(super) fn end_output(&mut self) {
        self.ends = true;
    }

    /// Returns a close code that the version can transmit.
    pub(super) fn close_code(&mut self) -> u16 {
        if self.version.is_hixie() { 1005 } else { [1000, 1005, 3000, 4321][self.rng.random_range(0..4)] }
    }

    /// Returns the next message or control frame received. Pings are answered.
    pub(super) fn take(&mut self) -> Result<Option<Incoming>, String> {
        let next = self.parser.next(&mut self.input)?;
        if let Some(Incoming::Ping(data)) = &next {
            self.frame(true, opcode::PONG, data);
        }
        Ok(next)
    }

    /// Writes queued data and reads up to `room` bytes, whichever is possible, until a time.
    pub(super) async fn step(&mut self, until: Instant, room: usize) -> io::Result<Step> {
        if self.ends && self.output.is_empty() && !self.has_ended {
            self.has_ended = true;
            self.is_broken |= self.stream.shutdown().await.is_err();
        }
        if self.is_broken {
            self.output.clear();
        }
        self.input.reserve(room.min(4096));
        let (mut reader, mut writer) = self.stream.split();
        let mut limited = (&mut self.input).limit(room);
        tokio::select! {
            read = reader.read_buf(&mut limited), if room > 0 => match read? {
                0 => Ok(Step::Ended),
                read => Ok(Step::Read(read)),
            },
            written = writer.write(&self.output), if !self.output.is_empty() => {
                match written {
                    Ok(written) => self.output.advance(written),
                    // Data that it has sent before can still be read.
                    Err(_) => self.is_broken = true,
                }
                Ok(Step::Wrote)
            }
            () = sleep_until(until) => Ok(Step::Time),
        }
    }

    /// Writes queued data as far as the server accepts it.
    pub(super) async fn flush(&mut self) -> Result<(), String> {
        let limit = Instant::now() + PATIENCE;
        while !self.output.is_empty() && !self.is_broken {
            if let Ok(Step::Time) = self.step(limit, 0).await {
                return Err("the server reads nothing".into());
            }
        }
        Ok(())
    }

    /// Waits for the end after both have closed: the server closes the transport first.
    pub(super) async fn finish(&mut self) -> Result<(), String> {
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.step(limit, ROOM).await {
                Ok(Step::Time) => return Err("the server does not end the transport".into()),
                Ok(Step::Ended) | Err(_) if self.input.is_empty() => return Ok(()),
                Ok(Step::Ended) | Err(_) => return Err("something came behind the close".into()),
                Ok(_) => {}
            }
        }
    }

    /// Resets the TCP connection.
    pub(super) fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }
}
