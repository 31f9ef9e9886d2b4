//! The introspection endpoint of the standard, RFC 7662.
//!
//! For the identity providers that are not Texas. Here the caller may have to
//! show who it is, in any of the ways that such providers ask for.

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::state::Shared;
use crate::verify::verify;

pub(crate) const PATH: &str = "/oauth2/introspect";
/// Where tokens are revoked (RFC 7009). This endpoint alone knows of it: Texas judges tokens by
/// themselves.
pub(crate) const REVOCATION_PATH: &str = "/oauth2/revoke";

/// What is asked. `token_type_hint` may come too, and like all else is ignored.
#[derive(Default, Deserialize)]
pub(crate) struct Question {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

pub(crate) async fn introspect(
    State(state): State<Shared>,
    headers: HeaderMap,
    question: Result<Form<Question>, FormRejection>,
) -> Response {
    let token = match token(&state, &headers, question) {
        Ok(token) => token,
        Err(refusal) => return refusal.into_response(),
    };
    let mut verified = state.keys.iter().map(|keys| verify(keys, &token));
    let body = match verified.find_map(Result::ok) {
        Some(claims) if !state.is_revoked(&token) => {
            let mut body: Map<String, Value> = claims.into_iter().collect();
            body.insert("active".to_owned(), Value::Bool(true));
            Value::Object(body)
        }
        _ => json!({"active": false}),
    };
    Json(body).into_response()
}

/// RFC 7009: 200 whether the token was good or not.
pub(crate) async fn revoke(
    State(state): State<Shared>,
    headers: HeaderMap,
    question: Result<Form<Question>, FormRejection>,
) -> Response {
    match token(&state, &headers, question) {
        Ok(token) => {
            state.revoke(token);
            StatusCode::OK.into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Why a question is not looked at.
enum Refusal {
    InvalidRequest,
    InvalidClient,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::InvalidRequest => invalid_request(),
            Self::InvalidClient => invalid_client(),
        }
    }
}

/// The token in question, if it is the client that asks.
fn token(
    state: &crate::state::State,
    headers: &HeaderMap,
    question: Result<Form<Question>, FormRejection>,
) -> Result<String, Refusal> {
    let Form(question) = question.map_err(|_| Refusal::InvalidRequest)?;
    if let Some(client) = &state.client
        && !is_authenticated(client, headers.get(header::AUTHORIZATION), &question)
    {
        return Err(Refusal::InvalidClient);
    }
    question.token.ok_or(Refusal::InvalidRequest)
}

fn invalid_request() -> Response {
    let body = json!({"error": "invalid_request"});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn invalid_client() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="dev-idp""#)];
    let body = json!({"error": "invalid_client"});
    (StatusCode::UNAUTHORIZED, challenge, Json(body)).into_response()
}

/// Checks the client by its header, or without one by the form.
fn is_authenticated(
    client: &Client,
    authorization: Option<&HeaderValue>,
    question: &Question,
) -> bool {
    let Some(authorization) = authorization else {
        return question.client_id.as_ref() == Some(&client.id)
            && question.client_secret.as_ref() == Some(&client.secret);
    };
    // Not `to_str`: a secret sent as a bearer token may hold more than ASCII.
    let Some((scheme, credentials)) = str::from_utf8(authorization.as_bytes())
        .ok()
        .and_then(|value| value.split_once(' '))
    else {
        return false;
    };
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => basic(credentials).is_some_and(|shown| shown == *client),
        "bearer" => credentials == client.secret,
        _ => false,
    }
}

/// RFC 6749, section 2.3.1: id and secret are form-encoded each, before they
/// are joined by a colon and base64-encoded.
fn basic(credentials: &str) -> Option<Client> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(Client {
        id: form_decode(id)?,
        secret: form_decode(secret)?,
    })
}

fn form_decode(value: &str) -> Option<String> {
    let value = value.replace('+', " ");
    let decoded = percent_decode_str(&value).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
