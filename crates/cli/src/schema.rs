//! `portvakt schema`: the JSON Schema of the plugin configuration, for editors.

use std::io::Write;

use portvakt_core::config::schema;

use crate::outcome::{Failure, Outcome};

pub(crate) fn run(out: &mut impl Write) -> Result<Outcome, Failure> {
    writeln!(out, "{:#}", schema::schema())?;
    Ok(Outcome::Clean)
}
