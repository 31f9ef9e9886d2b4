//! The flow: head → token → facts → rule → decision.
//!
//! Sans-IO: the host brings a request's head and the time in and carries the step out. A rule is
//! selected first, because it says whether a token is needed at all; its requirement is checked
//! last, on the facts that the endpoint told, whether it told them just now or before.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::cache::lookup::Lookup;
use crate::cache::shared::SharedData;
use crate::callout::provider::{Knowledge, Provider};
use crate::callout::single_flight::Question;
use crate::introspection::error::{Answer, IntrospectionError};
use crate::introspection::health::Rank;
use crate::labels::labelled;
use crate::policy::requirement::{Asks, RuleRequirement, Unmet};
use crate::policy::{Access, NoRule, RuleId, Rules};
use crate::reply::challenge::ChallengeParameters;
use crate::reply::metadata::ProtectedResource;
use crate::reply::reason::Reason;
use crate::reply::rejection::Rejection;
use crate::request::head::{Peer, RequestHead};
use crate::request::preflight::is_preflight;
use crate::time::Time;
use crate::token::binding::Binding;
use crate::token::extract::{AccessToken, CredentialsError, TokenSource};
use crate::token::facts::{Introspection, TokenFacts};
use crate::token::id::{TokenDigest, TokenId, TokenKey};
use crate::token::jwt::Precheck;
use crate::upstream::{Edit, Forwarding};

/// A valid configuration, at work.
#[derive(Debug)]
pub struct Authorizer {
    /// Who is asked about tokens, and what is known of them.
    pub(crate) provider: Provider,
    /// Where the access token is.
    pub(crate) token: TokenSource,
    /// Which tokens are not worth a question.
    pub(crate) precheck: Option<Precheck>,
    /// Who may do what.
    pub(crate) rules: Rules,
    /// What the upstream is told.
    pub(crate) forwarding: Forwarding,
    /// What clients can read about the API.
    pub(crate) protected_resource: Option<ProtectedResource>,
    /// What challenges carry.
    pub(crate) challenge: ChallengeParameters,
    /// Whether requests pass, unauthenticated, while the endpoint is out.
    pub(crate) failure_mode_allow: bool,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// It is decided without a look at the token.
    Decided(Decision),
    /// It is decided by what is known about its token.
    Known {
        decision: Decision,
        /// Where the facts came from.
        lookup: Lookup,
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

/// The access token of a request, and the rule that the request is for.
#[derive(Debug, PartialEq, Eq)]
pub struct UsedToken {
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
            Self::Decided(Decision::Reject(rejection)) => !rejection.reason().is_ambiguity(),
            Self::Known { decision, .. } => matches!(decision, Decision::Reject(_)),
            Self::Introspect(..) => true,
            Self::Decided(Decision::Forward(_) | Decision::ServeMetadata) => false,
        }
    }
}

impl UsedToken {
    /// What the token is called.
    pub fn id(&self) -> TokenId {
        TokenId {
            key: self.key,
            digest: *self.digest.get_or_init(|| TokenDigest::of(&self.token)),
        }
    }

    /// The question about it.
    pub fn question(&self, rank: Rank) -> Question {
        Question {
            token_id: self.id(),
            token: self.token.clone(),
            rank,
        }
    }
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

impl Authorizer {
    /// Who is asked about tokens, and what is known of them.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Headers that only the filter may set: they are removed from every request.
    pub fn managed_headers(&self) -> impl Iterator<Item = &str> {
        self.forwarding.managed()
    }

    /// What is removed from every request's trailers, where no token is looked for either.
    pub fn managed_trailers(&self) -> impl Iterator<Item = &str> {
        self.managed_headers().chain([self.token.header.as_str()])
    }

    /// What is changed in a request that goes on.
    pub fn edits<'a>(&'a self, grant: &'a Grant) -> impl Iterator<Item = Edit<'a>> {
        self.forwarding.edits(grant.facts())
    }

    /// The metadata of the API, as JSON.
    pub fn metadata(&self) -> &str {
        let resource = self.protected_resource.as_ref();
        resource.map_or("{}", |resource| resource.document())
    }

    /// What a rule is called in the log.
    pub fn rule_name(&self, rule: RuleId) -> &str {
        let rule = self.rules.get(rule);
        rule.map(|rule| rule.name.as_str()).unwrap_or_default()
    }

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
            return Step::Decided(Decision::ServeMetadata);
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
        let known = self.provider.look_up(&token.key, || token.id(), data, now);
        match known {
            Knowledge::Facts(found, lookup) => Step::Known {
                decision: self.judge(requirement, &found.introspection, peer, now),
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
        id: &TokenId,
        answer: &Answer,
        peer: &impl Peer,
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        let Some(Access::Token(requirement)) = self.rules.get(rule).map(|rule| &rule.access) else {
            return (self.reject(Reason::NoRule, &Asks::default()), None);
        };
        match answer {
            Ok(introspection) => (self.judge(requirement, introspection, peer, now), None),
            Err(error) => self.without_answer(requirement, id, error, peer, data, now),
        }
    }

    /// There is no word about the token. If something keeps the endpoint from answering, what was
    /// known before may still count, and whoever is remembered as inactive or expired is let
    /// through in no case.
    fn without_answer(
        &self,
        requirement: &RuleRequirement,
        id: &TokenId,
        error: &IntrospectionError,
        peer: &impl Peer,
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        if error.keeps_from_answering()
            && let Some(found) = self.provider.stale(id, data, now)
        {
            let decision = self.judge(requirement, &found.introspection, peer, now);
            return (decision, Some(Lookup::Stale));
        }
        let decision = if !self.failure_mode_allow || !self.provider.is_outage(error, now) {
            self.endpoint_out()
        } else if self.provider.knows_it_ended(id, data, now) {
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
        introspection: &Introspection,
        peer: &impl Peer,
        now: Time,
    ) -> Decision {
        let reason = match introspection {
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
