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

/// The proxy to go through.
#[derive(Debug, Clone, Default)]
pub(super) enum ProxyChoice {
    #[default]
    None,
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    Url(Uri),
}

/// Told of the proxy's answer.
pub(super) type OnTunnel = Box<dyn FnOnce(&Response<()>) + Send>;

/// A proxy, and what to tell it beside what its URL says.
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
    /// What will ask for the tunnel.
    pub(super) fn prepare(&self, driver: Driver, url: &Uri) -> Result<Proxy, ConnectError> {
        let mut proxy = Proxy::new(driver, url, &self.url)?;
        if let Some(authorization) = &self.authorization {
            proxy.set_header(http::header::PROXY_AUTHORIZATION, authorization.clone())?;
        }
        Ok(proxy)
    }
}

/// Opens the tunnel over a connection to the proxy. The driver comes back with what followed the proxy's answer.
pub(super) async fn open(
    stream: &mut Upgraded,
    url: &Uri,
    mut proxy: Proxy,
    told: Option<OnTunnel>,
) -> Result<Driver, ConnectError> {
    // Without the password that the URL may hold.
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
                if let Some(told) = told {
                    told(&answer(&proxy));
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
