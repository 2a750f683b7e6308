//! Peers that misbehave.

use std::time::Duration;

use bytes::BufMut;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, timeout};
use tower_websocket::{Version, WebSocket};
use websocket_wire::opcode::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};

use crate::ledger::{Account, End};
use crate::own;
use crate::peer::Target;
use crate::raw::{PATIENCE, Raw, Step};
use crate::script::Script;
use crate::server::{MAX_CONTROL_RATE, MAX_FRAGMENTS, MAX_MESSAGE};
use crate::wire::Incoming;

/// The kind of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    Pings,
    /// At the addresses with a limited rate.
    PingsGuarded,
    /// Empty fragments of an endless message.
    Fragments,
    /// Unsolicited pongs.
    Pongs,
    /// Messages of one byte.
    Tiny,
    /// Empty messages.
    Empty,
}

/// The rule that is violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    ReservedBit,
    UnknownOpcode,
    Unmasked,
    FragmentedPing,
    LongPing,
    LoneContinuation,
    NoUtf8,
    BadCloseCode,
    /// A frame whose header declares an excessive length.
    HugeFrame,
    /// A message whose fragments exceed the limit together.
    HugeMessage,
    /// An endless text of the hixie drafts.
    Endless,
}

impl Violation {
    pub(super) const ALL: [Self; 11] = [
        Self::ReservedBit,
        Self::UnknownOpcode,
        Self::Unmasked,
        Self::FragmentedPing,
        Self::LongPing,
        Self::LoneContinuation,
        Self::NoUtf8,
        Self::BadCloseCode,
        Self::HugeFrame,
        Self::HugeMessage,
        Self::Endless,
    ];
}

/// Talks a little, and then neither reads nor writes until the server has closed the connection.
pub(super) async fn fall_silent(
    mut raw: Raw,
    script: &mut Script,
    account: &Account,
    silent: &mut Option<std::time::Instant>,
) -> Result<End, String> {
    for _ in 0..raw.rng.random_range(0..5) {
        raw.say(&script.line());
    }
    if let Some(end) = read_until(&mut raw, script, Script::is_complete).await? {
        return Ok(end);
    }
    *silent = Some(std::time::Instant::now());
    match timeout(PATIENCE, account.closed.cancelled()).await {
        Ok(()) => Ok(End::Cut),
        Err(_) => Err("not given up".into()),
    }
}

/// Sends until the server accepts nothing more, since its echoes are not read, and then waits for
/// the end.
pub(super) async fn never_read(
    mut raw: Raw,
    script: &mut Script,
    account: &Account,
    silent: &mut Option<std::time::Instant>,
) -> Result<End, String> {
    let limit = Instant::now() + PATIENCE;
    *silent = Some(std::time::Instant::now());
    while !account.closed.is_cancelled() {
        // More than the server queues, and less than the kernels' buffers together.
        if raw.output.is_empty() && script.outstanding() < 2 * 1024 * 1024 {
            (0..8).for_each(|_| raw.say(&script.line()));
        }
        tokio::select! {
            () = account.closed.cancelled() => {}
            step = raw.step(limit, 0) => match step {
                Ok(Step::Time) => return Err("not given up".into()),
                Ok(Step::Ended) | Err(_) => break,
                Ok(_) => {}
            },
        }
    }
    Ok(End::Cut)
}

/// Ends TCP at any byte of the handshake and some messages, in one of three ways.
pub(super) async fn cut(target: Target, version: Version, rng: StdRng, script: &mut Script) -> Result<End, String> {
    let connected = Raw::connect(target, version, rng, false).await;
    let mut raw = connected.map_err(|error| format!("cannot connect: {error}"))?;
    let handshake = raw.request(target);
    for _ in 0..raw.rng.random_range(0..8) {
        raw.say(&script.line());
    }
    let end = raw.rng.random_range(0..=raw.output.len());
    raw.output.truncate(end);
    raw.flush().await?;
    let is_open = if raw.rng.random() { raw.answer_soon(&handshake).await? } else { false };
    match raw.rng.random_range(0..3) {
        0 => drop(raw),
        1 => raw.reset(),
        // Complete messages are answered if the handshake was accepted.
        _ if is_open => {
            raw.end_output();
            read_until(&mut raw, script, |_| false).await?;
        }
        _ => drop(raw),
    }
    Ok(End::Cut)
}

/// Drops one of the library's sockets during a conversation.
pub(super) async fn drop_socket(mut socket: WebSocket, script: &mut Script, rng: &mut StdRng) -> Result<End, String> {
    for _ in 0..rng.random_range(0..8) {
        let message = own::message(script.line());
        if rng.random() {
            let _ = socket.feed(message).await;
        } else {
            let _ = socket.send(message).await;
        }
    }
    let time = Duration::from_millis(rng.random_range(0..200));
    while let Ok(Some(Ok(message))) = timeout(time, socket.recv()).await {
        script.echoed(message.as_text().is_some(), message.as_bytes())?;
    }
    Ok(End::Cut)
}

