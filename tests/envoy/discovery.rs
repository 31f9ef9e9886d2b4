//! What clients can read about the API (RFC 9728): a client that knows nothing but the API's URL
//! must find, from a refusal or by the well-known path, where tokens for it come from.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gateway::{Form, Gateway, Setup, plugin};
use crate::stats::decisions;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

fn document(resource: &str) -> Value {
    json!({
        "resource": resource,
        "authorization_servers": ["https://test.maskinporten.no/"],
        "scopes_supported": ["api:read", "api:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Sykepenger æøå \"\\/\n",
        "x": { "numbers": [0, -1, 1.5, 1_795_000_000], "null": null, "list": [], "object": {} },
    })
}

fn anything_goes() -> Value {
    json!({ "match": { "prefix": "/" }, "anonymous": true })
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The filter, with the document.
    Filter,
    /// Whoever the rules say.
    Rules,
}

/// Each request is answered by whom it should be. With a last rule that lets everything through,
/// what the rules decide reaches the API, otherwise it is refused.
async fn check(resource: Option<&str>, form: Form, is_open: bool, requests: &[(&str, By)]) {
    let mut plugin = plugin();
    if is_open {
        let rules = plugin["rules"].as_array_mut().unwrap();
        rules.push(anything_goes());
    }
    if let Some(resource) = resource {
        plugin["protected_resource"] = document(resource);
    }
    let gateway = Gateway::start(Setup {
        plugin,
        form,
        ..Setup::default()
    })
    .await;
    let mut by_filter = 0;
    for (line, by) in requests {
        // Envoy lingers over the connection of a HEAD: one is enough.
        let authorizations = match line.split_once(' ') {
            Some(("HEAD", _)) => &[None][..],
            _ => &[None, Some("Bearer garbage"), Some("Basic YTpi")],
        };
        for authorization in authorizations {
            let case = format!("{resource:?} {form:?} {is_open} {line} {authorization:?}");
            let reached = gateway.idp.api_requests();
            let headers: Vec<_> = authorization
                .iter()
                .map(|value| (&b"authorization"[..], value.as_bytes()))
                .collect();
            let answer = gateway.send(line.as_bytes(), &headers).await;
            let passed = gateway.idp.api_requests() - reached;
            match by {
                By::Filter => {
                    assert_document(&case, line, &answer, resource.unwrap());
                    assert_eq!(passed, 0, "{case}");
                    by_filter += 1;
                }
                By::Rules => {
                    let expected = if is_open { (200, 1) } else { (403, 0) };
                    assert_eq!((answer.status, passed), expected, "{case}: {answer:?}");
                }
            }
        }
    }
    assert_eq!(gateway.idp.introspections(), 0);
    let metric = &decisions("allow", "metadata");
    gateway.assert_stat(metric, by_filter).await;
    gateway.assert_well().await;
}

fn assert_document(case: &str, line: &str, answer: &Answer, resource: &str) {
    assert_eq!(answer.status, 200, "{case}: {answer:?}");
    let content_type = answer.header("content-type");
    assert_eq!(content_type.as_deref(), Some("application/json"), "{case}");
    assert_eq!(answer.header("www-authenticate"), None, "{case}");
    if line.starts_with("HEAD") {
        assert!(answer.body.is_empty(), "{case}");
    } else {
        assert_eq!(answer.json(), document(resource), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_described_at_the_well_known_path() {
    for (resource, form, is_open) in [
        ("https://api.example.com", Form::Native, false),
        ("https://api.example.com/", Form::Json, true),
    ] {
        let requests = [
            ("GET /.well-known/oauth-protected-resource", By::Filter),
            ("HEAD /.well-known/oauth-protected-resource", By::Filter),
            ("GET /.well-known/oauth-protected-resource?", By::Filter),
            (
                "GET /.well-known/oauth-protected-resource?a=/b&c=%2f",
                By::Filter,
            ),
            ("GET /.well-known/oauth-protected-resourc%65", By::Filter),
            ("POST /.well-known/oauth-protected-resource", By::Rules),
            ("OPTIONS /.well-known/oauth-protected-resource", By::Rules),
            ("DELETE /.well-known/oauth-protected-resource", By::Rules),
            ("GET /.well-known/oauth-protected-resource/", By::Rules),
            ("GET /.well-known/oauth-protected-resource/api", By::Rules),
            ("GET /.well-known/oauth-protected-resources", By::Rules),
            ("GET /.well-known/OAuth-protected-resource", By::Rules),
            ("GET /.well-known/oauth-authorization-server", By::Rules),
            ("GET /.well-known", By::Rules),
            ("GET /oauth-protected-resource", By::Rules),
        ];
        check(Some(resource), form, is_open, &requests).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_described_behind_the_well_known_path() {
    let requests = [
        ("GET /.well-known/oauth-protected-resource/api", By::Filter),
        ("HEAD /.well-known/oauth-protected-resource/api", By::Filter),
        (
            "GET /.well-known/oauth-protected-resource/api?x",
            By::Filter,
        ),
        ("POST /.well-known/oauth-protected-resource/api", By::Rules),
        ("GET /.well-known/oauth-protected-resource", By::Rules),
        ("GET /.well-known/oauth-protected-resource/", By::Rules),
        ("GET /.well-known/oauth-protected-resource/api/", By::Rules),
        ("GET /.well-known/oauth-protected-resource/api/x", By::Rules),
        ("GET /.well-known/oauth-protected-resource/apix", By::Rules),
        ("GET /.well-known/openid-configuration/api", By::Rules),
    ];
    let resource = Some("https://api.example.com/api");
    check(resource, Form::Native, true, &requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_configured_is_not_served() {
    let requests = [
        ("GET /.well-known/oauth-protected-resource", By::Rules),
        ("HEAD /.well-known/oauth-protected-resource", By::Rules),
        ("GET /.well-known/oauth-protected-resource/api", By::Rules),
    ];
    for is_open in [false, true] {
        check(None, Form::Native, is_open, &requests).await;
    }
}

/// Every challenge names the document, and what it names is there.
#[tokio::test(flavor = "multi_thread")]
async fn challenges_lead_to_the_document() {
    for resource in ["https://api.example.com", "https://api.example.com/api"] {
        let mut plugin = plugin();
        plugin["protected_resource"] = document(resource);
        let rules = plugin["rules"].as_array_mut().unwrap();
        rules.push(anything_goes());
        let gateway = Gateway::start(Setup {
            plugin,
            ..Setup::default()
        })
        .await;
        let path = format!(
            "{WELL_KNOWN}{}",
            &resource["https://api.example.com".len()..]
        );
        let metadata = format!(r#"resource_metadata="https://api.example.com{path}""#);
        let other = format!("Bearer {}", gateway.token("other"));
        for (authorization, status, parameters) in [
            (None, 401, r#"scope="api:read""#),
            (Some("Basic YTpi"), 401, r#"scope="api:read""#),
            (Some("Bearer a b"), 400, r#"error="invalid_request""#),
            (Some("Bearer garbage"), 401, r#"error="invalid_token""#),
            (
                Some(&*other),
                403,
                r#"error="insufficient_scope", scope="api:read""#,
            ),
        ] {
            let headers: Vec<_> = authorization
                .iter()
                .map(|value| ("authorization", *value))
                .collect();
            let answer = gateway.get("/api/x", &headers).await;
            assert_eq!(answer.status, status, "{authorization:?}: {answer:?}");
            let expected = format!(r#"Bearer realm="test", {parameters}, {metadata}"#);
            let found = answer.header("www-authenticate");
            assert_eq!(found, Some(expected), "{authorization:?}");
        }
        let answer = gateway.get(&path, &[]).await;
        assert_document(resource, "GET", &answer, resource);
    }
}
