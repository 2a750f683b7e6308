use std::env;
use std::future::{Future, pending};
use std::io::{self, IsTerminal, Write};
use std::pin::Pin;

use crate::lines::Lines;
use crate::options::Options;
use crate::prompt::Prompt;
use crate::view::View;

/// Where lines come from, and where what happens is printed.
pub(crate) struct Console {
    source: Source,
    /// Ctrl-C where the terminal makes a signal of it, and the signal from elsewhere.
    interrupt: Pin<Box<dyn Future<Output = ()>>>,
    is_typed: bool,
}

enum Source {
    /// There is no input, or no more.
    None,
    Lines(Lines),
    Prompt(Box<Prompt>),
}

/// What the user wants.
#[derive(Debug)]
pub(crate) enum Input {
    Line(Vec<u8>),
    /// No line comes any more.
    End,
    /// To close, now.
    Leave,
}

impl Console {
    pub(crate) fn of(options: &Options, view: View) -> io::Result<Self> {
        let is_typed = io::stdin().is_terminal();
        let can_edit = io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let source = match view {
            View::Json if is_typed => Source::None,
            View::Screen(_) if is_typed && can_edit => Source::Prompt(Box::new(Prompt::open()?)),
            _ => Source::Lines(Lines::start()),
        };
        Ok(Self { source, interrupt: interrupt(), is_typed: is_typed && !options.json })
    }

    /// Whether somebody types the lines, so that they may be commands.
    pub(crate) fn is_typed(&self) -> bool {
        self.is_typed
    }

    /// Whether lines may come.
    pub(crate) fn has_input(&self) -> bool {
        !matches!(self.source, Source::None)
    }

    /// The next line, its end, or the wish to leave, which can come at any time.
    ///
    /// It may be dropped at any time: no line is lost.
    pub(crate) async fn next(&mut self) -> io::Result<Input> {
        let Self { source, interrupt, .. } = self;
        let next = async {
            match source {
                Source::None => pending().await,
                Source::Prompt(prompt) => prompt.next().await,
                Source::Lines(lines) => Ok(match lines.next().await.transpose()? {
                    Some(line) => Input::Line(line),
                    None => Input::End,
                }),
            }
        };
        let input = tokio::select! {
            () = interrupt => Input::Leave,
            input = next => input?,
        };
        match input {
            Input::End => self.source = Source::None,
            Input::Leave => self.rearm(),
            Input::Line(_) => {}
        }
        Ok(input)
    }

    /// Waits for the wish to leave alone.
    pub(crate) async fn interrupted(&mut self) -> io::Result<()> {
        let Self { source, interrupt, .. } = self;
        match source {
            Source::Prompt(prompt) => tokio::select! {
                () = interrupt => {}
                told = prompt.interrupted() => told?,
            },
            Source::None | Source::Lines(_) => interrupt.await,
        }
        self.rearm();
        Ok(())
    }

    /// Prints lines, above the one that is being typed.
    pub(crate) fn print(&mut self, lines: &str) -> io::Result<()> {
        match &mut self.source {
            Source::Prompt(prompt) => prompt.print(lines),
            Source::None | Source::Lines(_) => print_plain(lines),
        }
    }

    /// Reads no more, and leaves the terminal as it was.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.source, Source::None) {
            Source::Prompt(prompt) => prompt.close(),
            Source::None | Source::Lines(_) => Ok(()),
        }
    }

    fn rearm(&mut self) {
        self.interrupt = interrupt();
    }
}

/// Prints lines where there is no prompt.
pub(crate) fn print_plain(lines: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{lines}")?;
    output.flush()
}

fn interrupt() -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async {
        // Where the signal cannot be had, it ends the program as ever.
        if tokio::signal::ctrl_c().await.is_err() {
            pending().await
        }
    })
}
