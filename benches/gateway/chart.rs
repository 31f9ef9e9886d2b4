//! Bars with labels and numbers, as SVG that is readable on light and dark pages.

use std::fmt::Write as _;

use crate::variants::Family;

/// One bar.
pub struct Bar<'a> {
    pub label: &'a str,
    pub value: f64,
    pub family: Family,
}

const WIDTH: f64 = 760.0;
const LABELS: f64 = 310.0;
const NUMBERS: f64 = 60.0;
const ROW: f64 = 26.0;
const HEAD: f64 = 64.0;

/// The colours of pages in light and dark.
pub const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}\
.quiet{fill:#59636e;font-size:12px}\
.small{font-size:11px}\
.page{fill:#fff}\
.axis{stroke:#d1d9e0}\
.baseline{fill:#8c959f}.other{fill:#bf8700}.portvakt{fill:#0969da}\
.line{fill:none;stroke:#0969da;stroke-width:2}\
@media(prefers-color-scheme:dark){\
text{fill:#f0f6fc}\
.quiet{fill:#9198a1}\
.page{fill:#0d1117}\
.axis{stroke:#3d444d}\
.baseline{fill:#6e7681}.other{fill:#d29922}.portvakt{fill:#4493f8}\
.line{stroke:#4493f8}}";

/// A chart of bars, from 0.
pub fn bars(title: &str, subtitle: &str, bars: &[Bar<'_>]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let scale = (WIDTH - LABELS - NUMBERS) / most;
    let height = HEAD + ROW * bars.len() as f64 + 14.0;
    let mut svg = begin(WIDTH, height, title);
    text(&mut svg, 16.0, 26.0, "title", title);
    text(&mut svg, 16.0, 46.0, "quiet", subtitle);
    for (row, bar) in bars.iter().enumerate() {
        let y = HEAD + ROW * row as f64;
        let class = class(bar.family);
        let (length, label) = (bar.value * scale, escaped(bar.label));
        let _ = writeln!(
            svg,
            r#"<text x="{x:.0}" y="{ty:.0}" text-anchor="end">{label}</text>
<rect class="{class}" x="{LABELS:.0}" y="{y:.0}" width="{length:.1}" height="18" rx="2"/>
<text x="{nx:.1}" y="{ty:.0}">{value:.2}</text>"#,
            x = LABELS - 10.0,
            ty = y + 14.0,
            nx = LABELS + length + 6.0,
            value = bar.value,
        );
    }
    svg + "</svg>\n"
}

pub fn begin(width: f64, height: f64, title: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" role="img" aria-label="{}">
<style>{STYLE}</style>
<rect class="page" width="100%" height="100%"/>
"#,
        escaped(title)
    )
}

pub fn text(svg: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        svg,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
    );
}

fn class(family: Family) -> &'static str {
    match family {
        Family::Baseline => "baseline",
        Family::Other => "other",
        Family::Portvakt => "portvakt",
    }
}

/// Markdown's marks of code are none in SVG.
fn escaped(text: &str) -> String {
    let text = text.replace('`', "");
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
