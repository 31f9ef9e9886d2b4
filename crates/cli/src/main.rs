//! `portvakt`, the command line: what a plugin configuration means, before a gateway has it.
//!
//! It is the filter's own core that checks, decides and explains, so that what is said here is what
//! the gateway does. Every command writes to what it is given and says what it came to; the process
//! is left here alone.

mod check;
mod explain;
mod manual;
mod outcome;
mod policy_test;
mod printable;
mod schema;
mod source;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::outcome::Outcome;

/// Checks, explains and tests a policy for Portvakt before it is rolled out.
#[derive(Debug, Parser)]
#[command(name = "portvakt", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks plugin configurations, wherever they stand in a file.
    Check(check::Arguments),
    /// Prints the JSON Schema of the plugin configuration, for editors.
    Schema,
    /// Prints completions for a shell.
    Completions(manual::Completions),
    /// Prints the manual, for `man -l -`.
    Man,
    /// Says what would be done with a request, and why.
    Explain(explain::Arguments),
    /// Runs tests of a policy.
    Test(policy_test::Arguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = anstream::stdout().lock();
    let result = match &cli.command {
        Command::Check(arguments) => check::run(arguments, &mut out),
        Command::Schema => schema::run(&mut out),
        Command::Completions(arguments) => manual::completions(arguments, Cli::command(), &mut out),
        Command::Man => manual::man(Cli::command(), &mut out),
        Command::Explain(arguments) => explain::run(arguments, &mut out),
        Command::Test(arguments) => policy_test::run(arguments, &mut out),
    };
    match result.and_then(|outcome| {
        out.flush()
            .map_or_else(|error| Err(error.into()), |()| Ok(outcome))
    }) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            if let Some(line) = failure.line() {
                // Nothing is left to say it to if this fails as well.
                let _ = writeln!(anstream::stderr().lock(), "portvakt: {line}");
            }
            ExitCode::from(2)
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::SUCCESS,
            Outcome::Findings => Self::from(1),
        }
    }
}
