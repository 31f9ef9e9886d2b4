//! The flow: head → token → facts → rule → decision.
//!
//! Sans-IO: the host brings a request's head and the time in and carries the step out. A rule is
//! selected first, because it says whether a token is needed at all; its requirement is checked
//! last, on the facts that the endpoint told, whether it told them just now or before.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::bearer::{AccessToken, CredentialsError, TokenSource};
use crate::binding::Binding;
use crate::cache::lifetime::Worth;
use crate::cache::shared::SharedData;
use crate::cache::{Cache, Found, Source};
use crate::digest::{TokenDigest, TokenKey, TokenName};
use crate::forward::Forwarding;
use crate::head::{Peer, RequestHead};
use crate::introspection::IntrospectionConfig;
use crate::introspection::facts::{Introspection, TokenFacts};
use crate::introspection::health::{Health, Transition};
use crate::introspection::response::{Answer, IntrospectionError, Reply};
use crate::policy::requirement::{Asks, Requirement, Unmet};
use crate::policy::{Access, NoRule, RuleId, Rules};
use crate::precheck::Precheck;
use crate::preflight::is_preflight;
use crate::protected_resource::ProtectedResource;
use crate::rejection::{ChallengeParameters, Reason, Rejection};
use crate::time::Time;

/// An outage that nobody has seen for longer, beside the time that answers take, may be over.
const LOOKED_LATELY: Duration = Duration::from_secs(5);

/// A valid configuration, at work.
#[derive(Debug)]
pub struct Authorizer {
    /// How the endpoint is reached and spoken to.
    pub introspection: IntrospectionConfig,
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
    /// What is known about tokens.
    pub cache: Cache,
    /// Whether requests pass, unauthenticated, while the endpoint is out.
    pub failure_mode_allow: bool,
    /// Whether the endpoint is out.
    pub health: RefCell<Health>,
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
        /// What would be asked if nothing were known.
        question: Question,
        /// Whether to ask it in the background.
        is_due: bool,
    },
    /// The endpoint is to be asked about the token.
    Introspect(Question),
}

/// How facts were come by, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// This worker knew.
    Hit,
    /// Another worker had shared them.
    SharedHit,
    /// They are past their time, but the endpoint is out.
    Stale,
    /// The endpoint is asked.
    Miss,
    /// The endpoint is being asked already.
    Coalesced,
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

/// A question to the endpoint, and what is to be remembered until it is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The token that it is about.
    pub token: AccessToken,
    /// What this worker calls the token.
    pub key: TokenKey,
    /// The rule that waits for the answer.
    pub rule: RuleId,
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
            Self::Introspect(_) => true,
            Self::Decided(Decision::Forward(_) | Decision::Describe) => false,
        }
    }
}

impl Question {
    /// What the token is called.
    pub fn name(&self) -> TokenName {
        TokenName {
            key: self.key,
            digest: *self.digest.get_or_init(|| TokenDigest::of(&self.token)),
        }
    }
}

impl Lookup {
    /// All of them, for metrics that are defined ahead.
    pub const ALL: [Self; 5] = [
        Self::Hit,
        Self::SharedHit,
        Self::Stale,
        Self::Miss,
        Self::Coalesced,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::SharedHit => "shared_hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
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
        let question = Question {
            key: self.cache.key(&token),
            token,
            rule,
            digest: OnceCell::new(),
        };
        let now = now();
        if let Some((found, lookup)) = self.look_up(&question, data, now) {
            return Step::Known {
                decision: self.judge(requirement, &found.what, peer, now),
                lookup,
                question,
                is_due: found.is_due,
            };
        }
        match &self.precheck {
            Some(precheck) if precheck.check(&question.token, now).is_err() => {
                self.rejected(Reason::Precheck, requirement.asks())
            }
            _ => Step::Introspect(question),
        }
    }

    /// What is known about a token, if that counts just now.
    pub fn peek(
        &self,
        name: &TokenName,
        data: &impl SharedData,
        now: Time,
    ) -> Option<(Found, Lookup)> {
        let found = self
            .cache
            .peek(name, now, &self.introspection.response, data)?;
        self.if_it_counts(found, now)
    }

    fn look_up(
        &self,
        question: &Question,
        data: &impl SharedData,
        now: Time,
    ) -> Option<(Found, Lookup)> {
        let reader = &self.introspection.response;
        let found = self.cache.fresh(&question.key, now);
        let found = found.or_else(|| self.cache.look_up(&question.name(), now, reader, data))?;
        self.if_it_counts(found, now)
    }

    fn if_it_counts(&self, found: Found, now: Time) -> Option<(Found, Lookup)> {
        let lookup = match (found.worth, found.source) {
            (Worth::Fresh, Source::Local) => Lookup::Hit,
            (Worth::Fresh, Source::Shared) => Lookup::SharedHit,
            (Worth::Stale, _) if self.is_out(now) => Lookup::Stale,
            (Worth::Stale | Worth::None, _) => return None,
        };
        Some((found, lookup))
    }

    /// Whether the endpoint is out, as far as anybody has looked lately: tokens in use are asked
    /// about once a second then, and each answer may take its time.
    fn is_out(&self, now: Time) -> bool {
        let timeout = self.introspection.timeout;
        let memory = timeout.saturating_mul(2).saturating_add(LOOKED_LATELY);
        self.health.borrow().is_out(now, memory)
    }

    /// The endpoint's reply to a callout that was dispatched at `asked_at`: reads it and remembers
    /// what it said.
    pub fn on_reply(
        &self,
        name: &TokenName,
        asked_at: Time,
        reply: Reply<'_>,
        data: &impl SharedData,
        now: Time,
    ) -> Answer {
        let answer = self.introspection.response.parse(reply);
        if let (Ok(what), Some(body)) = (&answer, reply.body) {
            self.cache.learn(name, what, body, asked_at, now, data);
        }
        answer
    }

    /// Takes note of what a callout came to; `Some` if an outage began or ended with it.
    pub fn observe<'a>(&self, answer: &'a Answer, now: Time) -> Option<Transition<'a>> {
        self.health.borrow_mut().observe(answer, now)
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

    /// There is no word about the token. In an outage what was known before may still count, and
    /// whoever is remembered as inactive or expired is let through in no case.
    fn without_answer(
        &self,
        requirement: &Requirement,
        name: &TokenName,
        error: &IntrospectionError,
        peer: &impl Peer,
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        // Where nobody was asked, others may be asking in vain.
        let was_not_asked = *error == IntrospectionError::NotDispatched;
        let is_out = error.is_outage() || (was_not_asked && self.is_out(now));
        if !is_out {
            return (self.endpoint_out(), None);
        }
        let may_fail_open = self.failure_mode_allow && error.is_outage();
        let reader = &self.introspection.response;
        match self.cache.look_up(name, now, reader, data) {
            Some(found) if found.worth != Worth::None => {
                let decision = self.judge(requirement, &found.what, peer, now);
                (decision, Some(Lookup::Stale))
            }
            Some(found) if may_fail_open && found.what.has_ended(now) => {
                (self.reject(Reason::InvalidToken, requirement.asks()), None)
            }
            _ if may_fail_open => (Decision::Forward(Grant::FailureMode), None),
            _ => (self.endpoint_out(), None),
        }
    }

    /// The refusal of a request whose token cannot be asked about.
    pub fn endpoint_out(&self) -> Decision {
        self.reject(Reason::EndpointOut, &Asks::default())
    }

    fn judge(
        &self,
        requirement: &Requirement,
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
