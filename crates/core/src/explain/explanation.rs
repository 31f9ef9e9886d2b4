//! What there is to say about a request, as data: its members are the words of the command line's
//! JSON (docs/command-line.md).

use serde::Serialize;

use crate::policy::finding::Finding;

/// What would be done with a request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The rules that were looked at, in their order. The last one is the one that decides, if the
    /// request meets it.
    pub rules: Vec<LookedAt>,
    /// What could be read in two ways, so that no rule was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambiguous: Option<String>,
    /// The rule that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The token that the decision rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Who would be asked about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The request that it would get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Introspection>,
    /// What its answer comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// What an operator is told of an answer that is no word about the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The rule's requirement, where there are facts to check it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Finding>,
    /// `allow`, `deny`, `error` or `shadow`, as metrics have it; absent: the endpoint's answer
    /// decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'static str>,
    /// Why, as metrics have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Why exactly, as the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What the client would get, if the filter answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// What the upstream would see, if the request goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// What stands in Envoy's filter state, behind `wasm.portvakt.`.
    pub filter_state: Vec<Field>,
}

/// A rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookedAt {
    /// Its name.
    pub rule: String,
    /// The conditions that the request does not meet; none: the rule is for it.
    pub unmet: Vec<UnmetCondition>,
}

/// A condition that the request does not meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnmetCondition {
    /// Its key in the configuration, e.g. `prefix`.
    pub condition: &'static str,
    /// What it asks for; one of these.
    pub expected: Vec<String>,
    /// What the request has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// A token, without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The first 8 hex digits of its digest, as the log has them.
    pub digest: String,
    /// Whether it is made up, because the request has none.
    pub assumed: bool,
}

/// The request that the endpoint would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Introspection {
    /// Always `POST`.
    pub method: &'static str,
    /// The endpoint.
    pub url: String,
    /// The Envoy cluster that it goes to.
    pub cluster: String,
    /// How long the answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// Headers; secrets and what the configuration adds are hidden.
    pub headers: Vec<Field>,
    /// The body, with the token's digest in its place.
    pub body: String,
}

/// The answer that the client would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers that the filter sets.
    pub headers: Vec<Field>,
    /// The body.
    pub body: String,
}

/// What the upstream would see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// Headers of which the client's copies are removed.
    pub removed: Vec<String>,
    /// Headers that the filter sets.
    pub headers: Vec<Field>,
    /// How many claims stay out that cannot arrive as they are.
    pub left_out: usize,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    pub name: String,
    pub value: String,
}

impl Field {
    pub(super) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}
