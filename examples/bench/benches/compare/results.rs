//! All measurements, and the middle of them.

use std::collections::HashMap;

use crate::run::Run;
use crate::scenario::Scenario;
use crate::server::{FLOOR, Server};

#[derive(Default)]
pub(crate) struct Results {
    round: u32,
    runs: Vec<Entry>,
    /// What went wrong, in words.
    pub(crate) failures: Vec<String>,
}

struct Entry {
    round: u32,
    scenario: &'static str,
    server: &'static str,
    run: Run,
}

/// The measurements of one server in one scenario.
pub(crate) struct Cell {
    runs: Vec<Run>,
    /// Each by that of the floor in the same round, in order.
    ratios: Vec<f64>,
    /// Whether all of them were disturbed.
    pub(crate) is_disturbed: bool,
    /// Whether all of them, or all of the floor, were: a calm measurement beside a disturbed floor says as little as the other
    /// way round.
    pub(crate) is_ratio_disturbed: bool,
}

impl Results {
    /// What is added from here on was measured side by side.
    pub(crate) fn begin_round(&mut self) {
        self.round += 1;
    }

    pub(crate) fn add(&mut self, scenario: &Scenario, server: &Server, run: Run) {
        self.runs.push(Entry { round: self.round, scenario: scenario.name, server: server.name, run });
    }

    pub(crate) fn fail(&mut self, scenario: &Scenario, server: &Server, why: String) {
        self.failures.push(format!("{}, {}: {why}", scenario.name, server.name));
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// The undisturbed measurements, or where there are none, the disturbed.
    pub(crate) fn cell(&self, scenario: &Scenario, server: &str) -> Option<Cell> {
        let (entries, is_disturbed) = self.of(scenario, server);
        if entries.is_empty() {
            return None;
        }
        let (floor, is_floor_disturbed) = self.of(scenario, FLOOR);
        let floor: HashMap<u32, f64> = floor.iter().map(|entry| (entry.round, entry.run.cost())).collect();
        let mut ratios: Vec<f64> =
            entries.iter().filter_map(|entry| Some(entry.run.cost() / floor.get(&entry.round)?)).collect();
        ratios.sort_by(f64::total_cmp);
        Some(Cell {
            runs: entries.iter().map(|entry| entry.run).collect(),
            ratios,
            is_disturbed,
            is_ratio_disturbed: is_disturbed || is_floor_disturbed,
        })
    }

    fn of(&self, scenario: &Scenario, server: &str) -> (Vec<&Entry>, bool) {
        let all = || self.runs.iter().filter(|entry| entry.scenario == scenario.name && entry.server == server);
        let calm: Vec<&Entry> = all().filter(|entry| !entry.run.is_disturbed()).collect();
        if calm.is_empty() { (all().collect(), true) } else { (calm, false) }
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
        median(&numbers)
    }

    pub(crate) fn cost(&self) -> f64 {
        self.median(Run::cost)
    }

    /// What part of its time the server spent in its own code. Of all together, as one measurement has a few ticks of the
    /// clock.
    pub(crate) fn user_part(&self) -> f64 {
        let sum = |number: fn(&Run) -> f64| self.runs.iter().map(number).sum::<f64>();
        sum(|run| run.measured.server_user) / sum(|run| run.measured.server)
    }

    /// The middle of the ratios, and between which of them it would be in 19 of 20 cases, however they are distributed (the
    /// ranks are those of the binomial distribution).
    pub(crate) fn ratio(&self) -> Option<(f64, f64, f64)> {
        let count = self.ratios.len();
        let off = 0.98 * (count as f64).sqrt();
        let low = (count as f64 / 2.0 - off).floor().max(0.0) as usize;
        let low_value = *self.ratios.get(low)?;
        Some((median(&self.ratios), low_value, self.ratios[count - 1 - low]))
    }
}

/// Of numbers in order, and not none.
fn median(numbers: &[f64]) -> f64 {
    let half = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[half] } else { (numbers[half - 1] + numbers[half]) / 2.0 }
}
