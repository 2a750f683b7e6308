/// Colours the output, if enabled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    is_on: bool,
}

/// The styles of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Time,
    Received,
    Sent,
    Notice,
    Error,
    /// An escape for a character that must not be printed.
    Escape,
    Key,
    String,
    Literal,
}

impl Paint {
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on }
    }

    /// Appends text in a style. The text must be safe to print: see
    /// [`push_visible`](crate::visible::push_visible).
    pub(crate) fn push(self, out: &mut String, style: Style, text: &str) {
        let code = match style {
            Style::Plain => "",
            Style::Time => "2",
            Style::Received => "1;32",
            Style::Sent => "1;36",
            Style::Notice => "33",
            Style::Error => "1;31",
            Style::Escape => "7",
            Style::Key => "34",
            Style::String => "32",
            Style::Literal => "35",
        };
        if !self.is_on || code.is_empty() || text.is_empty() {
            out.push_str(text);
            return;
        }
        for part in ["\x1b[", code, "m", text, "\x1b[0m"] {
            out.push_str(part);
        }
    }
}
