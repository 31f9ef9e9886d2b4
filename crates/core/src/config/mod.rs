//! From the plugin configuration as it is written to an [`Authorizer`] that no code needs to
//! doubt. What cannot work is refused here, with one line that names the key.

pub mod advice;
mod cache;
mod challenge;
mod claim;
mod context;
mod errors;
mod forward;
mod introspection;
mod methods;
mod paths;
mod precheck;
mod protected_resource;
mod providers;
mod raw;
mod requirement;
mod rules;
#[cfg(feature = "schema")]
pub mod schema;
mod structure;
mod token;
pub mod warning;
mod wire;

use http::HeaderName;

use self::context::{Context, Refused};
pub use self::errors::{ConfigError, ConfigErrors};
use self::raw::RawConfig;
use self::rules::Known;
use self::structure::Structure;
use self::warning::{Unwise, Warning};
use crate::authorizer::Authorizer;
use crate::json::object::JsonObject;
use crate::policy::Rules;
use crate::token::extract::TokenSource;
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
    let token = token::token_source(raw.token.0, context);
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
    let precheck = raw.jwt_precheck.map(|JsonObject(raw)| {
        let providers = borrowed(&configs).map(Vec::as_slice);
        precheck::precheck(raw, providers, context)
    });
    let precheck = precheck.transpose();
    let protected_resource =
        protected_resource::build_protected_resource(raw.protected_resource, context);
    let settings = cache::cache_settings(raw.cache.0, vm.has_id, context);
    let described = protected_resource.as_ref().ok().and_then(Option::as_ref);
    let challenge = challenge::challenge_parameters(raw.challenge.0, described, context);
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
