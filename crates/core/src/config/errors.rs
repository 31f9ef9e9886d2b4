//! Why a configuration is refused: each reason a line, and the first of them what the filter says.

use std::fmt;

/// Why a configuration is refused: one line that names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    key: String,
    problem: String,
    position: Option<(usize, usize)>,
}

/// All that is wrong with a configuration; never nothing. As a text it is the first line, which is
/// what the filter logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    first: ConfigError,
    rest: Vec<ConfigError>,
}

impl ConfigError {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
            position: None,
        }
    }

    /// It is about the text, and not about what stands in it.
    pub(super) fn of_text(error: &serde_json::Error) -> Self {
        Self {
            position: (error.line() > 0).then_some((error.line(), error.column())),
            ..Self::new(".", error.to_string())
        }
    }

    /// Where it is, e.g. `rules[0].match.path`; `.` for all of it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong, and what is allowed.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The line and the column in bytes, from 1, of what is no JSON.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }
}

impl ConfigErrors {
    /// These, if there are any.
    pub(super) fn new(all: impl IntoIterator<Item = ConfigError>) -> Option<Self> {
        let mut all = all.into_iter();
        Some(Self {
            first: all.next()?,
            rest: all.collect(),
        })
    }

    /// The one that the filter says.
    pub fn first(&self) -> &ConfigError {
        &self.first
    }

    /// All of them, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(first: ConfigError) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self.key.as_str() {
            "." => format!("configuration: {}", self.problem),
            key => format!("configuration: {key}: {}", self.problem),
        };
        // Keys are the operator's text too: the line stays one line.
        f.write_str(&line.replace(char::is_control, " "))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl std::error::Error for ConfigError {}

impl std::error::Error for ConfigErrors {}
