//! A service for `ext_authz` that does with each request what Portvakt does with one whose token is
//! not known: it asks the endpoint, and looks for the scope.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::endpoint::{self, serve};

/// A running service. Dropping it ends it.
pub struct AuthorizationService {
    pub address: SocketAddr,
    _server: JoinSet<()>,
}

struct Asking {
    client: reqwest::Client,
    endpoint: String,
}

impl AuthorizationService {
    pub async fn start(endpoint: SocketAddr) -> Self {
        let asking = Arc::new(Asking {
            client: reqwest::Client::new(),
            endpoint: format!("http://{endpoint}{}", endpoint::PATH),
        });
        let router = Router::new().fallback(decide).with_state(asking);
        let (address, server) = serve(router).await;
        Self {
            address,
            _server: server,
        }
    }
}

async fn decide(State(asking): State<Arc<Asking>>, headers: HeaderMap) -> StatusCode {
    let token = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token)
    });
    let Some(token) = token else {
        return StatusCode::UNAUTHORIZED;
    };
    let response = asking
        .client
        .post(&asking.endpoint)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("identity_provider=maskinporten&token={token}"))
        .send()
        .await;
    let Ok(response) = response else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    let body = response.bytes().await.unwrap_or_default();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut scopes = answer["scope"].as_str().unwrap_or_default().split(' ');
    if answer["active"] != true {
        StatusCode::UNAUTHORIZED
    } else if scopes.any(|scope| scope == "api:read") {
        StatusCode::OK
    } else {
        StatusCode::FORBIDDEN
    }
}
