//! What a callout came to, as metrics name it.

use super::error::{Answer, IntrospectionError};
use crate::labels::labelled;
use crate::token::facts::Introspection;

labelled! {
    /// What a callout came to.
    pub enum Outcome {
        /// The token is active.
        Active = "active",
        /// The token is not active, said in the way that the standard has for it.
        Inactive = "inactive",
        /// The token is not active, said by a status.
        InactiveStatus = "inactive_status",
        /// No answer in time.
        Timeout = "timeout",
        /// No answer, or not even a question.
        Unreachable = "unreachable",
        /// 429 or 5xx.
        Status = "status",
        /// A 200 that is no introspection response.
        Malformed = "malformed",
        /// The request is wrong.
        Misconfigured = "misconfigured",
    }
}

impl From<&Answer> for Outcome {
    fn from(answer: &Answer) -> Self {
        match answer {
            Ok(Introspection::Active(_)) => Self::Active,
            Ok(Introspection::Inactive) => Self::Inactive,
            Err(error) => error.into(),
        }
    }
}

impl From<&IntrospectionError> for Outcome {
    fn from(error: &IntrospectionError) -> Self {
        match error {
            IntrospectionError::Timeout => Self::Timeout,
            IntrospectionError::Unreachable(_)
            | IntrospectionError::NotDispatched
            | IntrospectionError::Busy => Self::Unreachable,
            IntrospectionError::Status(_) => Self::Status,
            IntrospectionError::Malformed(_) => Self::Malformed,
            IntrospectionError::Misconfigured(_) => Self::Misconfigured,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Outcome::ALL.map(Outcome::name).into_iter().collect();
        assert_eq!(names.len(), Outcome::ALL.len());
    }
}
