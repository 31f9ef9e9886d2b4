//! The kinds of introspection endpoint. What is particular to one stands in its file, and nothing
//! else asks which one it is.

pub mod rfc7662;
pub mod texas;

use std::time::Duration;

use self::rfc7662::Rfc7662;
use self::texas::Texas;
use super::error::Answer;
use super::request::ExtraFields;
use crate::token::extract::AccessToken;

/// What an endpoint speaks.
#[derive(Clone, Debug)]
pub enum Api {
    /// The endpoint on Nais: JSON in, JSON out.
    Texas(Texas),
    /// RFC 7662: a form in, JSON out.
    Rfc7662(Rfc7662),
}

/// The body of a question.
pub(super) struct Body {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

impl Default for Api {
    fn default() -> Self {
        Self::Rfc7662(Rfc7662::default())
    }
}

impl Api {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Texas(_) => texas::NAME,
            Self::Rfc7662(_) => rfc7662::NAME,
        }
    }

    /// Body parameters that the operator cannot set.
    pub fn own_parameters(&self) -> &'static [&'static str] {
        match self {
            Self::Texas(_) => texas::OWN_PARAMETERS,
            Self::Rfc7662(api) => api.own_parameters(),
        }
    }

    /// Whether it sets the header `authorization` itself.
    pub fn authenticates(&self) -> bool {
        match self {
            Self::Texas(_) => false,
            Self::Rfc7662(api) => api.client_authentication.is_some(),
        }
    }

    /// How long past its time a known token counts by default while the endpoint cannot be asked.
    pub fn stale_if_error(&self) -> Duration {
        match self {
            Self::Texas(_) => texas::STALE_IF_ERROR,
            Self::Rfc7662(_) => rfc7662::STALE_IF_ERROR,
        }
    }

    pub(super) fn body(&self, token: &AccessToken, parameters: &ExtraFields) -> Body {
        match self {
            Self::Texas(api) => api.body(token, parameters),
            Self::Rfc7662(api) => api.body(token, parameters),
        }
    }

    /// The same, with other texts in place of secrets.
    pub(super) fn without_secrets(&self) -> Self {
        match self {
            Self::Texas(api) => Self::Texas(api.clone()),
            Self::Rfc7662(api) => Self::Rfc7662(api.without_secrets()),
        }
    }

    pub(super) fn authorization(&self) -> Option<String> {
        match self {
            Self::Texas(_) => None,
            Self::Rfc7662(api) => api.authorization(),
        }
    }

    /// What an inactive answer with this `error` is.
    pub(super) fn inactive(&self, error: &str) -> Answer {
        match self {
            Self::Texas(api) => api.inactive(error),
            Self::Rfc7662(api) => api.inactive(error),
        }
    }

    /// Whether an answer of this status speaks of the token, which is inactive then.
    pub(super) fn is_inactive_status(&self, status: u16) -> bool {
        match self {
            Self::Texas(_) => false,
            Self::Rfc7662(api) => api.inactive_statuses.contains(&status),
        }
    }

    /// What makes of one answer another one than it says, so that nobody else may go by it.
    pub(super) fn reading(&self) -> Vec<u8> {
        match self {
            Self::Texas(_) => Vec::new(),
            Self::Rfc7662(api) => api.reading(),
        }
    }
}
