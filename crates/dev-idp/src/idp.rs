//! All that is served on the identity provider's address.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;

use crate::mint::Mint;
use crate::received::received;
use crate::state::Shared;
use crate::{rfc7662, texas};

pub(crate) fn router(state: Shared) -> Router {
    let received = from_fn_with_state(state.clone(), received);
    Router::new()
        .route("/token", get(token))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/healthz", get(async || "ok"))
        .route("/fault", put(set_fault).delete(clear_fault))
        .route(
            texas::PATH,
            post(texas::introspect).route_layer(received.clone()),
        )
        .route(
            rfc7662::PATH,
            post(rfc7662::introspect).route_layer(received),
        )
        .with_state(state)
}

type BadRequest = (StatusCode, String);

fn bad_request(text: &str) -> BadRequest {
    // One line, ending in a newline: it is read in a terminal.
    let line = text.replace(['\r', '\n'], " ") + "\n";
    (StatusCode::BAD_REQUEST, line)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenQuery {
    scope: Option<String>,
    consumer: Option<String>,
    lifetime: Option<i64>,
}

/// A token as bare text, for `TOKEN=$(curl -s …/token)`.
async fn token(
    State(state): State<Shared>,
    query: Result<Query<TokenQuery>, QueryRejection>,
) -> Result<String, BadRequest> {
    let Query(query) = query.map_err(|rejection| bad_request(&rejection.body_text()))?;
    let mut mint = Mint::default();
    if let Some(scope) = query.scope {
        mint = mint.scope(&scope);
    }
    if let Some(consumer) = query.consumer {
        if consumer.len() != 9 || !consumer.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad_request("consumer: nine digits expected"));
        }
        mint = mint.consumer(&consumer);
    }
    if let Some(lifetime) = query.lifetime {
        mint = mint.lifetime_seconds(lifetime);
    }
    Ok(state.keys.mint(&mint))
}

async fn jwks(State(state): State<Shared>) -> Json<JwkSet> {
    Json(state.keys.jwks())
}

/// Takes any content type, for `curl -X PUT -d …`.
async fn set_fault(State(state): State<Shared>, body: Bytes) -> Result<StatusCode, BadRequest> {
    let fault = serde_json::from_slice(&body).map_err(|error| bad_request(&error.to_string()))?;
    state.set_fault(Some(fault));
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_fault(State(state): State<Shared>) -> StatusCode {
    state.set_fault(None);
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{clients, post, start, url};

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn a_token_is_minted_as_the_query_says() {
        let idp = start().await;
        let introspection = url(idp.idp_addr(), texas::PATH);
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
        let introspection = url(idp.idp_addr(), texas::PATH);
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
}
