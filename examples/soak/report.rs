//! The figures and faults of a run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tower_websocket::CloseCause;

use crate::kind::Kind;
use crate::ledger::{Ledger, lock};
use crate::stage::Outcome;
use crate::verdict;

/// The number of faults that are printed.
const MAX_PRINTED: usize = 40;

/// One row of the table.
#[derive(Debug, Default)]
struct Row {
    peers: u64,
    opened: u64,
    sent: u64,
    echoed: u64,
    received: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

/// The results of a run.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: BTreeMap<Kind, Row>,
    causes: BTreeMap<String, u64>,
    round_trips: Vec<Duration>,
    refused: u64,
    faults: Vec<String>,
}

impl Report {
    pub(super) fn new(ledger: &Ledger, outcome: &Outcome) -> Self {
        let mut report = Self { refused: ledger.refused.load(Ordering::Relaxed), ..Self::default() };
        let (mut opened, mut closed) = (0, 0);
        for account in ledger.accounts() {
            let faults = verdict::faults(&account);
            let name = account.kind.as_str();
            report.faults.extend(faults.iter().map(|fault| format!("peer {} ({name}): {fault}", account.id)));
            let server = lock(&account.server);
            let row = report.rows.entry(account.kind).or_default();
            row.peers += 1;
            row.opened += u64::from(server.opened);
            row.echoed += server.traffic.messages_sent;
            if let Some(peer) = &*lock(&account.peer) {
                row.sent += peer.tally.sent;
                row.received += peer.tally.received;
                row.bytes_sent += peer.tally.bytes_sent;
                row.bytes_received += peer.tally.bytes_received;
            }
            opened += u64::from(server.opened);
            for end in &server.closed {
                closed += 1;
                *report.causes.entry(name_of(&end.cause)).or_default() += 1;
            }
        }
        report.round_trips = std::mem::take(&mut *lock(&ledger.round_trips));
        report.round_trips.sort_unstable();
        report.count_left(ledger, outcome, opened, closed);
        report
    }

    fn count_left(&mut self, ledger: &Ledger, outcome: &Outcome, opened: u64, closed: u64) {
        self.expect("sockets opened and not closed", opened.abs_diff(closed), 0);
        let told = ledger.opened.load(Ordering::Relaxed);
        self.expect("sockets without a peer", told.abs_diff(opened), 0);
        self.expect("sockets of an unknown path", ledger.unknown.load(Ordering::Relaxed), 0);
        self.expect("sockets cut by the shutdown", outcome.cut as u64, 0);
        self.expect("sockets left after the shutdown", outcome.open as u64, 0);
        self.expect("bytes left in the budget", outcome.budget as u64, 0);
        self.expect("tasks left", outcome.tasks as u64, 0);
        self.expect("peers that panicked or hang", outcome.panics as u64, 0);
    }

    pub(super) fn expect(&mut self, what: &str, is: u64, at_most: u64) {
        if is > at_most {
            self.faults.push(format!("{what}: {is}"));
        }
    }

    /// Takes the round-trip times, to free their memory.
    pub(super) fn take_round_trips(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.round_trips)
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    pub(super) fn print_faults(&self) {
        for fault in self.faults.iter().take(MAX_PRINTED) {
            println!("FAULT {fault}");
        }
        if self.faults.len() > MAX_PRINTED {
            println!("… and {} more", self.faults.len() - MAX_PRINTED);
        }
    }

    pub(super) fn print(&self) {
        println!(
            "\n{:<28}{:>8}{:>8}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "peers", "started", "opened", "sent", "echoed", "received", "MB sent", "MB received"
        );
        let mut sum = Row::default();
        for (kind, row) in &self.rows {
            row.print(kind.as_str());
            sum.add(row);
        }
        sum.print("all");
        println!("\n{:<36}{:>8}", "ended by", "sockets");
        for (cause, count) in &self.causes {
            println!("{cause:<36}{count:>8}");
        }
        println!("{:<36}{:>8}", "all", self.causes.values().sum::<u64>());
        println!("{:<36}{:>8}", "(failed handshakes)", self.refused);
        let at = |part: f64| {
            let index = (self.round_trips.len() as f64 * part) as usize;
            self.round_trips.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        println!(
            "\nround trips of pings: {}, median {:.2} ms, 99th percentile {:.1} ms",
            self.round_trips.len(),
            at(0.5),
            at(0.99)
        );
    }
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.peers += other.peers;
        self.opened += other.opened;
        self.sent += other.sent;
        self.echoed += other.echoed;
        self.received += other.received;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
    }

    fn print(&self, name: &str) {
        let Self { peers, opened, sent, echoed, received, .. } = self;
        let (to, back) = (self.bytes_sent as f64 / 1e6, self.bytes_received as f64 / 1e6);
        println!("{name:<28}{peers:>8}{opened:>8}{sent:>10}{echoed:>10}{received:>10}{to:>10.1}{back:>10.1}");
    }
}

/// Returns the cause with its distinguishing details.
fn name_of(cause: &CloseCause) -> String {
    match cause {
        CloseCause::Local(close) | CloseCause::Remote(close) => format!("{} {}", cause.kind(), u16::from(close.code)),
        CloseCause::Limit(exceeded) => format!("limit: {}", exceeded.limit),
        CloseCause::Timeout(timeout) => format!("timeout: {timeout:?}").to_lowercase(),
        cause => cause.kind().to_owned(),
    }
}
