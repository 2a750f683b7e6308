//! The last bytes of a connection leave together with the FIN, if the transport is TCP on Linux.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use tower_websocket::{Config, Version};
use websocket_tests::blocking::connect;
use websocket_tests::wire::Frame;

use crate::run::run;
use crate::stacks::Stack;

/// Closes and watches the socket. Returns the first bytes that arrive, and whether the end arrives
/// with them.
fn close_and_watch(addr: SocketAddr) -> (Vec<u8>, bool) {
    let mut client = connect(addr, Version::Hybi13);
    client.write_all(&Frame::close(1000, "").bytes()).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut last = [0; 64];
    let read = loop {
        match client.read(&mut last) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => break read.unwrap(),
        }
    };
    (last[..read].to_vec(), matches!(client.read(&mut [0]), Ok(0)))
}

#[test]
fn close_frame_and_transport_end_leave_together() {
    run(async || {
        for stack in [Stack::Axum, Stack::Tower, Stack::Tcp] {
            let addr = stack.serve(Config::server()).await.port.addr;
            // Separate segments would sometimes arrive together as well.
            let clients =
                tokio::task::spawn_blocking(move || (0..100).map(|_| close_and_watch(addr)).collect::<Vec<_>>());
            for closed in clients.await.unwrap() {
                assert_eq!(closed, (vec![0x88, 2, 3, 0xe8], true));
            }
        }
    });
}
