//! The plugin configuration as it is written: names and types, nothing more.
//!
//! Unknown keys are errors everywhere, and so is a key with nothing behind it (`null`): an empty
//! condition must not read as no condition.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
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
    /// How long facts about tokens count.
    #[serde(default)]
    pub cache: Object<RawCache>,
    /// Whether requests pass, unauthenticated, while the endpoint is out.
    #[serde(default)]
    pub failure_mode_allow: bool,
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
    pub headers: Object<Fields>,
    /// Extra body parameters.
    #[serde(default)]
    pub parameters: Object<Fields>,
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
    pub secret: Object<RawSecret>,
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSecret {
    /// A variable in the VM's environment.
    #[serde(default, deserialize_with = "given")]
    pub env: Option<Hidden>,
    /// The secret itself.
    #[serde(default, deserialize_with = "given")]
    pub inline: Option<Hidden>,
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

/// How long facts about tokens count.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCache {
    /// Tokens that a worker remembers, of each kind. Default: 10000.
    #[serde(default, deserialize_with = "given")]
    pub max_entries: Option<u64>,
    /// A known token is asked about again after this. Default: `60s`.
    #[serde(default, deserialize_with = "given")]
    pub max_ttl: Option<String>,
    /// The same for tokens found inactive. Default: `5s`.
    #[serde(default, deserialize_with = "given")]
    pub inactive_ttl: Option<String>,
    /// How long past `max_ttl` a known token counts while the endpoint is out. Default: `0s`.
    #[serde(default, deserialize_with = "given")]
    pub max_stale: Option<String>,
    /// Whether tokens in use are asked about before `max_ttl` is up. Default: true.
    #[serde(default, deserialize_with = "given")]
    pub refresh_ahead: Option<bool>,
    /// Whether the workers share what they know. Default: true.
    #[serde(default, deserialize_with = "given")]
    pub shared: Option<bool>,
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

/// Names and values, each name once.
#[derive(Debug, Default)]
pub(super) struct Fields(pub Vec<(String, Hidden)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor).map(Self)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<(String, Hidden)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Self::Value = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, _>()? {
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(de::Error::custom(format_args!("`{name}` is given twice")));
            }
            fields.push((name, value));
        }
        Ok(fields)
    }
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

/// A value that is there is no `null`.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
