use std::time::Duration;

use clap::Parser;
use tower_websocket::{CloseCode, CloseFrame, Message};

use crate::client_options::{ClientOptions, MessageOptions};

/// The longest reason of a close, in bytes (RFC 6455 §5.5).
const MAX_REASON: usize = 123;

/// Sends what you type to a WebSocket and prints what it receives. Type /help for commands.
#[derive(Debug, Parser)]
#[command(name = "wsx", mut_arg("url", |url| url.required(false).required_unless_present("tunnel")))]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) client: ClientOptions,
    #[command(flatten)]
    message: MessageOptions,
    /// A text to send after the connection is open. May be repeated.
    #[arg(long = "send", value_name = "TEXT")]
    sends: Vec<String>,
    /// Send typed lines, or the lines of a pipe, as binary messages.
    #[arg(long)]
    pub(crate) binary: bool,
    /// The code and reason to close with. Default: 1000 without a reason.
    #[arg(long, value_name = "CODE:REASON", value_parser = close_option, default_value = "1000", hide_default_value = true)]
    pub(crate) close: CloseFrame,
    /// Close after this many seconds without traffic, if the input is a pipe or with --json.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0.5")]
    pub(crate) wait: Duration,
    /// Show no prompt, and print each event as a line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Accept TCP connections at this address, and forward each through a WebSocket. With --tunnel:
    /// accept WebSockets.
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["sends", "text", "binary_size", "binary", "json"])]
    pub(crate) listen: Option<String>,
    /// Forward the WebSockets accepted by --listen to this address over TCP.
    #[arg(long, value_name = "HOST:PORT", requires = "listen", conflicts_with = "url")]
    pub(crate) tunnel: Option<String>,
}

impl Options {
    /// Returns the messages to send first.
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

/// Parses a code and a reason that can be sent. 1005 stands for no code.
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
