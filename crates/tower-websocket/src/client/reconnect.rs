use std::fmt;
use std::future::IntoFuture;
use std::ops::Range;
use std::time::Duration;

use http::Response;
use rand::RngExt;
use tokio::time::Instant;
use websocket_driver::{CloseCause, CloseCode, CloseFrame};

use super::deadline::Deadline;
use super::error::ConnectError;
use crate::socket::WebSocket;

/// The maximum wait for a server, whatever its `Retry-After` says.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The delay that IANA's registry of close codes recommends after 1012.
const AFTER_RESTART: Range<Duration> = Duration::from_secs(5)..Duration::from_secs(30);

/// Keeps a client connected: yields one WebSocket session after another.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_websocket::client::Reconnect;
/// use tower_websocket::connect;
///
/// let mut sessions = Reconnect::new(|| connect("wss://example.com/feed").protocols(["feed"]));
/// while let Some(session) = sessions.next().await {
///     let (socket, _response) = session?;
///     socket.send("subscribe").await.ok();
///     while let Some(Ok(message)) = socket.recv().await {
///         println!("{message:?}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Temporary failures are retried after a delay that doubles each time. Each wait is a random time
/// between half and all of the delay, so that the clients of a server that was down do not
/// reconnect all at once. A session that has lasted longer than the maximum delay resets the delay.
/// In addition, the client waits for the time in a `Retry-After` header (an hour at most), for 5 to
/// 30 seconds after a close with 1012, and for the maximum delay after a close with 1013.
///
/// It ends after failures that a retry cannot fix: a connection error that is not
/// [transient](ConnectError::is_transient), and a close for which
/// [`reconnect_on`](Self::reconnect_on) returns `false`.
#[must_use]
pub struct Reconnect<F> {
    connect: F,
    delays: Range<Duration>,
    max_attempts: Option<u32>,
    reconnect_on: Box<dyn Fn(&CloseFrame) -> bool + Send + Sync>,
    session: Option<Session>,
    /// The number of failed attempts since the last successful one.
    failed: u32,
    /// The number of times that the delay has doubled.
    doublings: u32,
    not_before: Option<Deadline>,
    has_ended: bool,
}

struct Session {
    socket: WebSocket,
    begun: Instant,
}

impl<F, C> Reconnect<F>
where
    F: FnMut() -> C,
    C: IntoFuture<Output = Result<(WebSocket, Response<()>), ConnectError>>,
{
    /// Creates a client from a function that makes one connection: it returns a
    /// [`Connect`](crate::client::Connect), or a future that does more, such as fetching a token
    /// first.
    pub fn new(connect: F) -> Self {
        Self {
            connect,
            delays: Duration::from_secs(1)..Duration::from_secs(60),
            max_attempts: None,
            reconnect_on: Box::new(|close| is_transient(close.code)),
            session: None,
            failed: 0,
            doublings: 0,
            not_before: None,
            has_ended: false,
        }
    }

    /// Sets the minimum and maximum delay. Default: 1 s and 60 s. A delay of [`Duration::MAX`]
    /// never passes.
    pub fn delays(self, delays: Range<Duration>) -> Self {
        Self { delays, ..self }
    }

    /// Sets the number of consecutive failed attempts after which the last error is returned.
    /// Default: no limit.
    pub fn max_attempts(self, count: u32) -> Self {
        Self { max_attempts: Some(count), ..self }
    }

    /// Sets the predicate that decides whether a session that was closed like this is followed by
    /// another. Default: `true`, unless the code means that the next session would end the same way
    /// or that the purpose is fulfilled: 1000, 1002, 1003, 1007, 1008, 1009 and 1010.
    ///
    /// It is called with the close frame for the session's [cause](WebSocket::close_cause), whether
    /// or not the session was received to its end: the frame that was sent or received, [the
    /// code](CloseCause::close_code) for a protocol violation or an exceeded limit, and
    /// [`CloseCode::ABNORMAL`] for a failed transport.
    pub fn reconnect_on(self, decide: impl Fn(&CloseFrame) -> bool + Send + Sync + 'static) -> Self {
        Self { reconnect_on: Box::new(decide), ..self }
    }

    /// Waits for the next session, and returns its WebSocket and the server's response. The
    /// previous session is dropped if it is still open. Returns `None` after an error.
    ///
    /// # Errors
    ///
    /// The reason why there will be no further session.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. A delay in progress continues in the next call; a connection attempt is dropped
    /// and repeated.
    pub async fn next(&mut self) -> Option<Result<(&mut WebSocket, Response<()>), ConnectError>> {
        if let Some(session) = self.session.take() {
            self.finish_session(&session);
        }
        while !self.has_ended {
            if let Some(not_before) = self.not_before {
                not_before.sleep().await;
            }
            match (self.connect)().await {
                Ok((socket, response)) => {
                    self.not_before = None;
                    self.failed = 0;
                    let session = self.session.insert(Session { socket, begun: Instant::now() });
                    return Some(Ok((&mut session.socket, response)));
                }
                Err(error) => {
                    self.failed = self.failed.saturating_add(1);
                    let requested = error.retry_after().map(|delay| delay.min(MAX_RETRY_AFTER));
                    self.schedule(requested.unwrap_or_default());
                    if !error.is_transient() || self.max_attempts.is_some_and(|most| self.failed >= most) {
                        self.has_ended = true;
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }

    /// Decides from the end of a session what to do next.
    fn finish_session(&mut self, session: &Session) {
        if session.begun.elapsed() > self.delays.end {
            self.doublings = 0;
        }
        let close = session.socket.close_cause().map(close_frame);
        self.has_ended = close.as_ref().is_some_and(|close| !(self.reconnect_on)(close));
        self.schedule(match close.map(|close| close.code) {
            Some(CloseCode::SERVICE_RESTART) => random(AFTER_RESTART),
            Some(CloseCode::TRY_AGAIN_LATER) => self.delays.end,
            _ => Duration::ZERO,
        });
    }

    /// Schedules the next attempt after the current delay and the additional time.
    fn schedule(&mut self, additional: Duration) {
        let doubled = self.delays.start.saturating_mul(2_u32.saturating_pow(self.doublings));
        let delay = doubled.min(self.delays.end);
        self.doublings = self.doublings.saturating_add(1);
        self.not_before = Some(Deadline::after(random(delay / 2..delay).saturating_add(additional)));
    }
}

/// Returns the close frame for a cause. That of the socket is only available once its end was
/// received.
fn close_frame(cause: CloseCause) -> CloseFrame {
    let code = cause.close_code();
    match cause {
        CloseCause::Local(close) | CloseCause::Remote(close) => close,
        CloseCause::Protocol(_) | CloseCause::Limit(_) => CloseFrame { code, reason: cause.to_string().into() },
        _ => code.into(),
    }
}

/// Returns whether another session may end differently (RFC 6455 §7.4.1).
fn is_transient(code: CloseCode) -> bool {
    !matches!(
        code,
        CloseCode::NORMAL
            | CloseCode::PROTOCOL_ERROR
            | CloseCode::UNSUPPORTED_DATA
            | CloseCode::INVALID_PAYLOAD
            | CloseCode::POLICY_VIOLATION
            | CloseCode::MESSAGE_TOO_BIG
            | CloseCode::MANDATORY_EXTENSION
    )
}

fn random(range: Range<Duration>) -> Duration {
    if range.is_empty() { range.start } else { rand::rng().random_range(range) }
}

impl<F> fmt::Debug for Reconnect<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("delays", &self.delays)
            .field("max_attempts", &self.max_attempts)
            .field("has_session", &self.session.is_some())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
