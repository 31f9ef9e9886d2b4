//! The introspection response: what the endpoint said, or why it said nothing usable.
//!
//! Only a 200 whose body is a JSON object with one boolean `active` speaks of the token
//! (RFC 7662 section 2.2), and besides it a refusal that is known to. Everything else speaks of
//! the endpoint or of us, and never allows.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::api::Api;
use super::error::{Answer, IntrospectionError, Misconfiguration, Unreachable};
use super::error::{UNSUPPORTED_TOKEN_TYPE, registered};
use super::outcome::Outcome;
use super::payload::payload;
use crate::json::members;
use crate::json::text::Ambiguity;
use crate::time::Time;
use crate::token::binding::Binding;
use crate::token::claims::WantedClaims;
use crate::token::facts::{Introspection, TokenFacts};
use crate::token::scope::GrantedScopes;

/// At most this much of an answer is read, in bytes.
pub const MAX_BODY: usize = 256 * 1024;

/// A callout's answer as the host saw it. It does not print: the body holds claims.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    /// `None`: the answer broke off, there is nothing to read.
    pub status: Option<u16>,
    /// Whether the endpoint answered, and not Envoy in its place.
    pub from_upstream: bool,
    /// The whole body, or `None` if it is longer than [`MAX_BODY`].
    pub body: Option<&'a [u8]>,
}

/// How a configuration reads responses.
#[derive(Debug, Default)]
pub struct ResponseReader {
    /// What the endpoint speaks.
    pub api: Api,
    /// The issuers whose tokens the endpoint may speak of; none: any.
    pub issuers: Vec<String>,
    /// The claims that are kept.
    pub claims: WantedClaims,
    /// Whether all claims are to be forwarded.
    pub keeps_payload: bool,
}

/// A callout's answer as it was read.
pub struct Reading<'a> {
    /// What it came to.
    pub answer: Answer,
    /// What it is counted as.
    pub outcome: Outcome,
    /// The body of a 200 that says the same, for whoever is to read it anew.
    pub words: &'a [u8],
}

/// What a status that speaks of the token says.
const INACTIVE: &[u8] = br#"{"active":false}"#;

impl<'a> Reading<'a> {
    fn new(answer: Answer, words: &'a [u8]) -> Self {
        let outcome = Outcome::from(&answer);
        Self {
            answer,
            outcome,
            words,
        }
    }

    /// There is nothing to read.
    pub fn failed(error: IntrospectionError) -> Self {
        Self::new(Err(error), b"")
    }

    fn inactive_status() -> Self {
        Self {
            outcome: Outcome::InactiveStatus,
            ..Self::new(Ok(Introspection::Inactive), INACTIVE)
        }
    }
}

impl ResponseReader {
    /// Reads a callout's answer.
    pub fn parse<'a>(&self, reply: Reply<'a>) -> Reading<'a> {
        use IntrospectionError::{Malformed, Misconfigured, Status, Timeout, Unreachable as Gone};

        Reading::failed(match reply.status {
            None => Gone(Unreachable::BrokenOff),
            Some(504) if !reply.from_upstream => Timeout,
            // Envoy's own words, whatever it puts them in.
            Some(_) if !reply.from_upstream => Gone(Unreachable::NoAnswer),
            Some(status @ (429 | 500..=599)) => Status(status),
            Some(200) => match reply.body {
                Some(body) => return Reading::new(self.parse_body(body), body),
                None => Malformed("it is longer than 256 kB"),
            },
            Some(status) => {
                let error = reply.body.and_then(error_code);
                if self.speaks_of_the_token(status, error) {
                    return Reading::inactive_status();
                }
                Misconfigured(Misconfiguration::Status { status, error })
            }
        })
    }

    fn speaks_of_the_token(&self, status: u16, error: Option<&str>) -> bool {
        let is_listed = self.api.is_inactive_status(status);
        is_listed || (status == 400 && error == Some(UNSUPPORTED_TOKEN_TYPE))
    }

    /// Reads the body of a 200.
    pub fn parse_body(&self, body: &[u8]) -> Answer {
        use IntrospectionError::Malformed;

        let text = str::from_utf8(body).map_err(|_| Malformed("it is not UTF-8"))?;
        let members = members::read(text, |name| self.matters(name))
            .map_err(|error| Malformed(what_is_wrong(&error)))?;
        let payload = if self.keeps_payload {
            payload(text).map_err(|why| Malformed(what_is_ambiguous(why)))?
        } else {
            None
        };
        let Some(active) = members.get("active").and_then(Value::as_bool) else {
            return Err(Malformed("`active` is missing or no boolean"));
        };
        let expires_at = match members.get("exp") {
            None => None,
            Some(Value::Number(date)) => Some(Time::from_numeric_date(date)),
            Some(_) => return Err(Malformed("`exp` is no number")),
        };
        // It has no say about another's tokens.
        let is_own = members.get("iss").is_none_or(|iss| self.is_own_issuer(iss));
        if active && !is_own {
            return Ok(Introspection::Inactive);
        }
        if active {
            let facts = self.facts(members, expires_at, payload);
            return Ok(Introspection::Active(Rc::new(facts)));
        }
        match members.get("error").and_then(Value::as_str) {
            Some(error) => self.api.inactive(error),
            None => Ok(Introspection::Inactive),
        }
    }

    fn matters(&self, member: &str) -> bool {
        is_own(member) || self.claims.holds(member) || (member == "iss" && !self.issuers.is_empty())
    }

    fn is_own_issuer(&self, issuer: &Value) -> bool {
        let is_it = |own: &String| issuer.as_str() == Some(own);
        self.issuers.is_empty() || self.issuers.iter().any(is_it)
    }

    fn facts(
        &self,
        members: Map<String, Value>,
        expires_at: Option<Time>,
        payload: Option<String>,
    ) -> TokenFacts {
        let claim = |name| members.get(name).filter(|value| !value.is_null());
        TokenFacts {
            scopes: GrantedScopes::from_claims(claim("scope"), claim("scp")),
            expires_at,
            binding: claim("cnf").map(Binding::from_cnf),
            payload,
            claims: self.claims.find_in(&Value::Object(members)),
        }
    }
}

/// Whether a member is looked at whatever the configuration is.
fn is_own(member: &str) -> bool {
    matches!(member, "active" | "cnf" | "error" | "exp" | "scope" | "scp")
}

/// The OAuth error code in the body of a refusal, if it is a registered one.
fn error_code(body: &[u8]) -> Option<&'static str> {
    let text = str::from_utf8(body).ok()?;
    let members = members::read(text, |name| name == "error").ok()?;
    registered(members.get("error")?.as_str()?)
}

/// Names the fault without a byte of the answer, which may hold claims.
fn what_is_wrong(error: &serde_json::Error) -> &'static str {
    use serde_json::error::Category;
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => {
            "it is not JSON, or a claim that is asked for is half a surrogate pair, a number \
             beyond all bounds, or nests too deep"
        }
        Category::Data => "it is no object, or a member of it comes twice",
    }
}

fn what_is_ambiguous(why: Ambiguity) -> &'static str {
    match why {
        Ambiguity::Twice => "a member of it comes twice",
        Ambiguity::TooDeep => "it nests too deep",
        Ambiguity::NoJson => "it is not JSON",
    }
}

#[cfg(test)]
mod tests;
