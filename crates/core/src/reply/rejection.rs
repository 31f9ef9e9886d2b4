//! Refusals, as they are answered.
//!
//! Nothing that the client or the endpoint said is in them: every byte is the filter's own or
//! the operator's.

use super::cause::Cause;
use super::challenge::ChallengeParameters;
use super::reason::{Reason, Shape};
use crate::policy::requirement::Asks;

/// A refusal, ready to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    reason: Reason,
    cause: Option<Cause>,
    challenge: Option<String>,
}

/// The answer to a refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// Names (lower-case) and values, ASCII.
    pub headers: Vec<(&'static str, &'a str)>,
    pub body: String,
}

/// Seconds after which a client may try again. An outage that ends is noticed with the next
/// request, so this only spreads the load.
const RETRY_AFTER: &str = "5";

impl Rejection {
    /// A refusal. `asks` is what the matched rule asks for.
    pub fn new(
        reason: Reason,
        cause: Option<Cause>,
        parameters: &ChallengeParameters,
        asks: &Asks,
    ) -> Self {
        Self {
            reason,
            cause,
            challenge: parameters.challenge(reason.shape().challenge, asks),
        }
    }

    /// The refusal of everything, before there is a configuration.
    pub fn unconfigured() -> Self {
        let parameters = ChallengeParameters::default();
        Self::new(Reason::EndpointOut, None, &parameters, &Asks::default())
    }

    /// Why the request is refused.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What exactly for, if there is more to say.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// The answer. A gRPC request gets a short text, which Envoy turns into `grpc-message`.
    pub fn response(&self, to_grpc: bool) -> Response<'_> {
        let shape = self.reason.shape();
        let mut headers = Vec::with_capacity(3);
        if let Some(challenge) = &self.challenge {
            headers.push(("www-authenticate", challenge.as_str()));
        }
        if shape.status == 503 {
            headers.push(("retry-after", RETRY_AFTER));
        }
        let body = if to_grpc {
            shape.detail.to_owned()
        } else {
            headers.push(("content-type", "application/problem+json"));
            problem(&shape)
        };
        Response {
            status: shape.status,
            headers,
            body,
        }
    }
}

/// RFC 9457.
fn problem(shape: &Shape) -> String {
    serde_json::json!({
        "type": "about:blank",
        "title": shape.title,
        "status": shape.status,
        "detail": shape.detail,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parameters(realm: Option<&str>, resource_metadata: Option<&str>) -> ChallengeParameters {
        ChallengeParameters {
            realm: realm.map(str::to_owned),
            resource_metadata: resource_metadata.map(str::to_owned),
        }
    }

    fn asks(scopes: &[&str]) -> Asks {
        Asks {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            acr_values: vec!["high".to_owned(), "higher".to_owned()],
            max_age: Some(Duration::from_secs(300)),
        }
    }

    #[test]
    fn the_answers_table() {
        let cases = [
            (
                Reason::NoCredentials,
                401,
                Some(r#"Bearer realm="r", scope="a b""#),
            ),
            (
                Reason::InvalidRequest,
                400,
                Some(r#"Bearer realm="r", error="invalid_request""#),
            ),
            (
                Reason::InvalidToken,
                401,
                Some(r#"Bearer realm="r", error="invalid_token""#),
            ),
            (
                Reason::Precheck,
                401,
                Some(r#"Bearer realm="r", error="invalid_token""#),
            ),
            (
                Reason::Binding,
                401,
                Some(r#"Bearer realm="r", error="invalid_token""#),
            ),
            (
                Reason::InsufficientUserAuthentication,
                401,
                Some(
                    r#"Bearer realm="r", error="insufficient_user_authentication", acr_values="high higher", max_age="300""#,
                ),
            ),
            (Reason::Requirement, 403, None),
            (
                Reason::InsufficientScope,
                403,
                Some(r#"Bearer realm="r", error="insufficient_scope", scope="a b""#),
            ),
            (Reason::NoRule, 403, None),
            (Reason::AmbiguousPath, 400, None),
            (Reason::AmbiguousMethod, 400, None),
            (Reason::EndpointOut, 503, None),
        ];
        assert_eq!(cases.len(), Reason::ALL.len());
        for (reason, status, challenge) in cases {
            let rejection = Rejection::new(
                reason,
                None,
                &parameters(Some("r"), None),
                &asks(&["a", "b"]),
            );
            let response = rejection.response(false);
            let header = |name| {
                let found = response.headers.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| *value)
            };
            assert_eq!(response.status, status, "{reason:?}");
            assert_eq!(header("www-authenticate"), challenge, "{reason:?}");
            assert_eq!(header("retry-after").is_some(), status == 503, "{reason:?}");
            assert_eq!(header("content-type"), Some("application/problem+json"));
            let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
            assert_eq!(body["status"], status);
            assert_eq!(body["type"], "about:blank");
            assert!(body["title"].is_string() && body["detail"].is_string());

            let to_grpc = rejection.response(true);
            assert_eq!(to_grpc.status, status);
            assert_eq!(to_grpc.body, body["detail"].as_str().unwrap());
            assert!(
                to_grpc
                    .headers
                    .iter()
                    .all(|(name, _)| *name != "content-type")
            );
        }
    }

    /// Realm, resource metadata, scopes, and the challenge that they make.
    type Case<'a> = (Option<&'a str>, Option<&'a str>, &'a [&'a str], &'a str);

    #[test]
    fn challenges_hold_what_is_configured() {
        let metadata = "https://api.example.com/.well-known/oauth-protected-resource";
        let cases: &[Case<'_>] = &[
            (None, None, &[], "Bearer"),
            (None, None, &["a"], r#"Bearer scope="a""#),
            (None, None, &["a", "blå"], "Bearer"),
            (Some("r s"), None, &[], r#"Bearer realm="r s""#),
            (
                Some("r"),
                Some(metadata),
                &["a"],
                r#"Bearer realm="r", scope="a", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource""#,
            ),
        ];
        for (realm, metadata, names, expected) in cases {
            let parameters = parameters(*realm, *metadata);
            let rejection = Rejection::new(Reason::NoCredentials, None, &parameters, &asks(names));
            assert_eq!(rejection.challenge.as_deref(), Some(*expected));
        }
    }
}
