//! What the endpoint would answer.

use std::fmt;

use portvakt_core::introspection::response::{MAX_BODY, Reply};
use serde_json::{Map, Value, json};

/// An answer of the introspection endpoint, or none.
#[derive(Clone)]
pub(crate) struct EndpointAnswer {
    status: u16,
    from_upstream: bool,
    body: Vec<u8>,
}

/// Claims with a member that is not a claim but the endpoint's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoClaims;

impl fmt::Display for NoClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`active` is no claim; a whole answer of the endpoint is a `response`")
    }
}

impl EndpointAnswer {
    /// With this status and body.
    pub(crate) fn of(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            from_upstream: true,
            body,
        }
    }

    /// The token is active and has these claims.
    pub(crate) fn active(mut claims: Map<String, Value>) -> Result<Self, NoClaims> {
        if claims.insert("active".to_owned(), true.into()).is_some() {
            return Err(NoClaims);
        }
        Ok(Self::of(
            200,
            Value::Object(claims).to_string().into_bytes(),
        ))
    }

    /// The token is not active.
    pub(crate) fn inactive() -> Self {
        let body = json!({ "active": false });
        Self::of(200, body.to_string().into_bytes())
    }

    /// Nobody answers: Envoy says so in the endpoint's place.
    pub(crate) fn outage() -> Self {
        Self {
            status: 503,
            from_upstream: false,
            body: Vec::new(),
        }
    }

    /// As the filter would see it.
    pub(crate) fn reply(&self) -> Reply<'_> {
        Reply {
            status: Some(self.status),
            from_upstream: self.from_upstream,
            body: (self.body.len() <= MAX_BODY).then_some(&self.body),
        }
    }
}
