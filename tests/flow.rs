//! The whole answers table over the core, without a host: a configuration, a request, the
//! endpoint's answer if it is asked, and what comes of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use portvakt::authorizer::{Decision, Grant, Step};
use portvakt::config;
use portvakt::head::RequestHead;
use portvakt::introspection::response::Reply;

struct Head(Vec<(&'static str, &'static str)>);

impl RequestHead for Head {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        let found = self.0.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| value.as_bytes().to_vec())
    }
}

/// How the request ends.
#[derive(Debug, PartialEq)]
enum End {
    Anonymous,
    Token,
    /// Status and challenge.
    Refused(u16, Option<&'static str>),
}
use End::{Anonymous, Refused, Token};

const CONFIG: &str = r#"{
    "introspection": { "cluster": "texas", "endpoint": "http://texas/introspect" },
    "rules": [
        { "name": "health", "match": { "path": "/health" }, "anonymous": true },
        { "name": "read", "match": { "prefix": "/api", "methods": ["GET"] }, "require": { "scopes": ["a", "b"] } },
        { "name": "any", "match": { "prefix": "/any" }, "require": {} }
    ],
    "challenge": { "realm": "r" }
}"#;

const ACTIVE: &str = r#"{"active":true,"scope":"a b"}"#;
const NEEDED: Option<&str> = Some(r#"Bearer realm="r", scope="a b""#);
const INVALID_REQUEST: Option<&str> = Some(r#"Bearer realm="r", error="invalid_request""#);
const INVALID_TOKEN: Option<&str> = Some(r#"Bearer realm="r", error="invalid_token""#);
const INSUFFICIENT: Option<&str> =
    Some(r#"Bearer realm="r", error="insufficient_scope", scope="a b""#);

/// `answer` is status and body of the endpoint's answer; `None`: it must not be asked.
fn check(
    line: &'static str,
    authorization: Option<&'static str>,
    answer: Option<(u16, &str)>,
    expected: &End,
) {
    let authorizer = config::parse(CONFIG.as_bytes(), |_| None).unwrap();
    let (method, path) = line.split_once(' ').unwrap();
    let mut head = Head(vec![(":method", method), (":path", path)]);
    head.0
        .extend(authorization.map(|value| ("authorization", value)));
    let found = match (authorizer.on_request(&head), answer) {
        (Step::Decided(decision), None) => decision,
        (Step::Introspect(question), Some((status, body))) => {
            let reply = Reply {
                status: Some(status),
                from_upstream: true,
                body: Some(body.as_bytes()),
            };
            let answer = authorizer.introspection.api.parse(reply);
            authorizer.on_answer(question.rule, &answer)
        }
        (step, answer) => panic!("{line} {authorization:?} {answer:?}: {step:?}"),
    };
    assert_eq!(
        &end(&found),
        expected,
        "{line} {authorization:?} {answer:?}"
    );
}

fn end(decision: &Decision) -> End {
    match decision {
        Decision::Forward(Grant::Anonymous) => Anonymous,
        Decision::Forward(Grant::Token) => Token,
        Decision::Reject(rejection) => {
            let response = rejection.response(false);
            let challenges = [NEEDED, INVALID_REQUEST, INVALID_TOKEN, INSUFFICIENT];
            let found = response
                .headers
                .iter()
                .find(|(name, _)| *name == "www-authenticate");
            let known = found.map(|(_, value)| {
                let known = challenges
                    .into_iter()
                    .flatten()
                    .find(|known| known == value);
                known.unwrap_or("a challenge of another kind")
            });
            Refused(response.status, known)
        }
    }
}

#[test]
fn the_answers_table() {
    let token = Some("Bearer abc");
    let active = Some((200, ACTIVE));
    for (line, authorization, answer, expected) in [
        ("GET /health", None, None, Anonymous),
        ("GET /health", Some("Bearer a b"), None, Anonymous),
        ("GET /api", token, active, Token),
        ("GET /any", token, active, Token),
        ("GET /any", token, Some((200, r#"{"active":true}"#)), Token),
        ("GET /api", None, None, Refused(401, NEEDED)),
        ("GET /api", Some("Basic YTpi"), None, Refused(401, NEEDED)),
        (
            "GET /any",
            None,
            None,
            Refused(401, Some("a challenge of another kind")),
        ),
        (
            "GET /api",
            Some("Bearer"),
            None,
            Refused(400, INVALID_REQUEST),
        ),
        (
            "GET /api",
            Some("Bearer a,Bearer b"),
            None,
            Refused(400, INVALID_REQUEST),
        ),
        (
            "GET /api",
            token,
            Some((200, r#"{"active":false}"#)),
            Refused(401, INVALID_TOKEN),
        ),
        (
            "GET /api",
            token,
            Some((200, r#"{"active":true,"scope":"a"}"#)),
            Refused(403, INSUFFICIENT),
        ),
        (
            "GET /api",
            token,
            Some((200, r#"{"active":true}"#)),
            Refused(403, INSUFFICIENT),
        ),
        ("GET /other", token, None, Refused(403, None)),
        ("POST /api", token, None, Refused(403, None)),
        ("GET /apix", token, None, Refused(403, None)),
        ("GET /api/../health", None, None, Refused(400, None)),
        ("GET //health", token, None, Refused(400, None)),
        ("GET /api", token, Some((200, "{}")), Refused(503, None)),
        (
            "GET /api",
            token,
            Some((200, r#"{"active":false,"error":"fetch: x"}"#)),
            Refused(503, None),
        ),
        ("GET /api", token, Some((401, ACTIVE)), Refused(503, None)),
        ("GET /api", token, Some((429, ACTIVE)), Refused(503, None)),
        ("GET /api", token, Some((500, ACTIVE)), Refused(503, None)),
    ] {
        check(line, authorization, answer, &expected);
    }
}
