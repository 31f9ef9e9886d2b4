//! From the plugin configuration as it is written to an [`Authorizer`] that no code needs to
//! doubt. What cannot work is refused here, with one line that names the key.

pub mod advice;
mod cache;
mod claim;
mod context;
mod errors;
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
mod structure;
pub mod warning;
mod wire;

use std::time::Duration;

use http::HeaderName;

use self::context::{Context, Refused};
pub use self::errors::{ConfigError, ConfigErrors};
use self::raw::{Integer, RawChallenge, RawConfig, RawPrecheck, RawToken};
use self::rules::Known;
use self::structure::Structure;
use self::warning::{Unwise, Warning};
use crate::authorizer::Authorizer;
use crate::json::object::JsonObject;
use crate::policy::Rules;
use crate::reply::challenge::ChallengeParameters;
use crate::reply::metadata::ProtectedResource;
use crate::token::extract::TokenSource;
use crate::token::jwt::Precheck;
use crate::upstream::Forwarding;

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
/// it, or says all that is wrong with it.
pub fn parse<E>(bytes: &[u8], vm: &Vm<E>) -> Result<Configured, ConfigErrors>
where
    E: Fn(&str) -> Option<String>,
{
    let env: &Env<'_> = &vm.env;
    let has_id = vm.has_id;
    read(bytes, &Vm { env, has_id })
}

/// Whatever looks variables up: the code that reads a configuration is there but once.
type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

// Inlined, it would be compiled for speed, as what calls it is, and it is large.
#[inline(never)]
fn read(bytes: &[u8], vm: &Vm<&Env<'_>>) -> Result<Configured, ConfigErrors> {
    let value = wire::read(bytes).map_err(|error| ConfigError::of_text(&error))?;
    let mut context = Context::default();
    let (raw, structure) = structure::read(value, &mut context);
    let found = raw.map(|raw| authorizer(raw, vm, &structure, &mut context));
    let warnings = std::mem::take(&mut context.warnings);
    match (found, structure.told(context.into_errors())) {
        (Some(Ok(authorizer)), None) => Ok(Configured {
            authorizer,
            warnings,
        }),
        (_, Some(errors)) => Err(errors),
        // Never: whoever refuses says why.
        (_, None) => Err(ConfigError::new(".", "is refused").into()),
    }
}

fn authorizer(
    raw: RawConfig,
    vm: &Vm<&Env<'_>>,
    structure: &Structure,
    context: &mut Context,
) -> Result<Authorizer, Refused> {
    let extra_methods = methods::extra_methods(raw.extra_methods, context);
    let configs = providers::provider_configs(raw.introspection, raw.providers, vm.env, context);
    let token = token(raw.token.0, context);
    let known = Known {
        providers: structure.unless_broken(
            &["introspection", "providers"],
            borrowed(&configs).map(Vec::as_slice),
        ),
        extra_methods: structure.unless_broken(
            &["extra_methods"],
            borrowed(&extra_methods).map(Vec::as_slice),
        ),
    };
    let rules = rules::rules(raw.required_scopes, raw.rules, known, context);
    // What one rule is beside the others can be said only where all of them are there.
    let rules = structure.sound().and(rules).and_then(|rules| {
        let extra_methods = borrowed(&extra_methods)?;
        rules::build_rules(rules, extra_methods, context)
    });
    let header = borrowed(&token).map(|token: &TokenSource| token.header.as_str());
    let forwarding = forward::forwarding(raw.forward.0, header, context);
    let forwarding = no_routes_where_headers_change(borrowed(&rules), forwarding, context);
    if raw.shadow {
        context.warn(
            Unwise::Shadow,
            "shadow",
            "is on: no request is refused, whatever the rules say",
        );
    }
    let precheck = raw
        .jwt_precheck
        .map(|JsonObject(raw)| precheck(raw, context));
    let precheck = precheck.transpose();
    if let (Ok(configs), Ok(Some(check))) = (&configs, &precheck)
        && configs.len() > 1
        && check.issuer.is_some()
    {
        context.warn(
            Unwise::PrecheckOfOneIssuer,
            "jwt_precheck.issuer",
            "is for the tokens of all `providers`: those of other issuers are refused",
        );
    }
    let protected_resource =
        protected_resource::build_protected_resource(raw.protected_resource, context);
    let settings = cache::cache_settings(raw.cache.0, vm.has_id, context);
    let described = protected_resource.as_ref().ok().and_then(Option::as_ref);
    let challenge = challenge(raw.challenge.0, described, context);
    let (mut configs, forwarding) = (configs?, forwarding?);
    for config in &mut configs {
        config.response.claims = context.claims.clone();
        config.response.keeps_payload = forwarding.payload_header.is_some();
    }
    Ok(Authorizer {
        providers: providers::build_providers(configs, &settings?),
        token: token?,
        precheck: precheck?,
        rules: rules?,
        forwarding,
        challenge: challenge?,
        protected_resource: protected_resource?,
        failure_mode_allow: raw.failure_mode_allow,
        shadow: raw.shadow,
    })
}

