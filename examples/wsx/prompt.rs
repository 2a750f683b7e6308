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

use crate::console::Input;
use crate::editor::{Done, Editor};
use crate::history::History;
use crate::layout::Layout;

const PROMPT: &str = "> ";

/// The terminal, with the line that is being typed at its end; all else is printed above it.
pub(crate) struct Prompt {
    output: Stdout,
    keys: EventStream,
    editor: Editor,
    history: History,
    /// Lines that were typed while nobody asked for one.
    typed: VecDeque<String>,
    /// Columns and rows.
    size: (usize, usize),
    /// In which row of the line, where it is on the screen, the cursor is.
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
        // So that what is pasted is one message, whatever it holds.
        execute!(prompt.output, EnableBracketedPaste)?;
        Ok(prompt)
    }

    /// A line that was typed, or the wish to leave. The line that is being typed is drawn while this or
    /// [`interrupted`](Self::interrupted) is waited for.
    pub(crate) async fn next(&mut self) -> io::Result<Input> {
        let line = match self.typed.pop_front() {
            Some(line) => Some(line),
            None => self.read().await?,
        };
        Ok(line.map_or(Input::Leave, |line| Input::Line(line.into_bytes())))
    }

    /// Waits for the wish to leave; lines that are typed meanwhile wait.
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

    /// Leaves the terminal as it was.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.erase()?;
        self.output.flush()
    }

    /// A line, or `None` for the wish to leave.
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

    /// What happens next at the terminal. The line is drawn once nothing more has happened, so that much at once, from a
    /// terminal that cannot tell what is pasted, costs no more than little.
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
        // To a terminal, 0 of either would be 1.
        if up > 0 {
            queue!(self.output, MoveUp(u16::try_from(up).unwrap_or(u16::MAX)))?;
        }
        if layout.cursor_column > 0 {
            queue!(self.output, cursor::MoveRight(u16::try_from(layout.cursor_column).unwrap_or(u16::MAX)))?;
        }
        self.drawn = Some(layout.cursor_row);
        self.output.flush()
    }

    /// Takes the line off the screen, with the cursor where it began.
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
        // A terminal without a size is one for programs.
        if columns > 0 && rows > 0 {
            self.size = (usize::from(columns), usize::from(rows));
        }
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        // There is nobody to be told of a terminal that is gone.
        let _ = execute!(self.output, DisableBracketedPaste);
        let _ = terminal::disable_raw_mode();
    }
}
