//! Decisions about requests.

use http::Request;
use tower_websocket::OriginGuard;
use tower_websocket::origin::OriginRefusal;
use websocket_tests::wire::Handshake;

pub(super) type Verdict = Result<(), OriginRefusal>;

pub(super) const LET_IN: Verdict = Ok(());

pub(super) fn guard() -> OriginGuard {
    OriginGuard::new()
}

pub(super) fn allowing(pattern: &str) -> OriginGuard {
    guard().allow(pattern).expect("a pattern")
}

pub(super) fn localhost() -> OriginGuard {
    guard().hosts(["localhost", "127.0.0.1", "[::1]"]).expect("hosts")
}

/// Returns a handshake for a host by a page of an origin.
pub(super) fn request(host: &str, origin: impl AsRef<[u8]>) -> Request<()> {
    Handshake::hybi("13").set("Host", host).with("Origin", origin).request()
}

pub(super) fn without_origin(host: &str) -> Request<()> {
    Handshake::hybi("13").set("Host", host).request()
}

pub(super) fn confirm<const N: usize>(guard: &OriginGuard, verdicts: [(&str, &str, Verdict); N]) {
    for (origin, host, verdict) in verdicts {
        assert_eq!(guard.check(&request(host, origin)), verdict, "{origin:?} to {host:?}");
    }
}
