//! The plugin configuration as it is written: names and types, nothing more.
//!
//! Unknown keys are errors everywhere, and so is a key with nothing behind it (`null`): an empty
//! condition must not read as no condition.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::Value;

use crate::object::Object;

/// The whole plugin configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    /// The endpoint that is asked about tokens.
    pub introspection: Object<RawIntrospection>,
    /// Short for one rule that matches everything. Not together with `rules`.
    #[serde(default, deserialize_with = "given")]
    pub required_scopes: Option<Vec<String>>,
    /// The first that matches decides.
    #[serde(default, deserialize_with = "given")]
    pub rules: Option<Vec<Object<RawRule>>>,
    /// Where the access token is.
    #[serde(default)]
    pub token: Object<RawToken>,
    /// What challenges carry.
    #[serde(default)]
    pub challenge: Object<RawChallenge>,
}

/// How the endpoint is reached and spoken to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIntrospection {
    /// The Envoy cluster that the callout goes to.
    pub cluster: String,
    /// The endpoint's URL. Default: the environment variable `NAIS_TOKEN_INTROSPECTION_ENDPOINT`.
    #[serde(default, deserialize_with = "given")]
    pub endpoint: Option<String>,
    /// `texas` or `rfc7662`.
    #[serde(default)]
    pub api: RawApi,
    /// Texas only. Default: `maskinporten`.
    #[serde(default, deserialize_with = "given")]
    pub identity_provider: Option<String>,
    /// RFC 7662 only. Default: not sent.
    #[serde(default, deserialize_with = "given")]
    pub token_type_hint: Option<String>,
    /// RFC 7662 only. Default: none.
    #[serde(default, deserialize_with = "given")]
    pub client_authentication: Option<Object<RawClientAuthentication>>,
    /// Extra request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Hidden>,
    /// Extra body parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, Hidden>,
    /// How long the answer may take. Default: `1s`.
    #[serde(default, deserialize_with = "given")]
    pub timeout: Option<String>,
    /// Texas only: beginnings of `error` that speak of the endpoint, not of the token.
    #[serde(default, deserialize_with = "given")]
    pub outage_errors: Option<Vec<String>>,
}

/// What the endpoint speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawApi {
    #[default]
    Texas,
    Rfc7662,
}

/// How the filter authenticates to an RFC 7662 endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClientAuthentication {
    /// `client_secret_basic`, `client_secret_post` or `bearer`.
    pub method: RawMethod,
    /// The client's identifier; not with `bearer`.
    #[serde(default, deserialize_with = "given")]
    pub client_id: Option<String>,
    /// The client's secret, or with `bearer` the filter's own access token.
    pub secret: RawSecret,
}

/// Client authentication methods, by their registered names where they have one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawMethod {
    ClientSecretBasic,
    ClientSecretPost,
    Bearer,
}

/// Where a secret comes from: `{ env: NAME }` or `{ inline: TEXT }`.
#[derive(Debug)]
pub(super) enum RawSecret {
    Env(String),
    Inline(Hidden),
}

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    /// For the log. Default: its position, e.g. `rules[0]`.
    #[serde(default, deserialize_with = "given")]
    pub name: Option<String>,
    /// Which requests it is for. All conditions that are given must hold.
    #[serde(rename = "match")]
    pub matches: Object<RawMatch>,
    /// No token needed. Not together with `require`.
    #[serde(default)]
    pub anonymous: bool,
    /// What the token must have. `{}`: any active token will do.
    #[serde(default, deserialize_with = "given")]
    pub require: Option<Object<RawRequire>>,
}

/// The conditions of a rule.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMatch {
    /// This very path. Not together with `prefix`.
    #[serde(default, deserialize_with = "given")]
    pub path: Option<String>,
    /// This path and all below it, by whole segments.
    #[serde(default, deserialize_with = "given")]
    pub prefix: Option<String>,
    /// Any of these methods. Default: all.
    #[serde(default, deserialize_with = "given")]
    pub methods: Option<Vec<String>>,
}

/// What a token must have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequire {
    /// All of these scopes.
    #[serde(default, deserialize_with = "given")]
    pub scopes: Option<Vec<String>>,
}

/// Where the access token is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    /// The header. Default: `authorization`.
    #[serde(default, deserialize_with = "given")]
    pub header: Option<String>,
    /// The authentication scheme; empty for a bare token. Default: `Bearer`.
    #[serde(default, deserialize_with = "given")]
    pub scheme: Option<String>,
    /// The longest token that is looked at, in bytes. Default: 8192.
    #[serde(default, deserialize_with = "given")]
    pub max_length: Option<u64>,
}

/// What challenges carry.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChallenge {
    /// The protected resource's realm (RFC 9110 section 11.5).
    #[serde(default, deserialize_with = "given")]
    pub realm: Option<String>,
    /// The URL of the protected resource's metadata (RFC 9728 section 5.1).
    #[serde(default, deserialize_with = "given")]
    pub resource_metadata: Option<String>,
}

/// A text that may be a secret: neither it nor what stands in its place is ever printed.
#[derive(Clone)]
pub(super) struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(de::Error::custom("expected a string")),
        }
    }
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = || de::Error::custom("expected { env: NAME } or { inline: TEXT }");
        let Value::Object(object) = Value::deserialize(deserializer)? else {
            return Err(expected());
        };
        let mut members = object.into_iter();
        match (members.next(), members.next()) {
            (Some((key, Value::String(text))), None) => match key.as_str() {
                "env" => Ok(Self::Env(text)),
                "inline" => Ok(Self::Inline(Hidden(text))),
                _ => Err(expected()),
            },
            _ => Err(expected()),
        }
    }
}

/// A value that is there is no `null`.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
