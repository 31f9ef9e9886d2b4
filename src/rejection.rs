//! Refusals: the one place that turns a reason into a status, a challenge and a body.
//!
//! Nothing that the client or the endpoint said is in them: every byte is the filter's own or
//! the operator's.

use std::time::Duration;

use crate::policy::requirement::Asks;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No credentials, or credentials of another scheme.
    NoCredentials,
    /// Malformed, repeated or over-long credentials.
    InvalidRequest,
    /// The token is not active.
    InvalidToken,
    /// The token cannot be right: the endpoint was not asked.
    Precheck,
    /// The token is bound to something that the request does not prove.
    Binding,
    /// The token lacks a scope.
    InsufficientScope,
    /// The user must authenticate otherwise, or anew (RFC 9470).
    InsufficientUserAuthentication,
    /// The token does not meet another requirement.
    Requirement,
    /// No rule matches.
    NoRule,
    /// The upstream could read the path or the host otherwise than the rules do.
    AmbiguousPath,
    /// The upstream could take the request for one of another method.
    AmbiguousMethod,
    /// There is no word from the endpoint.
    EndpointOut,
}

/// What challenges carry beside the reason (RFC 6750 section 3, RFC 9728 section 5.1).
/// Each value is such that it can stand in a quoted string as it is.
#[derive(Clone, Debug, Default)]
pub struct ChallengeParameters {
    /// `realm`, if any.
    pub realm: Option<String>,
    /// `resource_metadata`, if any: a URL.
    pub resource_metadata: Option<String>,
}

/// A refusal, ready to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    reason: Reason,
    challenge: Option<String>,
}

/// The answer to a refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// Names (lower-case) and values, ASCII.
    pub headers: Vec<(&'static str, &'a str)>,
    /// The body.
    pub body: String,
}

/// Seconds after which a client may try again. An outage that ends is noticed with the next
/// request, so this only spreads the load.
const RETRY_AFTER: &str = "5";

struct Shape {
    status: u16,
    title: &'static str,
    detail: &'static str,
    challenge: Challenge,
}

