//! What a rule asks of a token, and whether the facts meet it.
//!
//! Requirements nest. A claim that is absent, or of another type than the one asked for, meets
//! nothing; only `none_of` is met by what is not there.
//!
//! What is checked and what clients are told are two matches over one enum: the compiler knows
//! when a new requirement is forgotten in either.

use std::time::Duration;

use serde_json::Value;

use crate::json;
use crate::time::Time;
use crate::token::claims::ClaimId;
use crate::token::facts::TokenFacts;
use crate::token::scope::Scope;

/// A user who has authenticated by a clock that is ahead of ours by less than this has done so
/// just now.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A requirement, and where it stands in the configuration.
#[derive(Debug)]
pub struct Clause {
    /// E.g. `rules[0].require.scopes`.
    pub key: String,
    /// What is required.
    pub requirement: Requirement,
}

/// What a token must have.
#[derive(Debug)]
pub enum Requirement {
    /// All of these scopes.
    Scopes(Vec<Scope>),
    /// One of these scopes.
    AnyScope(Vec<Scope>),
    /// It must be meant for one of these.
    Audiences {
        /// The claim `aud`: a text, or an array of texts (RFC 7519 section 4.1.3).
        aud: ClaimId,
        /// The audiences.
        values: Vec<String>,
    },
    /// Something must be true of a claim.
    Claim(ClaimId, ClaimTest),
    /// The user must have authenticated by one of these classes (RFC 9470).
    AcrValues {
        /// The claim `acr`.
        acr: ClaimId,
        /// The classes.
        values: Vec<String>,
    },
    /// The user must have authenticated at most so long ago (RFC 9470).
    MaxAge {
        /// The claim `auth_time`.
        auth_time: ClaimId,
        /// How long ago.
        max_age: Duration,
    },
    /// All of these. Without any: nothing but an active token.
    AllOf(Vec<Clause>),
    /// One of these.
    AnyOf(Vec<Clause>),
    /// None of these.
    NoneOf(Vec<Clause>),
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

/// A rule's requirement, and what clients are told about it.
#[derive(Debug)]
pub struct RuleRequirement {
    clause: Clause,
    asks: Asks,
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
pub struct Unmet<'a> {
    /// What kind of thing it is.
    pub kind: UnmetKind,
    /// Where it stands in the configuration.
    pub key: &'a str,
}

/// What kind of thing is not met; of several, the first here is spoken of. Whoever lacks a scope is
/// told so, and a user is not sent to authenticate for what would be refused then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnmetKind {
    /// A scope is missing.
    Scope,
    /// Something that the client can do nothing about.
    Other,
    /// Everything is met, but the user must authenticate otherwise, or anew.
    Authentication,
}

impl RuleRequirement {
    /// A rule's requirement.
    pub fn new(clause: Clause) -> Self {
        let mut asks = Asks::default();
        clause.requirement.ask(&mut asks);
        Self { clause, asks }
    }

    /// Whether the facts meet it.
    pub fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet<'_>> {
        self.clause.check(facts, now)
    }

    /// The requirement itself.
    pub fn clause(&self) -> &Clause {
        &self.clause
    }

    /// What clients are told about it.
    pub fn asks(&self) -> &Asks {
        &self.asks
    }
}

