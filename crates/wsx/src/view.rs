use std::env;
use std::io::{self, IsTerminal};

use crate::options::Options;
use crate::paint::Paint;
use crate::record::Record;
use crate::screen::Screen;

/// The reader of the output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    /// A program.
    Json,
    /// A person.
    Screen(Screen),
}

impl View {
    pub(crate) fn of(options: &Options) -> Self {
        if options.json {
            return Self::Json;
        }
        // https://no-color.org
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::Screen(Screen::new(Paint::new(io::stdout().is_terminal() && !no_colour)))
    }

    /// Returns one or more lines, without a final line ending.
    pub(crate) fn record(self, record: &Record<'_>) -> String {
        match self {
            Self::Json => record.to_json(),
            Self::Screen(screen) => screen.record(record),
        }
    }
}
