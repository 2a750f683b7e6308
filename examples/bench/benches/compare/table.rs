//! The tables, in Markdown.

use crate::results::{Cell, Results};
use crate::scenario::{Scenario, Unit};
use crate::server::Server;

pub(crate) const LEGEND: &str = "\
CPU is the processor time of the server, the median of the undisturbed measurements; × is its ratio to the floor, `limit-tcp`,
`limit-tls` or `limit-http2`, which parses no frames and sends back what it reads: the median of the ratios within each round, and between
what it is in 19 of 20 cases.
~: all measurements, or all of the floor, were disturbed: other processes used 10 % of a processor or more. The rate is the server's only
where the server's processor was busy and the load generator's was not; compare CPU else.";

/// Returns a table with one row per server and one column per scenario.
pub(crate) fn overview(results: &Results, scenarios: &[&Scenario], servers: &[Server]) -> String {
    let mut table = Table::new(std::iter::once("server".to_owned()).chain(scenarios.iter().map(|scenario| {
        let unit = if scenario.unit.is_memory() { "B" } else { "ns" };
        format!("{}, {unit}", scenario.name)
    })));
    for server in servers {
        let cells: Vec<String> = scenarios
            .iter()
            .map(|scenario| match results.cell(scenario, server.name) {
                Some(cell) => format!("{}{}", cost(&cell), in_brackets(ratio(scenario, &cell))),
                None => "–".to_owned(),
            })
            .collect();
        if cells.iter().any(|cell| cell != "–") {
            table.line(std::iter::once(server.name.to_owned()).chain(cells));
        }
    }
    format!("## CPU time per message, or memory per connection\n\n{}", table.0)
}

/// Returns a table with one row per server and all of its values.
pub(crate) fn of_scenario(results: &Results, scenario: &Scenario, servers: &[Server]) -> String {
    let columns = columns(scenario.unit);
    let mut table =
        Table::new(std::iter::once("server").chain(columns.iter().map(|(head, _)| *head)).map(str::to_owned));
    let mut cells: Vec<(&str, Cell)> =
        servers.iter().filter_map(|server| Some((server.name, results.cell(scenario, server.name)?))).collect();
    cells.sort_by(|(_, one), (_, other)| one.cost().total_cmp(&other.cost()));
    for (name, cell) in &cells {
        let values = columns.iter().map(|(_, value)| value(scenario, cell));
        table.line(std::iter::once((*name).to_owned()).chain(values));
    }
    let body = if cells.is_empty() { "No server was measured.\n".to_owned() } else { table.0 };
    format!("### {}: {}\n\n`load {}`\n\n{body}", scenario.name, scenario.title, scenario.load)
}

type Value = fn(&Scenario, &Cell) -> String;

/// Returns the columns behind the server's name: their heads, and the values in them.
fn columns(unit: Unit) -> Vec<(&'static str, Value)> {
    let cost: Value = |_, cell| cost(cell);
    let rate: Value = |_, cell| number(cell.median(|run| run.measured.rate()));
    let ratio: (_, Value) = ("×", |scenario, cell| ratio(scenario, cell).unwrap_or_else(|| "–".to_owned()));
    let range: (_, Value) = ("95 %", |scenario, cell| match cell.ratio() {
        Some((_, low, high)) if !scenario.compresses() => format!("{low:.2}–{high:.2}"),
        _ => "–".to_owned(),
    });
    let user: (_, Value) = ("of it user", |_, cell| number(cell.user_part() * cell.cost()));
    let server: (_, Value) =
        ("server CPU %", |_, cell| percent(cell.median(|run| run.measured.server / run.measured.seconds)));
    let load: (_, Value) =
        ("load CPU %", |_, cell| percent(cell.median(|run| run.measured.load / run.measured.seconds)));
    let runs: (_, Value) = ("runs", |_, cell| cell.len().to_string());
    match unit {
        Unit::Message | Unit::Handshake => {
            let rate = (if unit == Unit::Message { "messages/s" } else { "handshakes/s" }, rate);
            vec![rate, ("CPU ns", cost), ratio, range, user, server, load, runs]
        }
        Unit::Mebibyte => {
            let peak: Value = |_, cell| number(cell.median(|run| run.measured.peak_bytes) / 1_048_576.0);
            vec![("MiB/s", rate), ("CPU ns/MiB", cost), ratio, range, user, ("peak memory, MiB", peak), runs]
        }
        Unit::Bytes => {
            // Values that were not measured are 0.
            let used: Value = |_, cell| match cell.median(|run| run.measured.used_bytes) {
                0.0 => "–".to_owned(),
                bytes => number(bytes),
            };
            let busy: Value = |_, cell| match cell.median(|run| run.measured.seconds) {
                0.0 => "–".to_owned(),
                _ => format!("{:.1}", cell.median(|run| run.measured.server / run.measured.seconds) * 100.0),
            };
            vec![("bytes", cost), ratio, ("after one echo", used), ("server CPU %", busy), runs]
        }
        Unit::UsedBytes => {
            let idle: Value = |_, cell| number(cell.median(|run| run.measured.idle_bytes));
            vec![("bytes", cost), ratio, ("before the first message", idle), runs]
        }
    }
}

/// Returns the list of failures, which no table shows.
pub(crate) fn failures(results: &Results) -> String {
    results.failures.iter().map(|failure| format!("\nFAILED: {failure}\n")).collect()
}

/// Returns the ratio to the baseline, unless servers do what the baseline does not.
fn ratio(scenario: &Scenario, cell: &Cell) -> Option<String> {
    let (median, ..) = cell.ratio().filter(|_| !scenario.compresses())?;
    Some(format!("{}{median:.2}×", if cell.is_ratio_disturbed { "~" } else { "" }))
}

fn in_brackets(ratio: Option<String>) -> String {
    ratio.map_or(String::new(), |ratio| format!(" ({ratio})"))
}

fn cost(cell: &Cell) -> String {
    format!("{}{}", if cell.is_disturbed { "~" } else { "" }, number(cell.cost()))
}

fn percent(part: f64) -> String {
    format!("{:.0}", part * 100.0)
}

/// Formats a number with commas between thousands.
pub(crate) fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 && grouped != "-" {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

struct Table(String);

impl Table {
    fn new(heads: impl Iterator<Item = String>) -> Self {
        let mut table = Self(String::new());
        let heads: Vec<String> = heads.collect();
        let rule = format!("|---|{}\n", "---:|".repeat(heads.len() - 1));
        table.line(heads);
        table.0.push_str(&rule);
        table
    }

    fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}
