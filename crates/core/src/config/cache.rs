//! The section `cache`.

use std::time::Duration;

use super::raw::{Integer, RawCache};
use super::warning::{Unwise, Warning};
use super::{ConfigError, refuse};
use crate::cache::Cache;
use crate::cache::freshness::Lifetimes;
use crate::introspection::IntrospectionConfig;

/// A place for a token's facts is 2 kB, and a VM has a gigabyte, in which an old and a new
/// configuration may have to live side by side.
const MAX_ENTRIES: u64 = 100_000;

pub(super) fn build_cache(
    raw: RawCache,
    introspection: &IntrospectionConfig,
    has_vm_id: bool,
    warnings: &mut Vec<Warning>,
) -> Result<Cache, ConfigError> {
    let max_entries = raw.max_entries.map_or(10_000, |Integer(number)| number);
    if !(1..=MAX_ENTRIES).contains(&max_entries) {
        return refuse(
            "cache.max_entries",
            format!(
                "{max_entries} is not within 1 to {MAX_ENTRIES}; to turn the cache off: `max_ttl: 0s`"
            ),
        );
    }
    let refresh_ahead = raw.refresh_ahead.unwrap_or(true);
    let is_stale_asked_for = raw.stale_if_error.is_some();
    let lifetimes = Lifetimes {
        max_ttl: duration("cache.max_ttl", raw.max_ttl, Duration::from_secs(60))?,
        inactive_ttl: duration(
            "cache.inactive_ttl",
            raw.inactive_ttl,
            Duration::from_secs(5),
        )?,
        stale_if_error: duration(
            "cache.stale_if_error",
            raw.stale_if_error,
            introspection.response.api.stale_if_error(),
        )?,
        refresh_ahead: refresh_ahead.then_some(introspection.timeout),
    };
    let keeps_none = lifetimes.max_ttl.is_zero();
    if keeps_none && is_stale_asked_for && !lifetimes.stale_if_error.is_zero() {
        return refuse(
            "cache.stale_if_error",
            "not with `max_ttl: 0s`, which keeps nothing",
        );
    }
    let max_entries = usize::try_from(max_entries).unwrap_or(usize::MAX);
    let keeps_something = !lifetimes.max_ttl.is_zero() || !lifetimes.inactive_ttl.is_zero();
    if raw.shared == Some(true) && !has_vm_id {
        warnings.push(Warning::new(
            Unwise::SharedWithoutVmId,
            "cache.shared",
            "is trusted though the plugin has no `vm_id` of its own: every plugin in this Envoy \
             that has none either can write what this one then takes for the endpoint's answers",
        ));
    }
    let is_shared = raw.shared.unwrap_or(has_vm_id) && keeps_something;
    let sharing = is_shared.then(|| introspection.fingerprint());
    Ok(Cache::new(lifetimes, max_entries, sharing))
}

fn duration(key: &str, given: Option<String>, default: Duration) -> Result<Duration, ConfigError> {
    let Some(text) = given else {
        return Ok(default);
    };
    humantime::parse_duration(&text).or_else(|_| {
        refuse(
            key,
            format!("{text:?} is no duration, e.g. `5s`, or `0s` for none"),
        )
    })
}
