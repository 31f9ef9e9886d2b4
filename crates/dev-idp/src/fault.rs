//! The ways in which introspection can go wrong.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::connection::HangUp;
use crate::state::State;

/// From the first half of a body to the reset: enough for it to arrive.
const BEFORE_RESET: Duration = Duration::from_millis(50);

/// What both introspection endpoints do instead of answering.
///
/// In JSON, for `PUT /fault`, the kind stands beside the fields:
/// `{"kind":"delay","ms":500}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Wait, then answer as usual.
    Delay {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Take so long for each question, one after the other, then answer as usual. A question
    /// whose client has gone takes no time.
    OneByOne {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Wait until this fault is taken away, then answer as usual.
    Hold,
    /// This status with a small JSON error as its body.
    Status {
        /// The status code. One that cannot be sent becomes 500.
        status: u16,
    },
    /// 200 and a content type of JSON, but no JSON.
    Garbage,
    /// This status and body, as JSON.
    Body {
        /// The status code. One that cannot be sent becomes 500.
        status: u16,
        /// The body, as it is.
        body: String,
    },
    /// 200 with a very long body that says `active`.
    Huge {
        /// How many bytes.
        bytes: usize,
    },
    /// 200 and half of the body; then the connection is reset.
    Reset,
    /// The connection is closed before any answer.
    Close,
    /// What Texas says when it cannot reach the identity provider.
    Outage,
    /// What Texas says when the identity provider is switched off.
    Disabled,
}

impl Fault {
    /// Does what the fault says. [`None`]: now answer as usual.
    pub(crate) async fn apply(self, state: &State, hang_up: HangUp) -> Option<Response> {
        let response = match self {
            Self::Hold => {
                state.released().await;
                return None;
            }
            Self::Delay { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return None;
            }
            Self::OneByOne { ms } => {
                let _turn = state.turn().await;
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return None;
            }
            Self::Close => {
                hang_up.close();
                pending().await
            }
            Self::Status { status } => with_status(status, r#"{"error":"server_error"}"#),
            Self::Garbage => with_status(200, "<html>no JSON here</html>"),
            Self::Body { status, body } => with_status(status, body),
            Self::Huge { bytes } => with_status(200, huge(bytes)),
            Self::Reset => half(hang_up),
            Self::Outage => {
                inactive("fetch: error sending request for url (https://test.maskinporten.no/jwk)")
            }
            Self::Disabled => inactive("identity provider 'maskinporten' is not enabled"),
        };
        Some(response)
    }
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

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Instant;

    use serde_json::Value;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::testing::{clients, start, url};
    use crate::{DevIdp, Mint, rfc7662, texas};

    const PATHS: [&str; 2] = [texas::PATH, rfc7662::PATH];

    fn form(idp: &DevIdp) -> String {
        format!(
            "identity_provider=maskinporten&token={}",
            idp.mint(&Mint::default())
        )
    }

    /// What each client gets from each endpoint: status and body, or [`None`] for a broken one.
    async fn answers(idp: &DevIdp, fault: Fault) -> Vec<Option<(u16, String)>> {
        idp.set_fault(Some(fault));
        let mut answers = Vec::new();
        for client in clients() {
            for path in PATHS {
                let request = client
                    .post(url(idp.idp_addr(), path))
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(form(idp));
                let answer = async {
                    let response = request.send().await.ok()?;
                    let status = response.status().as_u16();
                    assert_eq!(response.headers()["content-type"], "application/json");
                    Some((status, response.text().await.ok()?))
                };
                answers.push(answer.await);
            }
        }
        answers
    }

    #[tokio::test]
    async fn each_fault_is_answered_the_same_on_both_endpoints() {
        let idp = start().await;
        let body = |status, body: &str| Some((status, body.to_owned()));
        let outage = r#"{"active":false,"error":"fetch: error sending request for url (https://test.maskinporten.no/jwk)"}"#;
        let disabled =
            r#"{"active":false,"error":"identity provider 'maskinporten' is not enabled"}"#;
        let custom = |status| Fault::Body {
            status,
            body: "{}".to_owned(),
        };
        let cases = [
            (
                Fault::Status { status: 503 },
                body(503, r#"{"error":"server_error"}"#),
            ),
            (
                Fault::Status { status: 1 },
                body(500, r#"{"error":"server_error"}"#),
            ),
            (Fault::Garbage, body(200, "<html>no JSON here</html>")),
            (custom(200), body(200, "{}")),
            (custom(418), body(418, "{}")),
            (
                Fault::Huge { bytes: 30 },
                body(200, r#"{"active":true,"pad":"xxxxxx"}"#),
            ),
            (Fault::Huge { bytes: 3 }, body(200, r#"{"a"#)),
            (Fault::Huge { bytes: 0 }, body(200, "")),
            (Fault::Outage, body(200, outage)),
            (Fault::Disabled, body(200, disabled)),
            (Fault::Reset, None),
            (Fault::Close, None),
        ];
        let mut asked = 0;
        for (fault, expected) in cases {
            let answers = answers(&idp, fault.clone()).await;
            assert_eq!(answers, vec![expected; 4], "{fault:?}");
            // A client may try once more when the connection was closed without an answer.
            assert!(idp.introspections() >= asked + 4, "{fault:?}");
            asked = idp.introspections();
        }
    }

    #[tokio::test]
    async fn a_huge_body_is_as_long_as_asked_for() {
        let idp = start().await;
        for answer in answers(&idp, Fault::Huge { bytes: 5_000_000 }).await {
            let body = answer.unwrap().1;
            assert_eq!(body.len(), 5_000_000);
            assert!(serde_json::from_str::<Value>(&body).is_ok());
        }
    }

    #[tokio::test]
    async fn a_delay_ends_in_the_usual_answer() {
        let idp = start().await;
        let started = Instant::now();
        for answer in answers(&idp, Fault::Delay { ms: 100 }).await {
            assert!(answer.unwrap().1.contains(r#""active":true"#));
        }
        assert!(started.elapsed() >= Duration::from_millis(4 * 100));
    }

    #[tokio::test]
    async fn a_held_request_is_answered_when_it_is_released() {
        let idp = start().await;
        let client = reqwest::Client::new();
        idp.set_fault(Some(Fault::Hold));
        let held = client.post(url(idp.idp_addr(), texas::PATH)).send();
        let release = async {
            while idp.introspections() == 0 {
                tokio::task::yield_now().await;
            }
            idp.set_fault(None);
        };
        let (response, ()) = tokio::join!(held, release);
        assert_eq!(response.unwrap().status(), 400);
    }

    /// All that comes over the wire, and how it ended.
    async fn on_the_wire(fault: Fault) -> (String, Result<(), ErrorKind>) {
        let idp = start().await;
        idp.set_fault(Some(fault));
        let mut stream = TcpStream::connect(idp.idp_addr()).await.unwrap();
        let body = form(&idp);
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: idp\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            texas::PATH,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = loop {
            match stream.read_buf(&mut answer).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error.kind()),
            }
        };
        assert_eq!(idp.introspections(), 1);
        (String::from_utf8(answer).unwrap(), end)
    }

    #[tokio::test]
    async fn reset_sends_half_a_body_and_then_a_rst() {
        let (answer, end) = on_the_wire(Fault::Reset).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("content-length: 48"), "{head}");
        assert_eq!(body, r#"{"active":true,"scope":""#);
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn close_sends_nothing() {
        assert_eq!(on_the_wire(Fault::Close).await, (String::new(), Ok(())));
    }
}
