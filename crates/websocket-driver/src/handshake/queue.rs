use bytes::Bytes;

use crate::config::settings::Settings;
use crate::error::SendError;
use crate::framing::Protocol;
use crate::framing::hybi::MAX_CONTROL;
use crate::framing::output::Output;
use crate::message::Message;
use crate::version::Version;

/// A message or control frame that can be sent before the handshake is complete.
#[derive(Debug)]
pub(crate) enum Command {
    Message { message: Message, may_compress: bool },
    Ping(Bytes),
    Pong(Bytes),
}

/// The messages and control frames sent before the handshake is complete.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    commands: Vec<Command>,
    size: usize,
}

impl Queue {
    /// Adds a command, within the limit on output.
    pub(crate) fn push(
        &mut self,
        command: Command,
        version: Option<Version>,
        settings: &Settings,
    ) -> Result<(), SendError> {
        command.check(version)?;
        if self.size >= settings.max_output {
            return Err(SendError::OutputFull);
        }
        self.size += size_of::<Command>() + command.len();
        self.commands.push(command);
        Ok(())
    }

    /// Returns the number of queued messages and the bytes of their payloads.
    pub(crate) fn messages(&self) -> (u64, usize) {
        self.commands.iter().fold((0, 0), |(count, bytes), command| match command {
            Command::Message { message, .. } => (count + 1, bytes + message.len()),
            _ => (count, bytes),
        })
    }

    /// Returns the number of bytes held.
    pub(crate) fn memory(&self) -> usize {
        self.size
    }

    /// Sends the queued commands.
    pub(crate) fn drain(
        self,
        protocol: &mut Protocol,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        self.commands.into_iter().try_for_each(|command| command.write(protocol, settings, output))
    }
}

impl Command {
    #[inline]
    pub(crate) fn write(
        self,
        protocol: &mut Protocol,
        settings: &Settings,
        output: &mut Output,
    ) -> Result<(), SendError> {
        match self {
            Self::Message { message, may_compress } => protocol.send(message, may_compress, settings, output),
            Self::Ping(data) => protocol.ping(&data, settings, output),
            Self::Pong(data) => protocol.pong(&data, settings, output),
        }
    }

    /// Checks what can be checked before the framing is known.
    fn check(&self, version: Option<Version>) -> Result<(), SendError> {
        match (self, version) {
            (Self::Message { message: Message::Text(_), .. }, _) => Ok(()),
            (_, Some(version)) if version.is_hixie() => Err(SendError::NotSupported { version: version.as_str() }),
            (Self::Ping(data) | Self::Pong(data), _) if data.len() > MAX_CONTROL => Err(SendError::ControlTooLong),
            _ => Ok(()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Message { message, .. } => message.len(),
            Self::Ping(data) | Self::Pong(data) => data.len(),
        }
    }
}
