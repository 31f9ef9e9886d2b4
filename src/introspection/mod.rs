//! Asking the introspection endpoint about an access token.
//!
//! Sans-IO: the callout is built as a value ([`request`]), its answer is read as a value
//! ([`response`], [`facts`], [`error`]); a [`provider`] is an endpoint with what it said and how
//! it does. The host only carries them.

pub mod error;
pub mod facts;
pub mod health;
mod members;
pub mod outcome;
mod payload;
pub mod provider;
pub mod request;
pub mod response;

use std::time::Duration;

use crate::introspection::request::{ClientAuthentication, Endpoint, ExtraFields};
use crate::introspection::response::ResponseReader;

/// How the endpoint is reached and spoken to.
#[derive(Debug)]
pub struct IntrospectionConfig {
    /// The Envoy cluster that the callout goes to.
    pub cluster: String,
    /// The endpoint's address.
    pub endpoint: Endpoint,
    /// What the endpoint speaks.
    pub api: Api,
    /// How its answers are read.
    pub response: ResponseReader,
    /// Extra request headers: lower-case names, values that can stand in a header.
    pub headers: ExtraFields,
    /// Extra body parameters.
    pub parameters: ExtraFields,
    /// How long Envoy waits for the answer.
    pub timeout: Duration,
}

/// The two kinds of introspection endpoint.
#[derive(Debug)]
pub enum Api {
    /// Texas, the endpoint on Nais: JSON in, JSON out (facts: texas).
    Texas {
        /// Which identity provider issued the token, e.g. `maskinporten`.
        identity_provider: String,
    },
    /// RFC 7662: a form in, JSON out.
    Rfc7662 {
        /// The `token_type_hint` to send, if any.
        token_type_hint: Option<String>,
        /// How the filter itself authenticates; `None` leaves that to Envoy.
        client_authentication: Option<ClientAuthentication>,
    },
}

impl Api {
    /// How long past its time a known token counts by default while the endpoint cannot be asked.
    /// The tokens that Texas knows are self-contained: they cannot be revoked, and end by
    /// themselves.
    pub fn stale_if_error(&self) -> Duration {
        match self {
            Self::Texas { .. } => Duration::from_secs(300),
            Self::Rfc7662 { .. } => Duration::ZERO,
        }
    }
}
