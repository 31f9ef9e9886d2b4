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
        let own = [
            ("identity_provider", self.identity_provider.as_str()),
            ("token", token.expose()),
        ];
        let extra = parameters.0.iter();
        let extra = extra.map(|(name, value)| (name.as_str(), value.as_str()));
        let mut text = String::with_capacity(token.as_bytes().len().saturating_add(USUAL));
        let mut before = '{';
        for (name, value) in own.into_iter().chain(extra) {
            text.push(before);
            before = ',';
            quote(&mut text, name);
            text.push(':');
            quote(&mut text, value);
        }
        text.push('}');
        Body {
            content_type: "application/json",
            bytes: text.into_bytes(),
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

/// Writes a JSON string. A token has nothing in it to escape, and is the longest of them.
fn quote(text: &mut String, value: &str) {
    if portvakt_octets::are_b64token(value.as_bytes()) {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&serde_json::Value::from(value).to_string());
    }
}
