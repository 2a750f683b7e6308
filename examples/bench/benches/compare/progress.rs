//! The progress of a run and its remaining time, on the standard error.

use indicatif::{ProgressBar, ProgressStyle};

use crate::options::Options;
use crate::scenario::Scenario;
use crate::server::Server;

/// A bar on a terminal. Otherwise, a line for each scenario.
pub(crate) struct Progress {
    /// In estimated milliseconds, as the scenarios take different times.
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(options: &Options, scenarios: &[&Scenario], servers: &[Server]) -> Self {
        let all: u64 = scenarios
            .iter()
            .map(|scenario| {
                let count = servers.iter().filter(|server| server.takes_part(scenario)).count() as u64;
                count * u64::from(options.rounds_of(scenario)) * milliseconds(options, scenario)
            })
            .sum();
        let bar = ProgressBar::new(all);
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent} %, {eta_precise} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        let this = Self { bar };
        this.line(&format!("about {} min", (all / 1000).div_ceil(60)));
        this
    }

    pub(crate) fn begin(&self, scenario: &Scenario) {
        if self.bar.is_hidden() {
            eprintln!("{}: {}", scenario.name, scenario.title);
        }
        self.bar.set_message(scenario.name);
    }

    /// Advances by measurements of a scenario.
    pub(crate) fn advance(&self, options: &Options, scenario: &Scenario, count: u64) {
        self.bar.inc(count * milliseconds(options, scenario));
    }

    /// Prints a line above the bar.
    pub(crate) fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }
}

/// Returns the estimated duration of a measurement.
fn milliseconds(options: &Options, scenario: &Scenario) -> u64 {
    let period = if scenario.unit.is_memory() { 0.0 } else { options.seconds + options.warmup };
    ((period + scenario.overhead) * 1000.0) as u64
}
