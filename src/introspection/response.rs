//! The introspection response: what the endpoint said, or why it said nothing usable.
//!
//! Only a 200 whose body is a JSON object with one boolean `active` speaks of the token
//! (RFC 7662 section 2.2). Everything else speaks of the endpoint or of us, and never allows.

use std::fmt;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;

use super::facts::{Introspection, TokenFacts};
use crate::binding::Binding;
use crate::claims::WantedClaims;
use crate::forward::MAX_VALUE;
use crate::json::Unique;
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

/// How a configuration reads responses.
#[derive(Debug, Default)]
pub struct ResponseReader {
    /// Texas only: beginnings of `error` that speak of the endpoint, not of the token.
    pub outage_errors: Vec<String>,
    /// The claims that are kept.
    pub claims: WantedClaims,
    /// Whether all claims are to be forwarded.
    pub keeps_payload: bool,
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
    /// Too many questions about unknown tokens wait already.
    #[error("too many unknown tokens are waiting to be asked about")]
    Busy,
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
    /// Whether something keeps the endpoint from answering, so that what it said before may count.
    /// Not an answer that is nonsense, or that refuses the request.
    pub fn keeps_from_answering(&self) -> bool {
        match self {
            Self::Timeout
            | Self::Unreachable(_)
            | Self::NotDispatched
            | Self::Busy
            | Self::Status(_) => true,
            Self::Malformed(_) | Self::Misconfigured(_) => false,
        }
    }
}

/// What a callout came to.
pub type Answer = Result<Introspection, IntrospectionError>;

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
        Ok(Introspection::Active(_)) => "active",
        Ok(Introspection::Inactive) => "inactive",
        Err(IntrospectionError::Timeout) => "timeout",
        Err(
            IntrospectionError::Unreachable(_)
            | IntrospectionError::NotDispatched
            | IntrospectionError::Busy,
        ) => "unreachable",
        Err(IntrospectionError::Status(_)) => "status",
        Err(IntrospectionError::Malformed(_)) => "malformed",
        Err(IntrospectionError::Misconfigured(_)) => "misconfigured",
    }
}

impl ResponseReader {
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
        let members = self
            .read(text)
            .map_err(|error| Malformed(what_is_wrong(&error)))?;
        let Some(active) = members.get("active").and_then(Value::as_bool) else {
            return Err(Malformed("`active` is missing or no boolean"));
        };
        let expires_at = match members.get("exp") {
            None => None,
            Some(Value::Number(date)) => Some(Time::from_numeric_date(date)),
            Some(_) => return Err(Malformed("`exp` is no number")),
        };
        if active {
            return Ok(Introspection::Active(Rc::new(
                self.facts(members, expires_at),
            )));
        }
        match members.get("error") {
            Some(Value::String(error)) if self.speaks_of_an_outage(error) => {
                Err(IntrospectionError::Unreachable(shortened(error)))
            }
            _ => Ok(Introspection::Inactive),
        }
    }

    /// The members of the response that matter, none of them twice: a claim of the same name in
    /// the token may be what stands there (facts: texas).
    fn read(&self, text: &str) -> serde_json::Result<Map<String, Value>> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = MembersVisitor(self).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(members)
    }

    fn matters(&self, member: &str) -> bool {
        self.keeps_payload || OWN_MEMBERS.contains(&member) || self.claims.holds(member)
    }

    fn facts(&self, mut members: Map<String, Value>, expires_at: Option<Time>) -> TokenFacts {
        let claim = |name| members.get(name).filter(|value| !value.is_null());
        let binding = claim("cnf").map(Binding::from_cnf);
        let scopes = GrantedScopes::from_claims(claim("scope"), claim("scp"));
        let payload = self.keeps_payload.then(|| {
            let active = members.remove("active");
            let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&members).unwrap_or_default());
            members.extend(active.map(|active| ("active".to_owned(), active)));
            payload
        });
        TokenFacts {
            scopes,
            expires_at,
            binding,
            payload: payload.filter(|payload| payload.len() <= MAX_VALUE),
            claims: self.claims.find_in(&Value::Object(members)),
        }
    }

    fn speaks_of_an_outage(&self, error: &str) -> bool {
        let mut prefixes = self.outage_errors.iter();
        prefixes.any(|prefix| error.starts_with(prefix))
    }
}

/// Members that are looked at whatever the configuration is.
const OWN_MEMBERS: [&str; 6] = ["active", "cnf", "error", "exp", "scope", "scp"];

struct MembersVisitor<'a>(&'a ResponseReader);

impl<'de> DeserializeSeed<'de> for MembersVisitor<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersVisitor<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if !self.0.matters(&name) {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let Unique(value) = members.next_value()?;
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(all)
    }
}

