use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// The time between two lines if the output is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of the run on the standard error: a bar on a terminal, otherwise a line every ten
/// seconds.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    total: Duration,
    /// When the next line is due.
    next_line: Option<Instant>,
}

impl Progress {
    /// Starts the display of work that takes this time.
    pub(super) fn new(total: Duration) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total.as_millis() as u64).with_style(style);
        let next_line = (!stderr().is_terminal()).then(Instant::now);
        Self { bar, total, next_line }
    }

    /// Shows the time that has passed, and the number of open sockets.
    pub(super) fn show(&mut self, elapsed: Duration, open: usize) {
        if elapsed >= self.total {
            return self.announce("closing the remaining sockets");
        }
        let left = HumanDuration(Duration::from_secs((self.total - elapsed).as_secs()));
        match &mut self.next_line {
            None => {
                self.bar.set_position(elapsed.as_millis() as u64);
                self.bar.set_message(format!("{left} left, {open} sockets"));
            }
            Some(next) if Instant::now() >= *next => {
                *next = Instant::now() + LINE_INTERVAL;
                eprintln!("{} s of {} s, {left} left, {open} sockets", elapsed.as_secs(), self.total.as_secs());
            }
            Some(_) => {}
        }
    }

    /// Shows what is done before or after that time.
    pub(super) fn announce(&self, what: &'static str) {
        match self.next_line {
            None => self.bar.set_message(what),
            Some(_) => eprintln!("{what}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
