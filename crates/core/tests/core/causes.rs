//! What the log says of a refusal beside its reason: by the key of the configuration, in the
//! filter's own words, and never with anything that a token holds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portvakt_core::authorizer::Decision;
use serde_json::{Value, json};

use crate::rules::{answers, configured};
use crate::worker::{Head, Worker};

/// Every claim of every token holds it.
const CANARY: &str = "canary";

fn check(worker: &mut Worker, token: &str, expected: &str) {
    let authorization = format!("Bearer {token}");
    let head = Head::new("GET /").header("authorization", &authorization);
    let decision = worker.decision(&head);
    let Decision::Reject(rejection) = &decision else {
        panic!("{expected}: {decision:?}");
    };
    let cause = rejection.cause().map(ToString::to_string);
    let found = format!(
        "{} ({})",
        rejection.reason().name(),
        cause.unwrap_or_default()
    );
    assert_eq!(found, expected, "{token:.60}");
    assert!(!found.contains(CANARY), "{found}");
}

#[test]
fn which_of_several_requirements() {
    let claims =
        json!({ "scope": "canary", "sub": "canary", "roles": ["canary"], "acr": "canary" });
    let claim = |name: &str| json!({ "claim": name, "equals": "x" });
    for (require, expected) in [
        (
            json!({ "scopes": ["canary", "x"] }),
            "insufficient_scope (KEY.scopes is not met)",
        ),
        (
            json!({ "any_scopes": ["x", "y"] }),
            "insufficient_scope (KEY.any_scopes is not met)",
        ),
        (
            json!({ "audiences": ["x"] }),
            "requirement (KEY.audiences is not met)",
        ),
        (
            json!({ "claims": [claim("sub")] }),
            "requirement (KEY.claims[0] is not met)",
        ),
        (
            json!({ "claims": [{ "claim": "roles", "contains": "canary" }, claim("sub")] }),
            "requirement (KEY.claims[1] is not met)",
        ),
        (
            json!({ "acr_values": ["x"] }),
            "insufficient_user_authentication (KEY.acr_values is not met)",
        ),
        (
            json!({ "max_age": "5m" }),
            "insufficient_user_authentication (KEY.max_age is not met)",
        ),
        (
            json!({ "none_of": [{ "scopes": ["canary"] }] }),
            "requirement (KEY.none_of is not met)",
        ),
        (
            json!({ "all_of": [{ "scopes": ["canary"] }, { "claims": [claim("sub")] }] }),
            "requirement (KEY.all_of[1].claims[0] is not met)",
        ),
        (
            json!({ "any_of": [{ "claims": [claim("sub")] }, { "scopes": ["x"] }] }),
            "insufficient_scope (KEY.any_of[1].scopes is not met)",
        ),
        (
            json!({ "any_of": [{ "all_of": [{ "any_scopes": ["x"] }, { "scopes": ["canary"] }] }] }),
            "insufficient_scope (KEY.any_of[0].all_of[0].any_scopes is not met)",
        ),
        // A scope is spoken of before what nobody can do anything about.
        (
            json!({ "claims": [claim("sub")], "scopes": ["x"] }),
            "insufficient_scope (KEY.scopes is not met)",
        ),
    ] {
        let rules = json!([
            { "match": { "path": "/other" }, "require": {} },
            { "match": {}, "require": require },
        ]);
        let mut worker = configured(json!({ "rules": rules }));
        worker.endpoint = Some(answers(&claims));
        let expected = expected.replace("KEY", "rules[1].require");
        check(&mut worker, "opaque", &expected);
    }
    let mut short = configured(json!({ "required_scopes": ["x"] }));
    short.endpoint = Some(answers(&claims));
    check(
        &mut short,
        "opaque",
        "insufficient_scope (required_scopes is not met)",
    );
}

fn jwt(header: &str, payload: &Value) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", encode(header), encode(&payload.to_string()))
}

#[test]
fn which_precheck() {
    let header = r#"{"alg":"RS256","kid":"canary"}"#;
    let ours = json!("https://idp/");
    for (token, expected) in [
        ("canary".to_owned(), "not three parts of base64url"),
        (jwt("[]", &json!({})), "header or payload is no JSON object"),
        (
            jwt(header, &json!("canary")),
            "header or payload is no JSON object",
        ),
        (
            jwt(r#"{"alg":"none"}"#, &json!({ "iss": ours })),
            "no algorithm",
        ),
        (jwt(header, &json!({ "iss": "canary" })), "another issuer"),
        (
            jwt(header, &json!({ "iss": ours, "exp": 1 })),
            "expired, or not valid yet",
        ),
        (
            jwt(header, &json!({ "iss": ours, "exp": "canary" })),
            "expired, or not valid yet",
        ),
    ] {
        let mut worker = configured(json!({
            "rules": [{ "match": {}, "require": {} }],
            "jwt_precheck": { "issuer": ours },
        }));
        check(
            &mut worker,
            &token,
            &format!("precheck (jwt_precheck: {expected})"),
        );
    }
}

#[test]
fn what_else_it_was() {
    let active = |claims: Value| Some(answers(&claims));
    let nonsense = "endpoint_out (introspection: malformed)";
    for (endpoint, expected) in [
        (
            Some((200, r#"{"active":false,"error":"canary"}"#.to_owned())),
            "invalid_token ()",
        ),
        (
            active(json!({ "cnf": { "x5t#S256": "canary" } })),
            "binding (bound to what cannot be proven here)",
        ),
        (
            active(json!({ "cnf": { "x5t#S256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" } })),
            "binding (bound to a client certificate that the connection does not show)",
        ),
        (
            active(json!({ "cnf": { "jkt": "canary" } })),
            "binding (bound to what cannot be proven here)",
        ),
        (Some((200, "canary".to_owned())), nonsense),
        (
            Some((503, "canary".to_owned())),
            "endpoint_out (introspection: status)",
        ),
        (
            Some((404, "canary".to_owned())),
            "endpoint_out (introspection: misconfigured)",
        ),
    ] {
        let mut worker = configured(json!({ "rules": [{ "match": {}, "require": {} }] }));
        worker.endpoint = endpoint;
        check(&mut worker, "opaque", expected);
    }
    let config = json!({
        "providers": { "a": {
            "cluster": "c", "endpoint": "http://idp/introspect", "issuers": ["https://a/"],
        } },
        "rules": [{ "match": {}, "require": {} }],
    });
    let token = jwt("{}", &json!({ "iss": "canary" }));
    let expected = "invalid_token (none of the rule's providers has the token's issuer)";
    check(&mut Worker::new(&config.to_string()), &token, expected);
}
