//! A SOCKS5 proxy, the server of `fast-socks5`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fast_socks5::server::{DnsResolveHelper, Socks5ServerProtocol, run_tcp_proxy};
use fast_socks5::{Result as SocksResult, Socks5Command};
use tokio::net::{TcpListener, TcpStream};

async fn proxy(stream: TcpStream, password: Option<&str>) -> SocksResult<()> {
    let authenticated = match password {
        None => Socks5ServerProtocol::accept_no_auth(stream).await?,
        Some(password) => {
            let check = |user: String, given: String| user == "ann" && given == password;
            Socks5ServerProtocol::accept_password_auth(stream, check).await?.0
        }
    };
    let (protocol, command, target) = authenticated.read_command().await?.resolve_dns().await?;
    assert_eq!(command, Socks5Command::TCPConnect);
    run_tcp_proxy(protocol, &target, Duration::from_secs(10), true).await?;
    Ok(())
}

/// Starts a proxy, for everyone or for the user `ann` with a password. Returns its URI, and the number of connections that were tunneled.
pub(crate) async fn socks5_proxy(password: Option<&'static str>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("socks5://{}", listener.local_addr().unwrap());
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = tunnels.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                if proxy(stream, password).await.is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (uri, tunnels)
}
