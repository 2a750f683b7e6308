//! A proxy between a node and its server that a test can cut or stall without affecting other
//! nodes.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) struct Forwarder {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// Nothing is forwarded.
    Stalled,
    /// Of what the node sends, only the handshake is forwarded.
    Deaf,
    /// All connections are cut, and no new ones are made.
    Cut,
}

impl Forwarder {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (mode, modes) = watch::channel(Mode::Open);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(forward(near, server, modes.clone()));
            }
        });
        Self { address, mode, task }
    }

    pub(crate) fn stall(&self) {
        self.mode.send_replace(Mode::Stalled);
    }

    pub(crate) fn deafen(&self) {
        self.mode.send_replace(Mode::Deaf);
    }

    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    pub(crate) fn restore(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut near: TcpStream, server: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    loop {
        let mode = *modes.borrow_and_update();
        let forwarding = async {
            match mode {
                Mode::Open => copy_bidirectional(&mut near, &mut far).await.map(drop),
                Mode::Deaf => handshake(&mut near, &mut far).await,
                Mode::Stalled => std::future::pending().await,
                Mode::Cut => Ok(()),
            }
        };
        tokio::select! {
            biased;
            changed = modes.changed() => if changed.is_err() { return },
            _ = forwarding => return,
        }
    }
}

/// Forwards what the node sends first, and all that the server sends.
async fn handshake(near: &mut TcpStream, far: &mut TcpStream) -> std::io::Result<()> {
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    let hello = async {
        let mut hello = [0; 4096];
        let read = from_near.read(&mut hello).await?;
        to_far.write_all(&hello[..read]).await?;
        std::future::pending().await
    };
    tokio::select! {
        ended = hello => ended,
        ended = copy(&mut from_far, &mut to_near) => ended.map(drop),
    }
}
