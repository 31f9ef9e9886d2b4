//! `portvakt check`: whether plugin configurations are valid, and what about them is unwise.

mod configuration;
mod envoy;
mod finding;
mod nearest;
mod render;
mod secret;

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use self::finding::{Around, Finding, Severity};
use crate::outcome::{Failure, Outcome};
use crate::printable::printable;
use crate::source::Source;
use crate::source::find::{self, Found};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files to check; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Does not tell what has this name: it stands in parentheses behind each warning.
    #[arg(long, value_name = "NAME", value_parser = finding::allowed_names(), hide_possible_values = true)]
    allow: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Clean;
    // All are read before anything is said of one.
    let sources = arguments.files.iter().map(|path| Source::read(path));
    let sources: Vec<_> = sources.collect::<Result<_, _>>()?;
    for source in &sources {
        let checked = check(source);
        for finding in &checked.findings {
            if let Severity::Warning(name) = finding.severity
                && arguments.allow.iter().any(|allowed| allowed == name)
            {
                continue;
            }
            outcome = Outcome::Findings;
            writeln!(
                out,
                "{}\n",
                render::render(source, finding, &checked.secrets)
            )?;
        }
    }
    Ok(outcome)
}

/// What a file came to.
pub(crate) struct Checked {
    pub(crate) findings: Vec<Finding>,
    /// Where it may hold secrets.
    pub(crate) secrets: Vec<Range<usize>>,
}

/// Checks a file.
pub(crate) fn check(source: &Source) -> Checked {
    let Found {
        configurations,
        documents,
        error,
    } = find::find(source);
    let mut findings = Vec::new();
    let mut secrets: Vec<_> = configurations.iter().flat_map(secret::secrets).collect();
    let mut checked = Vec::new();
    for configuration in &configurations {
        let valid = configuration::check(configuration, &mut findings);
        checked.push((configuration, valid));
    }
    for document in &documents {
        envoy::check(document, &checked, &mut findings);
    }
    if let Some(error) = error {
        if secret::may_hold_secrets(&source.text) {
            secrets.push(0..source.text.len());
        }
        findings.push(Finding {
            severity: Severity::Error,
            line: printable(&format!("cannot be read: {}", error.problem)),
            span: error.offset..error.offset,
            help: None,
        });
    } else if configurations.is_empty() {
        let name = Around::NoConfiguration.name();
        findings.push(Finding {
            severity: Severity::Warning(name),
            line: format!("there is no configuration of Portvakt in it ({name})"),
            span: 0..0,
            help: None,
        });
    }
    Checked { findings, secrets }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::too_many_lines,
    reason = "tests count, and put together what they test"
)]
mod tables;
#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::too_many_lines,
    reason = "tests count, and put together what they test"
)]
mod tests;
