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

/// No server is waited for longer than this, whatever its `Retry-After` says.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What IANA's registry of close codes asks for after a 1012.
const AFTER_RESTART: Range<Duration> = Duration::from_secs(5)..Duration::from_secs(30);

/// One WebSocket after the other to the same server, for clients that are to stay connected.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_websocket::{Reconnect, connect};
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
/// What goes wrong for the moment is tried again, after a delay that doubles each time, of which between half and all is
/// waited for, by chance, so that the clients of a server that was gone don't come back all at once. A session that has
/// lasted longer than the longest delay counts as a new beginning. A server that answers with `Retry-After` is left alone so
/// long (an hour at most), one that closed with 1012 for 5 to 30 seconds, one that closed with 1013 for the longest delay.
///
/// What will not heal ends it: an error of connecting that is not [transient](ConnectError::is_transient), and a close
/// after which [`reconnect_on`](Self::reconnect_on) says no.
#[must_use]
pub struct Reconnect<F> {
    connect: F,
    delays: Range<Duration>,
    max_attempts: Option<u32>,
    reconnect_on: Box<dyn Fn(&CloseFrame) -> bool + Send + Sync>,
    session: Option<Session>,
    /// How many attempts failed since the last that did not.
    failed: u32,
    /// How often the delay has doubled.
    doublings: u32,
    not_before: Option<Deadline>,
    is_over: bool,
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
    /// Of what makes one connection: a [`Connect`](crate::Connect), or a future that does more, such as fetching a token.
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
            is_over: false,
        }
    }

    /// Sets the shortest delay and the longest. The defaults are 1 s and 60 s. A delay of [`Duration::MAX`] never passes.
    pub fn delays(self, delays: Range<Duration>) -> Self {
        Self { delays, ..self }
    }

    /// After how many attempts in a row that failed it is given up, with the error of the last: never, by default.
    pub fn max_attempts(self, count: u32) -> Self {
        Self { max_attempts: Some(count), ..self }
    }

    /// Sets the predicate that decides whether a session that was closed like this is followed by another. By default it is,
    /// unless the code says that the next session would end the same way, or that the purpose is fulfilled: 1000, 1002,
    /// 1003, 1007, 1008, 1009, 1010.
    ///
    /// The close frame is the one that its [cause](WebSocket::close_cause) stands for, whether or not the session was received
    /// from until its end: the frame that was sent or received, [the code](CloseCause::close_code) for a protocol violation
    /// or an exceeded limit, and [`CloseCode::ABNORMAL`] for a transport that failed.
    pub fn reconnect_on(self, decide: impl Fn(&CloseFrame) -> bool + Send + Sync + 'static) -> Self {
        Self { reconnect_on: Box::new(decide), ..self }
    }

    /// The next session: its WebSocket, and the server's answer. It waits until one stands. The one before is dropped, if it
    /// is still open.
    ///
    /// # Errors
    ///
    /// Why there will be no other: `None` follows.
    ///
    /// # Cancel safety
    ///
    /// Safe: a delay that has begun goes on in the next call; an attempt that has begun is dropped and made again.
    pub async fn next(&mut self) -> Option<Result<(&mut WebSocket, Response<()>), ConnectError>> {
        if let Some(session) = self.session.take() {
            self.judge(&session);
        }
        while !self.is_over {
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
                    let asked = error.retry_after().map(|delay| delay.min(LONGEST_RETRY_AFTER));
                    self.retry_after(asked.unwrap_or_default());
                    if !error.is_transient() || self.max_attempts.is_some_and(|most| self.failed >= most) {
                        self.is_over = true;
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }

    /// Draws from how a session ended what is to be done next.
    fn judge(&mut self, session: &Session) {
        if session.begun.elapsed() > self.delays.end {
            self.doublings = 0;
        }
        let close = session.socket.close_cause().map(close_frame);
        self.is_over = close.as_ref().is_some_and(|close| !(self.reconnect_on)(close));
        self.retry_after(match close.map(|close| close.code) {
            Some(CloseCode::SERVICE_RESTART) => random(AFTER_RESTART),
            Some(CloseCode::TRY_AGAIN_LATER) => self.delays.end,
            _ => Duration::ZERO,
        });
    }

    /// Sets the next attempt to after the delay that it is time for, and so much more.
    fn retry_after(&mut self, more: Duration) {
        let doubled = self.delays.start.saturating_mul(2_u32.saturating_pow(self.doublings));
        let delay = doubled.min(self.delays.end);
        self.doublings = self.doublings.saturating_add(1);
        self.not_before = Some(Deadline::after(random(delay / 2..delay).saturating_add(more)));
    }
}

/// Returns the close frame that a cause stands for. That of the socket is there only once its end was received.
fn close_frame(cause: CloseCause) -> CloseFrame {
    let code = cause.close_code();
    match cause {
        CloseCause::Local(close) | CloseCause::Remote(close) => close,
        CloseCause::Protocol(_) | CloseCause::Limit(_) => CloseFrame { code, reason: cause.to_string().into() },
        _ => code.into(),
    }
}

/// Whether another session may end otherwise (RFC 6455 §7.4.1).
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
