//! Why a request is refused: the one place with status codes.

use super::challenge::Challenge;
use crate::labels::labelled;
use crate::policy::NoRule;
use crate::policy::requirement::UnmetKind;
use crate::token::extract::CredentialsError;

labelled! {
    /// Why a request is refused.
    pub enum Reason {
        /// No credentials, or credentials of another scheme.
        NoCredentials = "no_credentials",
        /// Malformed, repeated or over-long credentials.
        InvalidRequest = "invalid_request",
        /// The token is not active.
        InvalidToken = "invalid_token",
        /// The token cannot be right: the endpoint was not asked.
        Precheck = "precheck",
        /// The token is bound to something that the request does not prove.
        Binding = "binding",
        /// The token lacks a scope.
        InsufficientScope = "insufficient_scope",
        /// The user must authenticate otherwise, or anew (RFC 9470).
        InsufficientUserAuthentication = "insufficient_user_authentication",
        /// The token does not meet another requirement.
        Requirement = "requirement",
        /// No rule matches.
        NoRule = "no_rule",
        /// The upstream could read the path or the host otherwise than the rules do.
        AmbiguousPath = "ambiguous_path",
        /// The upstream could take the request for one of another method.
        AmbiguousMethod = "ambiguous_method",
        /// There is no word from the endpoint.
        EndpointOut = "endpoint_out",
    }
}

impl From<NoRule> for Reason {
    fn from(error: NoRule) -> Self {
        match error {
            NoRule::NoMatch => Self::NoRule,
            NoRule::AmbiguousPath => Self::AmbiguousPath,
            NoRule::AmbiguousMethod => Self::AmbiguousMethod,
        }
    }
}

impl From<CredentialsError> for Reason {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::Missing => Self::NoCredentials,
            CredentialsError::Malformed => Self::InvalidRequest,
        }
    }
}

impl From<UnmetKind> for Reason {
    fn from(kind: UnmetKind) -> Self {
        match kind {
            UnmetKind::Scope => Self::InsufficientScope,
            UnmetKind::Other => Self::Requirement,
            UnmetKind::Authentication => Self::InsufficientUserAuthentication,
        }
    }
}

/// How a refusal looks to a client.
pub(super) struct Shape {
    pub(super) status: u16,
    pub(super) title: &'static str,
    pub(super) detail: &'static str,
    pub(super) challenge: Challenge,
}

impl Reason {
    /// Whether the filter failed, and not the client.
    pub fn is_error(self) -> bool {
        self.shape().status >= 500
    }

    /// Whether the request could be read in two ways, so that nothing can be said of it.
    pub fn is_ambiguity(self) -> bool {
        match self {
            Self::AmbiguousPath | Self::AmbiguousMethod => true,
            Self::NoCredentials
            | Self::InvalidRequest
            | Self::InvalidToken
            | Self::Precheck
            | Self::Binding
            | Self::InsufficientScope
            | Self::InsufficientUserAuthentication
            | Self::Requirement
            | Self::NoRule
            | Self::EndpointOut => false,
        }
    }

    pub(super) fn shape(self) -> Shape {
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
