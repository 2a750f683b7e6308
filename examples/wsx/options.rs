use std::time::Duration;

use clap::Parser;
use tower_websocket::{CloseCode, CloseFrame, Message};

use crate::client_options::{ClientOptions, MessageOptions};

/// The longest reason beside a close code (RFC 6455 §5.5).
const MAX_REASON: usize = 123;

/// Talks to a WebSocket: what is typed is sent, what comes is printed. /help tells the commands.
#[derive(Debug, Parser)]
#[command(name = "wsx", mut_arg("url", |url| url.required(false).required_unless_present("tunnel")))]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) client: ClientOptions,
    #[command(flatten)]
    message: MessageOptions,
    /// A text to send when the socket is open; may be there several times.
    #[arg(long = "send", value_name = "TEXT")]
    sends: Vec<String>,
    /// Send what is typed, or comes from a pipe, as binary messages.
    #[arg(long)]
    pub(crate) binary: bool,
    /// The code and reason to close with: 1000 and none by default.
    #[arg(long, value_name = "CODE:REASON", value_parser = close_option, default_value = "1000", hide_default_value = true)]
    pub(crate) close: CloseFrame,
    /// For how many seconds nothing must have come before the close, where the end is not left to who types.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0.5")]
    pub(crate) wait: Duration,
    /// Ask nothing, and print one JSON object a line and event.
    #[arg(long)]
    pub(crate) json: bool,
    /// Pass each TCP connection to this address through a WebSocket; with --tunnel, serve the other
    /// end there.
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["sends", "text", "binary_size", "binary", "json"])]
    pub(crate) listen: Option<String>,
    /// Pass what comes through the WebSockets of --listen to this address, by TCP.
    #[arg(long, value_name = "HOST:PORT", requires = "listen", conflicts_with = "url")]
    pub(crate) tunnel: Option<String>,
}

impl Options {
    /// What is to be sent first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> + 'static {
        let sends = self.sends.iter().map(|text| Message::text(text.as_str())).collect::<Vec<_>>();
        let repeated = self.message.message().map(|message| std::iter::repeat_n(message, self.message.count));
        sends.into_iter().chain(repeated.into_iter().flatten())
    }
}

fn close_option(text: &str) -> Result<CloseFrame, String> {
    let (code, reason) = text.split_once(':').unwrap_or((text, ""));
    close_frame(code, reason)
}

/// A close that can be sent. 1005 stands for one without a code.
pub(crate) fn close_frame(code: &str, reason: &str) -> Result<CloseFrame, String> {
    let code = CloseCode::from(code.parse::<u16>().map_err(|_| "a close code is a number up to 65535")?);
    if !code.is_sendable() && (code != CloseCode::NO_STATUS || !reason.is_empty()) {
        return Err(format!("close code {code} may not be sent"));
    }
    if reason.len() > MAX_REASON {
        return Err(format!("a close reason holds at most {MAX_REASON} bytes"));
    }
    Ok(CloseFrame { code, reason: reason.into() })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
