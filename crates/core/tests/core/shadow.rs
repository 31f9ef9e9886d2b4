//! Shadow mode: whatever a request would be refused for, it goes on, and is told apart.

use std::collections::BTreeSet;

use portvakt_core::authorizer::{Decision, Grant};
use portvakt_core::reply::reason::Reason;
use portvakt_core::upstream::Edit;
use serde_json::{Value, json};

use crate::rules::configured;
use crate::worker::{Head, Worker};

const TOKEN: &str = "Bearer abc";

/// A configuration with a rule for each thing that can be refused.
fn config() -> Value {
    json!({
        "rules": [
            { "name": "open", "match": { "path": "/open" }, "anonymous": true },
            { "name": "scope", "match": { "path": "/scope" }, "require": { "scopes": ["x"] } },
            { "name": "aud", "match": { "path": "/aud" }, "require": { "audiences": ["x"] } },
            { "name": "acr", "match": { "path": "/acr" }, "require": { "acr_values": ["high"] } },
            { "name": "any", "match": { "prefix": "/any", "methods": ["GET"] }, "require": {} },
        ],
        "forward": { "claims": { "x-sub": "sub" }, "authorization": "remove" },
    })
}

/// A request, and what the endpoint says, with what it is refused for.
fn cases() -> Vec<(&'static str, Head<'static>, Option<Value>, Reason)> {
    let get = |path| Head::new(path).header("authorization", TOKEN);
    let active = || Some(json!({ "active": true, "sub": "alice" }));
    let bound = json!({ "active": true, "cnf": { "jkt": "x" } });
    vec![
        (
            "no token",
            Head::new("GET /any"),
            None,
            Reason::NoCredentials,
        ),
        (
            "two tokens",
            Head::new("GET /any").header("authorization", "Bearer a b"),
            None,
            Reason::InvalidRequest,
        ),
        (
            "inactive",
            get("GET /any"),
            Some(json!({ "active": false })),
            Reason::InvalidToken,
        ),
        ("bound", get("GET /any"), Some(bound), Reason::Binding),
        (
            "scope",
            get("GET /scope"),
            active(),
            Reason::InsufficientScope,
        ),
        ("audience", get("GET /aud"), active(), Reason::Requirement),
        (
            "step-up",
            get("GET /acr"),
            active(),
            Reason::InsufficientUserAuthentication,
        ),
        ("no rule", get("GET /other"), None, Reason::NoRule),
        ("method", get("POST /any"), None, Reason::NoRule),
        ("path", get("GET /any/../x"), None, Reason::AmbiguousPath),
        ("open path", get("GET //open"), None, Reason::AmbiguousPath),
        (
            "two methods",
            get("GET /any").header("x-http-method-override", "DELETE"),
            None,
            Reason::AmbiguousMethod,
        ),
        (
            "nonsense",
            get("GET /any"),
            Some(json!({})),
            Reason::EndpointOut,
        ),
    ]
}

fn decision(config: Value, head: &Head<'_>, answer: Option<Value>) -> (Worker, Decision) {
    let mut worker = configured(config);
    worker.endpoint = answer.map(|answer| (200, answer.to_string()));
    let decision = worker.decision(head);
    (worker, decision)
}

