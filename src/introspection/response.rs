//! The introspection response: what the endpoint said, or why it said nothing usable.
//!
//! Only a 200 whose body is a JSON object with one boolean `active` speaks of the token
//! (RFC 7662 section 2.2). Everything else speaks of the endpoint or of us, and never allows.

use std::rc::Rc;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::{Number, Value};
use thiserror::Error;

use super::Api;
use crate::object::Object;
use crate::scope::GrantedScopes;
use crate::time::Time;

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

/// What the endpoint said about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// The token is active.
    Active(TokenFacts),
    /// The token is not active, whatever the reason.
    Inactive,
}

impl Introspection {
    /// Whether the token has been inactive, or is past its `exp`: for good, in either case.
    pub fn has_ended(&self, now: Time) -> bool {
        match self {
            Self::Active(facts) => facts.expires_at.is_some_and(|exp| now >= exp),
            Self::Inactive => true,
        }
    }
}

/// The facts about an active token that rules go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// The scopes it was granted.
    pub scopes: GrantedScopes,
    /// When it expires (`exp`), if that is known.
    pub expires_at: Option<Time>,
}

/// Why there is no word about the token. To the client all of them are an outage; to the
/// operator they are not the same.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IntrospectionError {
    /// No answer in time.
    #[error("the introspection endpoint did not answer in time")]
    Timeout,
    /// No connection, a broken answer, or the endpoint's own source is out.
    #[error("the introspection endpoint is unreachable: {0}")]
    Unreachable(String),
    /// Envoy did not dispatch the callout: the circuit breaker is open, or no host is there.
    #[error(
        "the introspection endpoint was not asked: its circuit breaker is open, or no host is there"
    )]
    NotDispatched,
    /// 429 or 5xx.
    #[error("the introspection endpoint answered with status {0}")]
    Status(u16),
    /// A 200 that is no introspection response.
    #[error("the introspection endpoint's answer is malformed: {0}")]
    Malformed(&'static str),
    /// The request, and so the configuration, is wrong.
    #[error("introspection is misconfigured: {0}")]
    Misconfigured(String),
}

impl IntrospectionError {
    /// Whether the endpoint is out. An answer that is nonsense, or that refuses the request, is
    /// no outage, nor is a callout that was not dispatched: what a token holds may be the cause,
    /// or a flood of tokens, and then a client could bring about what is allowed in an outage.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable(_) | Self::Status(_) => true,
            Self::NotDispatched | Self::Malformed(_) | Self::Misconfigured(_) => false,
        }
    }
}

/// What a callout came to.
pub type Answer = Result<Rc<Introspection>, IntrospectionError>;

/// All names that [`outcome`] gives, for metrics that are defined ahead.
pub const OUTCOMES: [&str; 7] = [
    "active",
    "inactive",
    "timeout",
    "unreachable",
    "status",
    "malformed",
    "misconfigured",
];

/// What the answer is called in metrics.
pub fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Ok(what) => match what.as_ref() {
            Introspection::Active(_) => "active",
            Introspection::Inactive => "inactive",
        },
        Err(IntrospectionError::Timeout) => "timeout",
        Err(IntrospectionError::Unreachable(_) | IntrospectionError::NotDispatched) => {
            "unreachable"
        }
        Err(IntrospectionError::Status(_)) => "status",
        Err(IntrospectionError::Malformed(_)) => "malformed",
        Err(IntrospectionError::Misconfigured(_)) => "misconfigured",
    }
}

impl Api {
    /// Reads a callout's answer.
    pub fn parse(&self, reply: Reply<'_>) -> Answer {
        match reply.status {
            None => Err(unreachable("the answer broke off")),
            Some(504) if !reply.from_upstream => Err(IntrospectionError::Timeout),
            // Envoy's own words, whatever it puts them in.
            Some(_) if !reply.from_upstream => Err(unreachable("no answer came")),
            Some(status @ (429 | 500..=599)) => Err(IntrospectionError::Status(status)),
            Some(200) => match reply.body {
                Some(body) => self.parse_body(body),
                None => Err(IntrospectionError::Malformed("it is longer than 256 kB")),
            },
            Some(status) => Err(IntrospectionError::Misconfigured(format!(
                "the endpoint answered with status {status}"
            ))),
        }
    }

