//! All measurements, and their medians.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::scenario::Scenario;
use crate::server::Server;

/// Everything that was measured, also in a file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The descriptions of the machine, one for each run of this program.
    pub(crate) machines: Vec<String>,
    round: u32,
    runs: Vec<Entry>,
    /// The failures, in words.
    pub(crate) failures: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    round: u32,
    scenario: String,
    server: String,
    run: Run,
}

/// The measurements of one server in one scenario.
pub(crate) struct Cell {
    runs: Vec<Run>,
    /// The ratios to the baseline in the same round, in ascending order.
    ratios: Vec<f64>,
    /// All measurements were disturbed.
    pub(crate) is_disturbed: bool,
    /// All measurements of this server, or of the baseline, were disturbed. Either makes the ratio
    /// unreliable.
    pub(crate) is_ratio_disturbed: bool,
}

impl Results {
    /// Reads the results of earlier runs.
    pub(crate) fn load(paths: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let mut all = Self::default();
        for path in paths {
            let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let Self { machines, round, runs, failures } =
                serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            all.machines.extend(machines);
            all.runs.extend(runs.into_iter().map(|entry| Entry { round: all.round + entry.round, ..entry }));
            all.round += round;
            all.failures.extend(failures);
        }
        Ok(all)
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        Ok(fs::write(path, serde_json::to_string(self)?)?)
    }

    /// Starts a round. Measurements that are added afterwards belong to it.
    pub(crate) fn begin_round(&mut self) {
        self.round += 1;
    }

    pub(crate) fn add(&mut self, scenario: &Scenario, server: &Server, run: Run) {
        self.runs.push(Entry {
            round: self.round,
            scenario: scenario.name.to_owned(),
            server: server.name.to_owned(),
            run,
        });
    }

    pub(crate) fn fail(&mut self, scenario: &Scenario, server: &Server, why: String) {
        self.failures.push(format!("{}, {}: {why}", scenario.name, server.name));
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Returns the undisturbed measurements, or the disturbed ones if there are no others.
    pub(crate) fn cell(&self, scenario: &Scenario, server: &str) -> Option<Cell> {
        let (entries, is_disturbed) = self.of(scenario, server);
        if entries.is_empty() {
            return None;
        }
        let (floor, is_floor_disturbed) = self.of(scenario, scenario.transport.floor());
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

    /// Returns the median of a value of each measurement.
    pub(crate) fn median(&self, number: impl Fn(&Run) -> f64) -> f64 {
        let mut numbers: Vec<f64> = self.runs.iter().map(number).collect();
        numbers.sort_by(f64::total_cmp);
        median(&numbers)
    }

    pub(crate) fn cost(&self) -> f64 {
        self.median(Run::cost)
    }

    /// Returns the share of user time. It is computed over all measurements, as a single one has
    /// only a few clock ticks.
    pub(crate) fn user_part(&self) -> f64 {
        let sum = |number: fn(&Run) -> f64| self.runs.iter().map(number).sum::<f64>();
        sum(|run| run.measured.server_user) / sum(|run| run.measured.server)
    }

    /// Returns the median of the ratios with its 95 % confidence interval, which assumes no
    /// particular distribution: the ranks are those of the binomial distribution.
    pub(crate) fn ratio(&self) -> Option<(f64, f64, f64)> {
        let count = self.ratios.len();
        let off = 0.98 * (count as f64).sqrt();
        let low = (count as f64 / 2.0 - off).floor().max(0.0) as usize;
        let low_value = *self.ratios.get(low)?;
        Some((median(&self.ratios), low_value, self.ratios[count - 1 - low]))
    }
}

/// Expects a sorted slice that is not empty.
fn median(numbers: &[f64]) -> f64 {
    let half = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[half] } else { (numbers[half - 1] + numbers[half]) / 2.0 }
}
