use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Stdout, Write};
use std::pin::Pin;
use std::task::Poll;

use crossterm::cursor::{MoveTo, MoveUp};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event, EventStream};
use crossterm::style::Print;
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{cursor, execute, queue};
use futures_core::Stream;

use crate::editor::{Done, Editor};
use crate::history::History;
use crate::layout::Layout;

const PROMPT: &str = "> ";

/// The terminal, with the input line at the bottom; everything else is printed above it.
pub(crate) struct Prompt {
    output: Stdout,
    keys: EventStream,
    editor: Editor,
    history: History,
    /// Lines that were typed while none was awaited.
    typed: VecDeque<String>,
    /// Columns and rows.
    size: (usize, usize),
    /// The row of the cursor within the line, if the line is on the screen.
    drawn: Option<usize>,
}

impl Prompt {
    pub(crate) fn open() -> io::Result<Self> {
        let (history, lines) = History::open();
        terminal::enable_raw_mode()?;
        let mut prompt = Self {
            output: io::stdout(),
            keys: EventStream::new(),
            editor: Editor::new(lines),
            history,
            typed: VecDeque::new(),
            size: (80, 24),
            drawn: None,
        };
        if let Ok((columns, rows)) = terminal::size() {
            prompt.resize(columns, rows);
        }
        // Makes pasted text one message, whatever it contains.
        execute!(prompt.output, EnableBracketedPaste)?;
        Ok(prompt)
    }

    /// Returns a line that was typed, or `None` for an interrupt. The line that is being typed is
    /// drawn while this or [`interrupted`](Self::interrupted) is awaited.
    pub(crate) async fn next(&mut self) -> io::Result<Option<String>> {
        match self.typed.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.read().await,
        }
    }

    /// Waits for an interrupt. Lines that are typed meanwhile are queued.
    pub(crate) async fn interrupted(&mut self) -> io::Result<()> {
        while let Some(line) = self.read().await? {
            self.typed.push_back(line);
        }
        Ok(())
    }

    /// Prints lines.
    pub(crate) fn print(&mut self, lines: &str) -> io::Result<()> {
        self.erase()?;
        for line in lines.split('\n') {
            queue!(self.output, Print(line), Print("\r\n"))?;
        }
        self.output.flush()
    }

    /// Restores the terminal.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.erase()?;
        self.output.flush()
    }

    /// Returns a line, or `None` for an interrupt.
    async fn read(&mut self) -> io::Result<Option<String>> {
        loop {
            let done = match self.event().await? {
                Event::Key(key) => self.editor.press(key),
                Event::Paste(text) => {
                    self.editor.paste(&text);
                    None
                }
                Event::Resize(columns, rows) => {
                    self.resize(columns, rows);
                    None
                }
                _ => None,
            };
            self.erase()?;
            match done {
                Some(Done::Line(line)) => {
                    if History::keeps(&line) && self.editor.remember(&line) {
                        self.history.add(&line);
                    }
                    return Ok(Some(line));
                }
                Some(Done::Leave) => return Ok(None),
                Some(Done::Clear) => queue!(self.output, Clear(ClearType::All), MoveTo(0, 0))?,
                None => {}
            }
        }
    }

    /// Returns the next event of the terminal. The line is drawn once no more events are pending,
    /// so that a large paste is cheap in a terminal without bracketed paste.
    async fn event(&mut self) -> io::Result<Event> {
        let event = poll_fn(|cx| {
            let event = Pin::new(&mut self.keys).poll_next(cx);
            if event.is_pending()
                && self.drawn.is_none()
                && let Err(error) = self.draw()
            {
                return Poll::Ready(Some(Err(error)));
            }
            event
        });
        event.await.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
    }

    fn draw(&mut self) -> io::Result<()> {
        let (columns, rows) = self.size;
        let layout = Layout::new(PROMPT, self.editor.text(), self.editor.cursor(), columns, rows);
        queue!(self.output, Print(layout.rows.join("\r\n")), Print('\r'))?;
        let up = layout.rows.len() - 1 - layout.cursor_row;
        // Terminals treat 0 as 1.
        if up > 0 {
            queue!(self.output, MoveUp(u16::try_from(up).unwrap_or(u16::MAX)))?;
        }
        if layout.cursor_column > 0 {
            queue!(self.output, cursor::MoveRight(u16::try_from(layout.cursor_column).unwrap_or(u16::MAX)))?;
        }
        self.drawn = Some(layout.cursor_row);
        self.output.flush()
    }

    /// Erases the line, and leaves the cursor at its start.
    fn erase(&mut self) -> io::Result<()> {
        let Some(row) = self.drawn.take() else {
            return Ok(());
        };
        queue!(self.output, Print('\r'))?;
        if row > 0 {
            queue!(self.output, MoveUp(u16::try_from(row).unwrap_or(u16::MAX)))?;
        }
        queue!(self.output, Clear(ClearType::FromCursorDown))
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        // A terminal without a size is used by a program.
        if columns > 0 && rows > 0 {
            self.size = (usize::from(columns), usize::from(rows));
        }
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        // Errors of a closed terminal cannot be reported.
        let _ = execute!(self.output, DisableBracketedPaste);
        let _ = terminal::disable_raw_mode();
    }
}