    /// Reads the body of a 200.
    pub fn parse_body(&self, body: &[u8]) -> Answer {
        use IntrospectionError::Malformed;

        let text = str::from_utf8(body).map_err(|_| Malformed("it is not UTF-8"))?;
        let Object(raw) = serde_json::from_str::<Object<RawResponse>>(text)
            .map_err(|error| Malformed(what_is_wrong(&error)))?;
        if raw.active {
            let scopes = GrantedScopes::from_claims(raw.scope.as_ref(), raw.scp.as_ref());
            let expires_at = raw.exp.as_ref().map(Time::from_numeric_date);
            let facts = TokenFacts { scopes, expires_at };
            return Ok(Rc::new(Introspection::Active(facts)));
        }
        match (self, raw.error) {
            (Self::Texas { outage_errors, .. }, Some(Value::String(error)))
                if outage_errors.iter().any(|prefix| error.starts_with(prefix)) =>
            {
                Err(IntrospectionError::Unreachable(shortened(&error)))
            }
            _ => Ok(Rc::new(Introspection::Inactive)),
        }
    }
}

/// The members that matter. `serde` refuses each of them if it comes twice: a claim of the same
/// name in the token may be what stands there (facts: texas).
#[derive(Deserialize)]
struct RawResponse {
    active: bool,
    #[serde(default)]
    scope: Option<Value>,
    #[serde(default)]
    scp: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default, deserialize_with = "number")]
    exp: Option<Number>,
}

/// `exp` is a number where it is at all: an integer or a float, never null.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Number>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Number(number) => Ok(Some(number)),
        _ => Err(de::Error::custom("exp is no number")),
    }
}

/// Names the fault without a byte of the answer, which may hold claims.
fn what_is_wrong(error: &serde_json::Error) -> &'static str {
    use serde_json::error::Category;
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => "it is not JSON",
        Category::Data => {
            "it is no object with one boolean `active`, or a member is repeated or of a wrong type"
        }
    }
}

fn unreachable(why: &str) -> IntrospectionError {
    IntrospectionError::Unreachable(why.to_owned())
}

