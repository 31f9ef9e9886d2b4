//! Answers to gRPC requests, of which Envoy makes a status in trailers, alone and before any
//! message.

use std::fmt::Write as _;

use super::explanation::{Field, Response};

/// The answer as the client gets it (Envoy's `Utility::sendLocalReply`).
pub(super) fn as_envoy_sends_it(response: Response) -> Response {
    let Response {
        status,
        headers,
        body,
    } = response;
    let kept = headers
        .into_iter()
        .filter(|field| field.name != "content-type");
    let mut headers: Vec<_> = kept.collect();
    headers.push(Field::new("content-type", "application/grpc"));
    headers.push(Field::new("grpc-status", code(status).to_string()));
    if !body.is_empty() {
        headers.push(Field::new("grpc-message", escaped(&body)));
    }
    Response {
        status: 200,
        headers,
        body: String::new(),
    }
}

/// The gRPC status of an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping"), which knows none
/// for 200 either.
fn code(status: u16) -> u8 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// A message as it stands in a header (gRPC over HTTP/2, "Percent-Encoded").
fn escaped(text: &str) -> String {
    let bytes = text.bytes();
    bytes.fold(String::new(), |mut message, byte| {
        match byte {
            b' '..=b'~' if byte != b'%' => message.push(byte.into()),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(message, "%{byte:02X}");
            }
        }
        message
    })
}
