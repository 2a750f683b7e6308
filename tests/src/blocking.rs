//! A blocking client, which needs no runtime.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use websocket_driver::Version;

use crate::wire::{Answer, Handshake};

/// Opens a connection. Reads time out after 20 seconds.
///
/// # Panics
///
/// If there is no server, or it does not respond with 101.
pub fn connect(addr: SocketAddr, version: Version) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("a server");
    stream.set_nodelay(true).expect("a TCP stream");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a TCP stream");
    stream.write_all(&Handshake::of(version).bytes()).expect("a server");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    assert_eq!(Answer::read(&head).expect("a head").0.status, 101);
    if version == Version::Hixie76 {
        stream.read_exact(&mut [0; 16]).expect("the rest of the answer");
    }
    stream
}