/// The first line of the endpoint's own error, for the log: it may be a stack trace.
fn shortened(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    fn texas() -> Api {
        let outage_errors = [
            "fetch:",
            "decode json:",
            "init client:",
            "identity provider '",
        ];
        Api::Texas {
            identity_provider: "maskinporten".to_owned(),
            outage_errors: outage_errors.map(str::to_owned).to_vec(),
        }
    }

    fn rfc7662() -> Api {
        Api::Rfc7662 {
            token_type_hint: None,
            client_authentication: None,
        }
    }

    fn check(api: &Api, reply: Reply<'_>, expected: &str) {
        let answer = api.parse(reply);
        let found = outcome(&answer);
        assert!(OUTCOMES.contains(&found));
        let body = reply.body.map(<[u8]>::escape_ascii);
        let body = body.map(|body| body.to_string());
        assert_eq!(found, expected, "{:?} {body:?}", reply.status);
    }

    fn answer(status: u16, body: &str) -> Reply<'_> {
        Reply {
            status: Some(status),
            from_upstream: true,
            body: Some(body.as_bytes()),
        }
    }

    #[test]
    fn bodies() {
        let deep = |name: &str| {
            let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
            format!(r#"{{"active":true,"{name}":{open}{close}}}"#)
        };
        let (deep_scope, deep_other) = (deep("scope"), deep("other"));
        let cases = [
            (r#"{"active":true}"#, "active"),
            (r#" { "scope" : "a" , "active" : true } "#, "active"),
            (
                r#"{"active":true,"error":"a claim of the token"}"#,
                "active",
            ),
            (r#"{"active":true,"exp":1795350566}"#, "active"),
            (r#"{"active":true,"exp":1795350566.5}"#, "active"),
            (r#"{"active":true,"exp":1}"#, "active"),
            (r#"{"active":true,"exp":-1}"#, "active"),
            (r#"{"active":true,"exp":1e300}"#, "active"),
            (r#"{"active":true,"scope":7,"scp":{}}"#, "active"),
            (r#"{"active":true,"other":1,"other":2}"#, "active"),
            (r#"{"active":false}"#, "inactive"),
            (
                r#"{"active":false,"error":"invalid token: ExpiredSignature"}"#,
                "inactive",
            ),
            (r#"{"active":false,"error":{"fetch:":1}}"#, "inactive"),
            (r#"{"active":false,"scope":"a"}"#, "inactive"),
            ("", "malformed"),
            ("null", "malformed"),
            ("true", "malformed"),
            ("[true]", "malformed"),
            (r#"[{"active":true}]"#, "malformed"),
            (r#""{\"active\":true}""#, "malformed"),
            ("{}", "malformed"),
            (r#"{"scope":"a"}"#, "malformed"),
            (r#"{"Active":true}"#, "malformed"),
            (r#"{"active":"true"}"#, "malformed"),
            (r#"{"active":1}"#, "malformed"),
            (r#"{"active":null}"#, "malformed"),
            (r#"{"active":[true]}"#, "malformed"),
            (r#"{"active":true,"active":true}"#, "malformed"),
            (r#"{"active":true,"active":false}"#, "malformed"),
            (r#"{"active":false,"active":true}"#, "malformed"),
            (r#"{"active":true,"\u0061ctive":false}"#, "malformed"),
            (r#"{"active":true,"scope":"a","scope":"b"}"#, "malformed"),
            (r#"{"active":false,"error":"a","error":"b"}"#, "malformed"),
            (r#"{"active":true,"exp":"1795350566"}"#, "malformed"),
            (r#"{"active":true,"exp":null}"#, "malformed"),
            (r#"{"active":true,"exp":true}"#, "malformed"),
            (r#"{"active":true,"exp":1e999}"#, "malformed"),
            (r#"{"active":true,"exp":1,"exp":2}"#, "malformed"),
            (r#"{"active":true"#, "malformed"),
            (r#"{"active":true}x"#, "malformed"),
            (r#"{"active":true}{"active":true}"#, "malformed"),
            (r#"{"result":{"active":true}}"#, "malformed"),
            ("<html>active</html>", "malformed"),
            (&deep_scope, "malformed"),
            (&deep_other, "active"),
        ];
        for (body, expected) in cases {
            check(&texas(), answer(200, body), expected);
            check(&rfc7662(), answer(200, body), expected);
        }
        let not_utf8 = Reply {
            status: Some(200),
            from_upstream: true,
            body: Some(b"{\"active\":true,\"a\":\"\xff\"}"),
        };
        check(&texas(), not_utf8, "malformed");
        let too_long = Reply {
            body: None,
            ..not_utf8
        };
        check(&texas(), too_long, "malformed");
    }

    #[test]
    fn texas_errors_that_speak_of_the_endpoint() {
        for (error, expected) in [
            ("fetch: error sending request", "unreachable"),
            ("decode json: EOF", "unreachable"),
            ("init client: x", "unreachable"),
            ("identity provider 'tokenx' is not enabled", "unreachable"),
            ("invalid token: fetch:", "inactive"),
            ("Fetch: x", "inactive"),
            ("", "inactive"),
        ] {
            let body = format!(r#"{{"active":false,"error":"{error}"}}"#);
            check(&texas(), answer(200, &body), expected);
            check(&rfc7662(), answer(200, &body), "inactive");
            let body = format!(r#"{{"active":true,"error":"{error}"}}"#);
            check(&texas(), answer(200, &body), "active");
        }
    }

    #[test]
    fn statuses() {
        let active = r#"{"active":true}"#;
        for (status, from_upstream, expected) in [
            (200, true, "active"),
            (201, true, "misconfigured"),
            (204, true, "misconfigured"),
            (302, true, "misconfigured"),
            (400, true, "misconfigured"),
            (401, true, "misconfigured"),
            (403, true, "misconfigured"),
            (404, true, "misconfigured"),
            (405, true, "misconfigured"),
            (429, true, "status"),
            (500, true, "status"),
            (503, true, "status"),
            (504, true, "status"),
            (503, false, "unreachable"),
            (502, false, "unreachable"),
            (200, false, "unreachable"),
            (504, false, "timeout"),
        ] {
            let reply = Reply {
                from_upstream,
                ..answer(status, active)
            };
            check(&texas(), reply, expected);
        }
        let broken = Reply {
            status: None,
            ..answer(0, active)
        };
        check(&texas(), broken, "unreachable");
    }

    #[test]
    fn scopes_become_facts() {
        let body = r#"{"active":true,"scope":"a b","exp":1.5}"#;
        let answer = texas().parse(answer(200, body)).unwrap();
        let Introspection::Active(facts) = answer.as_ref() else {
            panic!("not active");
        };
        let granted = |scope: &str| {
            facts
                .scopes
                .contains(&Scope::parse(scope.to_owned()).unwrap())
        };
        assert!(granted("a") && granted("b") && !granted("c"));
        assert_eq!(facts.expires_at, Some(Time::from_millis(1500)));
    }

    #[test]
    fn what_is_logged_is_short_and_holds_no_claim() {
        let long = format!("fetch: {}\nat line 1", "x".repeat(500));
        assert_eq!(shortened(&long).len(), 120);
        let body = r#"{"active":true,"active":false,"pid":"01010112345"}"#;
        let error = texas().parse(answer(200, body)).unwrap_err();
        assert!(!error.to_string().contains("0101"), "{error}");
    }
}
