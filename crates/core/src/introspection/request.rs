//! The introspection request, as a value.

use std::borrow::Cow;
use std::fmt;

use http::Uri;
use thiserror::Error;

use super::IntrospectionConfig;
use crate::introspection::fingerprint::Fingerprint;
use crate::token::extract::AccessToken;
use crate::token::id::TokenDigest;

/// The endpoint's address, split as a callout needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    authority: String,
    path: String,
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected an http or https URL with a host, without user, password and fragment")]
pub struct EndpointError;

/// Names and values that the operator adds to each request. Values never print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraFields(pub Vec<(String, String)>);

/// A secret that never prints its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A callout's request: pseudo-headers first, then headers, then the body.
#[derive(PartialEq, Eq)]
pub struct IntrospectionRequest<'a> {
    /// Names (lower-case) and values.
    pub headers: Vec<(&'a str, Cow<'a, str>)>,
    /// The body; its length is Envoy's to set.
    pub body: Vec<u8>,
}

/// What stands in place of what nobody is to read.
pub(super) const HIDDEN: &str = "HIDDEN";

/// A callout's request, to be read by people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableRequest {
    /// The Envoy cluster that it goes to.
    pub cluster: String,
    /// The endpoint.
    pub url: String,
    /// Names (lower-case) and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Endpoint {
    /// Parses the endpoint's URL.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let uri: Uri = url.parse().map_err(|_| EndpointError)?;
        let scheme = match uri.scheme_str() {
            Some("http") => "http",
            Some("https") => "https",
            _ => return Err(EndpointError),
        };
        let authority = uri.authority().ok_or(EndpointError)?;
        if authority.as_str().contains('@') || authority.host().is_empty() || url.contains('#') {
            return Err(EndpointError);
        }
        Ok(Self {
            scheme,
            authority: authority.to_string(),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }
}

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the introspection request and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for ExtraFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl ExtraFields {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl IntrospectionConfig {
    /// The request that would ask about a token of that digest, to be read by people: the token is
    /// `token-` and its digest, and secrets and what the operator adds are [`HIDDEN`].
    pub fn readable_request(&self, digest: &TokenDigest) -> ReadableRequest {
        let hide = |fields: &ExtraFields| {
            let names = fields.names();
            ExtraFields(
                names
                    .map(|name| (name.to_owned(), HIDDEN.to_owned()))
                    .collect(),
            )
        };
        let api = self.response.api.without_secrets();
        let body = api.body(&AccessToken::called(digest), &hide(&self.parameters));
        let authorization = api.authorization().map(|value| {
            // Not what would be written, which nobody could read.
            let scheme = value.split(' ').next().unwrap_or_default();
            ("authorization".to_owned(), format!("{scheme} {HIDDEN}"))
        });
        let own = [
            ("content-type", body.content_type),
            ("accept", "application/json"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let Endpoint {
            scheme,
            authority,
            path,
        } = &self.endpoint;
        ReadableRequest {
            cluster: self.cluster.clone(),
            url: format!("{scheme}://{authority}{path}"),
            headers: own
                .into_iter()
                .chain(authorization)
                .chain(hide(&self.headers).0)
                .collect(),
            body: String::from_utf8_lossy(&body.bytes).into_owned(),
        }
    }

    /// The request that asks about `token`.
    pub fn request(&self, token: &AccessToken) -> IntrospectionRequest<'_> {
        let body = self.response.api.body(token, &self.parameters);
        let mut headers = vec![
            (":method", "POST".into()),
            (":scheme", self.endpoint.scheme.into()),
            (":authority", self.endpoint.authority.as_str().into()),
            (":path", self.endpoint.path.as_str().into()),
            ("content-type", body.content_type.into()),
            ("accept", "application/json".into()),
        ];
        let authorization = self.response.api.authorization();
        headers.extend(authorization.map(|value| ("authorization", value.into())));
        let extra = self.headers.0.iter();
        headers.extend(extra.map(|(name, value)| (name.as_str(), value.into())));
        IntrospectionRequest {
            headers,
            body: body.bytes,
        }
    }

    /// Tells this provider's requests apart from any other's, and so their answers; and what is read
    /// out of them, where that is more than they say.
    pub fn fingerprint(&self) -> Fingerprint {
        let reading = self.response.api.reading();
        // A request about no token holds everything but the token.
        let request = self.request(&AccessToken::none());
        let headers = request.headers.iter();
        let parts = headers.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let fixed = [
            self.name.as_bytes(),
            self.response.api.name().as_bytes(),
            self.cluster.as_bytes(),
            request.body.as_slice(),
            reading.as_slice(),
        ];
        Fingerprint::of(fixed.into_iter().chain(parts))
    }
}

#[cfg(test)]
pub(super) mod tests;
