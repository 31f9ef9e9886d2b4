//! The flow: head → token → facts → rule → decision.
//!
//! Sans-IO: the host brings a request's head and the time in and carries the step out. A rule is
//! selected first, because it says whether a token is needed at all; its requirement is checked
//! last, on the facts that the endpoint told, whether it told them just now or before.

mod decision;
mod used_token;

use std::rc::Rc;

pub use self::decision::{Allowed, Decision, Grant};
pub use self::used_token::{Inquiry, Subject, UsedToken};
use crate::cache::lookup::Lookup;
use crate::cache::shared::SharedData;
use crate::callout::provider::Knowledge;
use crate::callout::providers::Providers;
use crate::introspection::error::{Answer, IntrospectionError};
use crate::introspection::health::Rank;
use crate::policy::requirement::{Asks, Unmet};
use crate::policy::{Access, Rule, RuleId, Rules, TokenAccess};
use crate::reply::cause::Cause;
use crate::reply::challenge::ChallengeParameters;
use crate::reply::metadata::ProtectedResource;
use crate::reply::reason::Reason;
use crate::reply::rejection::Rejection;
use crate::request::head::{Peer, RequestHead};
use crate::request::preflight::is_preflight;
use crate::time::Time;
use crate::token::binding::Binding;
use crate::token::extract::TokenSource;
use crate::token::facts::{Introspection, TokenFacts};
use crate::token::jwt::Precheck;
use crate::upstream::{Edit, Forwarding};

/// A valid configuration, at work.
#[derive(Debug)]
pub struct Authorizer {
    /// Who is asked about tokens, and what is known of them.
    pub(crate) providers: Providers,
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
    /// Whether nothing is refused, whatever the rule.
    pub(crate) shadow: bool,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// It is decided without anybody's word about the token.
    Decided(Decision, Subject),
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

impl Step {
    /// Whether to look if the request is a preflight: it would not go on. What could be read in two
    /// ways is refused whoever asks. What has a token is no preflight.
    fn may_be_preflight(&self) -> bool {
        match self {
            Self::Decided(decision, _) => {
                let refusal = decision.refusal();
                refusal.is_some_and(|refusal| !refusal.reason().is_ambiguity())
            }
            Self::Known { .. } | Self::Introspect(..) => false,
        }
    }

    /// What it is about.
    fn subject(&self) -> Subject {
        match self {
            Self::Decided(_, subject) => *subject,
            Self::Known { token, .. } | Self::Introspect(token, _) => token.subject(),
        }
    }
}

impl Authorizer {
    /// Who is asked about tokens, and what is known of them.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Who may do what.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether nothing is refused, whatever the rule.
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// How many headers of a request are looked at before it is let through, if they are there.
    pub fn headers_looked_at(&self) -> usize {
        let line = self.rules.headers_looked_at();
        let token = self.rules.iter().any(|(_, rule)| rule.asks().is_some());
        line.saturating_add(token.into())
    }

    /// Headers that only the filter may set: they are removed from every request.
    pub fn managed_headers(&self) -> impl Iterator<Item = &str> {
        self.forwarding.managed()
    }

    /// What is removed from every request's trailers, where no token is looked for either.
    pub fn managed_trailers(&self) -> impl Iterator<Item = &str> {
        self.managed_headers().chain([self.token.header.as_str()])
    }

    /// What is changed in a request that goes on; with the facts for which it does.
    pub fn edits<'a>(&'a self, facts: Option<&'a TokenFacts>) -> impl Iterator<Item = Edit<'a>> {
        self.forwarding.edits(facts)
    }

    /// The metadata of the API, as JSON.
    pub fn metadata(&self) -> &str {
        let resource = self.protected_resource.as_ref();
        resource.map_or("{}", |resource| resource.document())
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
            return Step::Decided(Decision::ServeMetadata, Subject::default());
        }
        let step = self.step(head, peer, data, now);
        // Most requests go on: only what would not is looked at for what makes a preflight.
        if step.may_be_preflight() && is_preflight(head, &self.token.header) {
            return Step::Decided(Decision::Forward(Grant::Preflight), step.subject());
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
        let (id, rule) = match self.rules.select(head) {
            Ok(selected) => selected,
            Err(error) => {
                let decision = self.refuse(None, error.into(), None);
                return Step::Decided(decision, Subject::default());
            }
        };
        let subject = Subject::of_rule(id);
        let access = match &rule.access {
            Access::Anonymous => {
                return Step::Decided(Decision::Forward(Grant::Anonymous), subject);
            }
            Access::Token(access) => access,
        };
        let token = match self.token.extract(head) {
            Ok(token) => token,
            Err(error) => {
                let decision = self.refuse(Some(rule), error.into(), None);
                return Step::Decided(decision, subject);
            }
        };
        let Some((provider_id, provider, key)) = self.providers.select(access.providers, &token)
        else {
            let decision = self.refuse(Some(rule), Reason::InvalidToken, Some(Cause::NoProvider));
            return Step::Decided(decision, subject);
        };
        let token = UsedToken::new(id, provider_id, token, key);
        let now = now();
        match provider.look_up(&token.key, || token.id(), data, now) {
            Knowledge::Facts(found, lookup) => Step::Known {
                decision: self.judge(rule, access, &found.introspection, peer, now),
                lookup,
                token,
                is_due: found.is_due,
            },
            Knowledge::None(rank) => {
                let precheck = self.precheck.as_ref();
                match precheck.map(|precheck| precheck.check(&token.token, now)) {
                    Some(Err(error)) => {
                        let cause = Some(Cause::Precheck(error));
                        let decision = self.refuse(Some(rule), Reason::Precheck, cause);
                        Step::Decided(decision, token.subject())
                    }
                    Some(Ok(())) | None => Step::Introspect(token, rank),
                }
            }
        }
    }

