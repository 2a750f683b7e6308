//! Peers based on this project's `connect`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use permessage_deflate::PermessageDeflate;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tower_websocket::client::{Connect, ConnectError, Http2Connection};
use tower_websocket::error::ProtocolError;
use tower_websocket::{CloseCause, CloseCode, Config, Message, WebSocket, connect};

use crate::error_chain::ErrorChain;
use crate::ledger::{End, lock};
use crate::peer::Target;
use crate::raw::PATIENCE;
use crate::script::{Line, Script};
use crate::talk::Habit;

/// The number of peers that share an HTTP/2 connection at a time.
const STREAMS: usize = 50;

/// The total number of peers per HTTP/2 connection, so that new ones are opened occasionally.
const USES: usize = 300;

/// HTTP/2 connections to one server.
#[derive(Debug, Default)]
pub(super) struct Pool(tokio::sync::Mutex<Vec<Pooled>>);

struct Pooled {
    connection: Http2Connection,
    streams: Arc<Semaphore>,
    uses: usize,
}

impl std::fmt::Debug for Pooled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pooled").field("uses", &self.uses).finish_non_exhaustive()
    }
}

impl Pool {
    async fn take(&self, target: Target) -> Result<(Http2Connection, OwnedSemaphorePermit), ConnectError> {
        let mut pool = self.0.lock().await;
        pool.retain(|pooled| pooled.uses < USES);
        for pooled in pool.iter_mut() {
            if let Ok(permit) = pooled.streams.clone().try_acquire_owned() {
                pooled.uses += 1;
                return Ok((pooled.connection.clone(), permit));
            }
        }
        let connection = connect(format!("ws://{}/", target.addr)).timeout(PATIENCE).http2_connection().await?;
        let streams = Arc::new(Semaphore::new(STREAMS));
        // The semaphore has one permit per unused stream.
        let permit = streams.clone().acquire_owned().await.map_err(|_| ConnectError::TimedOut)?;
        pool.push(Pooled { connection: connection.clone(), streams, uses: 1 });
        Ok((connection, permit))
    }
}

/// Opens a socket, on a connection of the pool if there is one.
pub(super) async fn open(
    target: Target,
    deflate: bool,
    pool: Option<&Pool>,
    rng: &mut StdRng,
) -> Result<Result<(WebSocket, Option<OwnedSemaphorePermit>), End>, String> {
    let request = request(target, deflate, rng)?;
    let (request, permit) = match pool {
        Some(pool) => match pool.take(target).await {
            Ok((connection, permit)) => (request.on(&connection), Some(permit)),
            Err(error) => return Ok(Err(End::Lost(ErrorChain(&error).to_string()))),
        },
        None => (request, None),
    };
    match request.await {
        Ok((socket, _)) => Ok(Ok((socket, permit))),
        Err(ConnectError::Refused(ProtocolError::Response(error))) => {
            Ok(Err(End::Refused(error.status.map_or(0, |status| status.as_u16()))))
        }
        Err(error) => Ok(Err(End::Lost(format!("in the handshake: {}", ErrorChain(&error))))),
    }
}

fn request(target: Target, deflate: bool, rng: &mut StdRng) -> Result<Connect, String> {
    let mut config = Config::client();
    if deflate {
        let extension = PermessageDeflate::new().level(1).no_context_takeover(rng.random_bool(0.5));
        config = config.extension(extension).map_err(|error| error.to_string())?;
    }
    Ok(connect(format!("ws://{}/{}", target.addr, target.id)).config(config).timeout(PATIENCE))
}

/// Sends the script's messages, checks the echoes, and closes: one half sends and the other
/// receives.
pub(super) async fn talk(
    mut socket: WebSocket,
    script: &mut Script,
    habit: &Habit,
    rng: &mut StdRng,
) -> Result<End, String> {
    let sender = socket.sender();
    let script = Mutex::new(script);
    let came = Notify::new();
    let ended = CancellationToken::new();
    let limit = habit.until + PATIENCE;

    let send = async {
        while Instant::now() < habit.until {
            if lock(&script).outstanding() < habit.window {
                for _ in 0..habit.burst(rng) {
                    let line = lock(&script).line();
                    let (number, is_empty) = (line.number, line.data.is_empty());
                    let sent = sender.send(message(line));
                    if !habit.cancels || is_empty {
                        if sent.await.is_err() {
                            return;
                        }
                        continue;
                    }
                    let time = Duration::from_micros([0, 0, 100, 2000][rng.random_range(0..4)]);
                    match timeout(time, sent).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return,
                        Err(_) => lock(&script).cancel(number),
                    }
                }
                sleep(habit.gap(rng)).await;
            } else {
                let _ = timeout_at(habit.until, came.notified()).await;
            }
        }
        while habit.is_patient && !lock(&script).is_complete() {
            came.notified().await;
        }
        let _ = sender.close(CloseCode::from([1000, 3000, 4321][rng.random_range(0..3)]), "enough").await;
    };
    let send = async {
        tokio::select! {
            () = send => {}
            () = ended.cancelled() => {}
        }
    };
    let receive = async {
        let _ended = ended.clone().drop_guard();
        while let Some(message) = timeout_at(limit, socket.recv()).await.map_err(|_| "stuck".to_owned())? {
            match message {
                Ok(message) => lock(&script).echoed(message.as_text().is_some(), message.as_bytes())?,
                Err(error) => return Ok(End::Lost(ErrorChain(&error).to_string())),
            }
            came.notify_one();
        }
        Ok(match socket.close_cause() {
            Some(CloseCause::Local(close)) => End::Closed(close.code.into()),
            Some(CloseCause::Remote(close)) => End::ByServer(close.code.into()),
            cause => End::Lost(format!("{cause:?}")),
        })
    };
    tokio::join!(send, receive).1
}

pub(super) fn message(line: Line) -> Message {
    if !line.is_text {
        return Message::binary(line.data);
    }
    // It was split at character boundaries.
    String::from_utf8(line.data).map_or_else(|error| Message::binary(error.into_bytes()), Message::text)
}
