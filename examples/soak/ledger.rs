use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tower_websocket::CloseCause;
use tower_websocket::error::ProtocolError;
use tower_websocket::observe::{ConnectionObserver, ConnectionOpened, Observer, Traffic};

use crate::kind::{Expected, Kind};
use crate::script::Tally;

/// Both sides of every connection: the notifications of the server's observer, and the events seen
/// by the peer. They are matched by the path, which is the peer's number.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Mutex<HashMap<u64, Arc<Account>>>,
    next: AtomicU64,
    pub(super) opened: AtomicU64,
    pub(super) refused: AtomicU64,
    /// The number of sockets without a peer.
    pub(super) unknown: AtomicU64,
    pub(super) round_trips: Mutex<Vec<Duration>>,
    /// Whether the shutdown has begun.
    pub(super) is_ending: AtomicBool,
}

/// The account of one peer.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) expected: Expected,
    pub(super) server: Mutex<ServerSide>,
    pub(super) peer: Mutex<Option<PeerSide>>,
    /// Cancelled when the server has closed the connection.
    pub(super) closed: CancellationToken,
}

#[derive(Debug, Default)]
pub(super) struct ServerSide {
    pub(super) opened: u32,
    pub(super) traffic: Traffic,
    pub(super) closed: Vec<Closed>,
}

#[derive(Debug)]
pub(super) struct Closed {
    pub(super) cause: CloseCause,
    pub(super) at: Instant,
    /// Whether the shutdown was in progress.
    pub(super) is_late: bool,
}

#[derive(Debug)]
pub(super) struct PeerSide {
    pub(super) end: Result<End, String>,
    pub(super) tally: Tally,
    /// The time since which a silent peer has sent nothing.
    pub(super) silent: Option<Instant>,
}

/// How a connection ended for the peer. A missing code is 1005.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The handshake was refused with this status.
    Refused(u16),
    /// The peer closed, and the server answered.
    Closed(u16),
    /// The server closed.
    ByServer(u16),
    /// The peer cut the connection.
    Cut,
    /// The connection just ended.
    Lost(String),
}

impl Ledger {
    pub(super) fn enlist(&self, kind: Kind, expected: Expected) -> Arc<Account> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let account = Arc::new(Account {
            id,
            kind,
            expected,
            server: Mutex::default(),
            peer: Mutex::default(),
            closed: CancellationToken::new(),
        });
        lock(&self.accounts).insert(id, account.clone());
        account
    }

    pub(super) fn accounts(&self) -> Vec<Arc<Account>> {
        lock(&self.accounts).values().cloned().collect()
    }
}

/// The server's observer.
#[derive(Debug, Clone)]
pub(super) struct Watch(pub(super) Arc<Ledger>);

struct WatchOne {
    ledger: Arc<Ledger>,
    account: Option<Arc<Account>>,
}

impl Observer for Watch {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        let ledger = self.0.clone();
        ledger.opened.fetch_add(1, Ordering::Relaxed);
        let id = opened.path.trim_start_matches('/').parse().ok();
        let account = id.and_then(|id: u64| lock(&ledger.accounts).get(&id).cloned());
        match &account {
            Some(account) => lock(&account.server).opened += 1,
            None => _ = ledger.unknown.fetch_add(1, Ordering::Relaxed),
        }
        Box::new(WatchOne { ledger, account })
    }

    fn refused(&self, _: &ProtocolError) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl ConnectionObserver for WatchOne {
    fn passed(&mut self, passed: &Traffic) {
        let Some(account) = &self.account else { return };
        let traffic = &mut lock(&account.server).traffic;
        traffic.messages_received += passed.messages_received;
        traffic.messages_sent += passed.messages_sent;
        traffic.payload_received += passed.payload_received;
        traffic.payload_sent += passed.payload_sent;
        traffic.wire_received += passed.wire_received;
        traffic.wire_sent += passed.wire_sent;
    }

    fn answered(&mut self, round_trip: Duration) {
        lock(&self.ledger.round_trips).push(round_trip);
    }

    fn closed(&mut self, cause: &CloseCause) {
        let Some(account) = &self.account else { return };
        let is_late = self.ledger.is_ending.load(Ordering::SeqCst);
        lock(&account.server).closed.push(Closed { cause: cause.clone(), at: Instant::now(), is_late });
        account.closed.cancel();
        if account.id.is_multiple_of(3) {
            // A panic of an observer must not affect anything else. This does not call the panic
            // hook, which would print it.
            resume_unwind(Box::new("the observer of this connection panics"));
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
