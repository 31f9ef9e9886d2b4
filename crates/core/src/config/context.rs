//! What is gathered while a configuration is read.

use super::errors::ConfigError;
use super::warning::{Unwise, Warning};
use crate::token::claims::WantedClaims;
use crate::token::providers::ProviderSet;

/// What is gathered while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The claims that are asked for.
    pub(super) claims: WantedClaims,
    /// What is perhaps not meant so.
    pub(super) warnings: Vec<Warning>,
    /// Whom rules trust that name nobody, once it is known.
    pub(super) all_providers: Option<Result<ProviderSet, Refused>>,
    /// What is wrong, in the order in which it was found.
    errors: Vec<ConfigError>,
}

/// Proves that something was refused: only [`Context::refuse`] gives one. So a part that is refused
/// ends with `?`, and those beside it go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused(());

/// The most errors that are told of one configuration.
pub(super) const MAX_ERRORS: usize = 100;

impl Context {
    /// Something is perhaps not meant so.
    pub(super) fn warn(
        &mut self,
        unwise: Unwise,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) {
        self.warnings.push(Warning::new(unwise, key, problem));
    }

    /// Something cannot work.
    pub(super) fn refuse<T>(
        &mut self,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) -> Result<T, Refused> {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(ConfigError::new(key, problem));
        }
        Err(Refused(()))
    }

    /// What was refused.
    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }
}

/// All of them, each looked at even where one before it was refused.
pub(super) fn all<T>(
    results: impl IntoIterator<Item = Result<T, Refused>>,
) -> Result<Vec<T>, Refused> {
    let mut found = Ok(Vec::new());
    for result in results {
        match (&mut found, result) {
            (Ok(all), Ok(one)) => all.push(one),
            (Ok(_), Err(refused)) => found = Err(refused),
            (Err(_), _) => {}
        }
    }
    found
}
