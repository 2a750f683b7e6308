//! One peer, from connecting to disconnecting.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;
use tower_websocket::error::Limit;

use crate::kind::{Draft, Expected, Kind};
use crate::ledger::{Account, End, PeerSide, lock};
use crate::own;
use crate::raw::Raw;
use crate::rude::{self, Flood, Violation};
use crate::script::{Script, Style};
use crate::stage::Stage;
use crate::talk::{Habit, Reading, talk};

/// The address that a peer connects to, and its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) addr: SocketAddr,
    pub(super) id: u64,
}

/// What a peer is about to do.
enum Part {
    Talk(Draft),
    Own { deflate: bool, http2: bool },
    Deaf(Draft),
    HalfOpen(Draft),
    Cut(Draft),
    Drop { http2: bool },
    Flood(Flood),
    Break(Draft, Violation),
}

/// Runs a peer of a random kind, and records what it has seen.
pub(super) async fn run(stage: &Stage, rng: &mut StdRng) {
    let kind = Kind::random(rng);
    let (part, expected) = cast(kind, rng);
    let account = stage.ledger.enlist(kind, expected);
    let text_only = matches!(
        part,
        Part::Talk(Draft::Hixie75 | Draft::Hixie76)
            | Part::Cut(Draft::Hixie75 | Draft::Hixie76)
            | Part::Break(Draft::Hixie75 | Draft::Hixie76, _)
    );
    let max_size = if matches!(kind, Kind::Slow | Kind::Throttled) { 24 * 1024 } else { usize::MAX };
    let mut script = Script::new(account.id, rng.random(), Style { text_only, max_size });
    let mut silent = None;
    let end = play(stage, &account, part, &mut script, &mut silent, rng).await;
    if let Ok(End::Closed(_)) = end {
        script.forget_cancelled();
    }
    let peer = PeerSide { end, tally: script.tally, silent };
    *lock(&account.peer) = Some(peer);
}

/// Selects what a peer of this kind does, and the expected result.
fn cast(kind: Kind, rng: &mut StdRng) -> (Part, Expected) {
    let hybi = Draft::HYBI[rng.random_range(0..3)];
    match kind {
        Kind::Http1 => (Part::Own { deflate: false, http2: false }, Expected::Closed),
        Kind::Http1Deflate => (Part::Own { deflate: true, http2: false }, Expected::Closed),
        Kind::Http2 => (Part::Own { deflate: false, http2: true }, Expected::Closed),
        Kind::Http2Deflate => (Part::Own { deflate: true, http2: true }, Expected::Closed),
        Kind::Raw(draft) => (Part::Talk(draft), Expected::Closed),
        Kind::Slow | Kind::Throttled => (Part::Talk(hybi), Expected::Closed),
        Kind::Canceller => (Part::Own { deflate: rng.random(), http2: rng.random() }, Expected::Closed),
        Kind::Deaf => (Part::Deaf(hybi), Expected::NoPong),
        Kind::HalfOpen => (Part::HalfOpen(hybi), Expected::NoPong),
        Kind::Cutter if rng.random_bool(0.3) => (Part::Drop { http2: rng.random() }, Expected::Gone),
        Kind::Cutter => (Part::Cut(Draft::ALL[rng.random_range(0..5)]), Expected::Gone),
        Kind::Flooder => match rng.random_range(0..6) {
            0 => (Part::Flood(Flood::Pings), Expected::Closed),
            1 => (Part::Flood(Flood::PingsGuarded), Expected::Limit(&[Limit::ControlRate])),
            2 => (Part::Flood(Flood::Fragments), Expected::Limit(&[Limit::Fragments])),
            3 => (Part::Flood(Flood::Empty), Expected::Closed),
            4 => (Part::Flood(Flood::Pongs), Expected::Closed),
            _ => (Part::Flood(Flood::Tiny), Expected::Closed),
        },
        Kind::Breaker => {
            const SIZES: Expected = Expected::Limit(&[Limit::FrameSize, Limit::MessageSize]);
            match Violation::ALL[rng.random_range(0..Violation::ALL.len())] {
                Violation::Endless => (Part::Break(Draft::ALL[rng.random_range(0..2)], Violation::Endless), SIZES),
                violation @ (Violation::HugeFrame | Violation::HugeMessage) => (Part::Break(hybi, violation), SIZES),
                violation => (Part::Break(hybi, violation), Expected::Protocol),
            }
        }
    }
}

