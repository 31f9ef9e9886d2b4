//! Every row of the answers table, end to end.

use dev_idp::{Fault, Mint};
use serde_json::{Value, json};

use crate::gateway::{Form, Gateway, Setup, plugin, until};
use crate::stats::decisions;

/// What an answer must be.
struct Expected {
    status: u16,
    challenge: Option<&'static str>,
    reason: &'static str,
}

fn expect(status: u16, challenge: Option<&'static str>, reason: &'static str) -> Expected {
    Expected {
        status,
        challenge,
        reason,
    }
}

/// A request is answered as expected, and counted and logged once.
async fn check(
    gateway: &Gateway,
    case: &str,
    path: &str,
    authorization: Option<&str>,
    expected: &Expected,
) {
    let result = if expected.status == 503 {
        "error"
    } else {
        "deny"
    };
    let reason = expected.reason;
    let metric = decisions(result, reason);
    // Filter state, by way of the access log: the last field of the request's line.
    let lines = || gateway.log().matches(&format!(" {reason}\n")).count();
    let (counted, logged) = (gateway.stat(&metric).await, lines());

    let headers: Vec<_> = authorization
        .iter()
        .map(|value| ("authorization", *value))
        .collect();
    let answer = gateway.get(path, &headers).await;

    assert_eq!(answer.status, expected.status, "{case}: {answer:?}");
    let header = |name| answer.header(name);
    assert_eq!(
        header("www-authenticate").as_deref(),
        expected.challenge,
        "{case}"
    );
    assert_eq!(
        header("retry-after").is_some(),
        expected.status == 503,
        "{case}"
    );
    assert_eq!(
        header("content-type").as_deref(),
        Some("application/problem+json"),
        "{case}"
    );
    let problem = answer.json();
    assert_eq!(problem["status"], expected.status, "{case}");
    assert_eq!(problem["type"], "about:blank", "{case}");
    gateway.assert_stat(&metric, counted + 1).await;
    until("the refusal is in the access log", async || {
        lines() == logged + 1
    })
    .await;
}

const READ: &str = r#"Bearer realm="test", scope="api:read""#;
const INVALID_REQUEST: &str = r#"Bearer realm="test", error="invalid_request""#;
const INVALID_TOKEN: &str = r#"Bearer realm="test", error="invalid_token""#;
const INSUFFICIENT: &str = r#"Bearer realm="test", error="insufficient_scope", scope="api:read""#;

