//! What a rule asks of a token, and whether the facts meet it.
//!
//! Requirements nest. Everything that is given in one must hold. A claim that is absent, or of
//! another type than the one asked for, meets nothing; only `none_of` is met by what is not there.

use std::time::Duration;

use serde_json::Value;

use crate::claims::ClaimId;
use crate::introspection::response::TokenFacts;
use crate::json;
use crate::scope::Scope;
use crate::time::Time;

/// A user who has authenticated by a clock that is ahead of ours by less than this has done so
/// just now.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A rule's requirement, and what clients are told about it.
#[derive(Debug, Default)]
pub struct Requirement {
    condition: Condition,
    asks: Asks,
}

/// What must hold: all that is given. The default asks for nothing but an active token.
#[derive(Debug, Default)]
pub struct Condition {
    /// Scopes that must all have been granted.
    pub scopes: Vec<Scope>,
    /// Scopes one of which must have been granted; empty: not asked for.
    pub any_scopes: Vec<Scope>,
    /// What must be true of claims.
    pub claims: Vec<ClaimCondition>,
    /// How the user must have authenticated (RFC 9470).
    pub authentication: Vec<Authentication>,
    /// Conditions that must all hold.
    pub all_of: Vec<Condition>,
    /// Conditions one of which must hold; empty: not asked for.
    pub any_of: Vec<Condition>,
    /// Conditions none of which may hold.
    pub none_of: Vec<Condition>,
}

/// What must be true of one claim.
#[derive(Debug)]
pub struct ClaimCondition {
    /// Which claim.
    pub claim: ClaimId,
    /// What must be true of it.
    pub test: ClaimTest,
}

/// What must be true of a claim that is there.
#[derive(Debug)]
pub enum ClaimTest {
    /// It is one of these values.
    OneOf(Vec<Value>),
    /// It contains this value (JSON containment).
    Contains(Value),
    /// It is there.
    Exists,
}

/// How the user must have authenticated.
#[derive(Debug)]
pub enum Authentication {
    /// By one of these classes.
    Class {
        /// The claim `acr`.
        acr: ClaimId,
        /// The classes.
        values: Vec<String>,
    },
    /// At most so long ago.
    MaxAge {
        /// The claim `auth_time`.
        auth_time: ClaimId,
        /// How long ago.
        max_age: Duration,
    },
}

/// What clients are told that a rule asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Scopes, in their order. Beginnings of scopes are not among them: nobody can be granted one.
    pub scopes: Vec<String>,
    /// Classes of authentication, in their order.
    pub acr_values: Vec<String>,
    /// The shortest of the ages that an authentication may have.
    pub max_age: Option<Duration>,
}

/// What the facts do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// A scope is missing.
    Scope,
    /// Something that the client can do nothing about.
    Other,
    /// Everything is met, but the user must authenticate otherwise, or anew.
    Authentication,
}

impl Requirement {
    /// A requirement.
    pub fn new(condition: Condition) -> Self {
        let mut asks = Asks::default();
        asks.add(&condition);
        Self { condition, asks }
    }

    /// Whether the facts meet the requirement.
    pub fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        self.condition.check(facts, now)
    }

    /// What clients are told about it.
    pub fn asks(&self) -> &Asks {
        &self.asks
    }
}

impl Asks {
    fn add(&mut self, condition: &Condition) {
        let scopes = condition.scopes.iter().chain(&condition.any_scopes);
        for scope in scopes.filter_map(Scope::token) {
            add_once(&mut self.scopes, scope);
        }
        for authentication in &condition.authentication {
            match authentication {
                Authentication::Class { values, .. } => {
                    values
                        .iter()
                        .for_each(|v| add_once(&mut self.acr_values, v));
                }
                Authentication::MaxAge { max_age, .. } => {
                    self.max_age = Some(self.max_age.map_or(*max_age, |age| age.min(*max_age)));
                }
            }
        }
        for nested in condition.all_of.iter().chain(&condition.any_of) {
            self.add(nested);
        }
    }
}

fn add_once(texts: &mut Vec<String>, text: &str) {
    if !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

impl Condition {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
            && self.any_scopes.is_empty()
            && self.claims.is_empty()
            && self.authentication.is_empty()
            && self.all_of.is_empty()
            && self.any_of.is_empty()
            && self.none_of.is_empty()
    }

    fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        let is_granted = |scope| facts.scopes.contains(scope);
        let has_any_scope = self.any_scopes.is_empty() || self.any_scopes.iter().any(is_granted);
        if !has_any_scope || !self.scopes.iter().all(is_granted) {
            return Err(Unmet::Scope);
        }
        let claims = self.claims.iter().map(|claim| claim.check(facts));
        let nested = self.all_of.iter().map(|nested| nested.check(facts, now));
        let none_of = self
            .none_of
            .iter()
            .map(|nested| match nested.check(facts, now) {
                Ok(()) => Err(Unmet::Other),
                Err(_) => Ok(()),
            });
        let authentication = self.authentication.iter().map(|a| a.check(facts, now));
        claims
            .chain(none_of)
            .chain(nested)
            .chain([self.check_any_of(facts, now)])
            .chain(authentication)
            .fold(Ok(()), |all, one| match (all, one) {
                (Err(all), Err(one)) => Err(gravest(all, one)),
                (all, one) => all.and(one),
            })
    }

    /// What is unmet of the alternative that is easiest to meet.
    fn check_any_of(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        let mut unmet = None;
        for alternative in &self.any_of {
            match alternative.check(facts, now) {
                Ok(()) => return Ok(()),
                Err(one) => unmet = Some(unmet.map_or(one, |all| lightest(all, one))),
            }
        }
        unmet.map_or(Ok(()), Err)
    }
}

/// Of two things that are both unmet, the one to speak of first. Whoever lacks a scope is told so.
/// A user is not sent to authenticate for something that would be refused then.
fn gravest(one: Unmet, other: Unmet) -> Unmet {
    if rank(one) <= rank(other) { one } else { other }
}

fn lightest(one: Unmet, other: Unmet) -> Unmet {
    match (one, other) {
        (Unmet::Authentication, _) | (_, Unmet::Authentication) => Unmet::Authentication,
        (Unmet::Scope, _) | (_, Unmet::Scope) => Unmet::Scope,
        (Unmet::Other, Unmet::Other) => Unmet::Other,
    }
}

fn rank(unmet: Unmet) -> u8 {
    match unmet {
        Unmet::Scope => 0,
        Unmet::Other => 1,
        Unmet::Authentication => 2,
    }
}

impl ClaimCondition {
    fn check(&self, facts: &TokenFacts) -> Result<(), Unmet> {
        let holds = facts
            .claims
            .get(self.claim)
            .is_some_and(|claim| match &self.test {
                ClaimTest::OneOf(values) => values.iter().any(|value| json::equal(claim, value)),
                ClaimTest::Contains(value) => json::contains(claim, value),
                ClaimTest::Exists => true,
            });
        if holds { Ok(()) } else { Err(Unmet::Other) }
    }
}

impl Authentication {
    fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        let holds = match self {
            Self::Class { acr, values } => facts
                .claims
                .get(*acr)
                .and_then(Value::as_str)
                .is_some_and(|class| values.iter().any(|value| value == class)),
            Self::MaxAge { auth_time, max_age } => {
                matches!(facts.claims.get(*auth_time), Some(Value::Number(at)) if {
                    let at = Time::from_numeric_date(at);
                    at <= now.after(CLOCK_SKEW) && now.since(at) <= *max_age
                })
            }
        };
        if holds {
            Ok(())
        } else {
            Err(Unmet::Authentication)
        }
    }
}
