//! How the flow ends for a request, and under which name that is counted.

use std::rc::Rc;

use crate::labels::labelled;
use crate::reply::rejection::Rejection;
use crate::token::facts::TokenFacts;

/// The end of the flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The request goes on to the upstream.
    Forward(Grant),
    /// The request is answered here, because it may not go on.
    Reject(Rejection),
    /// The request goes on, and is nobody's: it would have been refused, were it not for shadow
    /// mode.
    Shadow(Rejection),
    /// The request is for the metadata of the API, and is answered with them.
    ServeMetadata,
}

/// Why a request goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    /// The rule asks for no token.
    Anonymous,
    /// It is a CORS preflight.
    Preflight,
    /// The token meets the rule's requirement.
    Token(Rc<TokenFacts>),
    /// The endpoint is out, and the configuration says to let requests through.
    FailureMode,
}

labelled! {
    /// What is let in, or served.
    pub enum Allowed {
        /// The rule asks for no token.
        Anonymous = "anonymous",
        /// It is a CORS preflight.
        Preflight = "preflight",
        /// The token meets the rule's requirement.
        Token = "token",
        /// The endpoint is out, and the configuration says to let requests through.
        FailureMode = "failure_mode",
        /// The metadata of the API are served.
        Metadata = "metadata",
    }
}

impl Decision {
    /// Why the request is refused, or would have been.
    pub(crate) fn refusal(&self) -> Option<&Rejection> {
        match self {
            Self::Reject(rejection) | Self::Shadow(rejection) => Some(rejection),
            Self::Forward(_) | Self::ServeMetadata => None,
        }
    }
}

impl Grant {
    /// What it is counted as.
    pub fn allowed(&self) -> Allowed {
        match self {
            Self::Anonymous => Allowed::Anonymous,
            Self::Preflight => Allowed::Preflight,
            Self::Token(_) => Allowed::Token,
            Self::FailureMode => Allowed::FailureMode,
        }
    }

    /// The facts for which it was given.
    pub fn facts(&self) -> Option<&TokenFacts> {
        match self {
            Self::Token(facts) => Some(facts),
            Self::Anonymous | Self::Preflight | Self::FailureMode => None,
        }
    }
}
