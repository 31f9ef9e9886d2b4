//! Kinds of requests, and what must become of each.

use serde_json::json;

use crate::policies::Policy::{self, *};
use crate::vm::Reply;

/// So that nothing else looks like them: what must be in no answer, no log and no error.
pub const GOOD: &str = "dG9rZW4tZ29vZC1jN2Y0YjE5ZTUyZDg";
pub const OTHER: &str = "dG9rZW4tb3RoZXItMWE5M2UwYzZmNGI";
pub const REVOKED: &str = "dG9rZW4tcmV2b2tlZC04ZDIxYjdhYzk";
pub const CONSUMER: &str = "0192:c3b7e94d1f52a086";
pub const CLIENT: &str = "client-6ea2f0b81d7c4395";
pub const PERSON: &str = "pid-90d4c1f7be3a8256";

/// All of them.
pub const SECRETS: [&str; 6] = [GOOD, OTHER, REVOKED, CONSUMER, CLIENT, PERSON];

/// What was there before the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: the token, if there is one, is not known.
    Nothing,
    /// The same request: its token is known.
    Same,
    /// The same request, in another worker.
    Elsewhere,
    /// The same request, so long ago that the token is renewed.
    Due,
    /// The same request, so long ago that its word counts only while the endpoint is out, as it is.
    Stale,
    /// The endpoint is out.
    Outage,
    /// The same request, which waits.
    Waiting,
}

/// What must become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on, with exactly these headers of those that only the filter may set.
    LetThrough(&'static [(&'static str, &'static str)]),
    /// It is answered.
    Answered(u32),
}

/// A kind of requests.
pub struct Kind {
    pub name: &'static str,
    pub policy: Policy,
    /// Method and path.
    pub line: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
    pub before: Before,
    pub end: End,
}

const fn kind(
    name: &'static str,
    policy: Policy,
    line: &'static str,
    headers: &'static [(&'static str, &'static str)],
    before: Before,
    end: End,
) -> Kind {
    Kind {
        name,
        policy,
        line,
        headers,
        before,
        end,
    }
}

const BEARER: (&str, &str) = ("authorization", "Bearer dG9rZW4tZ29vZC1jN2Y0YjE5ZTUyZDg");
const BEARER_OTHER: (&str, &str) = ("authorization", "Bearer dG9rZW4tb3RoZXItMWE5M2UwYzZmNGI");
const BEARER_REVOKED: (&str, &str) = ("authorization", "Bearer dG9rZW4tcmV2b2tlZC04ZDIxYjdhYzk");
const GRPC: (&str, &str) = ("content-type", "application/grpc");
const ORIGIN: (&str, &str) = ("origin", "https://app.example.com");
const PREFLIGHT: (&str, &str) = ("access-control-request-method", "GET");
/// What a client has no business to say.
const FORGED: &[(&str, &str)] = &[
    BEARER,
    ("x-consumer", "0192:forged"),
    ("x-client-id", "forged"),
];
const FORWARDED: &[(&str, &str)] = &[("x-consumer", CONSUMER), ("x-client-id", CLIENT)];

use Before::{Due, Elsewhere, Nothing, Outage, Same, Stale, Waiting};
use End::{Answered, LetThrough};

const GET: &str = "GET /api/x";
/// With a body.
const POST: &str = "POST /api/x";

