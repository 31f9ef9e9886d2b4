//! The section `providers`, and `introspection`, which is short for one.

use super::cache::CacheSettings;
use super::context::{Context, Refused, all};
use super::raw::RawIntrospection;
use super::{Env, introspection};
use crate::cache::local::LocalCache;
use crate::callout::provider::Provider;
use crate::callout::providers::Providers;
use crate::introspection::IntrospectionConfig;
use crate::json::object::JsonObject;
use crate::token::providers::{MAX_PROVIDERS, ProviderId, ProviderSet};

/// The key that is short for one provider, and the name that this one has.
const SHORT: &str = "introspection";
const ONLY: &str = "default";

/// The longest name of a provider, in bytes: it is a label of metrics.
const MAX_NAME: usize = 64;

type RawProviders = super::raw::Providers;

/// How each provider is asked, in the order of their positions.
pub(super) fn provider_configs(
    introspection: Option<JsonObject<RawIntrospection>>,
    providers: Option<JsonObject<RawProviders>>,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<Vec<IntrospectionConfig>, Refused> {
    let raw = match (introspection, providers) {
        (Some(JsonObject(raw)), None) => return Ok(vec![only(raw, env, context)?]),
        (None, Some(JsonObject(raw))) => raw,
        (Some(_), Some(_)) => {
            return context.refuse("providers", "not together with `introspection`");
        }
        (None, None) => {
            return context.refuse(
                "introspection",
                "is missing; expected `introspection`, or `providers` for several endpoints",
            );
        }
    };
    if raw.is_empty() {
        return context.refuse(
            "providers",
            "is empty, so that no token could be asked about",
        );
    }
    if raw.len() > MAX_PROVIDERS {
        return context.refuse("providers", format!("has more than {MAX_PROVIDERS}"));
    }
    let configs = raw.into_iter().map(|(name, JsonObject(raw))| {
        let key = format!("providers.{name}");
        if !is_name(&name) {
            return context.refuse(
                key,
                format!("is no name: 1 to {MAX_NAME} letters, digits, `-`, `_` and `.`"),
            );
        }
        introspection::introspection_config(name, key, raw, env, context)
    });
    all(configs)
}

fn only(
    raw: RawIntrospection,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<IntrospectionConfig, Refused> {
    if raw.issuers.is_some() {
        return context.refuse(
            "introspection.issuers",
            "only in `providers`; for one endpoint see `jwt_precheck.issuer`",
        );
    }
    introspection::introspection_config(ONLY.to_owned(), SHORT.to_owned(), raw, env, context)
}

fn is_name(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_word)
}

/// The providers at work: each with facts of its own, within one bound.
pub(super) fn build_providers(
    configs: Vec<IntrospectionConfig>,
    settings: &CacheSettings,
) -> Providers {
    let local = LocalCache::common(settings.max_entries());
    let providers = configs.into_iter().map(|config| {
        let cache = settings.cache(&config, &local);
        Provider::new(config, cache)
    });
    Providers::new(providers.collect(), settings.max_entries())
}

/// Those whose word counts for a rule; `None`: all.
pub(super) fn trusted(
    key: &str,
    names: Option<Vec<String>>,
    configs: Result<&[IntrospectionConfig], Refused>,
    context: &mut Context,
) -> Result<ProviderSet, Refused> {
    let configs = configs?;
    let Some(names) = names else {
        // Once for all rules that name nobody.
        if let Some(known) = context.all_providers {
            return known;
        }
        let all: ProviderSet = (0..configs.len()).filter_map(ProviderId::at).collect();
        let all = unambiguous(key, all, configs, context);
        context.all_providers = Some(all);
        return all;
    };
    if names.is_empty() {
        return context.refuse(key, "is empty, so that no token could be asked about");
    }
    if configs.iter().any(|config| config.key == SHORT) {
        return context.refuse(
            key,
            "not together with `introspection`, which is one for all rules",
        );
    }
    let ids = names.iter().enumerate().map(|(index, name)| {
        let position = configs.iter().position(|config| config.name == *name);
        if let Some(id) = position.and_then(ProviderId::at) {
            return Ok(id);
        }
        let known: Vec<_> = configs.iter().map(|config| config.name.as_str()).collect();
        let known = known.join(", ");
        context.refuse(
            format!("{key}[{index}]"),
            format!("there is no provider {name:?}; there are: {known}"),
        )
    });
    let trusted: ProviderSet = all(ids)?.into_iter().collect();
    if trusted.len() < names.len() {
        return context.refuse(key, "names a provider twice");
    }
    unambiguous(key, trusted, configs, context)
}

/// Of these there is at most one to ask about any token.
fn unambiguous(
    key: &str,
    set: ProviderSet,
    configs: &[IntrospectionConfig],
    context: &mut Context,
) -> Result<ProviderSet, Refused> {
    let mut trusted = set.iter().filter_map(|id| configs.get(id.position()));
    while let Some(one) = trusted.next() {
        for other in trusted.clone() {
            let names = format!("`{}` and `{}`", one.name, other.name);
            if one.issuers().is_empty() && other.issuers().is_empty() {
                return context.refuse(
                    key,
                    format!("may ask {names}, both without `issuers`: whom about other tokens?"),
                );
            }
            let mut issuers = one.issuers().iter();
            if let Some(issuer) = issuers.find(|issuer| other.issuers().contains(issuer)) {
                return context.refuse(
                    key,
                    format!("may ask {names} about the same issuer {issuer:?}"),
                );
            }
        }
    }
    Ok(set)
}
