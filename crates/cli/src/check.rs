//! `portvakt check`: whether plugin configurations are valid.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use portvakt_core::config::{self, Vm};

use crate::outcome::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files to check; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Clean;
    for path in &arguments.files {
        let vm = Vm {
            env: |_: &str| None,
            has_id: true,
        };
        if let Err(error) = config::parse(&read(path)?, &vm) {
            writeln!(out, "{error}")?;
            outcome = Outcome::Findings;
        }
    }
    Ok(outcome)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}
