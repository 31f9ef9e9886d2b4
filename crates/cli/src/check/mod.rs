//! `portvakt check`: whether plugin configurations are valid.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use portvakt_core::config::{self, Vm};

use crate::outcome::{Failure, Outcome};
use crate::source::Source;
use crate::source::find::{self, Environment};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files to check; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Clean;
    for path in &arguments.files {
        let source = Source::read(path)?;
        let found = find::find(&source);
        if let Some(error) = found.error {
            let at = source.position(error.offset);
            writeln!(
                out,
                "{}:{}:{}: {}",
                source.name, at.line, at.column, error.problem
            )?;
            outcome = Outcome::Findings;
        }
        for configuration in found.configurations {
            let vm = Vm {
                env: |name: &str| match &configuration.environment {
                    Environment::Unknown => Some("x".to_owned()),
                    Environment::Known(all) => {
                        let found = all.iter().find(|(known, _)| known == name);
                        found.map(|(_, value)| value.clone().unwrap_or_else(|| "x".to_owned()))
                    }
                },
                has_id: configuration.has_vm_id.unwrap_or(true),
            };
            for note in configuration
                .surprises
                .iter()
                .chain(&configuration.refusals)
            {
                let at = source.position(note.span.start);
                let (key, problem) = (&note.key, &note.problem);
                writeln!(
                    out,
                    "{}:{}:{}: {key}: {problem}",
                    source.name, at.line, at.column
                )?;
            }
            if let Err(error) = config::parse(&configuration.bytes, &vm) {
                writeln!(out, "{error}")?;
                outcome = Outcome::Findings;
            }
        }
    }
    Ok(outcome)
}
