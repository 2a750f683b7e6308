//! The ways to the server other than TCP and an HTTP proxy: connectors, which open one stream each.

use std::error::Error;
use std::io;
#[cfg(unix)]
use std::path::PathBuf;

use anyhow::{Context, ensure};
use http::Uri;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tower::{Service, ServiceExt, service_fn};

/// The port of a SOCKS proxy (RFC 1928 §3).
const SOCKS_PORT: u16 = 1080;

type BoxError = Box<dyn Error + Send + Sync>;

/// Returns a connector through a SOCKS5 proxy (RFC 1928), which resolves the name of the host. A
/// user and password are percent-encoded, as in URLs (RFC 1929).
pub(super) fn socks5(
    proxy: &str,
) -> anyhow::Result<impl Service<Uri, Response = TokioIo<TcpStream>, Error = BoxError, Future: Send> + Send + use<>> {
    // Without the value, which may include a password.
    const INVALID: &str = "invalid SOCKS5 proxy, expected [USER:PASSWORD@]HOST:PORT";
    let uri: Uri = proxy.parse().context(INVALID)?;
    ensure!(matches!(uri.scheme_str(), None | Some("socks5" | "socks5h")) && matches!(uri.path(), "" | "/"), INVALID);
    let authority = uri.authority().context(INVALID)?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(SOCKS_PORT);
    let credentials = match authority.as_str().rsplit_once('@') {
        None => None,
        Some((credentials, _)) => {
            let (user, password) = credentials.split_once(':').context(INVALID)?;
            let decode = |text| percent_decode_str(text).decode_utf8().map(Into::<String>::into);
            Some((decode(user).context(INVALID)?, decode(password).context(INVALID)?))
        }
    };
    Ok(service_fn(move |target: Uri| {
        let (proxy, host, credentials) = (uri.clone(), host.clone(), credentials.clone());
        async move {
            let stream = TcpStream::connect((host, port)).await.context("cannot connect to the SOCKS5 proxy")?;
            stream.set_nodelay(true)?;
            let mut stream = Some(TokioIo::new(stream));
            let connected = service_fn(move |_| {
                std::future::ready(stream.take().ok_or_else(|| io::Error::other("already connected")))
            });
            let mut socks = SocksV5::new(proxy, connected);
            if let Some((user, password)) = credentials {
                socks = socks.with_auth(user, password);
            }
            Ok(socks.oneshot(target).await?)
        }
    }))
}

/// Returns a connector to a Unix socket, whatever the host.
#[cfg(unix)]
pub(super) fn unix(
    path: PathBuf,
) -> impl Service<Uri, Response = TokioIo<UnixStream>, Error = BoxError, Future: Send> + Send {
    service_fn(move |_| {
        let path = path.clone();
        async move {
            let stream = UnixStream::connect(&path).await;
            Ok(TokioIo::new(stream.with_context(|| format!("cannot connect to {}", path.display()))?))
        }
    })
}
