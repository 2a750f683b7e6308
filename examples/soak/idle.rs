//! The memory of an idle connection.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tower_websocket::Version;

use crate::handshake::Handshake;
use crate::ledger::{Ledger, Watch};
use crate::memory;
use crate::server::Server;

/// Returns the bytes per connection that each stack holds on the server, including keepalive and
/// the bookkeeping of this program.
pub(super) fn measure(connections: usize) -> Result<[(&'static str, usize); 3], Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let measured = runtime.block_on(async {
        let server = Server::new();
        let config = server.config(Watch(Arc::new(Ledger::default())))?;
        let addresses = server.start(&config)?;
        let stacks = [("axum", addresses.axum), ("tower", addresses.tower), ("accept", addresses.tcp)];
        let mut measured = stacks.map(|(name, _)| (name, 0));
        for (index, (_, addr)) in stacks.into_iter().enumerate() {
            // The client's ends are plain sockets, which hold no memory here.
            let open = tokio::task::spawn_blocking(move || open(addr, connections));
            let (before, streams) = open.await?.map_err(|error| error.to_string())?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            measured[index].1 = memory::held().saturating_sub(before) / connections;
            drop(streams);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        server.stop.cancel();
        Ok(measured)
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    measured
}

fn open(addr: SocketAddr, connections: usize) -> Result<(usize, Vec<TcpStream>), Box<dyn Error + Send + Sync>> {
    let mut streams = Vec::with_capacity(connections);
    let before = memory::held();
    let mut rng = StdRng::seed_from_u64(0);
    for _ in 0..connections {
        let mut stream = TcpStream::connect(addr)?;
        let handshake = Handshake::new(Version::Hybi13, &addr.to_string(), "/", &mut rng);
        stream.write_all(&handshake.request)?;
        let mut input = bytes::BytesMut::new();
        while handshake.answer(&mut input).map_err(|status| format!("refused with {status}"))?.is_none() {
            let mut chunk = [0; 512];
            let read = stream.read(&mut chunk)?;
            input.extend_from_slice(&chunk[..read]);
        }
        streams.push(stream);
    }
    Ok((before, streams))
}