/// The same request in earnest, in shadow mode for everything, and for its rule.
fn check(config: &Value, case: &str, head: &Head<'_>, answer: Option<&Value>, expected: Reason) {
    let (_, refused) = decision(config.clone(), head, answer.cloned());
    let Decision::Reject(rejection) = refused else {
        panic!("{case}: {refused:?}");
    };
    assert_eq!(rejection.reason(), expected, "{case}");

    let mut all = config.clone();
    all["shadow"] = json!(true);
    let (worker, found) = decision(all, head, answer.cloned());
    assert_eq!(found, Decision::Shadow(rejection.clone()), "{case}");
    // The upstream is told nothing, and does not see what it would not see in earnest.
    let edits: Vec<_> = worker.authorizer.edits(None).collect();
    assert_eq!(edits, [Edit::RemoveHeader("authorization")], "{case}");

    let mut by_rule = config.clone();
    for rule in by_rule["rules"].as_array_mut().unwrap() {
        if rule["anonymous"].is_null() {
            rule["shadow"] = json!(true);
        }
    }
    let has_rule = match expected {
        Reason::NoRule | Reason::AmbiguousPath | Reason::AmbiguousMethod => false,
        Reason::NoCredentials
        | Reason::InvalidRequest
        | Reason::InvalidToken
        | Reason::Precheck
        | Reason::Binding
        | Reason::InsufficientScope
        | Reason::InsufficientUserAuthentication
        | Reason::Requirement
        | Reason::EndpointOut => true,
    };
    let expected = if has_rule {
        Decision::Shadow(rejection)
    } else {
        Decision::Reject(rejection)
    };
    let (_, found) = decision(by_rule, head, answer.cloned());
    assert_eq!(found, expected, "{case}, by rule");
}

#[test]
fn nothing_is_refused_and_everything_is_told() {
    let mut seen = BTreeSet::new();
    for (case, head, answer, reason) in cases() {
        check(&config(), case, &head, answer.as_ref(), reason);
        seen.insert(reason.name());
    }
    let mut prechecked = config();
    prechecked["jwt_precheck"] = json!({});
    let head = Head::new("GET /any").header("authorization", TOKEN);
    check(&prechecked, "precheck", &head, None, Reason::Precheck);
    seen.insert(Reason::Precheck.name());
    let all: BTreeSet<_> = Reason::ALL.map(Reason::name).into_iter().collect();
    assert_eq!(seen, all, "every reason");
}

#[test]
fn what_passes_passes_as_ever() {
    for shadow in [false, true] {
        let mut config = config();
        config["shadow"] = json!(shadow);
        let token = |path| Head::new(path).header("authorization", TOKEN);
        let preflight = Head::new("OPTIONS /any")
            .header("origin", "https://a")
            .header("access-control-request-method", "GET");
        let answer = json!({ "active": true, "sub": "alice" });

        let (worker, found) = decision(config.clone(), &token("GET /any"), Some(answer));
        let Decision::Forward(Grant::Token(facts)) = found else {
            panic!("{shadow}: {found:?}");
        };
        let edits: Vec<_> = worker.authorizer.edits(Some(&facts)).collect();
        let told = Edit::SetHeader("x-sub", "alice".into());
        assert_eq!(
            edits,
            [Edit::RemoveHeader("authorization"), told],
            "{shadow}"
        );

        let (_, found) = decision(config.clone(), &Head::new("GET /open"), None);
        assert_eq!(found, Decision::Forward(Grant::Anonymous), "{shadow}");
        let (_, found) = decision(config.clone(), &preflight, None);
        assert_eq!(found, Decision::Forward(Grant::Preflight), "{shadow}");

        config["protected_resource"] = json!({ "resource": "https://api.example.com" });
        let metadata = Head::new("GET /.well-known/oauth-protected-resource");
        let (_, found) = decision(config.clone(), &metadata, None);
        assert_eq!(found, Decision::ServeMetadata, "{shadow}");

        config["failure_mode_allow"] = json!(true);
        let mut worker = configured(config);
        worker.endpoint = Some((500, String::new()));
        let found = worker.decision(&token("GET /any"));
        assert_eq!(found, Decision::Forward(Grant::FailureMode), "{shadow}");
    }
}

/// It waits for the endpoint as it would in earnest, and knows the token afterwards.
#[test]
fn tokens_are_asked_about_and_remembered_as_ever() {
    let mut config = config();
    config["shadow"] = json!(true);
    let mut worker = configured(config);
    worker.endpoint = Some((200, json!({ "active": true }).to_string()));
    for _ in 0..3 {
        let found = worker.request("GET /scope", Some(TOKEN));
        assert_eq!(found, crate::worker::End::Shadow("insufficient_scope"));
    }
    assert_eq!(worker.callouts(), 1);
}
