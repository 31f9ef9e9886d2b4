//! The plugin configuration as it is written: names and types, nothing more. What is said of each
//! key here is the reference in docs/configuration.md.
//!
//! Unknown keys are errors everywhere, and so is a key with nothing behind it (`null`): an empty
//! condition must not read as no condition.

mod value;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::Value;

pub(super) use self::value::{Document, Fields, Hidden, Integer, Wanted};
use self::value::{Names, given};
use crate::json::object::JsonObject;

/// The whole plugin configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawConfig {
    /// The endpoint that is asked about tokens. Short for one provider. Not together with `providers`.
    #[serde(default, deserialize_with = "given")]
    pub introspection: Option<JsonObject<RawIntrospection>>,
    /// Several endpoints by name, in place of `introspection`, up to 32: each has all keys of that, and `issuers`. Of those that a rule trusts the one is asked whose `issuers` hold the token's `iss`, else the one without `issuers`; where there is none, the answer is 401.
    #[serde(default, deserialize_with = "given")]
    pub providers: Option<JsonObject<Providers>>,
    /// Default: `false`. `true`: no request is refused. What would have been is counted and told to the access log, and goes on with nothing set in `forward`.
    #[serde(default)]
    pub shadow: bool,
    /// Short for one rule that matches everything and requires these scopes. Not together with `rules`.
    #[serde(default, deserialize_with = "given")]
    pub required_scopes: Option<Vec<String>>,
    /// Methods beside the registered ones that rules may name, in upper case. Default: none.
    #[serde(default)]
    pub extra_methods: Vec<String>,
    /// Who may do what. The first rule that matches decides; where none matches, the answer is 403.
    #[serde(default, deserialize_with = "given")]
    pub rules: Option<Vec<JsonObject<RawRule>>>,
    /// How long what the endpoint said counts.
    #[serde(default)]
    pub cache: JsonObject<RawCache>,
    /// Default: `false`. `true`: requests with an unknown token pass, unauthenticated, while the endpoint is out. Whoever can make the endpoint fail then gets in.
    #[serde(default)]
    pub failure_mode_allow: bool,
    /// Where the access token is.
    #[serde(default)]
    pub token: JsonObject<RawToken>,
    /// Default: none. Refuses tokens that cannot be right without asking the endpoint: not three parts of base64url, header or payload no JSON object, `alg` missing or `none`, another `iss`, past `exp` or before `nbf`. So not for tokens that are no JWTs; `{}` checks everything but `iss`. Accepts nothing by itself, and is not asked about tokens that are known.
    #[serde(default, deserialize_with = "given")]
    pub jwt_precheck: Option<JsonObject<RawPrecheck>>,
    /// What the upstream is told. Every header named here is removed from each request that a client sends, on every route.
    #[serde(default)]
    pub forward: JsonObject<RawForward>,
    /// What challenges (`WWW-Authenticate`) carry.
    #[serde(default)]
    pub challenge: JsonObject<RawChallenge>,
    /// Default: none. The metadata of your API (RFC 9728), an object: `resource` (a URL, required), `authorization_servers`, `scopes_supported`, and what else you like. The filter serves it at `/.well-known/oauth-protected-resource`, before the resource's own path, to anyone.
    #[serde(default)]
    pub protected_resource: Document,
}

