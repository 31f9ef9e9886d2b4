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
use crate::provider::IdentityProvider;
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
        .route(rfc7662::REVOCATION_PATH, post(rfc7662::revoke))
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
    identity_provider: Option<IdentityProvider>,
}

/// A token as bare text, for `TOKEN=$(curl -s …/token)`.
async fn token(
    State(state): State<Shared>,
    query: Result<Query<TokenQuery>, QueryRejection>,
) -> Result<String, BadRequest> {
    let Query(query) = query.map_err(|rejection| bad_request(&rejection.body_text()))?;
    let provider = query.identity_provider.unwrap_or_default();
    if state.keys.of(provider).is_none() {
        let text = format!("identity_provider: {} is not enabled", provider.name());
        return Err(bad_request(&text));
    }
    let mut mint = Mint::of(provider);
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
