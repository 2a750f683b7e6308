use jiff::Zoned;
use tower_websocket::{CloseCode, CloseFrame, Message};

use crate::dump::push_dump;
use crate::paint::{Paint, Style};
use crate::pretty::pretty;
use crate::record::Record;
use crate::visible::{push_visible, visible_line};

/// The number of bytes of a text that are shown.
const SHOWN_TEXT: usize = 16 * 1024;

/// The number of bytes of a binary message that are shown.
const SHOWN_BINARY: usize = 256;

/// The width of the time and the mark before each first line.
const INDENT: usize = 15;

/// The format of events for a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    paint: Paint,
}

impl Screen {
    pub(crate) fn new(paint: Paint) -> Self {
        Self { paint }
    }

    pub(crate) fn record(self, record: &Record<'_>) -> String {
        match *record {
            Record::Connect => self.notice("tunnel through the proxy is open"),
            Record::Open { protocol, status, extensions } => self.notice(&format!(
                "connected: status {status}, subprotocol {}, extensions {}",
                protocol.unwrap_or("none"),
                extensions.unwrap_or("none"),
            )),
            Record::Text { text } => self.text(Style::Received, "<", text),
            Record::Binary { bytes } => self.binary(Style::Received, "<", bytes),
            Record::Ping { size } => self.notice(&format!("ping of {size} bytes, answered")),
            Record::Pong { ref text } if text.is_empty() => self.notice("pong"),
            Record::Pong { ref text } => self.notice(&format!("pong: {text}")),
            Record::Error { message } => self.error(message),
            Record::Close { code, reason } => {
                let meaning = match CloseCode::from(code) {
                    CloseCode::NO_STATUS => "without a code",
                    CloseCode::ABNORMAL => "connection ended without a close frame",
                    _ => reason,
                };
                self.notice(format!("closed: {code} {meaning}").trim_end())
            }
            Record::Eof => self.notice("connection ended"),
        }
    }

    pub(crate) fn sent(self, message: &Message) -> String {
        match message {
            Message::Text(text) => self.text(Style::Sent, ">", text),
            Message::Binary(bytes) => self.binary(Style::Sent, ">", bytes),
        }
    }

    pub(crate) fn sent_ping(self, data: &str) -> String {
        self.line(Style::Sent, ">", Style::Notice, format!("ping {data}").trim_end())
    }

    pub(crate) fn sent_close(self, close: &CloseFrame) -> String {
        self.line(Style::Sent, ">", Style::Notice, format!("close {} {}", close.code, close.reason).trim_end())
    }

    pub(crate) fn notice(self, text: &str) -> String {
        self.line(Style::Notice, "*", Style::Notice, text)
    }

    pub(crate) fn error(self, text: &str) -> String {
        self.line(Style::Error, "!", Style::Error, text)
    }

    /// Returns the reason why the connection failed, with the body of a refusal. It is not
    /// coloured, as it goes to the standard error.
    pub(crate) fn failure(self, error: &str, body: &[u8]) -> String {
        let mut out = format!("wsx: {}", visible_line(error));
        let body = String::from_utf8_lossy(body).replace("\r\n", "\n");
        if !body.trim().is_empty() {
            out.push('\n');
            push_visible(&mut out, Paint::new(false), Style::Plain, body.trim_end(), 0);
        }
        out
    }

    fn text(self, mark_style: Style, mark: &str, text: &str) -> String {
        let mut out = self.head(mark_style, mark);
        if text.len() > SHOWN_TEXT {
            let end = (0..=SHOWN_TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
            push_visible(&mut out, self.paint, Style::Plain, &text[..end], INDENT);
            self.push_size(&mut out, text.len());
        } else if let Some(lines) = pretty(self.paint, text, INDENT) {
            out.push_str(&lines);
        } else {
            push_visible(&mut out, self.paint, Style::Plain, text, INDENT);
        }
        out
    }

    fn binary(self, mark_style: Style, mark: &str, bytes: &[u8]) -> String {
        let mut out = self.head(mark_style, mark);
        self.paint.push(&mut out, Style::Notice, &format!("binary, {} bytes", bytes.len()));
        push_dump(&mut out, &bytes[..bytes.len().min(SHOWN_BINARY)], INDENT);
        if bytes.len() > SHOWN_BINARY {
            self.push_size(&mut out, bytes.len());
        }
        out
    }

    fn push_size(self, out: &mut String, size: usize) {
        out.push_str(&format!("\n{:INDENT$}", ""));
        self.paint.push(out, Style::Notice, &format!("... {size} bytes in all"));
    }

    fn line(self, mark_style: Style, mark: &str, style: Style, text: &str) -> String {
        let mut out = self.head(mark_style, mark);
        push_visible(&mut out, self.paint, style, text, INDENT);
        out
    }

    fn head(self, style: Style, mark: &str) -> String {
        let mut out = String::new();
        self.paint.push(&mut out, Style::Time, &Zoned::now().strftime("%H:%M:%S%.3f ").to_string());
        self.paint.push(&mut out, style, mark);
        out.push(' ');
        out
    }
}
