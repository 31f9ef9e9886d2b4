//! What exactly a request was refused for: for the log, where a reason alone would send the
//! operator searching. It names what stands in the configuration, never what is in a token.

use std::fmt;

use crate::introspection::outcome::Outcome;
use crate::token::binding::Binding;
use crate::token::jwt::PrecheckError;

/// What a request was refused for, beside its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This key of the configuration is not met, e.g. `rules[0].require.scopes`.
    Unmet(String),
    /// `jwt_precheck` found this.
    Precheck(PrecheckError),
    /// The rule trusts nobody who would know of such a token.
    NoProvider,
    /// The token is bound to a client certificate, and the connection shows another, or none.
    Certificate,
    /// The token is bound to something that cannot be proven here.
    Unprovable,
    /// The question came to this.
    Endpoint(Outcome),
}

impl From<&Binding> for Cause {
    /// Of a binding that is not proven.
    fn from(binding: &Binding) -> Self {
        match binding {
            Binding::Certificate(_) => Self::Certificate,
            Binding::Unprovable => Self::Unprovable,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmet(key) => write!(f, "{key} is not met"),
            Self::Precheck(error) => write!(f, "jwt_precheck: {error}"),
            Self::NoProvider => f.write_str("none of the rule's providers has the token's issuer"),
            Self::Certificate => {
                f.write_str("bound to a client certificate that the connection does not show")
            }
            Self::Unprovable => f.write_str("bound to what cannot be proven here"),
            Self::Endpoint(outcome) => write!(f, "introspection: {}", outcome.name()),
        }
    }
}
