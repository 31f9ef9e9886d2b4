//! `portvakt test`: tests of a policy, for a team's own continuous integration.

mod case;
mod file;
mod junit;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use self::case::Result as CaseResult;
use self::file::TestFile;
use crate::explain::configuration;
use crate::outcome::{Failure, Outcome};
use crate::printable::printable;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files with tests, YAML; docs/command-line.md has their keys.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Runs only tests whose name holds this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Writes the results as XML, in the way of `JUnit`.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Lists the rules that no test has reached.
    #[arg(long)]
    coverage: bool,
}

/// The results of one file.
struct Suite {
    file: String,
    results: Vec<CaseResult>,
    /// The rules that no test has reached.
    unreached: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let suites = arguments.files.iter().map(|path| run_file(path, filter));
    let suites: Vec<_> = suites.collect::<Result<_, _>>()?;
    let results = || suites.iter().flat_map(|suite| &suite.results);
    if results().next().is_none() {
        return Err(Failure::new(format!("no test's name holds {filter:?}")));
    }
    for suite in &suites {
        for result in &suite.results {
            if !result.mismatches.is_empty() {
                let what = result.mismatches.join("; ");
                let line = format!("FAIL {}: {}: {what}", suite.file, result.name);
                writeln!(out, "{}", printable(&line))?;
            }
        }
        if arguments.coverage && !suite.unreached.is_empty() {
            let rules = suite.unreached.join(", ");
            let line = format!("{}: rules that no test reached: {rules}", suite.file);
            writeln!(out, "{}", printable(&line))?;
        }
    }
    if let Some(path) = &arguments.junit {
        junit::write(path, &suites)?;
    }
    let failed = results().filter(|r| !r.mismatches.is_empty()).count();
    let passed = results().count().saturating_sub(failed);
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(match failed {
        0 => Outcome::Clean,
        _ => Outcome::Findings,
    })
}

fn run_file(path: &Path, filter: &str) -> Result<Suite, Failure> {
    let file = TestFile::read(path)?;
    let authorizer = configuration::load(&file.config)?;
    let cases = file.cases.iter().filter(|case| case.name.contains(filter));
    let results: Vec<_> = cases.map(|case| case.run(&authorizer)).collect();
    let is_reached = |name: &String| results.iter().any(|r| r.rule.as_ref() == Some(name));
    let rules = authorizer.rules().iter();
    let names = rules.map(|(_, rule)| rule.name.clone());
    Ok(Suite {
        file: path.display().to_string(),
        unreached: names.filter(|name| !is_reached(name)).collect(),
        results,
    })
}
