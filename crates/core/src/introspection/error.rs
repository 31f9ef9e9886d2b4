//! Why there is no word about a token, and what an operator is told of it.
//!
//! Nothing that the endpoint said is in it: there may be a token in that, or a claim. What is
//! printed are statuses, registered error codes and the operator's own words.

use std::fmt;

use super::IntrospectionConfig;
use crate::token::facts::Introspection;

/// What a callout came to.
pub type Answer = Result<Introspection, IntrospectionError>;

/// Why there is no word about the token. To the client all of them are an outage; to the
/// operator they are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntrospectionError {
    /// No answer in time.
    Timeout,
    /// No answer, or one that says that there is none.
    Unreachable(Unreachable),
    /// Envoy did not dispatch the callout: the circuit breaker is open, or no host is there.
    NotDispatched,
    /// Too many questions about unknown tokens wait already, or this one has waited too long.
    Busy,
    /// 429 or 5xx.
    Status(u16),
    /// A 200 that is no introspection response.
    Malformed(&'static str),
    /// The request, and so the configuration, is wrong.
    Misconfigured(Misconfiguration),
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// It broke off.
    BrokenOff,
    /// Envoy answered in the endpoint's place.
    NoAnswer,
    /// The endpoint cannot tell: its error begins with this one of the configured
    /// `outage_errors`.
    Outage(String),
}

/// What is wrong with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misconfiguration {
    /// Envoy has no cluster of that name.
    NoCluster,
    /// The endpoint answers with this status.
    Status {
        status: u16,
        /// The OAuth error code in its body, if that is a registered one.
        error: Option<&'static str>,
    },
    /// Texas does not know the identity provider.
    IdentityProvider,
}

/// An error in an operator's words: what it is, where, and where to look.
struct Explained<'a> {
    error: &'a IntrospectionError,
    cluster: &'a str,
    /// Where the provider stands in the configuration.
    key: &'a str,
}

impl IntrospectionError {
    /// Whether something keeps the endpoint from answering, so that what it said before may count.
    /// Not an answer that is nonsense, or that refuses the request.
    pub fn keeps_from_answering(&self) -> bool {
        match self {
            Self::Timeout
            | Self::Unreachable(_)
            | Self::NotDispatched
            | Self::Busy
            | Self::Status(_) => true,
            Self::Malformed(_) | Self::Misconfigured(_) => false,
        }
    }
}

impl IntrospectionConfig {
    /// What an operator is told of an error.
    pub fn explain<'a>(&'a self, error: &'a IntrospectionError) -> impl fmt::Display + 'a {
        Explained {
            error,
            cluster: &self.cluster,
            key: &self.key,
        }
    }
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster = self.cluster.escape_debug();
        let key = self.key;
        match self.error {
            IntrospectionError::Timeout => write!(
                f,
                "the introspection endpoint did not answer within `{key}.timeout` \
                 (cluster `{cluster}`)"
            ),
            IntrospectionError::Unreachable(Unreachable::Outage(prefix)) => write!(
                f,
                "the introspection endpoint cannot tell: its error begins with `{}`",
                prefix.escape_debug()
            ),
            IntrospectionError::Unreachable(Unreachable::BrokenOff) => write!(
                f,
                "the introspection endpoint is unreachable: its answer broke off \
                 (cluster `{cluster}`)"
            ),
            IntrospectionError::Unreachable(Unreachable::NoAnswer) => write!(
                f,
                "the introspection endpoint is unreachable: no answer came from the cluster \
                 `{cluster}`; look at its upstream_cx_connect_fail, ssl_fail_verify_error, \
                 ssl_fail_verify_san and membership_healthy (`envoy_cluster_…` in Prometheus)"
            ),
            IntrospectionError::NotDispatched => write!(
                f,
                "the introspection endpoint was not asked: the cluster `{cluster}` has no healthy \
                 host (membership_healthy), its circuit breaker is open \
                 (upstream_rq_pending_overflow), or its credential is missing"
            ),
            IntrospectionError::Busy => write!(
                f,
                "questions about unknown tokens wait for room at the introspection endpoint \
                 (cluster `{cluster}`): it is slow, or there is a flood of them"
            ),
            IntrospectionError::Status(status) => write!(
                f,
                "the introspection endpoint answered with status {status} (cluster `{cluster}`)"
            ),
            IntrospectionError::Malformed(why) => {
                write!(f, "the introspection endpoint's answer is malformed: {why}")
            }
            IntrospectionError::Misconfigured(what) => {
                f.write_str("introspection is misconfigured: ")?;
                match what {
                    Misconfiguration::NoCluster => write!(f, "is there a cluster `{cluster}`?"),
                    Misconfiguration::IdentityProvider => write!(
                        f,
                        "the identity provider is not enabled at the endpoint; is \
                         `{key}.identity_provider` right?"
                    ),
                    Misconfiguration::Status { status, error } => {
                        write!(f, "the endpoint answered with status {status}")?;
                        if let Some(error) = error {
                            write!(f, " and the error `{error}`")?;
                        }
                        write_hint(f, *status, key)
                    }
                }
            }
        }
    }
}

