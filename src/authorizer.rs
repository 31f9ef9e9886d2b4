//! The flow: head → token → facts → rule → decision.
//!
//! Sans-IO: the host brings a request's head and the time in and carries the step out. A rule is
//! selected first, because it says whether a token is needed at all; its requirement is checked
//! last, on the facts that the endpoint told, whether it told them just now or before.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::bearer::{AccessToken, CredentialsError, TokenSource};
use crate::binding::Binding;
use crate::cache::lookup::Lookup;
use crate::cache::shared::SharedData;
use crate::callout::calls::Question;
use crate::digest::{TokenDigest, TokenKey, TokenName};
use crate::forward::Forwarding;
use crate::head::{Peer, RequestHead};
use crate::introspection::error::IntrospectionError;
use crate::introspection::facts::{Introspection, TokenFacts};
use crate::introspection::health::Rank;
use crate::introspection::provider::{Knowledge, Provider};
use crate::introspection::response::Answer;
use crate::policy::requirement::{Asks, RuleRequirement, Unmet};
use crate::policy::{Access, NoRule, RuleId, Rules};
use crate::precheck::Precheck;
use crate::preflight::is_preflight;
use crate::protected_resource::ProtectedResource;
use crate::rejection::{ChallengeParameters, Reason, Rejection};
use crate::time::Time;

/// A valid configuration, at work.
#[derive(Debug)]
pub struct Authorizer {
    /// Who is asked about tokens, and what is known of them.
    pub provider: Provider,
    /// Where the access token is.
    pub token: TokenSource,
    /// Which tokens are not worth a question.
    pub precheck: Option<Precheck>,
    /// Who may do what.
    pub rules: Rules,
    /// What the upstream is told.
    pub forwarding: Forwarding,
    /// What clients can read about the API.
    pub protected_resource: Option<ProtectedResource>,
    /// What challenges carry.
    pub challenge: ChallengeParameters,
    /// Whether requests pass, unauthenticated, while the endpoint is out.
    pub failure_mode_allow: bool,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// It is decided without a look at the token.
    Decided(Decision),
    /// It is decided by what is known about its token.
    Known {
        /// The decision.
        decision: Decision,
        /// Where the facts came from.
        lookup: Lookup,
        /// The token.
        token: UsedToken,
        /// Whether to ask about it in the background.
        is_due: bool,
    },
    /// The endpoint is to be asked about the token.
    Introspect(UsedToken, Rank),
}

/// The end of the flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The request goes on to the upstream.
    Forward(Grant),
    /// The request is answered here, because it may not go on.
    Reject(Rejection),
    /// The request is for the metadata of the API, and is answered with them.
    Describe,
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

/// The access token of a request, and the rule that the request is for.
#[derive(Debug, PartialEq, Eq)]
pub struct UsedToken {
    /// The rule.
    pub rule: RuleId,
    token: AccessToken,
    /// What this worker calls the token.
    key: TokenKey,
    /// What everybody calls the token, once somebody has asked for it.
    digest: OnceCell<TokenDigest>,
}

impl Step {
    /// Whether nothing is lost by a look whether the request is a preflight: it would not go on,
    /// or not at once. What could be read in two ways is refused whoever asks.
    fn may_be_preflight(&self) -> bool {
        match self {
            Self::Decided(Decision::Reject(rejection)) => !matches!(
                rejection.reason(),
                Reason::AmbiguousPath | Reason::AmbiguousMethod
            ),
            Self::Known { decision, .. } => matches!(decision, Decision::Reject(_)),
            Self::Introspect(..) => true,
            Self::Decided(Decision::Forward(_) | Decision::Describe) => false,
        }
    }
}

impl UsedToken {
    /// What the token is called.
    pub fn name(&self) -> TokenName {
        TokenName {
            key: self.key,
            digest: *self.digest.get_or_init(|| TokenDigest::of(&self.token)),
        }
    }

    /// The question about it.
    pub fn question(&self, rank: Rank) -> Question {
        Question {
            name: self.name(),
            token: self.token.clone(),
            rank,
        }
    }
}

impl Grant {
    /// All names, for metrics that are defined ahead.
    pub const NAMES: [&str; 4] = ["anonymous", "preflight", "token", "failure_mode"];

    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Preflight => "preflight",
            Self::Token(_) => "token",
            Self::FailureMode => "failure_mode",
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

impl Authorizer {
    /// A request's head has arrived.
    pub fn on_request(
        &self,
        head: &impl RequestHead,
        peer: &impl Peer,
        data: &impl SharedData,
        now: impl FnOnce() -> Time,
    ) -> Step {
        let resource = self.protected_resource.as_ref();
        if resource.is_some_and(|resource| resource.is_asked_for_by(head)) {
            return Step::Decided(Decision::Describe);
        }
        let step = self.step(head, peer, data, now);
        // Most requests go on: only what would not is looked at for what makes a preflight.
        if step.may_be_preflight() && is_preflight(head, &self.token.header) {
            return Step::Decided(Decision::Forward(Grant::Preflight));
        }
        step
    }

