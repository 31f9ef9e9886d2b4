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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{clients, start, url};

    #[tokio::test]
    async fn every_path_and_method_is_answered_with_what_was_seen() {
        let idp = start().await;
        let mut sent = 0;
        for client in clients() {
            for (method, path, length) in [
                ("GET", "/", 0),
                ("POST", "/afp/v1/%C3%A6?a=1&b=%20", 10),
                ("DELETE", "/any/where", 0),
                ("BREW", "/coffee", 1),
                ("PUT", "/upload", 64_000_000),
            ] {
                let response = client
                    .request(method.parse().unwrap(), url(idp.api_addr(), path))
                    .header("x-name", b"caf\xc3\xa9 \xff".as_slice())
                    .body(vec![b'x'; length])
                    .send()
                    .await
                    .unwrap();
                sent += 1;
                assert_eq!(response.status(), 200);
                let seen: Value = response.json().await.unwrap();
                assert_eq!(seen["method"], method);
                assert_eq!(seen["path"], path);
                assert_eq!(seen["body_bytes"], length);
                let headers = seen["headers"].as_array().unwrap();
                assert!(
                    headers.contains(&json!(["x-name", "café \u{fffd}"])),
                    "{headers:?}"
                );
                assert_eq!(idp.api_requests(), sent);
            }
        }
        assert_eq!(idp.introspections(), 0);
    }

    #[tokio::test]
    async fn a_grpc_call_succeeds_in_its_trailers() {
        use http_body_util::BodyExt as _;

        let idp = start().await;
        let [_, h2c] = clients();
        for content_type in ["application/grpc", "application/grpc+proto"] {
            let response = h2c
                .post(url(idp.api_addr(), "/nav.Service/Method"))
                .header("content-type", content_type)
                .header("te", "trailers")
                .body("message")
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "application/grpc");
            assert_eq!(response.headers().get("content-length"), None);
            let body = reqwest::Body::from(response).collect().await.unwrap();
            assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
            assert!(body.to_bytes().is_empty());
        }
    }
}