#[tokio::test(flavor = "multi_thread")]
async fn refusals_by_a_configuration_in_yaml() {
    refusals(Form::Native).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_by_a_configuration_in_json() {
    refusals(Form::Json).await;
}

#[allow(clippy::too_many_lines, reason = "a table")]
async fn refusals(form: Form) {
    let gateway = Gateway::start(Setup {
        form,
        envoy_normalizes_paths: false,
        ..Setup::default()
    })
    .await;
    let bearer = |token: &str| format!("Bearer {token}");
    let good = bearer(&gateway.token("api:read"));
    let expired = gateway
        .idp
        .mint(&Mint::default().scope("api:read").lifetime_seconds(-120));
    let other = bearer(&gateway.token("other:read api:readx api"));
    let unscoped = gateway
        .idp
        .mint(&Mint::default().claim("scope", Value::Null));
    let long = bearer(&"a".repeat(8193));
    let (expired, unscoped) = (bearer(&expired), bearer(&unscoped));

    let cases: &[(&str, &str, Option<&str>, Expected)] = &[
        (
            "no credentials",
            "/api/x",
            None,
            expect(401, Some(READ), "no_credentials"),
        ),
        (
            "another scheme",
            "/api/x",
            Some("Basic YTpi"),
            expect(401, Some(READ), "no_credentials"),
        ),
        (
            "malformed",
            "/api/x",
            Some("Bearer a b"),
            expect(400, Some(INVALID_REQUEST), "invalid_request"),
        ),
        (
            "empty",
            "/api/x",
            Some("Bearer"),
            expect(400, Some(INVALID_REQUEST), "invalid_request"),
        ),
        (
            "over-long",
            "/api/x",
            Some(&long),
            expect(400, Some(INVALID_REQUEST), "invalid_request"),
        ),
        (
            "garbage",
            "/api/x",
            Some("Bearer garbage"),
            expect(401, Some(INVALID_TOKEN), "invalid_token"),
        ),
        (
            "expired",
            "/api/x",
            Some(&expired),
            expect(401, Some(INVALID_TOKEN), "invalid_token"),
        ),
        (
            "scope missing",
            "/api/x",
            Some(&other),
            expect(403, Some(INSUFFICIENT), "insufficient_scope"),
        ),
        (
            "no scope at all",
            "/api/x",
            Some(&unscoped),
            expect(403, Some(INSUFFICIENT), "insufficient_scope"),
        ),
        (
            "no rule, no token",
            "/other",
            None,
            expect(403, None, "no_rule"),
        ),
        (
            "no rule, good token",
            "/apix",
            Some(&good),
            expect(403, None, "no_rule"),
        ),
        (
            "ambiguous path",
            "/open/../api/x",
            Some(&good),
            expect(400, None, "ambiguous_path"),
        ),
        (
            "ambiguous open path",
            "//open",
            None,
            expect(400, None, "ambiguous_path"),
        ),
    ];
    let reached = gateway.idp.api_requests();
    for (case, path, authorization, expected) in cases {
        check(&gateway, case, path, *authorization, expected).await;
    }
    gateway.idp.set_fault(Some(Fault::Status { status: 500 }));
    let unknown = bearer(&gateway.token("api:read unknown"));
    let expected = expect(503, None, "endpoint_out");
    check(&gateway, "outage", "/api/x", Some(&unknown), &expected).await;

    let labels =
        r#"portvakt_decisions_total{result="deny",reason="insufficient_scope",rule="read"} 2"#;
    let prometheus = gateway.prometheus().await;
    assert!(prometheus.contains(labels), "{prometheus}");
    let labels = r#"portvakt_introspections_total{outcome="status",provider="default"} 1"#;
    assert!(prometheus.contains(labels), "{prometheus}");
    assert_eq!(
        gateway.idp.api_requests(),
        reached,
        "a refused request reached the API"
    );
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes() {
    let gateway = Gateway::start(Setup::default()).await;
    let read = format!("Bearer {}", gateway.token("api:read"));
    let both = format!("bearer {}", gateway.token("x api:write api:read"));
    for (line, authorization, status) in [
        ("GET /open", None, 200),
        ("GET /open?query=/api", None, 200),
        ("DELETE /open", Some("Bearer not looked at"), 200),
        ("GET /api", Some(&*read), 200),
        ("GET /api/x?y=//", Some(&read), 200),
        ("HEAD /api/x", Some(&read), 200),
        ("POST /api/x", Some(&read), 403),
        ("POST /api/x", Some(&both), 200),
        ("GET /api/x", Some(&both), 200),
    ] {
        let before = gateway.idp.api_requests();
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| (&b"authorization"[..], value.as_bytes()))
            .collect();
        let answer = gateway.send(line.as_bytes(), &headers).await;
        assert_eq!(
            answer.status, status,
            "{line} {authorization:?}: {answer:?}"
        );
        let reached = gateway.idp.api_requests() - before;
        assert_eq!(reached, usize::from(status == 200), "{line}");
        if status == 200 && !line.starts_with("HEAD") {
            let seen = answer.json();
            assert_eq!(
                line,
                format!(
                    "{} {}",
                    seen["method"].as_str().unwrap(),
                    seen["path"].as_str().unwrap()
                )
            );
            let expected = authorization.map(|value| json!(["authorization", value]));
            let forwarded = seen["headers"]
                .as_array()
                .unwrap()
                .iter()
                .find(|h| h[0] == "authorization");
            assert_eq!(
                forwarded.cloned(),
                expected,
                "the upstream sees what the client sent"
            );
        }
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn required_scopes_is_short_for_one_rule() {
    let mut plugin = plugin();
    plugin.as_object_mut().unwrap().remove("rules");
    plugin["required_scopes"] = json!(["api:read", "nav:blåbær"]);
    let gateway = Gateway::start(Setup {
        plugin,
        envoy_normalizes_paths: false,
        ..Setup::default()
    })
    .await;
    for (scope, path, status) in [
        (None, "/", 401),
        (Some("api:read"), "/", 403),
        (Some("api:read nav:blabar"), "/", 403),
        (Some("nav:blåbær api:read"), "/", 200),
        (Some("nav:blåbær api:read"), "/a//b/%2f", 200),
    ] {
        let token = scope.map(|scope| format!("Bearer {}", gateway.token(scope)));
        let headers: Vec<_> = token
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        let answer = gateway.get(path, &headers).await;
        assert_eq!(answer.status, status, "{scope:?} {path}: {answer:?}");
        if status == 401 {
            // A scope that is not ASCII cannot stand in a challenge.
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="test""#));
        }
    }
}