async fn play(
    stage: &Stage,
    account: &Account,
    part: Part,
    script: &mut Script,
    silent: &mut Option<std::time::Instant>,
    rng: &mut StdRng,
) -> Result<End, String> {
    let open = &stage.open;
    let tcp_too = [open.axum, open.tower, open.tcp];
    let target = Target { addr: tcp_too[rng.random_range(0..3)], id: account.id };
    let habit = habit(stage, account.kind, rng);
    let raw_rng = StdRng::seed_from_u64(rng.random());
    let is_slow = matches!(account.kind, Kind::Slow | Kind::Throttled);
    match part {
        Part::Talk(draft) => match Raw::open(target, draft.version(), raw_rng, is_slow).await? {
            Ok(mut raw) => talk(&mut raw, script, &habit).await,
            Err(end) => Ok(end),
        },
        Part::Own { deflate, http2 } => match open_own(stage, target, deflate, http2, rng).await? {
            Ok((socket, _permit)) => own::talk(socket, script, &habit, rng).await,
            Err(end) => Ok(end),
        },
        Part::Drop { http2 } => match open_own(stage, target, false, http2, rng).await? {
            Ok((socket, _permit)) => rude::drop_socket(socket, script, rng).await,
            Err(end) => Ok(end),
        },
        Part::Deaf(draft) => match Raw::open(target, draft.version(), raw_rng, true).await? {
            Ok(raw) => rude::never_read(raw, script, account, silent).await,
            Err(end) => Ok(end),
        },
        Part::HalfOpen(draft) => match Raw::open(target, draft.version(), raw_rng, false).await? {
            Ok(raw) => rude::fall_silent(raw, script, account, silent).await,
            Err(end) => Ok(end),
        },
        Part::Cut(draft) => rude::cut(target, draft.version(), raw_rng, script).await,
        Part::Flood(flood) => {
            let guarded = &stage.guarded;
            let guarded = [guarded.axum, guarded.tower, guarded.tcp][rng.random_range(0..3)];
            let addr = if flood == Flood::PingsGuarded { guarded } else { target.addr };
            match Raw::open(Target { addr, ..target }, Draft::Hybi13.version(), raw_rng, false).await? {
                Ok(raw) => rude::flood(raw, flood, script).await,
                Err(end) => Ok(end),
            }
        }
        Part::Break(draft, violation) => match Raw::open(target, draft.version(), raw_rng, false).await? {
            Ok(raw) => rude::break_rule(raw, violation, script).await,
            Err(end) => Ok(end),
        },
    }
}

type Opened = (tower_websocket::WebSocket, Option<tokio::sync::OwnedSemaphorePermit>);

async fn open_own(
    stage: &Stage,
    mut target: Target,
    deflate: bool,
    http2: bool,
    rng: &mut StdRng,
) -> Result<Result<Opened, End>, String> {
    let (addr, pool) =
        if rng.random() { (stage.open.axum, &stage.pools[0]) } else { (stage.open.tower, &stage.pools[1]) };
    if http2 {
        target.addr = addr;
    }
    own::open(target, deflate, http2.then_some(pool), rng).await
}

fn habit(stage: &Stage, kind: Kind, rng: &mut StdRng) -> Habit {
    let longest = (stage.seconds * 1000 / 2).max(1500);
    let until = Instant::now() + Duration::from_millis(rng.random_range(500..longest));
    let is_patient = rng.random_bool(0.7);
    let habit = Habit {
        until,
        gap: 2000..8000,
        burst: 1..6,
        window: 256 * 1024,
        is_patient,
        reading: Reading::Eager,
        cancels: false,
    };
    match kind {
        Kind::Slow if rng.random_bool(0.2) => {
            Habit { gap: 2000..6000, burst: 50..200, window: 1024 * 1024, reading: Reading::Gulps, ..habit }
        }
        // What is waiting for it takes less time to read than the server allows for closing.
        Kind::Throttled => {
            let until = Instant::now() + Duration::from_millis(longest);
            Habit { until, gap: 10..50, window: 192 * 1024, is_patient: true, reading: Reading::Throttled, ..habit }
        }
        Kind::Canceller => Habit { gap: 0..500, cancels: true, ..habit },
        Kind::Slow => Habit { window: 48 * 1024, reading: Reading::Sips, ..habit },
        _ => habit,
    }
}
