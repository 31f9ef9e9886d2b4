//! What a command came to: findings are no failure, and a failure is no finding.

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
pub(crate) struct Failure(Option<String>);

impl Failure {
    /// One line for the person who typed the command.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(Some(line.into()))
    }

    /// What to say of it; `None`: nobody listens any more, as behind `| head`.
    pub(crate) fn line(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self(None),
            _ => Self::new(format!("cannot write: {error}")),
        }
    }
}
