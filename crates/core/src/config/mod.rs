//! From the plugin configuration as it is written to an [`Authorizer`] that no code needs to
//! doubt. What cannot work is refused here, with one line that names the key.

mod cache;
mod claim;
mod context;
mod forward;
mod introspection;
mod methods;
mod paths;
mod protected_resource;
mod providers;
mod raw;
mod requirement;
mod rules;
#[cfg(feature = "schema")]
pub mod schema;
pub mod warning;
mod wire;

use std::fmt;
use std::time::Duration;

use http::HeaderName;

use self::context::Context;
use self::raw::{Integer, RawChallenge, RawConfig, RawPrecheck, RawToken};
use self::warning::{Unwise, Warning};
use crate::authorizer::Authorizer;
use crate::json::object::JsonObject;
use crate::reply::challenge::ChallengeParameters;
use crate::reply::metadata::ProtectedResource;
use crate::token::extract::TokenSource;
use crate::token::jwt::Precheck;

/// Why a configuration is refused: one line that names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    key: String,
    problem: String,
}

/// The VM that a configuration is read for.
#[derive(Clone, Copy, Debug)]
pub struct Vm<E> {
    /// Looks up a variable in the VM's environment.
    pub env: E,
    /// Whether it has a `vm_id` that is not empty: only then is its shared data its own.
    pub has_id: bool,
}

/// A valid configuration.
#[derive(Debug)]
pub struct Configured {
    /// It, at work.
    pub authorizer: Authorizer,
    /// What in it is perhaps not meant so.
    pub warnings: Vec<Warning>,
}

/// Reads the plugin configuration, JSON or a `google.protobuf.Struct`, and makes an authorizer of
/// it.
pub fn parse<E>(bytes: &[u8], vm: &Vm<E>) -> Result<Configured, ConfigError>
where
    E: Fn(&str) -> Option<String>,
{
    let value = wire::read(bytes).or_else(|error| refuse(".", error.to_string()))?;
    match serde_path_to_error::deserialize(value) {
        Ok(JsonObject(raw)) => {
            let mut context = Context::default();
            let authorizer = authorizer(raw, vm, &mut context)?;
            Ok(Configured {
                authorizer,
                warnings: context.warnings,
            })
        }
        Err(error) => refuse(error.path().to_string(), error.inner().to_string()),
    }
}

fn authorizer<E>(
    raw: RawConfig,
    vm: &Vm<E>,
    context: &mut Context,
) -> Result<Authorizer, ConfigError>
where
    E: Fn(&str) -> Option<String>,
{
    let extra_methods = methods::extra_methods(raw.extra_methods)?;
    let mut configs = providers::provider_configs(raw.introspection, raw.providers, &vm.env)?;
    let token = token(raw.token.0)?;
    let rules = rules::build_rules(
        raw.required_scopes,
        raw.rules,
        &configs,
        &extra_methods,
        context,
    )?;
    let forwarding = forward::forwarding(raw.forward.0, &token.header, context)?;
    if rules.go_by_routes() && forwarding.changes_headers() {
        return refuse(
            "forward",
            "only `filter_state` where a rule has `match.route`: when headers change, Envoy \
             chooses the route anew, and not by the rules",
        );
    }
    for config in &mut configs {
        config.response.claims = context.claims.clone();
        config.response.keeps_payload = forwarding.payload_header.is_some();
    }
    if raw.shadow {
        context.warn(
            Unwise::Shadow,
            "shadow",
            "is on: no request is refused, whatever the rules say",
        );
    }
    let precheck = raw.jwt_precheck.map(|JsonObject(raw)| precheck(raw));
    let precheck = precheck.transpose()?;
    if configs.len() > 1
        && precheck
            .as_ref()
            .is_some_and(|check| check.issuer.is_some())
    {
        context.warn(
            Unwise::PrecheckOfOneIssuer,
            "jwt_precheck.issuer",
            "is for the tokens of all `providers`: those of other issuers are refused",
        );
    }
    let protected_resource = protected_resource::build_protected_resource(raw.protected_resource)?;
    Ok(Authorizer {
        providers: providers::build_providers(configs, raw.cache.0, vm.has_id, context)?,
        token,
        precheck,
        rules,
        forwarding,
        challenge: challenge(raw.challenge.0, protected_resource.as_ref())?,
        protected_resource,
        failure_mode_allow: raw.failure_mode_allow,
        shadow: raw.shadow,
    })
}

