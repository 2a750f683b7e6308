//! The conditions that must hold at the end.

use std::time::Duration;

use tower_websocket::error::Timeout;
use tower_websocket::{CloseCause, CloseCode};

use crate::kind::Expected;
use crate::ledger::{Account, Closed, End, PeerSide, ServerSide, lock};
use crate::server::{PING_INTERVAL, PONG_TIMEOUT};

/// The maximum delay of timers on a busy machine.
const SLACK: Duration = Duration::from_secs(5);

/// Returns the faults of an account, usually none.
pub(super) fn faults(account: &Account) -> Vec<String> {
    let (server, peer) = (lock(&account.server), lock(&account.peer));
    let Some(peer) = &*peer else { return vec!["it has not ended".into()] };
    let mut faults = Vec::new();
    if let Err(fault) = &peer.end {
        faults.push(fault.clone());
    }
    match (server.opened, &server.closed[..]) {
        (0, []) => faults.extend(judge_unopened(account, peer)),
        (1, [closed]) => {
            faults.extend(judge_cause(account, closed, peer));
            faults.extend(judge_counts(account, &server, closed, peer));
        }
        (opened, closed) => {
            let causes: Vec<_> = closed.iter().map(|closed| closed.cause.to_string()).collect();
            faults.push(format!("opened {opened} times and closed {} times: {causes:?}", closed.len()));
        }
    }
    faults
}

/// Only a peer that cuts, or one that connects during the shutdown, may end without a socket.
fn judge_unopened(account: &Account, peer: &PeerSide) -> Option<String> {
    match &peer.end {
        Ok(End::Refused(503)) | Err(_) => None,
        Ok(End::Cut) if account.expected == Expected::Gone => None,
        Ok(end) => Some(format!("there was no socket: {end:?}")),
    }
}

fn judge_cause(account: &Account, closed: &Closed, peer: &PeerSide) -> Option<String> {
    let is_expected = match (account.expected, &closed.cause, &peer.end) {
        (_, CloseCause::Local(close), Ok(end)) if closed.is_late && close.code == CloseCode::GOING_AWAY => {
            // The peer has seen the same, or was about to close itself.
            match (account.expected, end) {
                (Expected::Closed, End::ByServer(code)) => matches!(code, 1001 | 1005),
                (Expected::Closed, End::Closed(_)) => true,
                (Expected::Closed, _) => false,
                _ => true,
            }
        }
        (Expected::NoPong | Expected::Gone, CloseCause::Timeout(Timeout::Close), _) => closed.is_late,
        (Expected::Closed, CloseCause::Remote(close), Ok(End::Closed(code))) => u16::from(close.code) == *code,
        // Both have closed at the same time.
        (Expected::Closed, CloseCause::Remote(_), Ok(End::ByServer(1001))) => closed.is_late,
        (Expected::NoPong, CloseCause::Timeout(Timeout::Pong), _) => peer.silent.is_some_and(|silent| {
            // The pong timeout starts at the ping, which is sent some time after the last input.
            let time = closed.at.saturating_duration_since(silent);
            time + SLACK / 10 >= PONG_TIMEOUT && time <= PING_INTERVAL + PONG_TIMEOUT + SLACK
        }),
        // The end of TCP is the regular close of draft 75.
        (Expected::Gone, CloseCause::Ended | CloseCause::Reset | CloseCause::Remote(_), _) => true,
        (Expected::Limit(limits), CloseCause::Limit(exceeded), _) => limits.contains(&exceeded.limit),
        (Expected::Protocol, CloseCause::Protocol(_), _) => true,
        _ => false,
    };
    (!is_expected).then(|| {
        let when = if closed.is_late { "in the shutdown" } else { "before the shutdown" };
        format!("expected {:?}, and {when}: {}, while the peer saw {:?}", account.expected, closed.cause, peer.end)
    })
}

/// Checks that no more was received than echoed, no more echoed than accepted, and no more accepted
/// than sent.
fn judge_counts(account: &Account, server: &ServerSide, closed: &Closed, peer: &PeerSide) -> Option<String> {
    let (taken, echoed) = (server.traffic.messages_received, server.traffic.messages_sent);
    let (sent, received) = (peer.tally.sent, peer.tally.received);
    let is_right = match (&closed.cause, &peer.end) {
        _ if !(received <= echoed && echoed <= taken && taken <= sent) => false,
        // Everything.
        (CloseCause::Remote(_), Ok(End::Closed(_))) if account.expected == Expected::Closed => received == sent,
        // Everything that was echoed. If TCP is the only way to close, data in flight may be lost.
        (CloseCause::Local(_), Ok(End::ByServer(1001))) => received == echoed,
        _ => true,
    };
    (!is_right).then(|| {
        let end = &peer.end;
        format!("sent {sent}, taken {taken}, echoed {echoed}, received {received}: {}, {end:?}", closed.cause)
    })
}
