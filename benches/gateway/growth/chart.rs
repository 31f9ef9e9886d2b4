//! Small charts beside each other: cost above, memory below.

use std::fmt::Write as _;

use super::{Curve, Found};
use crate::chart::{begin, text};

const PANEL: f64 = 200.0;
const HEIGHT: f64 = 150.0;
const HEAD: f64 = 40.0;
/// Around what is drawn in a panel.
const SIDE: f64 = 26.0;
const ABOVE: f64 = 40.0;
const BELOW: f64 = 30.0;

pub fn draw(curves: &[Curve]) -> String {
    let width = PANEL * curves.len() as f64;
    let mut svg = begin(width, HEAD + 2.0 * HEIGHT, "Cost and memory against growth");
    let title =
        "Envoy's CPU time per request as a ratio to no filter (above), its memory in MB (below)";
    text(&mut svg, 16.0, 24.0, "title", title);
    let ratio: fn(&Found) -> f64 = |found| found.ratio.median;
    let memory: fn(&Found) -> f64 = |found| found.memory as f64;
    for (row, (value, digits)) in [(ratio, 2), (memory, 0)].into_iter().enumerate() {
        let all = curves.iter().flat_map(|curve| &curve.points).map(value);
        let most = all.fold(0.0, f64::max);
        for (column, curve) in curves.iter().enumerate() {
            let (x, y) = (PANEL * column as f64, HEAD + HEIGHT * row as f64);
            let points: Vec<_> = curve
                .points
                .iter()
                .map(|found| (found.label.as_str(), value(found)))
                .collect();
            panel(&mut svg, (x, y), curve.title, &points, most, digits);
        }
    }
    svg + "</svg>\n"
}

/// A line from 0 to the `most` of all panels, at even distances, with its numbers.
fn panel(
    svg: &mut String,
    (left, top): (f64, f64),
    title: &str,
    points: &[(&str, f64)],
    most: f64,
    digits: usize,
) {
    text(svg, left + 16.0, top + 16.0, "quiet", title);
    let bottom = top + HEIGHT - BELOW;
    let step = (PANEL - 2.0 * SIDE) / (points.len() - 1).max(1) as f64;
    let _ = writeln!(
        svg,
        r#"<line class="axis" x1="{:.0}" y1="{bottom:.0}" x2="{:.0}" y2="{bottom:.0}"/>"#,
        left + 12.0,
        left + PANEL - 12.0
    );
    let mut line = String::new();
    for (n, (label, value)) in points.iter().enumerate() {
        let x = left + SIDE + step * n as f64;
        let y = bottom - (bottom - top - ABOVE) * value / most;
        let _ = write!(line, "{x:.1},{y:.1} ");
        let label = short(label);
        let _ = writeln!(
            svg,
            r#"<circle class="portvakt" cx="{x:.1}" cy="{y:.1}" r="3"/>
<text class="small" x="{x:.1}" y="{:.1}" text-anchor="middle">{value:.digits$}</text>
<text class="small quiet" x="{x:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#,
            y - 8.0,
            bottom + 16.0,
        );
    }
    let _ = writeln!(svg, r#"<polyline class="line" points="{}"/>"#, line.trim());
}

/// As it fits below a point.
fn short(label: &str) -> String {
    label.replace(",000", "k").replace(" kB", "k")
}