    /// The provider's answer for a request that waits for it.
    pub fn on_answer(
        &self,
        inquiry: &Inquiry,
        answer: &Answer,
        peer: &impl Peer,
        data: &impl SharedData,
        now: Time,
    ) -> (Decision, Option<Lookup>) {
        let rule = self.rules.get(inquiry.rule);
        let Some((rule, Access::Token(access))) = rule.map(|rule| (rule, &rule.access)) else {
            return (self.refuse(rule, Reason::NoRule, None), None);
        };
        let error = match answer {
            Ok(introspection) => {
                let decision = self.judge(rule, access, introspection, peer, now);
                return (decision, None);
            }
            Err(error) => error,
        };
        // What was known before may still count, if something keeps the endpoint from answering.
        let provider = self.providers.get(inquiry.provider);
        let stale = || provider?.stale(&inquiry.token_id, data, now);
        let stale = error.keeps_from_answering().then(stale).flatten();
        if let Some(found) = stale {
            let decision = self.judge(rule, access, &found.introspection, peer, now);
            return (decision, Some(Lookup::Stale));
        }
        (self.without_word(rule, inquiry, error, data, now), None)
    }

    /// There is no word about the token. Whoever is remembered as inactive or expired is let
    /// through in no case.
    fn without_word(
        &self,
        rule: &Rule,
        inquiry: &Inquiry,
        error: &IntrospectionError,
        data: &impl SharedData,
        now: Time,
    ) -> Decision {
        let provider = self.providers.get(inquiry.provider);
        let provider =
            provider.filter(|provider| self.failure_mode_allow && provider.is_outage(error, now));
        match provider {
            None => {
                let cause = Cause::Endpoint(error.into());
                self.refuse(Some(rule), Reason::EndpointOut, Some(cause))
            }
            Some(provider) if provider.knows_it_ended(&inquiry.token_id, data, now) => {
                self.refuse(Some(rule), Reason::InvalidToken, None)
            }
            Some(_) => Decision::Forward(Grant::FailureMode),
        }
    }

    /// The end of a request whose token cannot be asked about.
    pub fn endpoint_out(&self, rule: RuleId) -> Decision {
        let cause = Cause::Endpoint((&IntrospectionError::Busy).into());
        self.refuse(self.rules.get(rule), Reason::EndpointOut, Some(cause))
    }

    fn judge(
        &self,
        rule: &Rule,
        access: &TokenAccess,
        introspection: &Introspection,
        peer: &impl Peer,
        now: Time,
    ) -> Decision {
        let facts = match introspection {
            Introspection::Inactive => {
                return self.refuse(Some(rule), Reason::InvalidToken, None);
            }
            Introspection::Active(facts) => facts,
        };
        let is_unproven = |binding: &&Binding| !binding.is_proven_by(peer);
        if let Some(binding) = facts.binding.as_ref().filter(is_unproven) {
            return self.refuse(Some(rule), Reason::Binding, Some(binding.into()));
        }
        match access.requirement.check(facts, now) {
            Ok(()) => Decision::Forward(Grant::Token(Rc::clone(facts))),
            Err(Unmet { kind, key }) => {
                let cause = Some(Cause::Unmet(key.to_owned()));
                self.refuse(Some(rule), kind.into(), cause)
            }
        }
    }

    /// The one place where a request is refused, or let go on in shadow mode.
    fn refuse(&self, rule: Option<&Rule>, reason: Reason, cause: Option<Cause>) -> Decision {
        let nothing = Asks::default();
        let asks = rule.and_then(Rule::asks).unwrap_or(&nothing);
        let rejection = Rejection::new(reason, cause, &self.challenge, asks);
        if self.shadow || rule.is_some_and(|rule| rule.shadow) {
            Decision::Shadow(rejection)
        } else {
            Decision::Reject(rejection)
        }
    }
}
