//! The options that the clients among the examples share.

mod tls;

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use permessage_deflate::PermessageDeflate;
use tower_websocket::{Config, Connect, Message, connect};

/// Where to connect, and how.
#[derive(Debug, Args)]
pub(crate) struct ClientOptions {
    /// The server: ws: or wss:.
    url: String,
    /// Offer permessage-deflate.
    #[arg(long)]
    deflate: bool,
    /// The subprotocols to offer, best first.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    protocols: Vec<String>,
    /// An HTTP proxy to go through, with user and password if it wants them.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// A header to add to the request.
    #[arg(long = "header", value_name = "K: V")]
    headers: Vec<String>,
    /// Trust the certificates in this PEM file, and no others.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Show the server the certificate in this PEM file, with those that lead to its authority behind it.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of --cert, a PEM file as well; it may be the same.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Ask by HTTP/2 (RFC 8441).
    #[arg(long)]
    http2: bool,
    /// Do not verify the server's certificate.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct MessageOptions {
    /// A text to send.
    #[arg(long)]
    text: Option<String>,
    /// Send so many bytes instead of a text.
    #[arg(long, value_name = "N")]
    binary_size: Option<usize>,
    /// How many of these messages to send, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: usize,
}

impl ClientOptions {
    /// The connection that is asked for, still to be made.
    ///
    /// What is wrong with an option is told without its value, which may hold a password.
    pub(crate) fn connect(&self) -> Result<Connect, Box<dyn Error>> {
        let mut config = Config::client();
        if self.deflate {
            config = config.extension(PermessageDeflate::new())?;
        }
        let mut request = connect(self.url.as_str()).config(config).protocols(&self.protocols);
        if let Some(proxy) = &self.proxy {
            request = request.proxy(proxy.parse()?);
        }
        for header in &self.headers {
            let (name, value) = header.split_once(':').ok_or("a header is a name, a colon and a value")?;
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
    /// The message that is asked for, if one is.
    pub(crate) fn message(&self) -> Option<Message> {
        match (self.binary_size, &self.text) {
            (Some(size), _) => Some(Message::binary((0..size).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>())),
            (None, text) => text.as_deref().map(Message::text),
        }
    }
}
