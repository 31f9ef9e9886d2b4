//! What a command came to: findings are no failure, and a failure is no finding.

use std::fmt;
use std::io;

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is wrong: exit status 0.
    Clean,
    /// Something is: exit status 1.
    Findings,
}

/// Why a command could not do what it was asked: exit status 2.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// One line for the person who typed the command.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(format!("cannot write: {error}"))
    }
}