/// What to look at when the endpoint answers with this status.
fn write_hint(f: &mut fmt::Formatter<'_>, status: u16, key: &str) -> fmt::Result {
    match status {
        400 | 415 => write!(f, "; is `{key}.api` right?"),
        401 | 403 => write!(
            f,
            "; are the client's credentials right (`{key}.client_authentication`, or what Envoy \
             injects)?"
        ),
        404 | 405 => write!(f, "; is the path of `{key}.endpoint` right?"),
        _ => Ok(()),
    }
}

/// The error codes that a server may answer with: those of OAuth's registry that RFC 6749
/// (section 5.2), RFC 6750 (section 3.1) and RFC 7009 (section 2.2.1) have put there.
const REGISTERED: [&str; 9] = [
    "insufficient_scope",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_token",
    "unauthorized_client",
    "unsupported_grant_type",
    UNSUPPORTED_TOKEN_TYPE,
];

/// The error code that speaks of the token: a server that knows it, but can't introspect its kind.
pub(super) const UNSUPPORTED_TOKEN_TYPE: &str = "unsupported_token_type";

/// The error code as it is registered, if it is.
pub(super) fn registered(code: &str) -> Option<&'static str> {
    REGISTERED.into_iter().find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspection::request::tests::config_of_cluster;

    fn check(error: &IntrospectionError, parts: &[&str]) {
        let config = config_of_cluster("idp\n1");
        let line = config.explain(error).to_string();
        for part in parts {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains(char::is_control), "{line}");
    }

    #[test]
    fn an_operator_is_told_where_to_look() {
        use IntrospectionError::{
            Busy, Malformed, Misconfigured, NotDispatched, Status, Timeout, Unreachable as Gone,
        };

        let status = |status, error| Misconfigured(Misconfiguration::Status { status, error });
        let api = "is `introspection.api` right?";
        let credentials = "`introspection.client_authentication`";
        for (error, parts) in [
            (Timeout, ["within `introspection.timeout`", r"`idp\n1`"]),
            (
                Gone(Unreachable::BrokenOff),
                ["unreachable: its answer broke off", r"`idp\n1`"],
            ),
            (
                Gone(Unreachable::Outage("fetch:\n".to_owned())),
                [r"begins with `fetch:\n`", ""],
            ),
            (
                NotDispatched,
                [r"`idp\n1` has no healthy", "membership_healthy"],
            ),
            (Busy, ["wait for room", r"`idp\n1`"]),
            (Status(503), ["with status 503", r"`idp\n1`"]),
            (Malformed("it is odd"), ["malformed: it is odd", ""]),
            (
                Misconfigured(Misconfiguration::NoCluster),
                [r"is there a cluster `idp\n1`?", ""],
            ),
            (
                Misconfigured(Misconfiguration::IdentityProvider),
                ["not enabled", "`introspection.identity_provider`"],
            ),
            (status(400, None), ["with status 400; is", api]),
            (
                status(400, Some("invalid_request")),
                ["with status 400 and the error `invalid_request`;", api],
            ),
            (status(415, None), ["415", api]),
            (
                status(401, Some("invalid_client")),
                ["`invalid_client`", credentials],
            ),
            (status(403, None), ["403", credentials]),
            (status(404, None), ["404", "`introspection.endpoint`"]),
            (status(405, None), ["405", "`introspection.endpoint`"]),
            (status(302, None), ["with status 302", ""]),
        ] {
            check(&error, &parts);
        }
        check(
            &Gone(Unreachable::NoAnswer),
            &[
                r"from the cluster `idp\n1`",
                "upstream_cx_connect_fail",
                "ssl_fail_verify_error",
                "ssl_fail_verify_san",
                "membership_healthy",
            ],
        );
    }

    #[test]
    fn only_registered_codes_are_repeated() {
        for (code, expected) in [
            ("invalid_client", Some("invalid_client")),
            ("unsupported_token_type", Some("unsupported_token_type")),
            ("Invalid_Client", None),
            ("invalid_client ", None),
            ("eyJhbGciOiJSUzI1NiJ9", None),
            ("", None),
        ] {
            assert_eq!(registered(code), expected, "{code}");
        }
    }
}