impl Clause {
    pub(super) fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet<'_>> {
        let is_granted = |scope| facts.scopes.contains(scope);
        let claim = |id: &ClaimId| facts.claims.get(*id);
        let met = |holds: bool, kind| {
            let key = self.key.as_str();
            if holds {
                Ok(())
            } else {
                Err(Unmet { kind, key })
            }
        };
        match &self.requirement {
            Requirement::Scopes(scopes) => met(scopes.iter().all(is_granted), UnmetKind::Scope),
            Requirement::AnyScope(scopes) => met(scopes.iter().any(is_granted), UnmetKind::Scope),
            Requirement::Audiences { aud, values } => {
                let is_meant = claim(aud).is_some_and(|aud| is_for_one_of(aud, values));
                met(is_meant, UnmetKind::Other)
            }
            Requirement::Claim(id, test) => {
                let holds = claim(id).is_some_and(|claim| test.holds(claim));
                met(holds, UnmetKind::Other)
            }
            Requirement::AcrValues { acr, values } => {
                let class = claim(acr).and_then(Value::as_str);
                let is_one = class.is_some_and(|class| values.iter().any(|value| value == class));
                met(is_one, UnmetKind::Authentication)
            }
            Requirement::MaxAge { auth_time, max_age } => {
                let is_recent = claim(auth_time).is_some_and(|at| is_recent(at, *max_age, now));
                met(is_recent, UnmetKind::Authentication)
            }
            Requirement::AllOf(all) => {
                let unmet = all.iter().filter_map(|one| one.check(facts, now).err());
                unmet.min_by_key(|unmet| unmet.kind).map_or(Ok(()), Err)
            }
            Requirement::AnyOf(alternatives) => {
                easiest(alternatives, facts, now).unwrap_or_else(|| met(false, UnmetKind::Other))
            }
            Requirement::NoneOf(none) => {
                let is_met = |one: &Self| one.check(facts, now).is_ok();
                met(!none.iter().any(is_met), UnmetKind::Other)
            }
        }
    }
}

impl Requirement {
    fn ask(&self, asks: &mut Asks) {
        match self {
            Self::Scopes(scopes) | Self::AnyScope(scopes) => {
                for scope in scopes.iter().filter_map(Scope::token) {
                    add_once(&mut asks.scopes, scope);
                }
            }
            Self::AcrValues { values, .. } => {
                for value in values {
                    add_once(&mut asks.acr_values, value);
                }
            }
            Self::MaxAge { max_age, .. } => {
                asks.max_age = Some(asks.max_age.map_or(*max_age, |age| age.min(*max_age)));
            }
            Self::AllOf(nested) | Self::AnyOf(nested) => {
                for one in nested {
                    one.requirement.ask(asks);
                }
            }
            // There is nothing that a client could do about these.
            Self::Audiences { .. } | Self::Claim(..) | Self::NoneOf(_) => {}
        }
    }
}

/// What is unmet of the alternative that is easiest to meet, if one of them is not met already.
/// `None`: there are no alternatives.
fn easiest<'a>(
    alternatives: &'a [Clause],
    facts: &TokenFacts,
    now: Time,
) -> Option<Result<(), Unmet<'a>>> {
    let difficulty = |unmet: &Unmet<'_>| match unmet.kind {
        UnmetKind::Authentication => 0,
        UnmetKind::Scope => 1,
        UnmetKind::Other => 2,
    };
    let mut easiest: Option<Unmet<'_>> = None;
    for alternative in alternatives {
        let Err(unmet) = alternative.check(facts, now) else {
            return Some(Ok(()));
        };
        if easiest.is_none_or(|known| difficulty(&unmet) < difficulty(&known)) {
            easiest = Some(unmet);
        }
    }
    easiest.map(Err)
}

/// `aud` is one of the values, or has one of them as a member.
fn is_for_one_of(aud: &Value, values: &[String]) -> bool {
    let is_one = |aud: &Value| {
        let aud = aud.as_str();
        aud.is_some_and(|aud| values.iter().any(|value| value == aud))
    };
    match aud {
        Value::Array(members) => members.iter().any(is_one),
        aud => is_one(aud),
    }
}

fn is_recent(auth_time: &Value, max_age: Duration, now: Time) -> bool {
    let Value::Number(at) = auth_time else {
        return false;
    };
    let at = Time::from_numeric_date(at);
    at <= now.after(CLOCK_SKEW) && now.since(at) <= max_age
}

fn add_once(texts: &mut Vec<String>, text: &str) {
    if !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

impl ClaimTest {
    fn holds(&self, claim: &Value) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|value| json::equal(claim, value)),
            Self::Contains(value) => json::contains(claim, value),
            Self::Exists => true,
        }
    }
}

#[cfg(test)]
mod tests;
