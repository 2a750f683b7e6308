//! Connections, and their handshakes.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::Stream;

use crate::tls::{self, TlsStream};
use crate::transport::Transport;
use crate::{Options, PATIENCE, socketio};

/// The key of RFC 6455 §1.3, and its accept value.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// More than the response of any server.
const MAX_HEAD: usize = 4096;

/// The approximate number of bytes that the kernel accepts on a connection that reads nothing.
const STALLED_BUFFER: usize = 4096;

/// A blocking connection. It is reset when dropped, to avoid TIME_WAIT. On loopback, connections
/// use several source addresses, as one has too few ports for many connections in a short time.
pub(crate) fn connect(addr: SocketAddr, number: usize) -> io::Result<std::net::TcpStream> {
    connect_with(addr, number, None)
}

fn connect_with(addr: SocketAddr, number: usize, receive_buffer: Option<usize>) -> io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    if addr.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        let from = Ipv4Addr::new(127, 0, 0, 2 + (number % 200) as u8);
        socket.bind(&SocketAddr::from((from, 0)).into())?;
    }
    socket.connect_timeout(&addr.into(), PATIENCE)?;
    Ok(socket.into())
}

/// Returns the request of a handshake.
pub(crate) fn request(options: &Options) -> Vec<u8> {
    let offer = match (options.deflate && !options.raw, options.takeover) {
        (false, _) => "",
        (true, true) => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        (true, false) => {
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
        }
    };
    let target = if options.socketio { socketio::TARGET } else { "/" };
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n{offer}\r\n",
        options.addr
    );
    head.into_bytes()
}

/// Returns whether the head of a response is complete, or an error if it is wrong.
pub(crate) fn check_answer(options: &Options, head: &[u8]) -> Result<bool, String> {
    let holds = |word: &[u8]| head.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let fault = if !head.ends_with(b"\r\n\r\n") {
        if head.len() < MAX_HEAD {
            return Ok(false);
        }
        "incomplete head"
    } else if !head.starts_with(b"HTTP/1.1 101 ") {
        "status is not 101"
    } else if !head.windows(ACCEPT.len()).any(|part| part == ACCEPT) {
        "wrong Sec-WebSocket-Accept"
    } else if options.deflate && !options.raw && !holds(b"permessage-deflate") {
        "compression was not agreed"
    } else if options.deflate && !options.raw && options.takeover == holds(b"server_no_context_takeover") {
        "the wrong context takeover was agreed"
    } else {
        return Ok(true);
    };
    Err(format!("the handshake failed, {fault}: {:?}", String::from_utf8_lossy(head)))
}

/// Opens a connection, for use with a poll.
pub(crate) fn open(options: &Options, number: usize) -> Result<Transport, String> {
    open_with(options, number, None)
}

/// Opens a connection that is never read.
pub(crate) fn open_stalled(options: &Options, number: usize) -> Result<Transport, String> {
    open_with(options, number, Some(STALLED_BUFFER))
}

fn open_with(options: &Options, number: usize, receive_buffer: Option<usize>) -> Result<Transport, String> {
    let io = |error: io::Error| format!("connection {number}: {error}");
    let mut stream = connect_with(options.addr, number, receive_buffer).map_err(io)?;
    let transport = if options.tls {
        let mut session = tls::session()?;
        handshake(options, &mut Stream::new(&mut session, &mut stream), number)?;
        stream.set_nonblocking(true).map_err(io)?;
        Transport::Tls(Box::new(TlsStream::new(session, TcpStream::from_std(stream))))
    } else {
        handshake(options, &mut stream, number)?;
        stream.set_nonblocking(true).map_err(io)?;
        Transport::Tcp(TcpStream::from_std(stream))
    };
    Ok(transport)
}

fn handshake(options: &Options, stream: &mut (impl Read + Write), number: usize) -> Result<(), String> {
    let io = |error: io::Error| format!("connection {number}: {error}");
    stream.write_all(&request(options)).map_err(io)?;
    let (mut received, mut buffer) = (Vec::new(), [0; 1024]);
    let behind = loop {
        let end = received.windows(4).position(|four| four == b"\r\n\r\n").map_or(received.len(), |at| at + 4);
        if check_answer(options, &received[..end])? {
            break received.split_off(end);
        }
        match stream.read(&mut buffer).map_err(io)? {
            0 => return Err(format!("connection {number} was closed during the handshake")),
            read => received.extend(&buffer[..read]),
        }
    };
    if options.socketio {
        return socketio::connect(behind, stream).map_err(|error| format!("connection {number}: {error}"));
    }
    if behind.is_empty() { Ok(()) } else { Err(format!("{} unexpected bytes behind the handshake", behind.len())) }
}