    fn step(
        &self,
        head: &impl RequestHead,
        peer: &impl Peer,
        data: &impl SharedData,
        now: impl FnOnce() -> Time,
    ) -> Step {
        let (rule, requirement) = match self.rules.select(head) {
            Ok((id, rule)) => match &rule.access {
                Access::Anonymous => return Step::Decided(Decision::Forward(Grant::Anonymous)),
                Access::Token(requirement) => (id, requirement),
            },
            Err(NoRule::NoMatch) => return self.rejected(Reason::NoRule, &Asks::default()),
            Err(NoRule::AmbiguousPath) => {
                return self.rejected(Reason::AmbiguousPath, &Asks::default());
            }
            Err(NoRule::AmbiguousMethod) => {
                return self.rejected(Reason::AmbiguousMethod, &Asks::default());
            }
        };
        let token = match self.token.extract(head) {
            Ok(token) => token,
            Err(CredentialsError::Missing) => {
                return self.rejected(Reason::NoCredentials, requirement.asks());
            }
            Err(CredentialsError::Malformed) => {
                return self.rejected(Reason::InvalidRequest, requirement.asks());
            }
        };
        let token = UsedToken {
            rule,
            key: self.provider.key(&token),
            token,
            digest: OnceCell::new(),
        };
        let now = now();
        let known = self
            .provider
            .look_up(&token.key, || token.name(), data, now);
        match known {
            Knowledge::Facts(found, lookup) => Step::Known {
                decision: self.judge(requirement, &found.what, peer, now),
                lookup,
                token,
                is_due: found.is_due,
            },
            Knowledge::None(rank) => match &self.precheck {
                Some(precheck) if precheck.check(&token.token, now).is_err() => {
                    self.rejected(Reason::Precheck, requirement.asks())
                }
                _ => Step::Introspect(token, rank),
            },
        }
    }

    /// The endpoint's answer for a request that `rule` was selected for.
    pub fn on_answer(
        &self,
        rule: RuleId,
        name: &TokenName,
        answer: &Answer,
        peer: &impl Peer,
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        let Some(Access::Token(requirement)) = self.rules.get(rule).map(|rule| &rule.access) else {
            return (self.reject(Reason::NoRule, &Asks::default()), None);
        };
        match answer {
            Ok(what) => (self.judge(requirement, what, peer, now), None),
            Err(error) => self.without_answer(requirement, name, error, peer, data, now),
        }
    }

    /// There is no word about the token. If something keeps the endpoint from answering, what was
    /// known before may still count, and whoever is remembered as inactive or expired is let
    /// through in no case.
    fn without_answer(
        &self,
        requirement: &RuleRequirement,
        name: &TokenName,
        error: &IntrospectionError,
        peer: &impl Peer,
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        if error.keeps_from_answering()
            && let Some(found) = self.provider.stale(name, data, now)
        {
            let decision = self.judge(requirement, &found.what, peer, now);
            return (decision, Some(Lookup::Stale));
        }
        let decision = if !self.failure_mode_allow || !self.provider.is_outage(error, now) {
            self.endpoint_out()
        } else if self.provider.knows_it_ended(name, data, now) {
            self.reject(Reason::InvalidToken, requirement.asks())
        } else {
            Decision::Forward(Grant::FailureMode)
        };
        (decision, None)
    }

    /// The refusal of a request whose token cannot be asked about.
    pub fn endpoint_out(&self) -> Decision {
        self.reject(Reason::EndpointOut, &Asks::default())
    }

    fn judge(
        &self,
        requirement: &RuleRequirement,
        what: &Introspection,
        peer: &impl Peer,
        now: Time,
    ) -> Decision {
        let reason = match what {
            Introspection::Inactive => Reason::InvalidToken,
            Introspection::Active(facts) => {
                let is_proven = |binding: &Binding| binding.is_proven_by(peer);
                if facts.binding.as_ref().is_none_or(is_proven) {
                    match requirement.check(facts, now) {
                        Ok(()) => return Decision::Forward(Grant::Token(Rc::clone(facts))),
                        Err(Unmet::Scope) => Reason::InsufficientScope,
                        Err(Unmet::Other) => Reason::Requirement,
                        Err(Unmet::Authentication) => Reason::InsufficientUserAuthentication,
                    }
                } else {
                    Reason::Binding
                }
            }
        };
        self.reject(reason, requirement.asks())
    }

    fn rejected(&self, reason: Reason, asks: &Asks) -> Step {
        Step::Decided(self.reject(reason, asks))
    }

    fn reject(&self, reason: Reason, asks: &Asks) -> Decision {
        Decision::Reject(Rejection::new(reason, &self.challenge, asks))
    }
}
