//! Texas, the introspection endpoint on Nais.
//!
//! It answers 200 for everything, and says in `error` whether that is about the token.

use std::time::Duration;

use super::Body;
use crate::introspection::error::{Answer, IntrospectionError, Misconfiguration, Unreachable};
use crate::introspection::request::ExtraFields;
use crate::token::extract::AccessToken;
use crate::token::facts::Introspection;

/// Its name in the configuration.
pub const NAME: &str = "texas";

pub(super) const OWN_PARAMETERS: &[&str] = &["identity_provider", "token"];

/// The tokens that Texas knows are self-contained: they cannot be revoked, and end by themselves.
pub(super) const STALE_IF_ERROR: Duration = Duration::from_secs(300);

/// The identity provider, if none is named.
const IDENTITY_PROVIDER: &str = "maskinporten";

/// Texas's words for "I cannot tell", if no others are named.
const OUTAGE_ERRORS: [&str; 3] = ["fetch:", "decode json:", "init client:"];

/// What a request has beside the token is seldom longer, in bytes.
const USUAL: usize = 64;

/// How Texas is asked and read.
#[derive(Clone, Debug)]
pub struct Texas {
    /// Which identity provider issued the token, e.g. `maskinporten`.
    pub identity_provider: String,
    /// Beginnings of `error` that speak of the endpoint, not of the token.
    pub outage_errors: Vec<String>,
}

impl Default for Texas {
    fn default() -> Self {
        Self {
            identity_provider: IDENTITY_PROVIDER.to_owned(),
            outage_errors: OUTAGE_ERRORS.map(str::to_owned).to_vec(),
        }
    }
}

impl Texas {
    pub(super) fn body(&self, token: &AccessToken, parameters: &ExtraFields) -> Body {
        let mut bytes = Vec::with_capacity(token.as_bytes().len().saturating_add(USUAL));
        bytes.push(b'{');
        member(&mut bytes, "identity_provider", &self.identity_provider);
        // A token has nothing in it to escape.
        bytes.extend_from_slice(br#","token":""#);
        bytes.extend_from_slice(token.as_bytes());
        bytes.push(b'"');
        for (name, value) in &parameters.0 {
            bytes.push(b',');
            member(&mut bytes, name, value);
        }
        bytes.push(b'}');
        Body {
            content_type: "application/json",
            bytes,
        }
    }

    pub(super) fn inactive(&self, error: &str) -> Answer {
        if is_unknown_provider(error) {
            let what = Misconfiguration::IdentityProvider;
            return Err(IntrospectionError::Misconfigured(what));
        }
        let mut prefixes = self.outage_errors.iter();
        match prefixes.find(|prefix| error.starts_with(prefix.as_str())) {
            Some(prefix) => Err(IntrospectionError::Unreachable(Unreachable::Outage(
                prefix.clone(),
            ))),
            None => Ok(Introspection::Inactive),
        }
    }
}

/// An identity provider that is switched off.
fn is_unknown_provider(error: &str) -> bool {
    let name = error.strip_prefix("identity provider '");
    name.is_some_and(|name| name.ends_with("' is not enabled"))
}

/// Writes a member of a JSON object.
fn member(bytes: &mut Vec<u8>, name: &str, value: &str) {
    quote(bytes, name);
    bytes.push(b':');
    quote(bytes, value);
}

/// Writes a JSON string. Most have nothing in them to escape.
fn quote(bytes: &mut Vec<u8>, text: &str) {
    if portvakt_octets::are_b64token(text.as_bytes()) {
        bytes.push(b'"');
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'"');
    } else {
        bytes.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}
