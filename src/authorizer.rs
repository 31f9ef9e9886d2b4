//! The flow: head → token → facts → rule → decision.
//!
//! Sans-IO: the host brings a request's head and the time in and carries the step out. A rule is
//! selected first, because it says whether a token is needed at all; its requirement is checked
//! last, on the facts that the endpoint told, whether it told them just now or before.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use crate::bearer::{AccessToken, CredentialsError, TokenSource};
use crate::cache::lifetime::Worth;
use crate::cache::shared::SharedData;
use crate::cache::{Cache, Found, Source};
use crate::digest::{TokenDigest, TokenKey, TokenName};
use crate::head::RequestHead;
use crate::introspection::IntrospectionConfig;
use crate::introspection::health::{Health, Transition};
use crate::introspection::response::{Answer, Introspection, Reply};
use crate::policy::requirement::{Requirement, Unmet};
use crate::policy::{Access, NoRule, RuleId, Rules};
use crate::rejection::{ChallengeParameters, Reason, Rejection};
use crate::scope::Scope;
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
    /// Who may do what.
    pub rules: Rules,
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
#[derive(Debug, PartialEq, Eq)]
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
    /// All of them, for metrics that are defined ahead.
    pub const ALL: [Self; 3] = [Self::Anonymous, Self::Token, Self::FailureMode];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Token => "token",
            Self::FailureMode => "failure_mode",
        }
    }
}

impl Authorizer {
    /// A request's head has arrived.
    pub fn on_request(
        &self,
        head: &impl RequestHead,
        data: &impl SharedData,
        now: impl FnOnce() -> Time,
    ) -> Step {
        let (rule, requirement) = match self.rules.select(head) {
            Ok((id, rule)) => match &rule.access {
                Access::Anonymous => return Step::Decided(Decision::Forward(Grant::Anonymous)),
                Access::Token(requirement) => (id, requirement),
            },
            Err(NoRule::NoMatch) => return self.rejected(Reason::NoRule, &[]),
            Err(NoRule::AmbiguousPath) => return self.rejected(Reason::AmbiguousPath, &[]),
        };
        let token = match self.token.extract(head) {
            Ok(token) => token,
            Err(CredentialsError::Missing) => {
                return self.rejected(Reason::NoCredentials, &requirement.scopes);
            }
            Err(CredentialsError::Malformed) => {
                return self.rejected(Reason::InvalidRequest, &requirement.scopes);
            }
        };
        let question = Question {
            key: self.cache.key(&token),
            token,
            rule,
            digest: OnceCell::new(),
        };
        match self.look_up(&question, data, now()) {
            Some((found, lookup)) => Step::Known {
                decision: self.judge(requirement, &found.what),
                lookup,
                question,
                is_due: found.is_due,
            },
            None => Step::Introspect(question),
        }
    }

    /// What is known about a token, if that counts just now.
    pub fn peek(
        &self,
        name: &TokenName,
        data: &impl SharedData,
        now: Time,
    ) -> Option<(Found, Lookup)> {
        let found = self.cache.peek(name, now, &self.introspection.api, data)?;
        self.if_it_counts(found, now)
    }

    fn look_up(
        &self,
        question: &Question,
        data: &impl SharedData,
        now: Time,
    ) -> Option<(Found, Lookup)> {
        let api = &self.introspection.api;
        let found = self.cache.fresh(&question.key, now);
        let found = found.or_else(|| self.cache.look_up(&question.name(), now, api, data))?;
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
        let answer = self.introspection.api.parse(reply);
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
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        let Some(Access::Token(requirement)) = self.rules.get(rule).map(|rule| &rule.access) else {
            return (self.reject(Reason::NoRule, &[]), None);
        };
        match answer {
            Ok(what) => (self.judge(requirement, what), None),
            Err(error) if error.is_outage() => self.without_answer(requirement, name, data, now),
            Err(_) => (self.endpoint_out(), None),
        }
    }

    /// The endpoint is out: what was known before may still count, and whoever is remembered as
    /// inactive or expired is let through in no case.
    fn without_answer(
        &self,
        requirement: &Requirement,
        name: &TokenName,
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        let known = self.cache.look_up(name, now, &self.introspection.api, data);
        match known {
            Some(found) if found.worth != Worth::None => {
                let decision = self.judge(requirement, &found.what);
                (decision, Some(Lookup::Stale))
            }
            Some(found) if self.failure_mode_allow && found.what.has_ended(now) => {
                (self.reject(Reason::InvalidToken, &[]), None)
            }
            _ if self.failure_mode_allow => (Decision::Forward(Grant::FailureMode), None),
            _ => (self.endpoint_out(), None),
        }
    }

    /// The refusal of a request whose token cannot be asked about.
    pub fn endpoint_out(&self) -> Decision {
        self.reject(Reason::EndpointOut, &[])
    }

    fn judge(&self, requirement: &Requirement, what: &Introspection) -> Decision {
        let scopes = &requirement.scopes;
        match what {
            Introspection::Active(facts) => match requirement.check(facts) {
                Ok(()) => Decision::Forward(Grant::Token),
                Err(Unmet::Scope) => self.reject(Reason::InsufficientScope, scopes),
            },
            Introspection::Inactive => self.reject(Reason::InvalidToken, scopes),
        }
    }

    fn rejected(&self, reason: Reason, scopes: &[Scope]) -> Step {
        Step::Decided(self.reject(reason, scopes))
    }

    fn reject(&self, reason: Reason, scopes: &[Scope]) -> Decision {
        Decision::Reject(Rejection::new(reason, &self.challenge, scopes))
    }
}
