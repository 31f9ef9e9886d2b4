//! One test: what is asked of the policy, and what it is to say.

use std::collections::BTreeMap;
use std::fmt::Display;

use portvakt_core::authorizer::Authorizer;
use portvakt_core::explain::explanation::{Explanation, Field};
use portvakt_core::explain::head::Head;
use portvakt_core::request::head::RequestHead;
use portvakt_core::time::Time;
use serde::Deserialize;

use crate::explain::answer::EndpointAnswer;

/// What stands in place of a token and its scheme.
const CREDENTIALS: &str = "(credentials)";

/// One test.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) head: Head,
    /// What the endpoint would answer; `None`: nobody is asked.
    pub(super) answer: Option<EndpointAnswer>,
    pub(super) now: Time,
    pub(super) expected: Expected,
}

/// What is expected; what is not given may be anything.
#[derive(Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    #[serde(default)]
    decision: Option<Decision>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    provider: Option<String>,
    /// Of the answer; `null`: it is not there.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    /// Of the request as the upstream would see it; `null`: it is not there.
    #[serde(default)]
    upstream_headers: BTreeMap<String, Option<String>>,
    /// Behind `wasm.portvakt.`; `null`: it is not there.
    #[serde(default)]
    filter_state: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Allow,
    Deny,
    Error,
    Shadow,
    /// The endpoint is asked, and its answer decides.
    Undecided,
}

/// What a test came to.
pub(super) struct Result {
    pub(super) name: String,
    /// The rule that decided.
    pub(super) rule: Option<String>,
    /// What was expected and what was got instead, a line each; none: it has passed.
    pub(super) mismatches: Vec<String>,
}

impl Decision {
    fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
            Self::Shadow => "shadow",
            Self::Undecided => "undecided",
        }
    }
}

impl Expected {
    /// Whether anything would do.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn mismatches(&self, seen: &Seen<'_>) -> Vec<String> {
        // Everything that can be expected must be taken out here, and be compared.
        let Self {
            decision,
            status,
            rule,
            reason,
            cause,
            provider,
            headers,
            upstream_headers,
            filter_state,
        } = self;
        let found = seen.explanation;
        let mut compared = Compared::default();
        let decided = found.decision.unwrap_or("undecided");
        compared.one("decision", decision.map(Decision::name), Some(decided));
        let answered = found.response.as_ref();
        compared.one("status", *status, answered.map(|response| response.status));
        compared.text("rule", rule.as_ref(), found.rule.as_deref());
        compared.text("reason", reason.as_ref(), found.reason);
        compared.text("cause", cause.as_ref(), found.cause.as_deref());
        compared.text("provider", provider.as_ref(), found.provider.as_deref());
        let answered = answered.map(|response| response.headers.as_slice());
        compared.fields("header", headers, |name| value(answered?, name));
        compared.fields("upstream header", upstream_headers, |name| {
            seen.upstream_header(name)
        });
        let state = &found.filter_state;
        compared.fields("filter state", filter_state, |name| value(state, name));
        compared.0
    }
}

/// What is not as it was expected.
#[derive(Default)]
struct Compared(Vec<String>);

impl Compared {
    fn one<T: PartialEq + Display>(&mut self, what: &str, expected: Option<T>, found: Option<T>) {
        if let Some(expected) = expected {
            self.same(what, Some(expected), found);
        }
    }

    fn text(&mut self, what: &str, expected: Option<&String>, found: Option<&str>) {
        self.one(what, expected.map(String::as_str), found);
    }

    fn fields(
        &mut self,
        what: &str,
        expected: &BTreeMap<String, Option<String>>,
        find: impl Fn(&str) -> Option<String>,
    ) {
        for (name, expected) in expected {
            self.same(&format!("{what} {name}"), expected.clone(), find(name));
        }
    }

    fn same<T: PartialEq + Display>(&mut self, what: &str, expected: Option<T>, found: Option<T>) {
        if expected != found {
            let text = |value: Option<T>| value.map_or("none".to_owned(), |v| v.to_string());
            let (expected, found) = (text(expected), text(found));
            self.0
                .push(format!("{what}: expected {expected}, got {found}"));
        }
    }
}

/// A request and what is said of it.
struct Seen<'a> {
    head: &'a Head,
    explanation: &'a Explanation,
    /// The header that the token comes in.
    token_header: &'a str,
}

impl Seen<'_> {
    /// What the upstream would see of a header. No token is told, but whether there is one.
    fn upstream_header(&self, name: &str) -> Option<String> {
        let upstream = self.explanation.upstream.as_ref()?;
        let name = name.to_ascii_lowercase();
        if let Some(value) = value(&upstream.headers, &name) {
            return Some(value);
        }
        if upstream.removed.contains(&name) {
            return None;
        }
        let sent = self.head.header(&name);
        if name == self.token_header {
            let is_there = sent.is_some() || self.explanation.token.is_some();
            return is_there.then(|| CREDENTIALS.to_owned());
        }
        sent.map(|value| String::from_utf8_lossy(&value).into_owned())
    }
}

fn value(fields: &[Field], name: &str) -> Option<String> {
    let mut fields = fields.iter();
    let field = fields.find(|field| field.name.eq_ignore_ascii_case(name));
    field.map(|field| field.value.clone())
}

impl Case {
    /// Asks the policy.
    pub(super) fn run(&self, authorizer: &Authorizer) -> Result {
        let reply = self.answer.as_ref().map(EndpointAnswer::reply);
        let explanation = authorizer.explain(&self.head, reply, self.now);
        Result {
            name: self.name.clone(),
            mismatches: self.expected.mismatches(&Seen {
                head: &self.head,
                explanation: &explanation,
                token_header: authorizer.token_header(),
            }),
            rule: explanation.rule,
        }
    }
}