/// Names the fault without a byte of the answer, which may hold claims.
fn what_is_wrong(error: &serde_json::Error) -> &'static str {
    use serde_json::error::Category;
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => "it is not JSON, or nests too deep",
        Category::Data => "it is no object, or a member of it comes twice",
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
    use crate::claims::{ClaimId, ClaimPath};
    use crate::scope::Scope;

    fn texas() -> ResponseReader {
        let outage_errors = [
            "fetch:",
            "decode json:",
            "init client:",
            "identity provider '",
        ];
        ResponseReader {
            outage_errors: outage_errors.map(str::to_owned).to_vec(),
            ..ResponseReader::default()
        }
    }

    fn rfc7662() -> ResponseReader {
        ResponseReader::default()
    }

    fn check(api: &ResponseReader, reply: Reply<'_>, expected: &str) {
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
        let Introspection::Active(facts) = &answer else {
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

    fn wanting(claims: &[&str], keeps_payload: bool) -> (ResponseReader, Vec<ClaimId>) {
        let mut reader = ResponseReader {
            keeps_payload,
            ..ResponseReader::default()
        };
        let want = |claim: &&str| reader.claims.want(ClaimPath::parse(claim).unwrap());
        let ids = claims.iter().map(want).collect();
        (reader, ids)
    }

    fn facts(reader: &ResponseReader, body: &str) -> Rc<TokenFacts> {
        match reader.parse(answer(200, body)).unwrap() {
            Introspection::Active(facts) => facts,
            Introspection::Inactive => panic!("not active"),
        }
    }

    #[test]
    fn claims_that_are_asked_for_become_facts() {
        let (reader, ids) = wanting(&["consumer.ID", "scope", "aud"], false);
        let body = r#"{"active":true,"scope":"a","consumer":{"ID":"1"},"aud":null,"x":1,"x":2}"#;
        let facts = facts(&reader, body);
        let found: Vec<_> = ids
            .iter()
            .map(|id| facts.claims.get(*id).cloned())
            .collect();
        assert_eq!(found, [Some("1".into()), Some("a".into()), None]);
        assert_eq!(
            (facts.payload.as_ref(), facts.binding.as_ref()),
            (None, None)
        );
    }

    #[test]
    fn nothing_that_is_looked_at_comes_twice() {
        for (body, expected) in [
            (r#"{"active":true,"other":1,"other":2}"#, "active"),
            (r#"{"active":true,"other":{"a":1,"a":2}}"#, "active"),
            (r#"{"active":true,"consumer":1,"consumer":2}"#, "malformed"),
            (r#"{"active":true,"consumer":{"ID":1,"ID":2}}"#, "malformed"),
            (
                r#"{"active":true,"consumer":[{"x":{"y":1,"y":2}}]}"#,
                "malformed",
            ),
            (r#"{"active":true,"cnf":{},"cnf":null}"#, "malformed"),
            (
                r#"{"active":true,"cnf":{"jkt":"a","jkt":"b"}}"#,
                "malformed",
            ),
        ] {
            check(
                &wanting(&["consumer.ID"], false).0,
                answer(200, body),
                expected,
            );
            if expected == "active" {
                check(&wanting(&[], true).0, answer(200, body), "malformed");
            }
        }
    }

    #[test]
    fn bindings_become_facts() {
        for (cnf, expected) in [
            ("null", None),
            (r#"{"jkt":"x"}"#, Some(Binding::Unprovable)),
            ("{}", Some(Binding::Unprovable)),
        ] {
            let body = format!(r#"{{"active":true,"cnf":{cnf}}}"#);
            assert_eq!(facts(&texas(), &body).binding, expected, "{cnf}");
        }
    }

    #[test]
    fn the_payload_is_all_claims() {
        let (reader, _) = wanting(&[], true);
        let payload = |body: &str| {
            let payload = facts(&reader, body).payload.clone()?;
            let json = URL_SAFE_NO_PAD.decode(payload).unwrap();
            Some(serde_json::from_slice::<Value>(&json).unwrap())
        };
        let body = r#"{"active":true,"sub":"å\r\n","a":{"b":[1,1.5,null]},"exp":1795350566}"#;
        let expected = serde_json::json!({ "sub": "å\r\n", "a": { "b": [1, 1.5, null] }, "exp": 1_795_350_566 });
        assert_eq!(payload(body), Some(expected));
        let long = |length: usize| format!(r#"{{"active":true,"a":"{}"}}"#, "x".repeat(length));
        assert!(payload(&long(12_000)).is_some());
        assert!(payload(&long(13_000)).is_none(), "no more than 16 kB");
    }

    #[test]
    fn large_facts_say_so() {
        let (reader, _) = wanting(&["a"], false);
        let many = format!(r#"{{"active":true,"a":[{}0]}}"#, "1,".repeat(5000));
        let size = |body: &str| reader.parse(answer(200, body)).unwrap().size();
        assert!(size(&many) > 5000 * 16);
        assert!(size(r#"{"active":true,"a":"x"}"#) < 1000);
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
