//! Control frames (RFC 6455 §5.5).

use websocket_driver_extensions::Rsv;

use super::Hybi;
use super::frame::{self, MAX_CONTROL, MAX_HEADER, NO_MASK, Opcode};
use crate::config::settings::Settings;
use crate::error::{ProtocolError, SendError};
use crate::event::Event;
use crate::framing::mask::apply_mask;
use crate::framing::output::Output;
use crate::message::close::{CloseCode, CloseFrame};

/// The maximum length of a close reason in bytes (RFC 6455 §5.5.1).
const MAX_REASON: usize = MAX_CONTROL - 2;

/// The maximum length of a control frame in bytes: two bytes of header, the mask and the payload.
const MAX_CONTROL_FRAME: usize = MAX_CONTROL + 6;

impl Hybi {
    pub(crate) fn ping(&self, data: &[u8], settings: &Settings, output: &mut Output) -> Result<(), SendError> {
        check_control(data)?;
        output.put_control(self.control(Opcode::Ping, data, settings, &mut [0; MAX_CONTROL_FRAME]));
        Ok(())
    }

    pub(crate) fn pong(&self, data: &[u8], settings: &Settings, output: &mut Output) -> Result<(), SendError> {
        check_control(data)?;
        output.put_control(self.control(Opcode::Pong, data, settings, &mut [0; MAX_CONTROL_FRAME]));
        Ok(())
    }

    /// Writes a close frame, without a body for [`CloseCode::NO_STATUS`].
    pub(crate) fn close(&self, close: &CloseFrame, settings: &Settings, output: &mut Output) {
        let mut body = [0; MAX_CONTROL];
        let mut len = 0;
        if close.code != CloseCode::NO_STATUS {
            len = MAX_CONTROL.min(2 + close.reason.len());
            body[..2].copy_from_slice(&u16::from(close.code).to_be_bytes());
            body[2..len].copy_from_slice(&close.reason.as_bytes()[..len - 2]);
        }
        // After everything that was sent before (RFC 6455 §5.5.1).
        output.put_slice(self.control(Opcode::Close, &body[..len], settings, &mut [0; MAX_CONTROL_FRAME]));
    }

    /// Encodes a control frame.
    fn control<'a>(
        &self,
        opcode: Opcode,
        data: &[u8],
        settings: &Settings,
        buf: &'a mut [u8; MAX_CONTROL_FRAME],
    ) -> &'a [u8] {
        let mask = self.mask(settings);
        let mut header = [0; MAX_HEADER];
        let header = frame::encode(opcode, Rsv::NONE, data.len(), mask, &mut header);
        let (start, len) = (header.len(), header.len() + data.len());
        buf[..start].copy_from_slice(header);
        buf[start..len].copy_from_slice(data);
        apply_mask(&mut buf[start..len], mask.unwrap_or(NO_MASK), 0);
        &buf[..len]
    }
}

/// Parses the body of a close frame (RFC 6455 §5.5.1, §7.4).
pub(super) fn close_event(body: &[u8]) -> Result<Event, ProtocolError> {
    let close = match *body {
        [] => CloseFrame::from(CloseCode::NO_STATUS),
        [_] => return Err(ProtocolError::TruncatedCloseCode),
        [high, low, ref reason @ ..] => {
            let code = CloseCode::from(u16::from_be_bytes([high, low]));
            if !code.is_sendable() {
                return Err(ProtocolError::InvalidCloseCode(code));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidCloseReason)?;
            CloseFrame { code, reason: reason.into() }
        }
    };
    Ok(Event::Close(close))
}

/// Checks whether a close can be sent (RFC 6455 §5.5.1, §7.4). [`CloseCode::NO_STATUS`] is allowed
/// without a reason.
///
/// # Errors
///
/// [`SendError::InvalidCloseCode`] and [`SendError::ReasonTooLong`].
pub fn check_close(close: &CloseFrame) -> Result<(), SendError> {
    if close.code == CloseCode::NO_STATUS && close.reason.is_empty() {
        return Ok(());
    }
    if !close.code.is_sendable() {
        return Err(SendError::InvalidCloseCode(close.code));
    }
    if close.reason.len() > MAX_REASON { Err(SendError::ReasonTooLong) } else { Ok(()) }
}

/// Checks the length of a control frame's payload (RFC 6455 §5.5).
fn check_control(data: &[u8]) -> Result<(), SendError> {
    if data.len() > MAX_CONTROL { Err(SendError::ControlTooLong) } else { Ok(()) }
}
