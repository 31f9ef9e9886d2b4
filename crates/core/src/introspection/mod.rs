//! Asking the introspection endpoint about an access token.
//!
//! Sans-IO: the callout is built as a value ([`request`]), its answer is read as a value
//! ([`response`], [`error`]), in the way of an [`api`]; the host only
//! carries them.

pub mod api;
pub mod error;
pub mod fingerprint;
pub mod health;
pub mod outcome;
mod payload;
pub mod request;
pub mod response;

use std::time::Duration;

use crate::introspection::request::{Endpoint, ExtraFields};
use crate::introspection::response::ResponseReader;

/// How a provider's endpoint is reached and spoken to.
#[derive(Debug)]
pub struct IntrospectionConfig {
    /// The provider's name, for logs and metrics.
    pub name: String,
    /// Where it stands in the configuration, e.g. `introspection`.
    pub key: String,
    /// The Envoy cluster that the callout goes to.
    pub cluster: String,
    /// The endpoint's address.
    pub endpoint: Endpoint,
    /// What the endpoint speaks, and how its answers are read.
    pub response: ResponseReader,
    /// Extra request headers: lower-case names, values that can stand in a header.
    pub headers: ExtraFields,
    /// Extra body parameters.
    pub parameters: ExtraFields,
    /// How long Envoy waits for the answer.
    pub timeout: Duration,
}

impl IntrospectionConfig {
    /// The issuers whose tokens it knows; none: any.
    pub fn issuers(&self) -> &[String] {
        &self.response.issuers
    }
}