enum Challenge {
    None,
    /// Without `error`, with the scopes.
    Bare,
    Error(&'static str),
    ErrorWithScopes(&'static str),
    ErrorWithAuthentication(&'static str),
}

impl Reason {
    /// All of them, for metrics that are defined ahead.
    pub const ALL: [Self; 12] = [
        Self::NoCredentials,
        Self::InvalidRequest,
        Self::InvalidToken,
        Self::Precheck,
        Self::Binding,
        Self::InsufficientScope,
        Self::InsufficientUserAuthentication,
        Self::Requirement,
        Self::NoRule,
        Self::AmbiguousPath,
        Self::AmbiguousMethod,
        Self::EndpointOut,
    ];

    /// Its name in metrics, filter state and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::Precheck => "precheck",
            Self::Binding => "binding",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::Requirement => "requirement",
            Self::NoRule => "no_rule",
            Self::AmbiguousPath => "ambiguous_path",
            Self::AmbiguousMethod => "ambiguous_method",
            Self::EndpointOut => "endpoint_out",
        }
    }

    /// Whether the filter failed, and not the client.
    pub fn is_error(self) -> bool {
        self == Self::EndpointOut
    }

    fn shape(self) -> Shape {
        let (status, title, detail, challenge) = match self {
            Self::NoCredentials => (
                401,
                "Unauthorized",
                "An access token is needed.",
                Challenge::Bare,
            ),
            Self::InvalidRequest => (
                400,
                "Bad Request",
                "The credentials are malformed, repeated or too long.",
                Challenge::Error("invalid_request"),
            ),
            Self::InvalidToken | Self::Precheck | Self::Binding => (
                401,
                "Unauthorized",
                "The access token is expired, revoked or otherwise invalid.",
                Challenge::Error("invalid_token"),
            ),
            Self::InsufficientScope => (
                403,
                "Forbidden",
                "The access token lacks a scope that is needed here.",
                Challenge::ErrorWithScopes("insufficient_scope"),
            ),
            Self::InsufficientUserAuthentication => (
                401,
                "Unauthorized",
                "The user must authenticate in another way, or again.",
                Challenge::ErrorWithAuthentication("insufficient_user_authentication"),
            ),
            Self::Requirement => (
                403,
                "Forbidden",
                "The access token does not give access here.",
                Challenge::None,
            ),
            Self::NoRule => (
                403,
                "Forbidden",
                "This is not open to anyone.",
                Challenge::None,
            ),
            Self::AmbiguousPath => (
                400,
                "Bad Request",
                "The path or host could be read in more than one way.",
                Challenge::None,
            ),
            Self::AmbiguousMethod => (
                400,
                "Bad Request",
                "The request names more than one method.",
                Challenge::None,
            ),
            Self::EndpointOut => (
                503,
                "Service Unavailable",
                "Access tokens cannot be checked at the moment.",
                Challenge::None,
            ),
        };
        Shape {
            status,
            title,
            detail,
            challenge,
        }
    }
}

impl Rejection {
    /// A refusal. `asks` is what the matched rule asks for.
    pub fn new(reason: Reason, parameters: &ChallengeParameters, asks: &Asks) -> Self {
        let challenge = match reason.shape().challenge {
            Challenge::None => None,
            Challenge::Bare => {
                Some(parameters.challenge(&[("scope", scope_parameter(&asks.scopes))]))
            }
            Challenge::Error(error) => {
                Some(parameters.challenge(&[("error", Some(error.to_owned()))]))
            }
            Challenge::ErrorWithScopes(error) => Some(parameters.challenge(&[
                ("error", Some(error.to_owned())),
                ("scope", scope_parameter(&asks.scopes)),
            ])),
            Challenge::ErrorWithAuthentication(error) => Some(parameters.challenge(&[
                ("error", Some(error.to_owned())),
                ("acr_values", joined(&asks.acr_values)),
                ("max_age", asks.max_age.map(seconds)),
            ])),
        };
        Self { reason, challenge }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The answer. A gRPC request gets a short text, which Envoy turns into `grpc-message`.
    pub fn response(&self, to_grpc: bool) -> Response<'_> {
        let shape = self.reason.shape();
        let mut headers = Vec::with_capacity(3);
        if let Some(challenge) = &self.challenge {
            headers.push(("www-authenticate", challenge.as_str()));
        }
        if self.reason == Reason::EndpointOut {
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

impl ChallengeParameters {
    fn challenge(&self, about: &[(&str, Option<String>)]) -> String {
        let realm = [("realm", self.realm.as_deref())];
        let metadata = [("resource_metadata", self.resource_metadata.as_deref())];
        let about = about.iter().map(|(name, value)| (*name, value.as_deref()));
        let parameters: Vec<_> = realm
            .into_iter()
            .chain(about)
            .chain(metadata)
            .filter_map(|(name, value)| value.map(|value| format!("{name}=\"{value}\"")))
            .collect();
        format!("Bearer {}", parameters.join(", "))
            .trim_end()
            .to_owned()
    }
}

/// The scopes with spaces between them. `None` if one of them cannot stand in a challenge
/// (RFC 6750 section 3 has ASCII only): an incomplete list would send the client for a token that
/// is refused again.
fn scope_parameter(scopes: &[String]) -> Option<String> {
    joined(scopes).filter(|text| text.is_ascii())
}

fn joined(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join(" "))
}

fn seconds(age: Duration) -> String {
    age.as_secs().to_string()
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
            let rejection =
                Rejection::new(reason, &parameters(Some("r"), None), &asks(&["a", "b"]));
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
            let rejection = Rejection::new(Reason::NoCredentials, &parameters, &asks(names));
            assert_eq!(rejection.challenge.as_deref(), Some(*expected));
        }
    }
}
