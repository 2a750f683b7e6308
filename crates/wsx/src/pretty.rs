use serde::de::IgnoredAny;

use crate::paint::{Paint, Style};
use crate::visible::push_visible;

const STEP: usize = 2;

/// Deeper nesting would only fill the screen with indentation.
const MAX_DEPTH: usize = 64;

/// Returns a JSON object or array formatted over several lines, all but the first indented, or
/// `None` if the text is neither.
///
/// Only whitespace changes: numbers, the order of keys and duplicate keys stay as they were sent.
pub(crate) fn pretty(paint: Paint, text: &str, indent: usize) -> Option<String> {
    let text = text.trim_ascii();
    if !text.starts_with(['{', '[']) || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let deepest = indent + STEP * MAX_DEPTH;
    let mut indent = indent;
    let mut lines = String::new();
    let out = &mut lines;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '"' => {
                let (string, behind) = rest.split_at(string_end(rest));
                let is_key = behind.trim_ascii_start().starts_with(':');
                push_visible(out, paint, if is_key { Style::Key } else { Style::String }, string, 0);
                rest = behind;
                continue;
            }
            '{' | '[' => {
                out.push(c);
                let behind = rest[1..].trim_ascii_start();
                if behind.starts_with(['}', ']']) {
                    out.push_str(&behind[..1]);
                    rest = &behind[1..];
                    continue;
                }
                indent += STEP;
                if indent > deepest {
                    return None;
                }
                break_line(out, indent);
            }
            '}' | ']' => {
                indent -= STEP;
                break_line(out, indent);
                out.push(c);
            }
            ',' => {
                out.push(c);
                break_line(out, indent);
            }
            ':' => out.push_str(": "),
            ' ' | '\t' | '\r' | '\n' => {}
            _ => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
                let (literal, behind) = rest.split_at(end.max(1));
                paint.push(out, Style::Literal, literal);
                rest = behind;
                continue;
            }
        }
        rest = &rest[1..];
    }
    Some(lines)
}

/// Returns the position after the quotation mark that ends the string at the start of the text.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn break_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}
