use std::env;
use std::future::{Future, pending};
use std::io::{self, IsTerminal, Write};
use std::pin::Pin;

use crate::lines::Lines;
use crate::options::Options;
use crate::prompt::Prompt;
use crate::view::View;

/// The source of lines, and the output for events.
pub(crate) struct Console {
    source: Source,
    /// Ctrl-C if the terminal turns it into a signal, or a signal from another process.
    interrupt: Pin<Box<dyn Future<Output = ()>>>,
    is_typed: bool,
}

enum Source {
    /// There is no input, or it has ended.
    None,
    Lines(Lines),
    Prompt(Box<Prompt>),
}

/// The user's input.
#[derive(Debug)]
pub(crate) enum Input {
    Line(Vec<u8>),
    /// The input has ended.
    End,
    /// Close now.
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

    /// Returns whether the lines are typed, so that they may be commands.
    pub(crate) fn is_typed(&self) -> bool {
        self.is_typed
    }

    /// Returns whether lines may still be received.
    pub(crate) fn has_input(&self) -> bool {
        !matches!(self.source, Source::None)
    }

    /// Returns the next line, the end of the input, or an interrupt, which can happen at any time.
    ///
    /// Cancel safe: no line is lost.
    pub(crate) async fn next(&mut self) -> io::Result<Input> {
        let Self { source, interrupt, .. } = self;
        let next = async {
            match source {
                Source::None => pending().await,
                Source::Prompt(prompt) => {
                    let line = prompt.next().await;
                    line.map(|line| line.map_or(Input::Leave, |line| Input::Line(line.into_bytes())))
                }
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

    /// Waits for an interrupt only.
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

    /// Prints lines above the one that is being typed.
    pub(crate) fn print(&mut self, lines: &str) -> io::Result<()> {
        match &mut self.source {
            Source::Prompt(prompt) => prompt.print(lines),
            Source::None | Source::Lines(_) => print_plain(lines),
        }
    }

    /// Stops reading, and restores the terminal.
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

/// Prints lines if there is no prompt.
pub(crate) fn print_plain(lines: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{lines}")?;
    output.flush()
}

fn interrupt() -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async {
        // If the handler cannot be installed, the signal ends the program as usual.
        if tokio::signal::ctrl_c().await.is_err() {
            pending().await
        }
    })
}
