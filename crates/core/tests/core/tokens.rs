//! Tokens that no rule is asked about: those that cannot be right, and those that belong to
//! somebody else. Nothing of what is known about a token counts for a client that may not use it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::rules::{ANONYMOUS, NOW, PASS, answers, configured, invalid, lacks};
use crate::worker::{Head, Worker};

/// A token of this header and payload.
fn jwt(header: &Value, payload: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("Bearer {}.{}.c2ln", part(header), part(payload))
}

fn prechecking(precheck: &Value) -> Worker {
    configured(json!({
        "required_scopes": ["a"],
        "jwt_precheck": precheck,
        "failure_mode_allow": true
    }))
}

#[test]
fn tokens_that_are_not_worth_a_question() {
    let header = json!({ "alg": "RS256" });
    let signed = |payload: Value| jwt(&header, &payload);
    let issuer = "https://issuer/";
    for (token, expected) in [
        (signed(json!({ "iss": issuer, "exp": NOW + 1 })), true),
        (signed(json!({ "iss": issuer })), true),
        (signed(json!({ "iss": issuer, "exp": NOW - 59 })), true),
        (signed(json!({ "iss": issuer, "nbf": NOW + 60 })), true),
        (signed(json!({ "iss": issuer, "exp": NOW - 60 })), false),
        (signed(json!({ "iss": issuer, "nbf": NOW + 61 })), false),
        (signed(json!({ "iss": issuer, "exp": "x" })), false),
        (
            signed(json!({ "iss": "https://issuer", "exp": NOW + 1 })),
            false,
        ),
        (signed(json!({ "iss": [issuer] })), false),
        (signed(json!({})), false),
        (signed(json!([])), false),
        (
            jwt(&json!({ "alg": "none" }), &json!({ "iss": issuer })),
            false,
        ),
        (
            jwt(&json!({ "alg": "NONE" }), &json!({ "iss": issuer })),
            false,
        ),
        (jwt(&json!({}), &json!({ "iss": issuer })), false),
        ("Bearer opaque".to_owned(), false),
        ("Bearer a.b.c".to_owned(), false),
        (signed(json!({ "iss": issuer })) + ".x", false),
        (
            signed(json!({ "iss": issuer })).replace(".c2ln", "."),
            false,
        ),
    ] {
        // It is refused for good: not even an outage lets it in.
        let mut worker = prechecking(&json!({ "issuer": issuer }));
        let found = |worker: &mut Worker| worker.request("GET /", Some(&token));
        if expected {
            worker.endpoint = Some(answers(&json!({ "scope": "a" })));
            assert_eq!(found(&mut worker), PASS, "{token}");
            assert_eq!(worker.callouts(), 1, "{token}");
        } else {
            assert_eq!(found(&mut worker), invalid(), "{token}");
            assert_eq!(worker.callouts(), 0, "{token}");
        }
    }
    // It accepts nothing by itself.
    let token = signed(json!({ "iss": issuer, "exp": NOW + 1, "scope": "a" }));
    for (answer, expected) in [
        (json!({ "active": false }), invalid()),
        (json!({ "active": true }), lacks("a")),
    ] {
        let mut worker = prechecking(&json!({}));
        worker.endpoint = Some((200, answer.to_string()));
        assert_eq!(worker.request("GET /", Some(&token)), expected);
    }
    // A rule that asks for no token does not look at it, and neither does a preflight.
    let mut worker = configured(json!({
        "rules": [{ "match": { "path": "/open" }, "anonymous": true }],
        "jwt_precheck": {}
    }));
    let end = worker.request("GET /open", Some("Bearer opaque"));
    assert_eq!(end, ANONYMOUS);
}

#[test]
fn a_token_that_is_known_is_not_prechecked() {
    let mut worker = prechecking(&json!({ "leeway": "0s" }));
    worker.endpoint = Some(answers(&json!({ "scope": "a" })));
    let token = |name: &str| {
        jwt(
            &json!({ "alg": "RS256", "kid": name }),
            &json!({ "exp": NOW + 10 }),
        )
    };
    assert_eq!(worker.request("GET /", Some(&token("known"))), PASS);
    worker.pass(Duration::from_secs(20));
    worker.endpoint = None;
    // The endpoint has the last word on when a token expires, and its word still counts.
    assert_eq!(worker.request("GET /", Some(&token("known"))), PASS);
    assert_eq!(worker.request("GET /", Some(&token("unknown"))), invalid());
    worker.pass(Duration::from_secs(60));
    assert_eq!(worker.request("GET /", Some(&token("known"))), invalid());
    assert_eq!(worker.callouts(), 1);
}

#[test]
fn a_token_that_is_bound_to_a_certificate() {
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let thumbprint = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    let other = digest.replace('e', "f");
    let bound = json!({ "x5t#S256": thumbprint });
    for (cnf, scope, certificate, expected) in [
        (bound.clone(), "a", Some(digest), PASS),
        (bound.clone(), "b", Some(digest), lacks("a")),
        (bound.clone(), "a", Some(&*other), invalid()),
        (bound.clone(), "a", None, invalid()),
        // Whoever cannot prove it is told nothing more.
        (bound, "b", None, invalid()),
        (json!({ "jkt": "x" }), "a", Some(digest), invalid()),
        (json!({}), "a", Some(digest), invalid()),
        (json!(null), "a", None, PASS),
    ] {
        let mut worker = configured(json!({ "required_scopes": ["a"] }));
        worker.endpoint = Some(answers(&json!({ "cnf": cnf, "scope": scope })));
        let head = Head::new("GET /").header("authorization", "Bearer abc");
        let asked = match certificate {
            Some(digest) => head.clone().certificate(digest),
            None => head.clone(),
        };
        assert_eq!(worker.send(&asked), expected, "{cnf} {certificate:?}");
        assert_eq!(
            worker.send(&asked),
            expected,
            "{cnf} {certificate:?}, known"
        );
        // What one connection has proven counts for no other.
        let alone = worker.send(&head);
        assert_eq!(alone == PASS, cnf.is_null(), "{cnf} {alone:?}");
        assert_eq!(worker.callouts(), 1);
    }
}
