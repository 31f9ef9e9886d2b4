//! Tokens, keys and faults over HTTP.

use serde_json::{Value, json};

use crate::support::{FORM, TEXAS, clients, post, start, url};

#[tokio::test]
async fn a_token_is_minted_as_the_query_says() {
    let idp = start().await;
    let introspection = url(idp.idp_addr(), TEXAS);
    for client in clients() {
        for (query, scope, consumer, lifetime) in [
            ("", "nav:helse/sykepenger/afp.read", "0192:910753614", 120),
            (
                "?scope=a:b+c:d&consumer=889640782&lifetime=30",
                "a:b c:d",
                "0192:889640782",
                30,
            ),
            (
                "?scope=nav:s%C3%B8k/les&lifetime=-30",
                "nav:søk/les",
                "0192:910753614",
                -30,
            ),
        ] {
            let response = client
                .get(url(idp.idp_addr(), "/token") + query)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(
                response.headers()["content-type"],
                "text/plain; charset=utf-8"
            );
            let token = response.text().await.unwrap();
            assert_eq!(token, token.trim());
            let form = format!("identity_provider=maskinporten&token={token}");
            let (_, answer) = post(&introspection, FORM, form).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["active"], true, "{query}: {answer}");
            assert_eq!(answer["scope"], scope);
            assert_eq!(answer["consumer"]["ID"], consumer);
            let lived = answer["exp"].as_i64().unwrap() - answer["iat"].as_i64().unwrap();
            assert_eq!(lived, lifetime);
        }
    }
}

#[tokio::test]
async fn a_bad_query_is_400_with_one_line() {
    let idp = start().await;
    for query in [
        "consumer=1",
        "consumer=12345678x",
        "consumer=0192:910753614",
        "lifetime=long",
        "lifetime=",
        "identity_provider=tokenx",
        "identity_provider=nobody",
        "scopes=a:b",
        "scope=a:b&scope=c:d",
    ] {
        let response = reqwest::get(url(idp.idp_addr(), "/token?") + query)
            .await
            .unwrap();
        assert_eq!(response.status(), 400, "{query}");
        let text = response.text().await.unwrap();
        assert_eq!(text.lines().count(), 1, "{query}: {text}");
    }
}

#[tokio::test]
async fn a_fault_is_set_and_cleared() {
    let idp = start().await;
    let client = reqwest::Client::new();
    let fault = url(idp.idp_addr(), "/fault");
    let introspection = url(idp.idp_addr(), TEXAS);
    for (set, status) in [
        (json!({"kind": "status", "status": 503}), 503),
        (json!({"kind": "body", "status": 201, "body": "{}"}), 201),
        (json!({"kind": "outage"}), 200),
        (json!({"kind": "delay", "ms": 1}), 400),
    ] {
        let response = client.put(&fault).json(&set).send().await.unwrap();
        assert_eq!(response.status(), 204, "{set}");
        let answer = post(&introspection, "text/plain", String::new()).await;
        assert_eq!(answer.0, status, "{set}");
    }
    let refused = client.put(&fault).json(&json!({"kind": "nothing"}));
    assert_eq!(refused.send().await.unwrap().status(), 400);
    client
        .put(&fault)
        .json(&json!({"kind": "garbage"}))
        .send()
        .await
        .unwrap();
    let cleared = client.delete(&fault).send().await.unwrap();
    assert_eq!(cleared.status(), 204);
    assert_eq!(
        post(&introspection, "text/plain", String::new()).await.0,
        400
    );
}

#[tokio::test]
async fn the_public_key_and_the_health_are_served() {
    let idp = start().await;
    let jwks = reqwest::get(url(idp.idp_addr(), "/.well-known/jwks.json"))
        .await
        .unwrap();
    let jwks: Value = jwks.json().await.unwrap();
    assert_eq!(jwks["keys"][0]["alg"], "RS256");
    let health = reqwest::get(url(idp.idp_addr(), "/healthz")).await.unwrap();
    assert_eq!(health.status(), 200);
}
