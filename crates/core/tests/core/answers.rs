//! The whole answers table: a request, the endpoint's answer if it is asked, and what comes of it.

use crate::worker::{End, Worker};

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
const UNSUPPORTED: &str = r#"{"error":"unsupported_token_type"}"#;
const NEEDED: &str = r#"Bearer realm="r", scope="a b""#;
const INVALID_REQUEST: &str = r#"Bearer realm="r", error="invalid_request""#;
const INVALID_TOKEN: &str = r#"Bearer realm="r", error="invalid_token""#;
const INSUFFICIENT: &str = r#"Bearer realm="r", error="insufficient_scope", scope="a b""#;

const ANONYMOUS: End = End::Passed("anonymous");
const TOKEN: End = End::Passed("token");

fn refused(status: u16, challenge: &str) -> End {
    End::Refused(
        status,
        (!challenge.is_empty()).then(|| challenge.to_owned()),
    )
}

/// `answer` is status and body of the endpoint's answer; `None`: it must not be asked.
fn check(line: &str, authorization: Option<&str>, answer: Option<(u16, &str)>, expected: &End) {
    let mut worker = Worker::new(CONFIG);
    worker.endpoint = answer.map(|(status, body)| (status, body.to_owned()));
    let found = worker.request(line, authorization);
    assert_eq!(&found, expected, "{line} {authorization:?} {answer:?}");
    assert_eq!(
        worker.callouts(),
        usize::from(answer.is_some()),
        "{line} {authorization:?}"
    );
}

#[test]
fn the_answers_table() {
    let token = Some("Bearer abc");
    let active = Some((200, ACTIVE));
    let outage = r#"{"active":false,"error":"fetch: x"}"#;
    let disabled = r#"{"active":false,"error":"identity provider 'x' is not enabled"}"#;
    for (line, authorization, answer, expected) in [
        ("GET /health", None, None, ANONYMOUS),
        ("GET /health", Some("Bearer a b"), None, ANONYMOUS),
        ("GET /api", token, active, TOKEN),
        ("GET /any", token, active, TOKEN),
        ("GET /any", token, Some((200, r#"{"active":true}"#)), TOKEN),
        ("GET /api", None, None, refused(401, NEEDED)),
        ("GET /api", Some("Basic YTpi"), None, refused(401, NEEDED)),
        ("GET /any", None, None, refused(401, r#"Bearer realm="r""#)),
        (
            "GET /api",
            Some("Bearer"),
            None,
            refused(400, INVALID_REQUEST),
        ),
        (
            "GET /api",
            Some("Bearer a,Bearer b"),
            None,
            refused(400, INVALID_REQUEST),
        ),
        (
            "GET /api",
            token,
            Some((200, r#"{"active":false}"#)),
            refused(401, INVALID_TOKEN),
        ),
        (
            "GET /api",
            token,
            Some((200, r#"{"active":true,"scope":"a"}"#)),
            refused(403, INSUFFICIENT),
        ),
        (
            "GET /api",
            token,
            Some((200, r#"{"active":true}"#)),
            refused(403, INSUFFICIENT),
        ),
        ("GET /other", token, None, refused(403, "")),
        ("POST /api", token, None, refused(403, "")),
        ("GET /apix", token, None, refused(403, "")),
        ("GET /api/../health", None, None, refused(400, "")),
        ("GET //health", token, None, refused(400, "")),
        ("GET /api", token, Some((200, "{}")), refused(503, "")),
        ("GET /api", token, Some((200, outage)), refused(503, "")),
        ("GET /api", token, Some((200, disabled)), refused(503, "")),
        (
            "GET /api",
            token,
            Some((400, UNSUPPORTED)),
            refused(401, INVALID_TOKEN),
        ),
        ("GET /api", token, Some((400, ACTIVE)), refused(503, "")),
        (
            "GET /api",
            token,
            Some((401, UNSUPPORTED)),
            refused(503, ""),
        ),
        ("GET /api", token, Some((401, ACTIVE)), refused(503, "")),
        ("GET /api", token, Some((429, ACTIVE)), refused(503, "")),
        ("GET /api", token, Some((500, ACTIVE)), refused(503, "")),
    ] {
        check(line, authorization, answer, &expected);
    }
}

#[test]
fn facts_are_remembered_and_rules_run_on_every_request() {
    let mut worker = Worker::new(CONFIG);
    worker.endpoint = Some((200, r#"{"active":true,"scope":"a"}"#.to_owned()));
    let token = Some("Bearer abc");
    for _ in 0..3 {
        assert_eq!(
            worker.request("GET /api", token),
            refused(403, INSUFFICIENT)
        );
        assert_eq!(worker.request("GET /any", token), TOKEN);
        assert_eq!(worker.request("GET /other", token), refused(403, ""));
    }
    assert_eq!(worker.callouts(), 1);
}