/// How the endpoint is reached and spoken to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawIntrospection {
    /// The Envoy cluster that the callout goes to. Required.
    pub cluster: String,
    /// The endpoint's URL: gives the callout's `:scheme`, `:authority` and `:path`; whether there is TLS is up to the cluster. Default: the environment variable `NAIS_TOKEN_INTROSPECTION_ENDPOINT`.
    #[serde(default, deserialize_with = "given")]
    pub endpoint: Option<String>,
    /// `texas` or `rfc7662`. Default: `texas`.
    #[serde(default)]
    pub api: RawApi,
    /// Texas only. Default: `maskinporten`.
    #[serde(default, deserialize_with = "given")]
    pub identity_provider: Option<String>,
    /// RFC 7662 only. Default: not sent.
    #[serde(default, deserialize_with = "given")]
    pub token_type_hint: Option<String>,
    /// RFC 7662 only. Default: none. Better: let Envoy's `credential_injector` do it, so that no secret is here.
    #[serde(default, deserialize_with = "given")]
    pub client_authentication: Option<JsonObject<RawClientAuthentication>>,
    /// Extra request headers, names and values. Default: none.
    #[serde(default)]
    pub headers: JsonObject<Fields>,
    /// Extra body parameters, names and values. Default: none.
    #[serde(default)]
    pub parameters: JsonObject<Fields>,
    /// How long the answer may take, `1ms` to `4m`. Default: `1s`.
    #[serde(default, deserialize_with = "given")]
    pub timeout: Option<String>,
    /// RFC 7662 only: statuses by which the endpoint says that a token is inactive, from 400 to 499, but not 401 and 429. Default: none. A 400 with the error `unsupported_token_type` says so anyway.
    #[serde(default, deserialize_with = "given")]
    pub inactive_statuses: Option<Vec<Integer>>,
    /// Texas only: beginnings of `error` that speak of the endpoint, not of the token. Default: `fetch:`, `decode json:`, `init client:`.
    #[serde(default, deserialize_with = "given")]
    pub outage_errors: Option<Vec<String>>,
    /// Only in `providers`: the issuers whose tokens the endpoint knows, each compared as a whole. An active token with another `iss` in the answer counts as inactive. Default: those that no other provider of a rule has, and opaque tokens.
    #[serde(default, deserialize_with = "given")]
    pub issuers: Option<Vec<String>>,
}

/// Endpoints by name.
pub(super) type Providers = BTreeMap<String, JsonObject<RawIntrospection>>;

/// What the endpoint speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub(super) enum RawApi {
    #[default]
    Texas,
    Rfc7662,
}

/// How the filter authenticates to an RFC 7662 endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawClientAuthentication {
    /// `client_secret_basic`, `client_secret_post` or `bearer`. Required.
    pub method: RawMethod,
    /// The client's identifier; not with `bearer`.
    #[serde(default, deserialize_with = "given")]
    pub client_id: Option<String>,
    /// The client's secret, or with `bearer` the filter's own access token. Required, one of the two:
    pub secret: RawSecret,
}

/// Client authentication methods, by their registered names where they have one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub(super) enum RawMethod {
    ClientSecretBasic,
    ClientSecretPost,
    Bearer,
}

/// Where a secret comes from. Whatever else is written there may be the secret: it is not printed.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))
)]
pub(super) struct RawSecret {
    /// The name of a variable in the VM's environment.
    pub env: Option<Hidden>,
    /// The secret itself.
    pub inline: Option<Hidden>,
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut secret = Self {
            env: None,
            inline: None,
        };
        let Value::Object(members) = Value::deserialize(deserializer)? else {
            return Err(de::Error::custom(SECRET));
        };
        for member in members {
            match member {
                (name, Value::String(text)) if name == "env" => secret.env = Some(Hidden(text)),
                (name, Value::String(text)) if name == "inline" => {
                    secret.inline = Some(Hidden(text));
                }
                _ => return Err(de::Error::custom(SECRET)),
            }
        }
        Ok(secret)
    }
}

/// What a secret must be.
pub(super) const SECRET: &str = "expected either { env: NAME } or { inline: TEXT }";

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawRule {
    /// For logs and metrics. Default: its position, e.g. `rules[0]`.
    #[serde(default, deserialize_with = "given")]
    pub name: Option<String>,
    /// Which requests it is for: all conditions that are given must hold, so `{}` is for every request. Required.
    #[serde(rename = "match")]
    pub matches: JsonObject<RawMatch>,
    /// Default: `false`. `true`: no token needed; one that is there is not looked at. Not together with `require`.
    #[serde(default)]
    pub anonymous: bool,
    /// What the token must have: all that is given. `{}`: any active token will do.
    #[serde(default, deserialize_with = "given")]
    pub require: Option<JsonObject<RawRequire>>,
    /// The names of those of `providers` whose word counts here. Default: all.
    #[serde(default, deserialize_with = "given")]
    pub providers: Option<Vec<String>>,
    /// The same as the key at the top, for this rule.
    #[serde(default)]
    pub shadow: bool,
}

