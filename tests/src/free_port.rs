//! Ports for servers that are programs of their own.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns a port that is free and that no other call in this process returns.
///
/// Not one of those that the kernel assigns to clients (from 32,768 on): one of them could get the
/// port before the server listens, and a client that waits for the server could even connect to
/// itself.
///
/// # Panics
///
/// If no port is free.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin at different places.
    let begin = process::id().wrapping_mul(97);
    let mut ports = (0..20_000).map(|_| {
        let number = begin.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % 20_000;
        10_000 + number as u16
    });
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}
