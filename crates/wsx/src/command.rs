use tower_websocket::{CloseFrame, Message};

use crate::options::close_frame;

/// The text that `/help` prints.
pub(crate) const HELP: &str = "\
/ping [TEXT]            sends a ping; the pong is printed when it arrives
/close [CODE [REASON]]  closes and leaves, as Ctrl-C and Ctrl-D do
/help                   prints this
//TEXT                  sends a text that begins with one slash
Any other line is sent unchanged. A line that begins with a space is not stored in the history.";

/// The longest payload of a ping (RFC 6455 §5.5).
const MAX_PING: usize = 125;

/// The action that a typed line requests.
#[derive(Debug)]
pub(crate) enum Command {
    Send(Message),
    Ping(String),
    /// With another code and reason than those of the options, if any.
    Close(Option<CloseFrame>),
    Help,
}

impl Command {
    /// Parses a line. The error is for the user.
    pub(crate) fn parse(line: &str, is_binary: bool) -> Result<Self, String> {
        let Some(command) = line.strip_prefix('/') else {
            return Ok(Self::Send(message(line, is_binary)));
        };
        if command.starts_with('/') {
            return Ok(Self::Send(message(command, is_binary)));
        }
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        match name {
            "ping" if rest.len() > MAX_PING => Err(format!("a ping holds at most {MAX_PING} bytes")),
            "ping" => Ok(Self::Ping(rest.to_owned())),
            "close" if rest.trim().is_empty() => Ok(Self::Close(None)),
            "close" => {
                let (code, reason) = rest.trim().split_once(' ').unwrap_or_else(|| (rest.trim(), ""));
                Ok(Self::Close(Some(close_frame(code, reason.trim_start())?)))
            }
            "help" => Ok(Self::Help),
            _ => Err(format!("unknown command /{name}: see /help, or send it as text with //{command}")),
        }
    }
}

fn message(line: &str, is_binary: bool) -> Message {
    if is_binary { Message::binary(line.as_bytes().to_vec()) } else { Message::text(line) }
}