pub(super) async fn flood(mut raw: Raw, flood: Flood, script: &mut Script) -> Result<End, String> {
    match flood {
        Flood::Pings => return flood_with_pings(raw, script).await,
        Flood::PingsGuarded => {
            for number in 0..MAX_CONTROL_RATE * 20 {
                raw.frame(true, PING, &number.to_be_bytes());
            }
        }
        Flood::Fragments => {
            raw.frame(false, TEXT, b"");
            for _ in 0..MAX_FRAGMENTS * 2 {
                raw.frame(false, CONTINUATION, b"");
            }
        }
        Flood::Pongs => {
            for _ in 0..raw.rng.random_range(1000..5000) {
                raw.frame(true, PONG, b"");
            }
            return close(raw, script, 1000).await;
        }
        Flood::Tiny | Flood::Empty => {
            for _ in 0..raw.rng.random_range(1000..5000) {
                let line = if flood == Flood::Tiny { script.tiny() } else { script.empty() };
                raw.frame(true, if line.is_text { TEXT } else { BINARY }, &line.data);
            }
            if let Some(end) = read_until(&mut raw, script, Script::is_complete).await? {
                return Ok(end);
            }
            return close(raw, script, 1000).await;
        }
    }
    let end = read_until(&mut raw, script, |_| false).await?;
    Ok(end.unwrap_or(End::Cut))
}

/// Not every ping has to be answered, but the last one does, and none twice.
async fn flood_with_pings(mut raw: Raw, script: &mut Script) -> Result<End, String> {
    let count: u32 = raw.rng.random_range(1000..5000);
    for number in 1..=count {
        raw.frame(true, PING, &number.to_be_bytes());
    }
    let (mut last, limit) = (0, Instant::now() + PATIENCE);
    while last < count {
        match raw.step(limit, 64 * 1024).await {
            Ok(Step::Time) => return Err(format!("ping {count} is not answered, but {last} is")),
            Ok(Step::Ended) => return Ok(End::Lost("ended without a close".into())),
            Ok(_) => {}
            Err(error) => return Ok(End::Lost(error.to_string())),
        }
        while let Some(incoming) = raw.take()? {
            match incoming {
                Incoming::Pong(data) => {
                    let number = data[..].try_into().map(u32::from_be_bytes).unwrap_or(0);
                    if number <= last {
                        return Err(format!("pong {number} behind pong {last}"));
                    }
                    last = number;
                }
                Incoming::Close(code) => return answer_close(raw, code.unwrap_or(1005)).await,
                Incoming::Message { .. } => return Err("a message that nobody sent".into()),
                Incoming::Ping(_) => {}
            }
        }
    }
    close(raw, script, 1000).await
}

/// Talks a little, and then violates a rule.
pub(super) async fn break_rule(mut raw: Raw, violation: Violation, script: &mut Script) -> Result<End, String> {
    for _ in 0..raw.rng.random_range(0..5) {
        raw.say(&script.line());
    }
    match violation {
        Violation::ReservedBit => raw.frame(true, 0x40 | TEXT, b"?"),
        Violation::UnknownOpcode => raw.frame(true, 0x3, b"?"),
        Violation::Unmasked => raw.output.put_slice(b"\x81\x01?"),
        Violation::FragmentedPing => raw.frame(false, PING, b"?"),
        Violation::LongPing => raw.frame(true, PING, &[0; 126]),
        Violation::LoneContinuation => raw.frame(true, CONTINUATION, b"?"),
        Violation::NoUtf8 => raw.frame(true, TEXT, b"\xce\xba\xff"),
        Violation::BadCloseCode => raw.frame(true, CLOSE, &999_u16.to_be_bytes()),
        Violation::HugeFrame => {
            raw.output.put_slice(&[0x82, 0xff]);
            raw.output.put_u64(1 << 40);
        }
        Violation::HugeMessage => {
            raw.frame(false, BINARY, &[0; 1000]);
            for _ in 0..MAX_MESSAGE / 50_000 + 1 {
                raw.frame(false, CONTINUATION, &[0; 50_000]);
            }
        }
        Violation::Endless => {
            raw.output.put_u8(0x00);
            raw.output.put_bytes(b'x', MAX_MESSAGE + 1);
        }
    }
    Ok(read_until(&mut raw, script, |_| false).await?.unwrap_or(End::Cut))
}

/// Reads until the condition holds or the connection ends.
async fn read_until(raw: &mut Raw, script: &mut Script, enough: fn(&Script) -> bool) -> Result<Option<End>, String> {
    let limit = Instant::now() + PATIENCE;
    loop {
        while let Some(incoming) = raw.take()? {
            match incoming {
                Incoming::Message { is_text, data } => script.echoed(is_text, &data)?,
                Incoming::Close(code) => {
                    let code = code.unwrap_or(1005);
                    raw.close(code);
                    raw.finish().await?;
                    return Ok(Some(End::ByServer(code)));
                }
                Incoming::Ping(_) | Incoming::Pong(_) => {}
            }
        }
        if enough(script) && raw.output.is_empty() {
            return Ok(None);
        }
        match raw.step(limit, 64 * 1024).await {
            Ok(Step::Time) => return Err("stuck".into()),
            Ok(Step::Ended) => return Ok(Some(End::Lost("ended without a close".into()))),
            Ok(_) => {}
            Err(error) => return Ok(Some(End::Lost(error.to_string()))),
        }
    }
}

/// Closes and waits for the answer.
async fn close(mut raw: Raw, script: &mut Script, code: u16) -> Result<End, String> {
    raw.close(code);
    let end = read_until(&mut raw, script, |_| false).await?;
    Ok(match end {
        Some(End::ByServer(answered)) if answered == code => End::Closed(code),
        end => end.unwrap_or(End::Cut),
    })
}

async fn answer_close(mut raw: Raw, code: u16) -> Result<End, String> {
    raw.close(code);
    raw.finish().await?;
    Ok(End::ByServer(code))
}

impl Raw {
    /// Returns whether the handshake is answered within a short time.
    async fn answer_soon(&mut self, handshake: &crate::handshake::Handshake) -> Result<bool, String> {
        match timeout(Duration::from_millis(500), self.answer(handshake)).await {
            Ok(answer) => Ok(answer?.is_ok()),
            Err(_) => Ok(false),
        }
    }
}
