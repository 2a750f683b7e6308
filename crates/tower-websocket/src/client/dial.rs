//! Establishing the stream to a server: with a connector, through a proxy, over TLS.

use std::io;

use http::Uri;
use websocket_driver::{Driver, Proxy, UrlError};

use super::address::{host_and_port, is_secure, server_name};
use super::connector::Connector;
use super::error::ConnectError;
use super::tls::{self, Alpn, TlsConfig, TlsFailure};
use super::tunnel::{self, OnTunnel, ProxyChoice};
use crate::transport::upgraded::Upgraded;

/// The options for the stream.
#[derive(Default)]
pub(super) struct Route {
    pub(super) connector: Option<Connector>,
    pub(super) proxy: ProxyChoice,
    pub(super) on_tunnel: Option<OnTunnel>,
    pub(super) tls: Option<TlsConfig>,
}

/// What the first stream is used for: the driver itself, or a tunnel through the proxy at this URL.
enum FirstHop {
    Direct(Driver),
    Tunnel(Box<Proxy>, Uri),
}

impl Route {
    /// Connects to the server, directly or through the proxy, and performs the TLS handshake. Later
    /// TLS failures are shared through the returned value. The driver has received the data that
    /// followed the proxy's response.
    pub(super) async fn connect(
        self,
        url: &Uri,
        driver: Driver,
        alpn: Alpn,
    ) -> Result<(Upgraded, Driver, TlsFailure), ConnectError> {
        let hop = self.proxy.hop(url)?;
        let proxy_scheme = hop.as_ref().map(|hop| hop.url.scheme_str().unwrap_or_default().to_ascii_lowercase());
        let is_proxy_secure = match proxy_scheme.as_deref() {
            None | Some("http") => false,
            Some("https") => true,
            _ => return Err(UrlError::Scheme { expected: "http, https for the proxy" }.into()),
        };
        // Resolved before anything is sent.
        let tls = if is_secure(url) || is_proxy_secure { Some(tls::resolve(self.tls)?) } else { None };

        let first_host = host_and_port(hop.as_ref().map_or(url, |hop| &hop.url));
        let first_hop = match hop {
            Some(hop) => FirstHop::Tunnel(Box::new(hop.prepare(driver, url)?), hop.url),
            None => FirstHop::Direct(driver),
        };
        let connector = self.connector.unwrap_or_else(Connector::tcp);
        let uri = Uri::builder().scheme("http").authority(first_host.as_str()).path_and_query("/").build();
        let uri = uri.map_err(|_| UrlError::Host)?;
        let made = connector.connect(uri).await;
        let mut io = made.map_err(|error| ConnectError::of_transport(first_host, error))?;
        let mut driver = match first_hop {
            FirstHop::Direct(driver) => driver,
            FirstHop::Tunnel(tunnel, proxy) => {
                if let (true, Some(tls)) = (is_proxy_secure, &tls) {
                    (io, _) = tls::wrap(io, server_name(&proxy), tls, Alpn::Http1).await?;
                }
                tunnel::open(&mut io, &proxy, *tunnel, self.on_tunnel).await?
            }
        };
        let mut failure = TlsFailure::default();
        if let (true, Some(tls)) = (is_secure(url), &tls) {
            // Data received before TLS is not authenticated.
            if !driver.input().is_empty() {
                let error = io::Error::new(io::ErrorKind::InvalidData, "unexpected data before the TLS handshake");
                return Err(ConnectError::Tls { host: server_name(url).to_owned(), error });
            }
            (io, failure) = tls::wrap(io, server_name(url), tls, alpn).await?;
        }
        Ok((io, driver, failure))
    }
}