/// Envoy chooses the route anew when headers change.
fn no_routes_where_headers_change(
    rules: Result<&Rules, Refused>,
    forwarding: Result<Forwarding, Refused>,
    context: &mut Context,
) -> Result<Forwarding, Refused> {
    let forwarding = forwarding?;
    if rules.is_ok_and(Rules::go_by_routes) && forwarding.changes_headers() {
        return context.refuse(
            "forward",
            "only `filter_state` where a rule has `match.route`: when headers change, Envoy \
             chooses the route anew, and not by the rules",
        );
    }
    Ok(forwarding)
}

/// What was found, to be looked at by others.
fn borrowed<T>(found: &Result<T, Refused>) -> Result<&T, Refused> {
    found.as_ref().map_err(|refused| *refused)
}

/// How far clocks may differ if nothing is said.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);

/// The longest `token.max_length`: more than Envoy takes in all headers together by default.
const MAX_TOKEN_LENGTH: u64 = 65_536;

fn token(raw: RawToken, context: &mut Context) -> Result<TokenSource, Refused> {
    let header = raw.header.unwrap_or_else(|| "authorization".to_owned());
    let scheme = raw.scheme.unwrap_or_else(|| "Bearer".to_owned());
    let max_length = raw.max_length.map_or(8192, |Integer(length)| length);
    // A scheme is a token as a method is (RFC 9110 section 11.1).
    let is_scheme = scheme.is_empty() || http::Method::from_bytes(scheme.as_bytes()).is_ok();
    let scheme = if is_scheme {
        Ok(scheme)
    } else {
        context.refuse(
            "token.scheme",
            format!("{scheme:?} is no authentication scheme, e.g. `Bearer`, or `\"\"` for none"),
        )
    };
    let max_length = if (1..=MAX_TOKEN_LENGTH).contains(&max_length) {
        Ok(usize::try_from(max_length).unwrap_or(usize::MAX))
    } else {
        context.refuse(
            "token.max_length",
            format!("{max_length} is not within 1 to {MAX_TOKEN_LENGTH} bytes"),
        )
    };
    let header = header_name("token.header", &header, context);
    Ok(TokenSource {
        header: header?,
        scheme: scheme?,
        max_length: max_length?,
    })
}

fn precheck(raw: RawPrecheck, context: &mut Context) -> Result<Precheck, Refused> {
    let issuer = match raw.issuer {
        Some(issuer) if issuer.is_empty() => {
            context.refuse("jwt_precheck.issuer", "is empty; expected an issuer")
        }
        issuer => Ok(issuer),
    };
    let leeway = match raw.leeway {
        None => Ok(DEFAULT_LEEWAY),
        Some(text) => humantime::parse_duration(&text).or_else(|_| {
            context.refuse(
                "jwt_precheck.leeway",
                format!("{text:?} is no duration, e.g. `60s`, or `0s` for none"),
            )
        }),
    };
    Ok(Precheck {
        issuer: issuer?,
        leeway: leeway?,
    })
}

fn challenge(
    raw: RawChallenge,
    described: Option<&ProtectedResource>,
    context: &mut Context,
) -> Result<ChallengeParameters, Refused> {
    let realm = quotable("challenge.realm", raw.realm, context);
    let metadata = quotable(
        "challenge.resource_metadata",
        raw.resource_metadata,
        context,
    );
    let metadata = metadata.and_then(|metadata| match metadata {
        Some(url) if crate::introspection::request::Endpoint::parse(&url).is_err() => context
            .refuse(
                "challenge.resource_metadata",
                format!("{url:?} is no http or https URL"),
            ),
        metadata => Ok(metadata),
    });
    Ok(ChallengeParameters {
        realm: realm?,
        resource_metadata: metadata?
            .or_else(|| described.map(|resource| resource.url().to_owned())),
    })
}

/// What can stand in quotes in a header.
fn quotable(
    key: &str,
    text: Option<String>,
    context: &mut Context,
) -> Result<Option<String>, Refused> {
    let is_quotable = |text: &String| {
        let mut bytes = text.bytes();
        bytes.all(|b| matches!(b, b' '..=b'~') && !b"\"\\".contains(&b))
    };
    match text {
        Some(text) if !is_quotable(&text) => context.refuse(
            key,
            format!("{text:?} is not of printable ASCII without `\"` and `\\`"),
        ),
        text => Ok(text),
    }
}

/// A header's name, lower-case.
fn header_name(key: &str, name: &str, context: &mut Context) -> Result<String, Refused> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => context.refuse(key, format!("{name:?} is no header name")),
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
#[allow(clippy::too_many_lines, reason = "tables are as long as they are")]
mod tests;
