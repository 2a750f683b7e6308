use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

/// The line that is being typed, and the history.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// In bytes.
    cursor: usize,
    /// The text that was cut last.
    cut: String,
    history: Vec<String>,
    /// The index of the line of the history that is shown, if any.
    shown: Option<usize>,
    /// The text that was typed before the history was opened.
    draft: String,
}

/// The effect of a key, other than a change of the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Line(String),
    Leave,
    /// Clear the screen.
    Clear,
}

impl Editor {
    pub(crate) fn new(history: Vec<String>) -> Self {
        Self { history, ..Self::default() }
    }

    /// Handles a key, with the bindings of Emacs and readline.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Option<Done> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let with = |modifier| key.modifiers.contains(modifier);
        match (key.code, with(KeyModifiers::CONTROL), with(KeyModifiers::ALT)) {
            (KeyCode::Enter, ..) | (KeyCode::Char('j' | 'm'), true, false) => return Some(Done::Line(self.take())),
            (KeyCode::Char('c'), true, false) => return Some(Done::Leave),
            (KeyCode::Char('d'), true, false) if self.text.is_empty() => return Some(Done::Leave),
            (KeyCode::Char('l'), true, false) => return Some(Done::Clear),

            (KeyCode::Left, false, false) | (KeyCode::Char('b'), true, false) => self.cursor = self.left(),
            (KeyCode::Right, false, false) | (KeyCode::Char('f'), true, false) => self.cursor = self.right(),
            (KeyCode::Left, ..) | (KeyCode::Char('b'), false, true) => self.cursor = self.word_left(),
            (KeyCode::Right, ..) | (KeyCode::Char('f'), false, true) => self.cursor = self.word_right(),
            (KeyCode::Home, ..) | (KeyCode::Char('a'), true, false) => self.cursor = 0,
            (KeyCode::End, ..) | (KeyCode::Char('e'), true, false) => self.cursor = self.text.len(),

            (KeyCode::Up, ..) | (KeyCode::Char('p'), true, false) => self.show_older(),
            (KeyCode::Down, ..) | (KeyCode::Char('n'), true, false) => self.show_newer(),

            (KeyCode::Backspace, false, false) | (KeyCode::Char('h'), true, false) => {
                self.remove(self.left(), self.cursor);
            }
            (KeyCode::Delete, ..) | (KeyCode::Char('d'), true, false) => {
                self.remove(self.cursor, self.right());
            }
            (KeyCode::Backspace, ..) | (KeyCode::Char('w'), true, false) => {
                self.cut = self.remove(self.word_left(), self.cursor);
            }
            (KeyCode::Char('d'), false, true) => self.cut = self.remove(self.cursor, self.word_right()),
            (KeyCode::Char('u'), true, false) => self.cut = self.remove(0, self.cursor),
            (KeyCode::Char('k'), true, false) => self.cut = self.remove(self.cursor, self.text.len()),
            (KeyCode::Char('y'), true, false) => self.insert(&self.cut.clone()),

            // AltGr is reported as Ctrl and Alt; it types characters.
            (KeyCode::Char(c), false, false) | (KeyCode::Char(c), true, true) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            _ => {}
        }
        None
    }

    /// Inserts pasted text, which may have several lines. The user confirms it with Enter.
    pub(crate) fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text: String = text.chars().filter(|&c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
        self.insert(text.strip_suffix('\n').unwrap_or(&text));
    }

    /// Appends a line to the history. Returns `false` if it repeats the last one.
    pub(crate) fn remember(&mut self, line: &str) -> bool {
        let is_new = self.history.last().is_none_or(|last| last != line);
        if is_new {
            self.history.push(line.to_owned());
        }
        is_new
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the position of the cursor, as a byte offset.
    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    fn take(&mut self) -> String {
        self.cursor = 0;
        self.shown = None;
        std::mem::take(&mut self.text)
    }

    fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    fn remove(&mut self, from: usize, to: usize) -> String {
        self.cursor = from;
        self.text.drain(from..to).collect()
    }

    /// Returns the start of the grapheme cluster before the cursor.
    fn left(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.text[self.cursor..].graphemes(true).next().map_or(self.cursor, |next| self.cursor + next.len())
    }

    fn word_left(&self) -> usize {
        let before = self.text[..self.cursor].trim_end_matches(|c: char| !c.is_alphanumeric());
        before.trim_end_matches(char::is_alphanumeric).len()
    }

    fn word_right(&self) -> usize {
        let behind = self.text[self.cursor..].trim_start_matches(|c: char| !c.is_alphanumeric());
        self.text.len() - behind.trim_start_matches(char::is_alphanumeric).len()
    }

    fn show_older(&mut self) {
        let older = match self.shown {
            None => self.history.len().checked_sub(1),
            Some(shown) => shown.checked_sub(1),
        };
        if let Some(older) = older {
            if self.shown.is_none() {
                self.draft = std::mem::take(&mut self.text);
            }
            self.shown = Some(older);
            self.text.clone_from(&self.history[older]);
            self.cursor = self.text.len();
        }
    }

    fn show_newer(&mut self) {
        let Some(shown) = self.shown else {
            return;
        };
        self.shown = Some(shown + 1).filter(|&newer| newer < self.history.len());
        self.text = match self.shown {
            Some(newer) => self.history[newer].clone(),
            None => std::mem::take(&mut self.draft),
        };
        self.cursor = self.text.len();
    }
}
