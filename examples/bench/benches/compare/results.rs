//! All measurements, and the middle of them.

use crate::run::Run;
use crate::scenario::Scenario;
use crate::server::Server;

#[derive(Default)]
pub(crate) struct Results {
    runs: Vec<(&'static str, &'static str, Run)>,
    /// What went wrong, in words.
    pub(crate) failures: Vec<String>,
}

/// The measurements of one server in one scenario.
pub(crate) struct Cell {
    runs: Vec<Run>,
    /// Whether all of them were disturbed.
    pub(crate) is_disturbed: bool,
}

impl Results {
    pub(crate) fn add(&mut self, scenario: &Scenario, server: &Server, run: Run) {
        self.runs.push((scenario.name, server.name, run));
    }

    pub(crate) fn fail(&mut self, scenario: &Scenario, server: &Server, why: String) {
        self.failures.push(format!("{}, {}: {why}", scenario.name, server.name));
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// The undisturbed measurements, or where there are none, the disturbed.
    pub(crate) fn cell(&self, scenario: &Scenario, server: &str) -> Option<Cell> {
        let of_these =
            |(in_scenario, of_server, _): &&(&str, &str, Run)| *in_scenario == scenario.name && *of_server == server;
        let all: Vec<Run> = self.runs.iter().filter(of_these).map(|(_, _, run)| *run).collect();
        let calm: Vec<Run> = all.iter().filter(|run| !run.is_disturbed()).copied().collect();
        let is_disturbed = calm.is_empty();
        let runs = if is_disturbed { all } else { calm };
        (!runs.is_empty()).then_some(Cell { runs, is_disturbed })
    }
}

impl Cell {
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The middle of a number of each.
    pub(crate) fn median(&self, number: impl Fn(&Run) -> f64) -> f64 {
        let mut numbers: Vec<f64> = self.runs.iter().map(number).collect();
        numbers.sort_by(f64::total_cmp);
        let half = numbers.len() / 2;
        if numbers.len() % 2 == 1 { numbers[half] } else { (numbers[half - 1] + numbers[half]) / 2.0 }
    }

    pub(crate) fn cost(&self) -> f64 {
        self.median(Run::cost)
    }

    /// From the least to the most, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        let costs = || self.runs.iter().map(Run::cost);
        (costs().fold(f64::MIN, f64::max) - costs().fold(f64::MAX, f64::min)) / self.cost()
    }
}
