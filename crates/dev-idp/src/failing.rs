//! Does what a fault says.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use crate::connection::HangUp;
use crate::fault::Fault;
use crate::state::State;

/// From the first half of a body to the reset: enough for it to arrive.
const BEFORE_RESET: Duration = Duration::from_millis(50);

/// [`None`]: now answer as usual.
pub(crate) async fn apply(fault: Fault, state: &State, hang_up: HangUp) -> Option<Response> {
    let response = match fault {
        Fault::Hold => {
            state.released().await;
            return None;
        }
        Fault::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            return None;
        }
        Fault::OneByOne { ms } => {
            let _turn = state.turn().await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            return None;
        }
        Fault::Close => {
            hang_up.close();
            pending().await
        }
        Fault::Status { status } => with_status(status, r#"{"error":"server_error"}"#),
        Fault::Garbage => with_status(200, "<html>no JSON here</html>"),
        Fault::Body { status, body } => with_status(status, body),
        Fault::Huge { bytes } => with_status(200, huge(bytes)),
        Fault::Reset => half(hang_up),
        Fault::Outage => {
            inactive("fetch: error sending request for url (https://test.maskinporten.no/jwk)")
        }
        Fault::Disabled => inactive("identity provider 'maskinporten' is not enabled"),
    };
    Some(response)
}

fn with_status(status: u16, body: impl Into<Body>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body.into()).into_response()
}

fn inactive(error: &str) -> Response {
    let body = json!({"active": false, "error": error});
    with_status(200, body.to_string())
}

/// `bytes` bytes of JSON; when there is no room for it, as much of it as fits.
fn huge(bytes: usize) -> Vec<u8> {
    const BEFORE: &[u8] = br#"{"active":true,"pad":""#;
    const AFTER: &[u8] = br#""}"#;
    let mut body = BEFORE.to_vec();
    body.resize(bytes.saturating_sub(AFTER.len()).max(BEFORE.len()), b'x');
    body.extend_from_slice(AFTER);
    body.truncate(bytes);
    body
}

/// An answer that promises twice as much as is sent before the reset.
fn half(hang_up: HangUp) -> Response {
    const HALF: &[u8] = br#"{"active":true,"scope":""#;
    let sent = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(HALF)) });
    let reset = stream::once(async move {
        tokio::time::sleep(BEFORE_RESET).await;
        hang_up.reset();
        pending().await
    });
    let mut response = with_status(200, Body::from_stream(sent.chain(reset)));
    let promised = HALF.len().saturating_mul(2);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, promised.into());
    response
}
