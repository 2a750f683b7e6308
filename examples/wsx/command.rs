use tower_websocket::{CloseFrame, Message};

use crate::options::close_frame;

/// What `/help` prints.
pub(crate) const HELP: &str = "\
/ping [TEXT]            sends a ping; the pong is printed when it comes
/close [CODE [REASON]]  closes and leaves, as Ctrl-C and Ctrl-D do
/help                   prints this
//TEXT                  sends a text that begins with one slash
Any other line is sent as it is. Behind a space it is not kept in the history.";

/// The longest payload of a ping (RFC 6455 §5.5).
const MAX_PING: usize = 125;

/// What a typed line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Send(Message),
    Ping(String),
    /// With the code and reason of the options, or others.
    Close(Option<CloseFrame>),
    Help,
}

impl Command {
    /// Understands a line; where it cannot, says why.
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
                let (code, reason) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
                Ok(Self::Close(Some(close_frame(code, reason.trim_start())?)))
            }
            "help" => Ok(Self::Help),
            _ => Err(format!("/{name} is no command: /help tells them, and //{command} sends it as a text")),
        }
    }
}

fn message(line: &str, is_binary: bool) -> Message {
    if is_binary { Message::binary(line.as_bytes().to_vec()) } else { Message::text(line) }
}
