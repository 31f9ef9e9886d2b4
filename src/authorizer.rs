//! The flow: head → token → facts → rule → decision.
//!
//! Sans-IO: the host brings a request's head in and carries the step out. A rule is selected
//! first, because it says whether a token is needed at all; its requirement is checked last, on
//! the facts that the endpoint told.

use crate::bearer::{AccessToken, CredentialsError, TokenSource};
use crate::digest::TokenDigest;
use crate::head::RequestHead;
use crate::introspection::IntrospectionConfig;
use crate::introspection::response::{Answer, Introspection};
use crate::policy::requirement::{Requirement, Unmet};
use crate::policy::{Access, NoRule, RuleId, Rules};
use crate::rejection::{ChallengeParameters, Reason, Rejection};
use crate::scope::Scope;

/// A valid configuration, at work.
#[derive(Debug)]
pub struct Authorizer {
    /// How the endpoint is reached and spoken to.
    pub introspection: IntrospectionConfig,
    /// Where the access token is.
    pub token: TokenSource,
    /// Who may do what.
    pub rules: Rules,
    /// What challenges carry.
    pub challenge: ChallengeParameters,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It is decided.
    Decided(Decision),
    /// The endpoint is to be asked about the token.
    Introspect(Question),
}

/// The end of the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request goes on to the upstream.
    Forward(Grant),
    /// The request is answered here.
    Reject(Rejection),
}

/// Why a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The rule asks for no token.
    Anonymous,
    /// The token meets the rule's requirement.
    Token,
}

/// A question to the endpoint, and what is to be remembered until it is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The token that it is about.
    pub token: AccessToken,
    /// What the token is called.
    pub digest: TokenDigest,
    /// The rule that waits for the answer.
    pub rule: RuleId,
}

impl Grant {
    /// All of them, for metrics that are defined ahead.
    pub const ALL: [Self; 2] = [Self::Anonymous, Self::Token];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Token => "token",
        }
    }
}

impl Authorizer {
    /// A request's head has arrived.
    pub fn on_request(&self, head: &impl RequestHead) -> Step {
        let (rule, requirement) = match self.rules.select(head) {
            Ok((id, rule)) => match &rule.access {
                Access::Anonymous => return Step::Decided(Decision::Forward(Grant::Anonymous)),
                Access::Token(requirement) => (id, requirement),
            },
            Err(NoRule::NoMatch) => return self.rejected(Reason::NoRule),
            Err(NoRule::AmbiguousPath) => return self.rejected(Reason::AmbiguousPath),
        };
        let token = match self.token.extract(head) {
            Ok(token) => token,
            Err(error) => {
                let reason = match error {
                    CredentialsError::Missing => Reason::NoCredentials,
                    CredentialsError::Malformed => Reason::InvalidRequest,
                };
                return Step::Decided(self.reject(reason, &requirement.scopes));
            }
        };
        Step::Introspect(Question {
            digest: TokenDigest::of(&token),
            token,
            rule,
        })
    }

    /// The endpoint's answer for a request that `rule` was selected for.
    pub fn on_answer(&self, rule: RuleId, answer: &Answer) -> Decision {
        let Some(Access::Token(requirement)) = self.rules.get(rule).map(|rule| &rule.access) else {
            return self.reject(Reason::NoRule, &[]);
        };
        match answer {
            Ok(Introspection::Active(facts)) => match requirement.check(facts) {
                Ok(()) => Decision::Forward(Grant::Token),
                Err(unmet) => self.unmet(unmet, requirement),
            },
            Ok(Introspection::Inactive) => self.reject(Reason::InvalidToken, &requirement.scopes),
            Err(_) => self.endpoint_out(),
        }
    }

    /// The refusal of a request whose token cannot be asked about.
    pub fn endpoint_out(&self) -> Decision {
        self.reject(Reason::EndpointOut, &[])
    }

    fn unmet(&self, unmet: Unmet, requirement: &Requirement) -> Decision {
        match unmet {
            Unmet::Scope => self.reject(Reason::InsufficientScope, &requirement.scopes),
        }
    }

    fn rejected(&self, reason: Reason) -> Step {
        Step::Decided(self.reject(reason, &[]))
    }

    fn reject(&self, reason: Reason, scopes: &[Scope]) -> Decision {
        Decision::Reject(Rejection::new(reason, &self.challenge, scopes))
    }
}
