//! Data from a peer may contain escape sequences, which move the cursor, rename the window, or do
//! worse. None of them is written to the terminal.

use crate::paint::{Paint, Style};

/// Appends text, and escapes everything that a terminal would not simply print. Line endings and
/// tabs are kept; each line but the first is indented.
pub(crate) fn push_visible(out: &mut String, paint: Paint, style: Style, text: &str, indent: usize) {
    let mut rest = text;
    while let Some(at) = rest.find(is_special) {
        let (before, from) = rest.split_at(at);
        paint.push(out, style, before);
        let mut chars = from.chars();
        match chars.next() {
            Some('\n') => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
            }
            Some(c) => paint.push(out, Style::Escape, &c.escape_default().to_string()),
            None => {}
        }
        rest = chars.as_str();
    }
    paint.push(out, style, rest);
}

/// Like [`push_visible`], but returns one line without colour.
pub(crate) fn visible_line(text: &str) -> String {
    let mut out = String::new();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push_str("\\n");
        }
        push_visible(&mut out, Paint::new(false), Style::Plain, line, 0);
    }
    out
}

fn is_special(c: char) -> bool {
    match c {
        '\t' => false,
        // Bidirectional controls and line separators can make a line look like another one.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}
