//! What came of each row, and the table of it.

use std::fmt;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::time::Duration;

use crate::load::Tally;
use crate::model::{KIND, Kind};

/// One row of the matrix.
pub struct Row {
    pub name: String,
    pub run: Box<dyn Fn() -> Pin<Box<dyn Future<Output = Report>>>>,
}

impl Row {
    pub fn new<F>(name: &str, run: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Report> + 'static,
    {
        Self {
            name: name.to_owned(),
            run: Box::new(move || Box::pin(run())),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    tally: Tally,
    /// Requests that reached the API and should not have.
    passed: usize,
    note: String,
    /// It is Envoy's fault, and stays in the table without failing the run.
    is_known: bool,
    has_failed: bool,
}

/// How many of the requests that the API has seen should not have reached it.
pub fn passed(heads: &[String]) -> usize {
    let refused = Kind::ALL.into_iter().filter(|kind| kind.expected() != 200);
    let names: Vec<_> = refused
        .map(|kind| format!("{KIND}: {}", kind.name()))
        .collect();
    let is_wrong = |head: &&String| names.iter().any(|name| head.contains(name));
    heads.iter().filter(is_wrong).count()
}

/// It may take so long until all is well again, on a busy machine too.
const RECOVERS: Duration = Duration::from_secs(10);

impl Report {
    /// `heads`: those of all requests that the API has seen.
    pub fn new(tally: Tally, heads: &[String]) -> Self {
        Self {
            tally,
            passed: passed(heads),
            note: String::new(),
            is_known: false,
            has_failed: false,
        }
    }

    /// Of a row that came to no end.
    pub fn failed() -> Self {
        Self {
            has_failed: true,
            ..Self::without_traffic("**the row failed**")
        }
    }

    /// Where no gateway runs that could be sent any.
    pub fn without_traffic(note: &str) -> Self {
        Self::new(Tally::default(), &[]).note(note.to_owned())
    }

    /// What else is to be said of it.
    pub fn note(mut self, note: String) -> Self {
        self.note = note;
        self
    }

    /// What came of another gateway at the same time.
    pub fn and(mut self, other: Self) -> Self {
        self.tally = self.tally.and(other.tally);
        self.passed += other.passed;
        self.note = format!("{}; {}", self.note, other.note);
        self
    }

    /// That it goes wrong is known.
    pub fn known(mut self) -> Self {
        self.is_known = true;
        self
    }

    /// Decisions that the model did not expect, and requests that reached the API all the same.
    fn wrong(&self) -> usize {
        self.tally.wrong.len() + self.passed
    }

    pub fn is_well(&self) -> bool {
        let recovered = self.tally.recovered_after();
        let is_right = self.wrong() == 0
            && self.tally.lost.is_empty()
            && recovered.is_none_or(|after| after <= RECOVERS);
        !self.has_failed && (self.is_known || is_right)
    }

    fn recovered(&self) -> String {
        let after = self.tally.recovered_after();
        after.map_or_else(
            || "–".to_owned(),
            |after| format!("{} ms", after.as_millis()),
        )
    }

    fn during(&self) -> String {
        let during = self.tally.during.iter();
        let all: Vec<_> = during
            .map(|(status, n)| format!("{status} × {n}"))
            .collect();
        let note = Some(self.note.clone()).filter(|note| !note.is_empty());
        let during = Some(all.join(", ")).filter(|during| !during.is_empty());
        let parts: Vec<_> = during.into_iter().chain(note).collect();
        parts.join("; ")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { requests, lost, .. } = &self.tally;
        let (recovered, during) = (self.recovered(), self.during());
        let wrong = self.wrong();
        write!(
            f,
            "{requests} requests, {wrong} wrong, {} lost, recovered after {recovered} ({during})",
            lost.len()
        )?;
        for what in self.tally.wrong.iter().chain(lost).take(5) {
            write!(f, "\n    {what}")?;
        }
        if self.passed > 0 {
            write!(
                f,
                "\n    {} reached the API and should not have",
                self.passed
            )?;
        }
        Ok(())
    }
}

const DOCUMENT: &str = "docs/reliability.md";
const BEGINS: &str = "<!-- faults -->\n";
const ENDS: &str = "<!-- /faults -->";

/// Writes target/faults.md, or with RECORD=1 the table in the document.
pub fn write(reports: &[(String, Report)]) {
    let table = table(reports);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RECORD").is_none_or(|record| record != "1") {
        fs::write(root.join("target/faults.md"), table).unwrap();
        return;
    }
    let file = root.join(DOCUMENT);
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGINS).unwrap();
    let (_, after) = rest.split_once(ENDS).unwrap();
    fs::write(file, format!("{before}{BEGINS}{table}{ENDS}{after}")).unwrap();
}

fn table(reports: &[(String, Report)]) -> String {
    let mut table = format!(
        "`make test-faults`, {}, {}, {}:\n\n\
         | fault | requests | wrong | lost | recovered after | answered meanwhile |\n\
         |---|---:|---:|---:|---:|---|\n",
        said("date", &["-u", "+%Y-%m-%d"]),
        machine(),
        envoy(),
    );
    for (name, report) in reports {
        let row = format!(
            "| {name} | {} | {} | {} | {} | {} |\n",
            report.tally.requests,
            report.wrong(),
            report.tally.lost.len(),
            report.recovered(),
            report.during(),
        );
        table.push_str(&row);
    }
    table
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().unwrap();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("a machine", |rest| {
        rest.trim_start_matches(['\t', ' ', ':'])
    });
    format!("{cores} cores of {model}")
}

/// `…/envoy  version: <commit>/1.40.0/Clean/…`
fn envoy() -> String {
    let said = said(&std::env::var("ENVOY").unwrap(), &["--version"]);
    let version = said.split('/').find(|part| {
        let mut numbers = part.split('.');
        numbers.all(|number| number.parse::<u32>().is_ok()) && part.contains('.')
    });
    format!("Envoy {}", version.unwrap_or("of an unknown version"))
}
