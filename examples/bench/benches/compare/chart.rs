//! A chart of the results: a panel per scenario, and a bar per library.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::backend::SVGBackend;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::Rectangle;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, Color, FontStyle, IntoFont, RGBColor, TextStyle, WHITE};

use crate::results::{Cell, Results};
use crate::scenario::Scenario;
use crate::server::Server;
use crate::table::number;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const TITLE: &str = "CPU time of the server per message, or memory per connection";
const SUBTITLE: &str = "The best variant of each library; shorter is better. \
    × is the ratio to limit-…, which echoes bytes without WebSockets.";

const OURS: RGBColor = RGBColor(0x2f, 0x81, 0xf7);
const OTHERS: RGBColor = RGBColor(0x8b, 0x94, 0x9e);
const THE_FLOOR: RGBColor = RGBColor(0xd2, 0x99, 0x22);

const COLUMNS: usize = 3;
const PANEL_WIDTH: i32 = 320;
const HEAD_HEIGHT: i32 = 80;
const BAR_HEIGHT: i32 = 18;
/// The panel's title above the bars, and the space below them.
const TITLE_HEIGHT: i32 = 26;
const GAP: i32 = 18;
const MARGIN: i32 = 12;
/// The widths for the names on the left and the values on the right of the bars.
const NAMES: i32 = 110;
const VALUES: i32 = 105;

/// The colours of dark mode. They have precedence over those of the elements.
const STYLE: &str = "<style>@media (prefers-color-scheme: dark) \
    { text { fill: #e6edf3 } rect[fill=\"#FFFFFF\"] { fill: #0d1117 } }</style>";

struct Panel<'a> {
    scenario: &'a Scenario,
    title: &'static str,
    /// The libraries and their best values, in ascending order.
    bars: Vec<(&'static str, Cell)>,
}

/// Draws the scenarios that have a title for the chart, and were measured.
pub(crate) fn draw(path: &Path, results: &Results, scenarios: &[&Scenario], servers: &[Server]) -> Drawn {
    let panels: Vec<Panel<'_>> =
        scenarios.iter().filter_map(|scenario| Panel::new(results, scenario, servers)).collect();
    let most = panels.iter().map(|panel| panel.bars.len()).max().ok_or("none of the scenarios is drawn")? as i32;
    let panel_height = TITLE_HEIGHT + most * BAR_HEIGHT + GAP;
    let width = 2 * MARGIN + PANEL_WIDTH * COLUMNS as i32;
    let height = HEAD_HEIGHT + panel_height * panels.len().div_ceil(COLUMNS) as i32 + MARGIN;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw_text(TITLE, &text(17, HPos::Left, FontStyle::Bold), (MARGIN, 18))?;
        root.draw_text(SUBTITLE, &text(12, HPos::Left, FontStyle::Normal), (MARGIN, 40))?;
        if let Some(machine) = results.machines.first() {
            // Without the processors that the processes are bound to, and the versions.
            let machine: Vec<&str> = machine.split("; ").take(4).collect();
            root.draw_text(&machine.join("; "), &text(10, HPos::Left, FontStyle::Normal), (MARGIN, 58))?;
        }
        for (at, panel) in panels.iter().enumerate() {
            let (column, row) = ((at % COLUMNS) as i32, (at / COLUMNS) as i32);
            let corner = (MARGIN + column * PANEL_WIDTH, HEAD_HEIGHT + row * panel_height);
            panel.draw(&root, corner)?;
        }
        root.present()?;
    }
    let behind = svg.find("<rect").ok_or("an SVG without a background")?;
    svg.insert_str(behind, &format!("<title>{TITLE}</title>\n{STYLE}\n"));
    fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()).into())
}

impl<'a> Panel<'a> {
    fn new(results: &Results, scenario: &'a Scenario, servers: &[Server]) -> Option<Self> {
        let title = scenario.chart?;
        let mut bars: Vec<(&str, Cell)> = Vec::new();
        for server in servers {
            let Some(cell) = results.cell(scenario, server.name) else { continue };
            match bars.iter_mut().find(|(library, _)| *library == server.library()) {
                Some((_, best)) if cell.cost() < best.cost() => *best = cell,
                Some(_) => {}
                None => bars.push((server.library(), cell)),
            }
        }
        bars.sort_by(|(_, one), (_, other)| one.cost().total_cmp(&other.cost()));
        (!bars.is_empty()).then_some(Self { scenario, title, bars })
    }

    fn draw(&self, root: &Area<'_>, (left, top): (i32, i32)) -> Drawn {
        let title = format!("{}: {}", self.scenario.name, self.title);
        root.draw_text(&title, &text(13, HPos::Left, FontStyle::Bold), (left, top + TITLE_HEIGHT / 2))?;
        let longest = self.bars.last().map_or(1.0, |(_, cell)| cell.cost());
        let start = left + NAMES;
        for (at, (library, cell)) in self.bars.iter().enumerate() {
            let top = top + TITLE_HEIGHT + at as i32 * BAR_HEIGHT;
            let middle = top + BAR_HEIGHT / 2;
            let length = f64::from(PANEL_WIDTH - NAMES - VALUES) * cell.cost() / longest;
            let end = start + (length as i32).max(1);
            let color = match *library {
                "ours" => OURS,
                name if name.starts_with("limit-") => THE_FLOOR,
                _ => OTHERS,
            };
            root.draw_text(library, &text(12, HPos::Right, FontStyle::Normal), (start - 6, middle))?;
            root.draw(&Rectangle::new([(start, top + 3), (end, top + BAR_HEIGHT - 3)], color.filled()))?;
            let value = self.value(cell);
            root.draw_text(&value, &text(11, HPos::Left, FontStyle::Normal), (end + 5, middle))?;
        }
        Ok(())
    }

    /// Returns the value of a bar, and the ratio if the floor does the same work. All bars of a panel
    /// have the same unit.
    fn value(&self, cell: &Cell) -> String {
        let smallest = self.bars.first().map_or(0.0, |(_, cell)| cell.cost());
        let value = match (self.scenario.unit.is_memory(), smallest >= 1000.0) {
            (true, _) => format!("{} B", number(cell.cost())),
            (false, false) => format!("{} ns", number(cell.cost())),
            (false, true) => format!("{:.1} µs", cell.cost() / 1e3),
        };
        match cell.ratio() {
            Some((ratio, ..)) if !self.scenario.compresses() => format!("{value}, {ratio:.2}×"),
            _ => value,
        }
    }
}

fn text(size: i32, align: HPos, style: FontStyle) -> TextStyle<'static> {
    let font = ("sans-serif", size).into_font().style(style);
    font.color(&BLACK).pos(Pos::new(align, VPos::Center))
}
