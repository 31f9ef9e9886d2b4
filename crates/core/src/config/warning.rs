//! What in a valid configuration is perhaps not meant so. It works as it says; the operator is told.

use std::fmt;

use crate::labels::labelled;

labelled! {
    /// What a warning is about.
    pub enum Unwise {
        /// What workers share can be written by other plugins.
        SharedWithoutVmId = "shared_without_vm_id",
        /// A claim that may be meant otherwise.
        SuspectClaim = "suspect_claim",
        /// A scope that may be meant otherwise.
        SuspectScope = "suspect_scope",
        /// An array, or a list in a text, passes what must not hold of a claim.
        NoneOfEquals = "none_of_equals",
        /// A token with one of several scopes passes what must not be there.
        NoneOfScopes = "none_of_scopes",
        /// A value that may be meant as a pattern.
        SuspectValue = "suspect_value",
        /// Tokens of all issuers but one are refused.
        PrecheckOfOneIssuer = "precheck_of_one_issuer",
        /// A method that no rule names.
        UnusedMethod = "unused_method",
        /// Whoever can make the endpoint fail gets in.
        FailureModeAllow = "failure_mode_allow",
        /// A path in another case is another rule's.
        OtherCase = "other_case",
        /// Tokens that are no JWTs are refused.
        PrecheckOfOpaqueTokens = "precheck_of_opaque_tokens",
        /// Nothing is refused.
        Shadow = "shadow",
    }
}

/// One line about something that is valid, but perhaps not meant so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub unwise: Unwise,
    /// Where it stands, e.g. `rules[0].match.path`.
    pub key: String,
    /// What may be wrong with it.
    pub problem: String,
}

impl Warning {
    /// A warning.
    pub fn new(unwise: Unwise, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            unwise,
            key: key.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("configuration: {}: {}", self.key, self.problem);
        // Keys are the operator's text too: the line stays one line.
        f.write_str(&line.replace(char::is_control, " "))?;
        write!(f, " ({})", self.unwise.name())
    }
}
