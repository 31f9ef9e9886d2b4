//! The API that is guarded: it says what reached it.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures_util::stream;
use http_body_util::BodyExt as _;
use serde::Serialize;

use crate::state::Shared;

pub(crate) fn router(state: Shared) -> Router {
    Router::new().fallback(answer).with_state(state)
}

/// The request as it arrived here.
#[derive(Serialize)]
struct Seen {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body_bytes: u64,
}

async fn answer(State(state): State<Shared>, request: Request) -> Response {
    state.record_api_request();
    let (parts, body) = request.into_parts();
    let Some(body_bytes) = count(body).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if is_grpc(&parts.headers) {
        return grpc_ok();
    }
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        })
        .collect();
    Json(Seen {
        method: parts.method.to_string(),
        path: parts
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers,
        body_bytes,
    })
    .into_response()
}

/// Reads the body without keeping it. [`None`] if it breaks off.
async fn count(mut body: Body) -> Option<u64> {
    let mut bytes: u64 = 0;
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.ok()?.data_ref() {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            bytes = bytes.saturating_add(length);
        }
    }
    Some(bytes)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// A gRPC call that went well: no message, and the status in the trailers.
fn grpc_ok() -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    // A stream, for its length is not known: gRPC servers send no content-length.
    let empty = Body::from_stream(stream::empty::<Result<Bytes, Infallible>>());
    let body = Body::new(empty.with_trailers(async { Some(Ok(trailers)) }));
    ([(header::CONTENT_TYPE, "application/grpc")], body).into_response()
}
