//! Scripted connection attempts, and the time of each. The clock is paused, so that times are
//! exact.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Response;
use tokio::io::duplex;
use tokio::time::{Instant, sleep};
use tower_websocket::client::{ConnectError, Reconnect};
use tower_websocket::{WebSocket, connect};
use websocket_tests::wire::Frame;

use crate::peer::{Peer, sample_config, upgraded};

pub(crate) type Opened = Result<(WebSocket, Response<()>), ConnectError>;

pub(crate) type Attempt = BoxFuture<'static, Opened>;

/// The outcome of an attempt.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A transient failure.
    Fail,
    /// A permanent failure.
    Never,
    /// A refusal with a status and header lines.
    Refuse(u16, String),
    /// A session that the server closes after this time with this code.
    Close(Duration, u16),
    /// A session whose transport ends after this time without a close frame.
    Break(Duration),
    /// A session that does not end.
    Stay,
    /// No response, ever.
    Hang,
}

/// The remaining outcomes, and the attempts made.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    acts: Arc<Mutex<VecDeque<Act>>>,
    times: Arc<Mutex<Vec<Duration>>>,
    begin: Instant,
}

impl Attempts {
    /// Creates a script. Further attempts fail.
    pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let acts = Arc::new(Mutex::new(acts.into_iter().collect()));
        Self { acts, times: Arc::default(), begin: Instant::now() }
    }

    pub(crate) fn reconnect(&self) -> Reconnect<impl FnMut() -> Attempt + Send + use<>> {
        let attempts = self.clone();
        Reconnect::new(move || attempts.attempt())
    }

    /// Returns the time of each attempt in seconds since the start.
    pub(crate) fn times(&self) -> Vec<f64> {
        self.times.lock().expect("no panic").iter().map(Duration::as_secs_f64).collect()
    }

    /// Returns the seconds since the start.
    pub(crate) fn now(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Returns the delay between consecutive attempts.
    pub(crate) fn delays(&self) -> Vec<f64> {
        self.times().windows(2).map(|times| times[1] - times[0]).collect()
    }

    fn attempt(&self) -> Attempt {
        self.times.lock().expect("no panic").push(self.begin.elapsed());
        let act = self.acts.lock().expect("no panic").pop_front().unwrap_or(Act::Fail);
        match act {
            Act::Fail => async { Err(ConnectError::TimedOut) }.boxed(),
            Act::Never => async { Err(ConnectError::NoTls) }.boxed(),
            Act::Hang => pending().boxed(),
            act => {
                let (io, other) = duplex(64 * 1024);
                tokio::spawn(serve(Peer::new(other), act));
                // The server does not answer pings.
                let config = sample_config().ping_interval(None);
                connect("ws://example.com/").config(config).over(io).into_future()
            }
        }
    }
}

async fn serve(mut peer: Peer, act: Act) {
    peer.head().await;
    if let Act::Refuse(status, headers) = act {
        return peer.write(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{headers}\r\n")).await;
    }
    peer.write(upgraded("")).await;
    match act {
        Act::Close(lasts, code) => {
            sleep(lasts).await;
            // The client may be gone.
            let _ = peer.try_write(Frame::close(code, "").unmasked().bytes()).await;
            peer.close_code().await;
        }
        Act::Break(lasts) => sleep(lasts).await,
        _ => pending().await,
    }
}

/// Waits for a session and for its end.
pub(crate) async fn session<F: FnMut() -> Attempt>(sessions: &mut Reconnect<F>) {
    let (socket, _) = sessions.next().await.expect("a session").expect("no error");
    while let Some(message) = socket.recv().await {
        message.expect("no error");
    }
    assert!(socket.close_frame().is_some());
}

/// Returns whether a delay is between half and all of `whole` seconds. Timers have a resolution of
/// a millisecond.
pub(crate) fn is_about(delay: f64, whole: f64) -> bool {
    is_within(delay, whole / 2.0, whole)
}

/// Returns whether a delay is between `least` and `most` seconds.
pub(crate) fn is_within(delay: f64, least: f64, most: f64) -> bool {
    delay >= least - 0.001 && delay <= most + 0.003
}
