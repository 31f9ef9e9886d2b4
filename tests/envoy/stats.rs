//! The names of the filter's metrics as Envoy lists them. A `*` is any value of a label: what is
//! counted under all of them is added up.

use portvakt_core::metrics::Metric;

/// Decisions for any rule.
pub fn decisions(result: &str, reason: &str) -> String {
    custom(Metric::Decisions, &[result, reason, "*"])
}

/// Tokens looked for, of any provider.
pub fn lookups(lookup: &str) -> String {
    custom(Metric::Lookups, &[lookup, "*"])
}

/// What introspections came to, of any provider.
pub fn introspections(outcome: &str) -> String {
    custom(Metric::Introspections, &[outcome, "*"])
}

/// Any of the metrics.
pub fn custom(metric: Metric, labels: &[&str]) -> String {
    format!("wasmcustom.{}", metric.with(labels))
}

/// Whether the pattern is for that metric.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = name;
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else {
        return false;
    };
    rest = after;
    let mut is_open = false;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        is_open = part.is_empty();
        rest = after;
    }
    is_open || rest.is_empty()
}
