//! The section `cache`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::context::{Context, Refused};
use super::raw::{Integer, RawCache};
use super::warning::Unwise;
use crate::cache::Cache;
use crate::cache::freshness::Lifetimes;
use crate::cache::local::LocalCache;
use crate::introspection::IntrospectionConfig;

/// A place for a token's facts is 2 kB, and a VM has a gigabyte, in which an old and a new
/// configuration may have to live side by side.
const MAX_ENTRIES: u64 = 100_000;

/// The section as it is valid for any provider.
pub(super) struct CacheSettings {
    max_entries: usize,
    max_ttl: Duration,
    inactive_ttl: Duration,
    /// `None`: as the provider's API has it.
    stale_if_error: Option<Duration>,
    refresh_ahead: bool,
    is_shared: bool,
}

pub(super) fn cache_settings(
    raw: RawCache,
    has_vm_id: bool,
    context: &mut Context,
) -> Result<CacheSettings, Refused> {
    let RawCache {
        max_entries,
        max_ttl,
        inactive_ttl,
        stale_if_error,
        refresh_ahead,
        shared,
    } = raw;
    let max_entries = max_entries.map_or(10_000, |Integer(number)| number);
    let entries = if (1..=MAX_ENTRIES).contains(&max_entries) {
        Ok(usize::try_from(max_entries).unwrap_or(usize::MAX))
    } else {
        context.refuse(
            "cache.max_entries",
            format!(
                "{max_entries} is not within 1 to {MAX_ENTRIES}; to turn the cache off: `max_ttl: 0s`"
            ),
        )
    };
    let max_ttl = duration("cache.max_ttl", max_ttl, context);
    let inactive_ttl = duration("cache.inactive_ttl", inactive_ttl, context);
    let stale_if_error = duration("cache.stale_if_error", stale_if_error, context);
    let settings = CacheSettings {
        max_entries: entries?,
        max_ttl: max_ttl?.unwrap_or(Duration::from_secs(60)),
        inactive_ttl: inactive_ttl?.unwrap_or(Duration::from_secs(5)),
        stale_if_error: stale_if_error?,
        refresh_ahead: refresh_ahead.unwrap_or(true),
        is_shared: shared.unwrap_or(has_vm_id),
    };
    if settings.max_ttl.is_zero() && settings.stale_if_error.is_some_and(|ttl| !ttl.is_zero()) {
        return context.refuse(
            "cache.stale_if_error",
            "not with `max_ttl: 0s`, which keeps nothing",
        );
    }
    if settings.is_shared && !has_vm_id && settings.keeps_something() {
        context.warn(
            Unwise::SharedWithoutVmId,
            "cache.shared",
            "`true` without a `vm_id` of the plugin's own trusts every plugin in this Envoy that \
             has none either: each can write what is then taken for the endpoint's answer",
        );
    }
    Ok(settings)
}

impl CacheSettings {
    pub(super) fn max_entries(&self) -> usize {
        self.max_entries
    }

    fn keeps_something(&self) -> bool {
        !self.max_ttl.is_zero() || !self.inactive_ttl.is_zero()
    }

    /// A provider's own.
    pub(super) fn cache(
        &self,
        config: &IntrospectionConfig,
        local: &Rc<RefCell<LocalCache>>,
    ) -> Cache {
        let default = config.response.api.stale_if_error();
        let lifetimes = Lifetimes {
            max_ttl: self.max_ttl,
            inactive_ttl: self.inactive_ttl,
            stale_if_error: self.stale_if_error.unwrap_or(default),
            refresh_ahead: self.refresh_ahead.then_some(config.timeout),
        };
        let is_shared = self.is_shared && self.keeps_something();
        let sharing = is_shared.then(|| config.fingerprint());
        Cache::new(lifetimes, Rc::clone(local), self.max_entries, sharing)
    }
}

fn duration(
    key: &str,
    given: Option<String>,
    context: &mut Context,
) -> Result<Option<Duration>, Refused> {
    let parsed = given.map(|text| {
        humantime::parse_duration(&text).or_else(|_| {
            context.refuse(
                key,
                format!("{text:?} is no duration, e.g. `5s`, or `0s` for none"),
            )
        })
    });
    parsed.transpose()
}
