use std::env;
use std::io;

use bytes::{Buf, BytesMut};
use http::{HeaderValue, Response, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websocket_driver::{Driver, Proxy, ProxyError};

use super::address::host_and_port;
use super::error::ConnectError;
use super::proxy_env;
use crate::transport::upgraded::Upgraded;

/// The choice of a proxy.
#[derive(Debug, Clone, Default)]
pub(super) enum ProxyChoice {
    #[default]
    None,
    /// According to `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    Environment,
    Url(Uri),
}

/// A callback for the proxy's response.
pub(super) type OnTunnel = Box<dyn FnOnce(&Response<()>) + Send>;

/// A proxy, and credentials in addition to those in its URL.
pub(super) struct ProxyHop {
    pub(super) url: Uri,
    authorization: Option<HeaderValue>,
}

impl ProxyChoice {
    /// Returns the proxy for a URL.
    pub(super) fn hop(&self, url: &Uri) -> Result<Option<ProxyHop>, ConnectError> {
        Ok(match self {
            Self::None => None,
            Self::Url(url) => Some(ProxyHop { url: url.clone(), authorization: None }),
            Self::Environment => {
                let found = proxy_env::find(url, |name| env::var_os(name))?;
                found.map(|(url, authorization)| ProxyHop { url, authorization })
            }
        })
    }
}

impl ProxyHop {
    /// Prepares a tunnel through the proxy.
    pub(super) fn prepare(&self, driver: Driver, url: &Uri) -> Result<Proxy, ConnectError> {
        let mut proxy = Proxy::new(driver, url, &self.url)?;
        if let Some(authorization) = &self.authorization {
            proxy.set_header(http::header::PROXY_AUTHORIZATION, authorization.clone())?;
        }
        Ok(proxy)
    }
}

/// Establishes the tunnel over a connection to the proxy. The returned driver has received the data
/// that followed the proxy's response.
pub(super) async fn open(
    stream: &mut Upgraded,
    url: &Uri,
    mut proxy: Proxy,
    on_tunnel: Option<OnTunnel>,
) -> Result<Driver, ConnectError> {
    // Does not include the password that the URL may contain.
    let host = host_and_port(url);
    let failed = |error: io::Error| ConnectError::of_transport(host.clone(), error);
    proxy.start();
    while proxy.output().has_remaining() {
        stream.write_buf(proxy.output()).await.map_err(failed)?;
    }
    stream.flush().await.map_err(failed)?;
    loop {
        let mut read = BytesMut::with_capacity(1024);
        match stream.read_buf(&mut read).await.map_err(failed)? {
            0 => proxy.receive_eof(),
            _ => proxy.receive(read),
        }
        match proxy.poll() {
            Some(Ok(())) => {
                if let Some(on_tunnel) = on_tunnel {
                    on_tunnel(&answer(&proxy));
                }
                return proxy.into_driver().map_err(|_| ProxyError::Ended.into());
            }
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
}

fn answer(proxy: &Proxy) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = proxy.status().unwrap_or_default();
    *answer.headers_mut() = proxy.headers().clone();
    answer
}