/// The conditions of a rule.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawMatch {
    /// This very path. Only one of `path`, `prefix` and `template`.
    #[serde(default, deserialize_with = "given")]
    pub path: Option<String>,
    /// This path and all below it, by whole segments: `/api` is `/api` and `/api/x`, not `/apix`.
    #[serde(default, deserialize_with = "given")]
    pub prefix: Option<String>,
    /// Paths like this one: in `/orders/{id}/lines/{line}` each parameter is one whole segment. At most 25 of them.
    #[serde(default, deserialize_with = "given")]
    pub template: Option<String>,
    /// Any of these methods. Default: all but `CONNECT`, because no rule sees what goes through a tunnel.
    #[serde(default, deserialize_with = "given")]
    pub methods: Option<Vec<String>>,
    /// Any of these hosts, in any case and whatever the port (keep `strip_any_host_port` in `envoy.yaml`, or Envoy does not ignore it); `*.example.com` is all hosts below `example.com`. Default: all.
    #[serde(default, deserialize_with = "given")]
    pub hosts: Option<Vec<String>>,
    /// The name of the route that Envoy has chosen (`route.name`). Not together with what changes headers in `forward`: Envoy would choose another route after the rule.
    #[serde(default, deserialize_with = "given")]
    pub route: Option<String>,
}

/// What a token must have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawRequire {
    /// All of these scopes. A `*` at the end of one stands for any rest.
    #[serde(default, deserialize_with = "given")]
    pub scopes: Option<Vec<String>>,
    /// One of these scopes. A `*` at the end of one stands for any rest.
    #[serde(default, deserialize_with = "given")]
    pub any_scopes: Option<Vec<String>>,
    /// Whom the token must be for: one of these is its `aud`, or a member of it.
    #[serde(default, deserialize_with = "given")]
    pub audiences: Option<Vec<String>>,
    /// What must be true of claims. A claim that is absent, null or of another type meets nothing; see docs/claims.md.
    #[serde(default, deserialize_with = "given")]
    pub claims: Option<Vec<JsonObject<RawClaim>>>,
    /// The user must have authenticated by one of these classes (`acr`); else RFC 9470's challenge asks for it.
    #[serde(default, deserialize_with = "given")]
    pub acr_values: Option<Vec<String>>,
    /// The user must have authenticated (`auth_time`) at most so long ago, in whole seconds; else RFC 9470's challenge asks for it.
    #[serde(default, deserialize_with = "given")]
    pub max_age: Option<String>,
    /// Requirements that must all be met.
    #[serde(default, deserialize_with = "given")]
    pub all_of: Option<Vec<JsonObject<RawRequire>>>,
    /// Requirements one of which must be met.
    #[serde(default, deserialize_with = "given")]
    pub any_of: Option<Vec<JsonObject<RawRequire>>>,
    /// Requirements none of which may be met.
    #[serde(default, deserialize_with = "given")]
    pub none_of: Option<Vec<JsonObject<RawRequire>>>,
}

/// What must be true of a claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawClaim {
    /// Which claim: a dotted path (`consumer.ID`), or where names hold dots a JSON Pointer (`/https:~1~1x.y~1role`). Required, with one of the following.
    pub claim: String,
    /// It is this value. Numbers are compared by worth, everything else to the letter.
    #[serde(default, deserialize_with = "given")]
    pub equals: Option<Wanted>,
    /// It is one of these values.
    #[serde(default, deserialize_with = "given")]
    pub one_of: Option<Vec<Wanted>>,
    /// It is an array of which some member is this value (of an array here: all of its members are there), or an object which has at least these members; a text, number or boolean counts as an array of it alone. Objects within are compared in the same way.
    #[serde(default, deserialize_with = "given")]
    pub contains: Option<Wanted>,
    /// `true`: it is there. For a claim that must not be there, put this into `none_of`.
    #[serde(default, deserialize_with = "given")]
    pub exists: Option<bool>,
}

