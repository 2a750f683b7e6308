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
    let heads: &[&str] = match scenario.unit {
        Unit::Bytes => &["server", "bytes", "×", "after one echo", "server CPU %", "runs"],
        Unit::UsedBytes => &["server", "bytes", "×", "before the first message", "runs"],
        Unit::Handshake => {
            &["server", "handshakes/s", "CPU ns", "×", "95 %", "of it user", "server CPU %", "load CPU %", "runs"]
        }
        Unit::Mebibyte => &["server", "MiB/s", "CPU ns/MiB", "×", "95 %", "of it user", "peak memory, MiB", "runs"],
        Unit::Message => {
            &["server", "messages/s", "CPU ns", "×", "95 %", "of it user", "server CPU %", "load CPU %", "runs"]
        }
    };
    let mut table = Table::new(heads.iter().map(|&head| head.to_owned()));
    let mut cells: Vec<(&str, Cell)> =
        servers.iter().filter_map(|server| Some((server.name, results.cell(scenario, server.name)?))).collect();
    cells.sort_by(|(_, one), (_, other)| one.cost().total_cmp(&other.cost()));
    for (name, cell) in &cells {
        let of_the_floor = ratio(scenario, cell).unwrap_or("–".to_owned());
        let range = cell
            .ratio()
            .filter(|_| of_the_floor != "–")
            .map_or("–".to_owned(), |(_, low, high)| format!("{low:.2}–{high:.2}"));
        let runs = cell.len().to_string();
        let percent = |part: f64| format!("{:.0}", part * 100.0);
        // What was not measured is 0.
        let measured = |value: f64, text: String| if value > 0.0 { text } else { "–".to_owned() };
        if scenario.unit == Unit::UsedBytes {
            let idle = number(cell.median(|run| run.measured.idle_bytes));
            table.line([(*name).to_owned(), cost(cell), of_the_floor, idle, runs]);
            continue;
        }
        if scenario.unit == Unit::Bytes {
            let used = cell.median(|run| run.measured.used_bytes);
            let seconds = cell.median(|run| run.measured.seconds);
            let busy = cell.median(|run| run.measured.server / run.measured.seconds) * 100.0;
            let (used, busy) = (measured(used, number(used)), measured(seconds, format!("{busy:.1}")));
            table.line([(*name).to_owned(), cost(cell), of_the_floor, used, busy, runs]);
            continue;
        }
        if scenario.unit == Unit::Mebibyte {
            table.line([
                (*name).to_owned(),
                number(cell.median(|run| run.measured.rate())),
                cost(cell),
                of_the_floor,
                range,
                number(cell.user_part() * cell.cost()),
                number(cell.median(|run| run.measured.peak_bytes) / 1_048_576.0),
                runs,
            ]);
            continue;
        }
        table.line([
            (*name).to_owned(),
            number(cell.median(|run| run.measured.rate())),
            cost(cell),
            of_the_floor,
            range,
            number(cell.user_part() * cell.cost()),
            percent(cell.median(|run| run.measured.server / run.measured.seconds)),
            percent(cell.median(|run| run.measured.load / run.measured.seconds)),
            runs,
        ]);
    }
    let body = if cells.is_empty() { "No server was measured.\n".to_owned() } else { table.0 };
    format!("### {}: {}\n\n`load {}`\n\n{body}", scenario.name, scenario.title, scenario.load)
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
