//! The options shared with the example `echo_client`.

mod route;
mod tls;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use permessage_deflate::PermessageDeflate;
use tower_websocket::client::Connect;
use tower_websocket::{Config, Message, connect};

/// Where to connect, and how.
#[derive(Debug, Args)]
pub(crate) struct ClientOptions {
    /// URL of the server, ws: or wss:.
    #[arg(required = true)]
    url: Option<String>,
    /// Offer permessage-deflate.
    #[arg(long)]
    deflate: bool,
    /// Subprotocols to offer in order of preference.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    protocols: Vec<String>,
    /// HTTP proxy to use, with user and password if required.
    #[arg(long, value_name = "URL", group = "route")]
    proxy: Option<String>,
    /// SOCKS5 proxy to use, which resolves the server's name.
    #[arg(long, value_name = "[USER:PASSWORD@]HOST:PORT", group = "route")]
    socks5: Option<String>,
    /// Unix socket of the server. The host of the URL is only used in the request and for TLS.
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", group = "route")]
    unix: Option<PathBuf>,
    /// Header to add to the request.
    #[arg(long = "header", value_name = "K: V")]
    headers: Vec<String>,
    /// Trust the certificates in this PEM file, and no others.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Present the certificate in this PEM file, followed by its intermediate certificates.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of --cert, a PEM file that may be the same.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Use HTTP/2 (RFC 8441).
    #[arg(long)]
    http2: bool,
    /// Do not verify the server's certificate.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct MessageOptions {
    /// Text to send.
    #[arg(long)]
    text: Option<String>,
    /// Send this number of bytes instead of a text.
    #[arg(long, value_name = "N")]
    binary_size: Option<usize>,
    /// Number of messages to send, one after another.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: usize,
}

impl ClientOptions {
    /// Returns the connection to establish.
    ///
    /// Errors about an option do not contain its value, which may include a password.
    pub(crate) fn connect(&self) -> anyhow::Result<Connect> {
        let mut config = Config::client();
        if self.deflate {
            config = config.extension(PermessageDeflate::new())?;
        }
        let url = self.url.as_deref().context("there is no URL")?;
        let mut request = connect(url).config(config).protocols(&self.protocols);
        if let Some(proxy) = &self.proxy {
            request = request.proxy(proxy.parse().context("invalid URL of the proxy")?);
        }
        if let Some(proxy) = &self.socks5 {
            request = request.connector(route::socks5(proxy)?);
        }
        #[cfg(unix)]
        if let Some(path) = &self.unix {
            request = request.connector(route::unix(path.clone()));
        }
        for header in &self.headers {
            let (name, value) = header.split_once(':').context("invalid header, expected `Name: value`")?;
            request = request.header(name.trim(), value.trim());
        }
        if self.ca.is_some() || self.insecure || self.cert.is_some() {
            let identity = self.cert.as_deref().zip(self.key.as_deref());
            request = request.tls(tls::config(self.ca.as_deref(), self.insecure, identity)?);
        }
        if self.http2 {
            request = request.http2();
        }
        Ok(request)
    }
}

impl MessageOptions {
    /// Returns the message to send, if any.
    pub(crate) fn message(&self) -> Option<Message> {
        match (self.binary_size, &self.text) {
            (Some(size), _) => Some(Message::binary((0..size).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>())),
            (None, text) => text.as_deref().map(Message::text),
        }
    }
}
