//! Requests of each kind.

use dev_idp::{Fault, Kid, Mint};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup};

/// A rule for each thing that can be refused; tokens of other issuers are asked about at an
/// RFC 7662 endpoint.
fn plugin() -> Value {
    json!({
        "providers": {
            "maskinporten": {
                "cluster": "texas", "issuers": ["https://test.maskinporten.no/"], "timeout": "1s",
            },
            "other": {
                "cluster": "texas", "api": "rfc7662", "timeout": "1s",
                "endpoint": "http://idp/oauth2/introspect", "inactive_statuses": [404],
            },
        },
        "cache": { "max_ttl": "1s", "inactive_ttl": "1s", "refresh_ahead": false },
        "rules": [
            { "name": "open", "match": { "path": "/open" }, "anonymous": true },
            { "name": "dark", "match": { "path": "/dark" }, "require": {}, "shadow": true },
            { "name": "scope", "match": { "path": "/scope" }, "require": { "scopes": ["x"] } },
            { "name": "aud", "match": { "path": "/aud" }, "require": { "audiences": ["x"] } },
            { "name": "acr", "match": { "path": "/acr" }, "require": { "acr_values": ["x"] } },
            { "name": "api", "match": { "prefix": "/api", "methods": ["GET", "POST"] }, "require": {} },
        ],
        "jwt_precheck": {},
        "forward": { "claims": { "x-consumer": "consumer" } },
        "protected_resource": { "resource": "https://api.example.com" },
    })
}

/// A gateway that refuses for every reason.
pub async fn gateway() -> Gateway {
    Gateway::start(Setup {
        plugin: plugin(),
        workers: 2,
        ..Setup::default()
    })
    .await
}

/// One request for each kind of decision that needs no fault.
pub async fn of_each_kind(gateway: &Gateway) {
    let good = Mint::default();
    let forged = Mint::default().kid(Kid::Unknown);
    let bound = Mint::default().claim("cnf", json!({ "jkt": "x" }));
    let bearer = |mint| Some(format!("Bearer {}", gateway.idp.mint(mint)));
    let junk = || Some("Bearer opaque".to_owned());
    let double = || Some("Bearer a b".to_owned());
    for (path, authorization, status) in [
        ("/open", None, 200),
        ("/.well-known/oauth-protected-resource", None, 200),
        ("/dark", None, 200),
        ("/api/x", None, 401),
        ("/api/x", double(), 400),
        ("/api/x", junk(), 401),
        ("/api/x", bearer(&forged), 401),
        ("/api/x", bearer(&bound), 401),
        ("/scope", bearer(&good), 403),
        ("/aud", bearer(&good), 403),
        ("/acr", bearer(&good), 401),
        ("/none", bearer(&good), 403),
        ("/api/;x", bearer(&good), 400),
        ("/api/x", bearer(&good), 200),
    ] {
        let headers = authorization.as_deref();
        let headers: Vec<_> = headers
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        assert_eq!(gateway.get(path, &headers).await.status, status, "{path}");
    }
    let overriding = [("x-http-method-override", "DELETE")];
    assert_eq!(gateway.get("/api/x", &overriding).await.status, 400);
    let preflight = [
        (&b"origin"[..], &b"https://app.example.com"[..]),
        (b"access-control-request-method", b"POST"),
    ];
    let answer = gateway.send(b"OPTIONS /api/x", &preflight).await;
    assert_eq!(answer.status, 200);
}

/// The same token many times: known by this worker, or by the other.
pub async fn of_known_tokens(gateway: &Gateway) {
    let token = gateway.token("api:read");
    for _ in 0..20 {
        assert_eq!(gateway.get_with(&token).await.status, 200);
    }
}

/// Tokens that nobody knows yet, many at once.
pub async fn of_new_tokens(gateway: &Gateway, status: u16) {
    let tokens: Vec<_> = (0..30).map(|_| gateway.token("api:read")).collect();
    let answers = join_all(tokens.iter().map(|token| gateway.get_with(token))).await;
    assert!(answers.iter().all(|answer| answer.status == status));
}

/// A token of another issuer, about which the RFC 7662 endpoint says by a status that it is inactive.
pub async fn of_unsupported_tokens(gateway: &Gateway) {
    gateway.idp.set_fault(Some(Fault::Status { status: 404 }));
    let mint = Mint::default().claim("iss", "https://other.example.com");
    let answer = gateway.get_with(&gateway.idp.mint(&mint)).await;
    assert_eq!(answer.status, 401);
    gateway.idp.set_fault(None);
}

/// A new token twice at once, so that one request waits for the other's question.
pub async fn of_the_same_new_token(gateway: &Gateway) {
    gateway.idp.set_fault(Some(Fault::Delay { ms: 200 }));
    let token = gateway.token("api:read");
    let answers = join_all((0..8).map(|_| gateway.get_with(&token))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    gateway.idp.set_fault(None);
}