/// All kinds.
#[rustfmt::skip]
pub const KINDS: &[Kind] = &[
    kind("no token needed", Anonymous, GET, &[], Same, LetThrough(&[])),
    kind("no token needed, one is there", Anonymous, GET, &[BEARER], Same, LetThrough(&[])),
    kind("known token", RequiredScopes, GET, &[BEARER], Same, LetThrough(&[])),
    kind("known token, with a body", RequiredScopes, POST, &[BEARER], Same, LetThrough(&[])),
    kind("known token, prefix and method", OneRule, GET, &[BEARER], Same, LetThrough(&[])),
    kind("known token, 1,000 rules", ManyRules, GET, &[BEARER], Same, LetThrough(&[])),
    kind("known token, host", Host, GET, &[BEARER], Same, LetThrough(&[])),
    kind("known token, route", Route, GET, &[BEARER], Same, LetThrough(&[])),
    kind("known token, two claims forwarded", Claims, GET, &[BEARER], Same, LetThrough(FORWARDED)),
    kind("known token, two claims forged", Claims, GET, FORGED, Same, LetThrough(FORWARDED)),
    kind("no token needed, two claims forged", Claims, "GET /open", FORGED, Same, LetThrough(&[])),
    kind("known token, answer forwarded", Payload, GET, &[BEARER], Same, LetThrough(&[])),
    kind("known token, header of its own", OwnHeader, GET, &[("x-access-token", "Bearer dG9rZW4tZ29vZC1jN2Y0YjE5ZTUyZDg")], Same, LetThrough(&[])),
    kind("known token, gRPC", OneRule, GET, &[BEARER, GRPC], Same, LetThrough(&[])),
    kind("known token, renewed", RequiredScopes, GET, &[BEARER], Due, LetThrough(&[])),
    kind("known to another worker", RequiredScopes, GET, &[BEARER], Elsewhere, LetThrough(&[])),
    kind("unknown token", RequiredScopes, POST, &[BEARER], Nothing, LetThrough(&[])),
    kind("unknown token, two claims forwarded", Claims, GET, FORGED, Nothing, LetThrough(FORWARDED)),
    kind("unknown token, another waits", RequiredScopes, GET, &[BEARER], Waiting, LetThrough(&[])),
    kind("unknown token, active not kept", ActiveNotKept, GET, &[BEARER], Same, LetThrough(&[])),
    kind("unknown token, nothing kept", NothingKept, GET, &[BEARER], Same, LetThrough(&[])),
    kind("unknown token, wrong scope", RequiredScopes, POST, &[BEARER_OTHER], Nothing, Answered(403)),
    kind("unknown token, inactive", RequiredScopes, POST, &[BEARER_REVOKED], Nothing, Answered(401)),
    kind("unknown token, inactive, gRPC", RequiredScopes, GET, &[BEARER_REVOKED, GRPC], Nothing, Answered(401)),
    kind("unknown token, outage", RequiredScopes, GET, &[BEARER], Outage, Answered(503)),
    kind("unknown token, outage, failure mode", FailureMode, GET, &[BEARER], Outage, LetThrough(&[])),
    kind("stale token, outage", RequiredScopes, GET, &[BEARER], Stale, LetThrough(&[])),
    kind("refused: no rule", OneRule, "GET /other", &[BEARER], Same, Answered(403)),
    kind("refused: method", OneRule, POST, &[BEARER], Same, Answered(403)),
    kind("refused: path read otherwise", OneRule, "GET /api/../x", &[BEARER], Same, Answered(400)),
    kind("refused: no token", RequiredScopes, GET, &[], Same, Answered(401)),
    kind("refused: no token, gRPC", RequiredScopes, GET, &[GRPC], Same, Answered(401)),
    kind("refused: two tokens", RequiredScopes, GET, &[BEARER, BEARER_OTHER], Same, Answered(400)),
    kind("refused: no bearer token", RequiredScopes, GET, &[("authorization", "Basic YTpi")], Same, Answered(401)),
    kind("refused: inactive", RequiredScopes, GET, &[BEARER_REVOKED], Same, Answered(401)),
    kind("refused: wrong scope", RequiredScopes, GET, &[BEARER_OTHER], Same, Answered(403)),
    kind("refused: wrong claim", Claims, GET, &[BEARER_OTHER], Same, Answered(403)),
    kind("preflight", RequiredScopes, "OPTIONS /api/x", &[ORIGIN, PREFLIGHT], Same, LetThrough(&[])),
    kind("shadow, wrong scope", Shadow, GET, &[BEARER_OTHER], Same, LetThrough(&[])),
    kind("metadata", Metadata, "GET /.well-known/oauth-protected-resource", &[], Same, Answered(200)),
];

impl Kind {
    /// The request's headers.
    pub fn request(&self) -> Vec<(&'static str, &'static str)> {
        let (method, path) = self.line.split_once(' ').unwrap();
        let mut headers = vec![
            (":authority", "api.example.com"),
            (":path", path),
            (":method", method),
            (":scheme", "https"),
            ("user-agent", "curl/8.5.0"),
            ("accept", "*/*"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "b0e2e1d8-6d6e-4b1e-9f0e-2f7a4e1c5d3b"),
        ];
        headers.extend(self.headers);
        headers
    }
}

/// What the endpoint says of the token that is in a question.
pub fn answer(question: &[u8]) -> Reply {
    let question = String::from_utf8_lossy(question);
    let active = |scope: &str, authority: &str| {
        json!({
            "active": true,
            "scope": scope,
            "client_id": CLIENT,
            "pid": PERSON,
            "consumer": { "authority": authority, "ID": CONSUMER },
            "exp": 1_795_003_600,
        })
    };
    let body = if question.contains(GOOD) {
        active("api:read", "iso6523-actorid-upis")
    } else if question.contains(OTHER) {
        active("api:other", "other")
    } else {
        json!({ "active": false, "error": PERSON })
    };
    Reply::new("200", &body.to_string())
}
