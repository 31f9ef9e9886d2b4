//! Texas's introspection endpoint.
//!
//! Made after the real one, quirks included: 200 for a bad token, 400 without
//! an `active` for a bad request, claims copied into the answer as they are.

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::provider::IdentityProvider;
use crate::state::Shared;
use crate::verify::{Claims, verify};

pub(crate) const PATH: &str = "/api/v1/introspect";

/// What is asked. Other fields are ignored, a field given twice is an error.
#[derive(Deserialize)]
struct Question {
    token: String,
    identity_provider: IdentityProvider,
}

/// Flattened, a claim named `active` or `error` makes a duplicate key: so it does in Texas.
#[derive(Default, Serialize)]
struct Answer {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    claims: Claims,
}

pub(crate) async fn introspect(State(state): State<Shared>, request: Request) -> Response {
    match question(request).await {
        Ok(question) => Json(answer(&state, &question)).into_response(),
        Err(description) => {
            let body = json!({"error": "invalid_request", "error_description": description});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

/// Reads the request as its content type says. The type must be in lower case.
async fn question(request: Request) -> Result<Question, String> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if content_type.starts_with("application/json") {
        Json::from_request(request, &())
            .await
            .map(|Json(question)| question)
            .map_err(|rejection: JsonRejection| rejection.body_text())
    } else if content_type.starts_with("application/x-www-form-urlencoded") {
        Form::from_request(request, &())
            .await
            .map(|Form(question)| question)
            .map_err(|rejection: FormRejection| rejection.body_text())
    } else {
        Err(format!(
            "unsupported media type: {content_type}: expected one of `application/json`, `application/x-www-form-urlencoded`"
        ))
    }
}

fn answer(state: &Shared, question: &Question) -> Answer {
    let provider = question.identity_provider;
    let verified = match state.keys.of(provider) {
        Some(keys) => verify(keys, &question.token).map_err(|rejected| rejected.to_string()),
        None => Err(format!(
            "identity provider '{}' is not enabled",
            provider.name()
        )),
    };
    match verified {
        Ok(claims) => Answer {
            active: true,
            claims,
            ..Answer::default()
        },
        Err(error) => Answer {
            error: Some(error),
            ..Answer::default()
        },
    }
}
