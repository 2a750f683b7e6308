//! Tunnels TCP through WebSockets, one for each connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tower_websocket::client::Connect;
use tower_websocket::{ByteStream, CloseCode, Config, OriginGuard, WebSocket, accept};

use crate::options::Options;

/// Serves one end of a tunnel until the program is stopped.
pub(crate) async fn run(address: &str, options: &Options) -> io::Result<()> {
    // Reports invalid options now, not with the first connection.
    let connect = || options.client.connect().map_err(io::Error::other);
    if options.tunnel.is_none() {
        let _ = connect()?;
    }
    let listener = TcpListener::bind(address).await?;
    let scheme = if options.tunnel.is_some() { "ws" } else { "tcp" };
    println!("listening on {scheme}://{}", listener.local_addr()?);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                eprintln!("wsx: {:#}", anyhow::Error::from(error));
                // File descriptors may have run out temporarily.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match options.tunnel.clone() {
            Some(target) => spawn(from_websocket(stream, target)),
            None => spawn(into_websocket(stream, connect()?)),
        }
    }
}

fn spawn(tunnel: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
    tokio::spawn(async {
        if let Err(error) = tunnel.await {
            eprintln!("wsx: {error:#}");
        }
    });
}

async fn from_websocket(stream: TcpStream, target: String) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = accept(stream, Config::server()).check_origin(&OriginGuard::new()).await?;
    match TcpStream::connect(target).await {
        Ok(tcp) => copy(socket, tcp).await,
        Err(error) => {
            socket.close(CloseCode::INTERNAL_ERROR, "no connection to the target").await?;
            Err(error.into())
        }
    }
}

async fn into_websocket(stream: TcpStream, connect: Connect) -> anyhow::Result<()> {
    let (socket, _) = connect.await?;
    copy(socket, stream).await
}

async fn copy<T>(socket: WebSocket<T>, mut tcp: TcpStream) -> anyhow::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tcp.set_nodelay(true)?;
    let copied = copy_bidirectional(&mut ByteStream::new(socket), &mut tcp).await;
    if copied.is_err() {
        // Reset instead of a regular end, as data is missing.
        tcp.set_zero_linger()?;
    }
    copied?;
    Ok(())
}
