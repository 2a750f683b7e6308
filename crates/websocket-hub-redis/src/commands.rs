//! The connection for commands, which is replaced when it fails.
//!
//! `redis::aio::ConnectionManager` does the same, but does not report which Redis process a
//! connection leads to.

use std::sync::Mutex;
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, RetryMethod, ServerErrorKind};
use tokio::time::{Instant, sleep};

use crate::error::RedisBackendError;
use crate::server::{Connection, Server};
use crate::sync::lock;

/// The delay before a repeatable command is retried.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Commands {
    server: Server,
    timeout: Duration,
    current: Mutex<Option<Connection>>,
    /// Locked while connecting. Contains the time and the error of the last failed attempt.
    failed: tokio::sync::Mutex<Option<(Instant, RedisBackendError)>>,
}

impl Commands {
    pub(crate) fn new(server: Server, timeout: Duration) -> Self {
        Self { server, timeout, current: Mutex::default(), failed: tokio::sync::Mutex::default() }
    }

    /// Runs a command, at most once.
    pub(crate) async fn run<T, F: Future<Output = RedisResult<T>>>(
        &self,
        command: impl FnOnce(Connection) -> F,
    ) -> Result<T, RedisBackendError> {
        let connection = self.connection().await?;
        command(connection.clone()).await.map_err(|error| {
            if needs_another_connection(&error) {
                lock(&self.current).take_if(|current| current.is(&connection));
            }
            RedisBackendError::Command(error)
        })
    }

    /// Runs an idempotent command, and retries it until the timeout while there is no connection.
    pub(crate) async fn run_repeatedly<T, F: Future<Output = RedisResult<T>>>(
        &self,
        command: impl Fn(Connection) -> F,
    ) -> Result<T, RedisBackendError> {
        let begun = Instant::now();
        loop {
            let error = match self.run(&command).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let is_worth_it = match &error {
                RedisBackendError::Connect(_) => true,
                RedisBackendError::Command(error) => needs_another_connection(error),
                _ => false,
            };
            if !is_worth_it || begun.elapsed() + PAUSE >= self.timeout {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }

    /// Opens the first connection.
    pub(crate) async fn connect(&self) -> Result<(), RedisBackendError> {
        self.connection().await.map(drop)
    }

    fn current(&self) -> Option<Connection> {
        lock(&self.current).clone().filter(|connection| !connection.is_closed())
    }

    async fn connection(&self) -> Result<Connection, RedisBackendError> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let asked = Instant::now();
        let mut failed = self.failed.lock().await;
        // Another task may have tried meanwhile, successfully or not.
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        if let Some((at, error)) = &*failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        match self.server.connect(|_| Ok(())).await {
            Ok(connection) => {
                *lock(&self.current) = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// Returns whether another connection may succeed after this error: the connection was lost, hangs,
/// or leads to a replica or to a server that is starting.
fn needs_another_connection(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown, ReadOnly};
    matches!(error.retry_method(), RetryMethod::Reconnect)
        || matches!(error.kind(), ErrorKind::Io | ErrorKind::Server(BusyLoading | MasterDown | ReadOnly))
}