/// How long what the endpoint said counts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawCache {
    /// Tokens that a worker remembers, of the active and of the inactive each, up to 100000; a hard bound. Facts of more than 2 kB count as several. Default: `10000`.
    #[serde(default, deserialize_with = "given")]
    pub max_entries: Option<Integer>,
    /// A known token is asked about again after this, and never counts past its `exp`; `0s`: nothing is remembered. Default: `60s`.
    #[serde(default, deserialize_with = "given")]
    pub max_ttl: Option<String>,
    /// The same for tokens found inactive. Default: `5s`.
    #[serde(default, deserialize_with = "given")]
    pub inactive_ttl: Option<String>,
    /// While the endpoint cannot be asked (no answer, 429, 5xx, no host, a full circuit breaker), how long past `max_ttl` a known active token still counts; never past its `exp`. Default: `5m` for Texas, whose tokens cannot be revoked; `0s` for RFC 7662.
    #[serde(default, deserialize_with = "given")]
    pub stale_if_error: Option<String>,
    /// Whether a token in use is asked about shortly before `max_ttl` is up, without making its request wait. Default: `true`.
    #[serde(default, deserialize_with = "given")]
    pub refresh_ahead: Option<bool>,
    /// Whether the workers of this Envoy share what they know. Default: `true` where the plugin has a `vm_id` that is not empty, else `false`: plugins without one share their data with each other.
    #[serde(default, deserialize_with = "given")]
    pub shared: Option<bool>,
}

/// Where the access token is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawToken {
    /// The header. Default: `authorization`.
    #[serde(default, deserialize_with = "given")]
    pub header: Option<String>,
    /// The authentication scheme, in any case; `""`: the header is the bare token. Default: `Bearer`.
    #[serde(default, deserialize_with = "given")]
    pub scheme: Option<String>,
    /// The longest token that is looked at, in bytes. Default: `8192`.
    #[serde(default, deserialize_with = "given")]
    pub max_length: Option<Integer>,
}

/// What a token must look like to be asked about.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawPrecheck {
    /// The `iss` that tokens must have. Default: any.
    #[serde(default, deserialize_with = "given")]
    pub issuer: Option<String>,
    /// How far the issuer's clock and this one may differ. Default: `60s`.
    #[serde(default, deserialize_with = "given")]
    pub leeway: Option<String>,
}

/// What the upstream is told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawForward {
    /// `keep` or `remove`: whether the upstream sees the header that tokens come in. `remove` not where a rule has `match.route`; and what Envoy redirects internally after it has no token any more: 401 where one is needed. Default: `keep`.
    #[serde(default)]
    pub authorization: RawAuthorization,
    /// Headers, each with the claim that it carries: strings, numbers, booleans, and arrays of strings without spaces, joined by a space. A claim that a header cannot carry unchanged stays out: one that is empty, has control characters or a space at its ends, is longer than 16 kB, or is a number beyond 64 bits. Not where a rule has `match.route`. Default: none.
    #[serde(default)]
    pub claims: JsonObject<Names>,
    /// A header that carries all claims: base64url, without padding, of the endpoint's answer without `active`, its members byte for byte and in its order, up to 16 kB. Not where a rule has `match.route`. Default: none.
    #[serde(default, deserialize_with = "given")]
    pub payload_header: Option<String>,
    /// Names in Envoy's filter state, each with the claim that stands there, as in a header: `%FILTER_STATE(wasm.portvakt.NAME:PLAIN)%`. Default: none.
    #[serde(default)]
    pub filter_state: JsonObject<Names>,
}

/// Whether the upstream sees the token.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub(super) enum RawAuthorization {
    #[default]
    Keep,
    Remove,
}

/// What challenges carry.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct RawChallenge {
    /// The protected resource's realm. Default: none.
    #[serde(default, deserialize_with = "given")]
    pub realm: Option<String>,
    /// The URL of the protected resource's metadata (RFC 9728). Default: where `protected_resource` is served, if it is.
    #[serde(default, deserialize_with = "given")]
    pub resource_metadata: Option<String>,
}