/// How far clocks may differ if nothing is said.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);

/// The longest `token.max_length`: more than Envoy takes in all headers together by default.
const MAX_TOKEN_LENGTH: u64 = 65_536;

fn token(raw: RawToken) -> Result<TokenSource, ConfigError> {
    let header = raw.header.unwrap_or_else(|| "authorization".to_owned());
    let scheme = raw.scheme.unwrap_or_else(|| "Bearer".to_owned());
    let max_length = raw.max_length.map_or(8192, |Integer(length)| length);
    // A scheme is a token as a method is (RFC 9110 section 11.1).
    if !scheme.is_empty() && http::Method::from_bytes(scheme.as_bytes()).is_err() {
        return refuse(
            "token.scheme",
            format!("{scheme:?} is no authentication scheme, e.g. `Bearer`, or `\"\"` for none"),
        );
    }
    if !(1..=MAX_TOKEN_LENGTH).contains(&max_length) {
        return refuse(
            "token.max_length",
            format!("{max_length} is not within 1 to {MAX_TOKEN_LENGTH} bytes"),
        );
    }
    Ok(TokenSource {
        header: header_name("token.header", &header)?,
        scheme,
        max_length: usize::try_from(max_length).unwrap_or(usize::MAX),
    })
}

fn precheck(raw: RawPrecheck) -> Result<Precheck, ConfigError> {
    if raw.issuer.as_ref().is_some_and(String::is_empty) {
        return refuse("jwt_precheck.issuer", "is empty; expected an issuer");
    }
    let leeway = match raw.leeway {
        None => DEFAULT_LEEWAY,
        Some(text) => humantime::parse_duration(&text).or_else(|_| {
            refuse(
                "jwt_precheck.leeway",
                format!("{text:?} is no duration, e.g. `60s`, or `0s` for none"),
            )
        })?,
    };
    Ok(Precheck {
        issuer: raw.issuer,
        leeway,
    })
}

fn challenge(
    raw: RawChallenge,
    described: Option<&ProtectedResource>,
) -> Result<ChallengeParameters, ConfigError> {
    let quotable = |key, text: &Option<String>| match text {
        Some(text)
            if !text
                .bytes()
                .all(|b| matches!(b, b' '..=b'~') && !b"\"\\".contains(&b)) =>
        {
            refuse(
                key,
                format!("{text:?} is not of printable ASCII without `\"` and `\\`"),
            )
        }
        _ => Ok(()),
    };
    quotable("challenge.realm", &raw.realm)?;
    quotable("challenge.resource_metadata", &raw.resource_metadata)?;
    if let Some(url) = &raw.resource_metadata
        && crate::introspection::request::Endpoint::parse(url).is_err()
    {
        return refuse(
            "challenge.resource_metadata",
            format!("{url:?} is no http or https URL"),
        );
    }
    Ok(ChallengeParameters {
        realm: raw.realm,
        resource_metadata: raw
            .resource_metadata
            .or_else(|| described.map(|resource| resource.url().to_owned())),
    })
}

/// A header's name, lower-case.
fn header_name(key: &str, name: &str) -> Result<String, ConfigError> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => refuse(key, format!("{name:?} is no header name")),
    }
}

fn refuse<T>(key: impl Into<String>, problem: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::new(key, problem))
}

impl ConfigError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self.key.as_str() {
            "." => format!("configuration: {}", self.problem),
            key => format!("configuration: {key}: {}", self.problem),
        };
        // Keys are the operator's text too: the line stays one line.
        f.write_str(&line.replace(char::is_control, " "))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod reference;
#[cfg(test)]
#[allow(clippy::too_many_lines, reason = "tables are as long as they are")]
mod tests;
