//! What a run came to, as a page: `target/soak.md`, and between two marks in docs/reliability.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fault::{Fault, Part, Window};
use crate::gateway::PausedHead;
use crate::gateway_config::{WORKERS, paused_head};
use crate::run::Run;
use crate::tally::Counts;
use crate::watch::{Gauge, Sample, growth, tenths};

/// All that a run came to.
pub struct Report<'a> {
    pub run: &'a Run,
    pub windows: &'a [Window],
    pub counts: &'a Counts,
    pub samples: &'a [Sample],
    pub gauges: &'a [Gauge],
    pub questions: u64,
    pub took: u64,
}

const STATUSES: [u16; 5] = [200, 400, 401, 403, 503];

impl Report<'_> {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut page = String::new();
        self.head(&mut page);
        self.by_part(&mut page);
        self.by_kind(&mut page);
        self.memory(&mut page);
        self.holds(&mut page);
        page
    }

    fn head(&self, page: &mut String) {
        let Run {
            seed,
            requests,
            tokens,
            rate,
            ..
        } = self.run;
        let sum = |counts: &BTreeMap<usize, u64>| counts.values().sum::<u64>();
        let counts = self.counts;
        let _ = write!(
            page,
            "`SEED={seed} REQUESTS={requests} RATE={rate} make soak`, {}.\n\n\
             {} requests over {} tokens by {WORKERS} workers in {} s, {} callouts. \
             **Wrong: {}. Lost: {}.** Left by their clients: {}. \
             `allow_on_headers_stop_iteration: {}`. \
             Seconds in which the machine had too little time for it, and 503 may be answered to \
             anybody: {}.\n\n",
            machine(),
            thousands(*requests),
            thousands(*tokens),
            self.took / 1000,
            thousands(self.questions),
            sum(&counts.wrong),
            sum(&counts.lost),
            thousands(sum(&counts.left)),
            paused_head(self.run) == PausedHead::HoldsItself,
            self.overload() / 1000,
        );
    }

    /// For how long there was too little time, in milliseconds.
    pub fn overload(&self) -> u64 {
        let windows = self.windows.iter();
        let overload = windows.filter(|each| each.fault == Fault::Overload);
        // One for each provider.
        let twice: u64 = overload.map(|each| each.until - each.from).sum();
        twice / 2
    }

    fn by_part(&self, page: &mut String) {
        page.push_str(
            "| what goes wrong | at | requests | 200 | 400 | 401 | 403 | 503 | left | wrong | lost \
             | p50 ms | p99 ms | last 503 after its end, ms |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (number, part) in self.run.parts.iter().enumerate() {
            let counts = self.counts;
            let micros = counts.micros.get(&number).cloned().unwrap_or_default();
            let of =
                |counts: &BTreeMap<usize, u64>| counts.get(&number).copied().unwrap_or_default();
            let all = u64::try_from(micros.len()).unwrap() + of(&counts.left) + of(&counts.lost);
            let (what, at) = part.names();
            let _ = write!(page, "| {what} | {at} | {} |", thousands(all));
            for status in STATUSES {
                let _ = write!(page, " {} |", thousands(counts.in_part(number, status)));
            }
            let (left, wrong, lost) = (of(&counts.left), of(&counts.wrong), of(&counts.lost));
            let (median, most) = (percentile(&micros, 50), percentile(&micros, 99));
            let recovery = self.recovery(*part);
            let _ = writeln!(
                page,
                " {left} | {wrong} | {lost} | {median} | {most} | {recovery} |"
            );
        }
        page.push('\n');
    }

    /// From the end of a fault until nobody was told of it any more.
    fn recovery(&self, part: Part) -> String {
        let Some((provider, fault)) = part.fault() else {
            return String::new();
        };
        let made = |each: &&Window| each.provider == provider && each.fault != Fault::Overload;
        let here = || self.windows.iter().filter(made);
        let until = here().find(|each| each.fault == fault).unwrap().until;
        let next = here().map(|each| each.from).find(|from| *from > until);
        let outs = self.counts.unavailable.iter();
        let after = outs.filter(|(found, at)| {
            *found == provider && (until..next.unwrap_or(u64::MAX)).contains(at)
        });
        let last = after.map(|(_, at)| at - until).max();
        last.unwrap_or_default().to_string()
    }

    fn by_kind(&self, page: &mut String) {
        page.push_str("| request | 200 | 400 | 401 | 403 | 503 |\n|---|---|---|---|---|---|\n");
        let kinds: BTreeSet<_> = self
            .counts
            .answers
            .keys()
            .map(|(_, kind, _)| *kind)
            .collect();
        for kind in kinds {
            let _ = write!(page, "| {kind} |");
            for status in STATUSES {
                let count = self.counts.of_kind_and_status(kind, status);
                let _ = write!(page, " {} |", thousands(count));
            }
            page.push('\n');
        }
        page.push('\n');
    }

    fn memory(&self, page: &mut String) {
        let tenths = tenths(self.samples, self.run.requests);
        page.push_str(
            "| after | 10 % | 20 % | 30 % | 40 % | 50 % | 60 % | 70 % | 80 % | 90 % | 100 % |\n",
        );
        page.push_str(
            "|---|---|---|---|---|---|---|---|---|---|---|\n| Envoy's memory (RSS), MB |",
        );
        for rss in &tenths {
            let _ = write!(page, " {} |", rss / 1024);
        }
        let _ = writeln!(
            page,
            "\n\nSince 30 %: {} kB more at most.\n",
            growth(&tenths)
        );
    }

    fn holds(&self, page: &mut String) {
        page.push_str("| afterwards | is | may be |\n|---|---|---|\n");
        for gauge in self.gauges {
            let (from, to) = (gauge.expected.start(), gauge.expected.end());
            let expected = if from == to {
                from.to_string()
            } else {
                format!("{from} to {to}")
            };
            let _ = writeln!(page, "| `{}` | {} | {expected} |", gauge.label, gauge.found);
        }
    }
}

fn percentile(micros: &[u32], percent: usize) -> String {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    let micros = sorted.get(at).copied().unwrap_or_default();
    format!("{:.1}", f64::from(micros) / 1000.0)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What it ran on.
fn machine() -> String {
    let first = |text: String, name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .map(str::to_owned);
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = first(cpu, "model name").unwrap_or_else(|| "a CPU without a name".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let envoy = said(&std::env::var("ENVOY").unwrap(), "--version");
    // `…/envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
    let envoy = envoy.split('/').rev().nth(3).unwrap_or_default().to_owned();
    let date = said("date", "+%F");
    let version = env!("CARGO_PKG_VERSION");
    format!("{date}, {cores} cores of {cpu}, Envoy {envoy}, Portvakt {version}")
}

const MARKS: (&str, &str) = ("<!-- soak -->\n", "<!-- /soak -->");

/// Puts it between the marks of that document.
pub fn record(document: &Path, page: &str) {
    let Ok(text) = fs::read_to_string(document) else {
        eprintln!("{} is not there: nothing is recorded", document.display());
        return;
    };
    let found = text.split_once(MARKS.0).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(MARKS.1)?;
        Some(format!("{before}{}{page}{}{after}", MARKS.0, MARKS.1))
    });
    let text = found.unwrap_or_else(|| panic!("{}: no {}", document.display(), MARKS.0));
    fs::write(document, text).unwrap();
}
