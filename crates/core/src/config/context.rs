//! What is gathered while a configuration is read.

use super::warning::{Unwise, Warning};
use crate::token::claims::WantedClaims;

/// What is gathered while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The claims that are asked for.
    pub(super) claims: WantedClaims,
    /// What is perhaps not meant so.
    pub(super) warnings: Vec<Warning>,
}

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
}
