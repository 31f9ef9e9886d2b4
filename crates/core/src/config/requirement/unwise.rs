//! What a requirement may not be meant to say: it is valid, and told.

use serde_json::Value;

use crate::config::context::Context;
use crate::config::raw::{RawClaim, RawRequire, Wanted};
use crate::config::warning::Unwise;
use crate::json::object::JsonObject;

/// Says which scopes may be meant for several, or for a pattern.
pub(super) fn warn_of_scopes(key: &str, names: &[String], context: &mut Context) {
    for (index, name) in names.iter().enumerate() {
        let key = || format!("{key}[{index}]");
        if name == "*" {
            let problem = "`*` alone stands for any scope there is";
            context.warn(Unwise::SuspectScope, key(), problem);
        } else if name.contains([',', '|']) {
            let problem = format!("{name:?} is one scope; for several write a list");
            context.warn(Unwise::SuspectScope, key(), problem);
        } else if let Some(problem) = suspect_scope(name) {
            context.warn(Unwise::SuspectScope, key(), format!("{name:?} {problem}"));
        }
    }
}

/// Why a scope may not be meant so.
fn suspect_scope(name: &str) -> Option<String> {
    if name.starts_with('!') || name.contains(['(', '[', '^', '$']) || name.ends_with(".*") {
        return Some("is compared to the letter, but for a `*` at its end".to_owned());
    }
    let scope = name.strip_prefix("SCOPE_")?;
    Some(format!("is written as tokens have it: `{scope}`?"))
}

/// Says which values of a test may be meant as patterns: only scopes have these.
pub(super) fn warn_of_patterns(key: &str, raw: &RawClaim, context: &mut Context) {
    let single = [("equals", &raw.equals), ("contains", &raw.contains)];
    for (name, wanted) in single {
        if let Some(Wanted(Value::String(text))) = wanted {
            warn_of_pattern(&format!("{key}.{name}"), text, context);
        }
    }
    for (index, wanted) in raw.one_of.iter().flatten().enumerate() {
        if let Wanted(Value::String(text)) = wanted {
            warn_of_pattern(&format!("{key}.one_of[{index}]"), text, context);
        }
    }
}

/// Says where a text may be meant as a pattern.
pub(super) fn warn_of_pattern(key: &str, text: &str, context: &mut Context) {
    if text.contains('*') {
        let problem = format!("{text:?} is compared to the letter, its `*` too");
        context.warn(Unwise::SuspectValue, key, problem);
    }
}

/// Claims that many providers give as an array even of one.
const ARRAYS: [&str; 8] = [
    "amr",
    "aud",
    "authorities",
    "entitlements",
    "groups",
    "permissions",
    "roles",
    "wids",
];

/// Says where something that must not hold is passed by an array or a text that has it among
/// others.
pub(super) fn warn_of_arrays(key: &str, all: &[JsonObject<RawRequire>], context: &mut Context) {
    for (index, JsonObject(raw)) in all.iter().enumerate() {
        let key = format!("{key}[{index}]");
        if raw.scopes.as_ref().is_some_and(|scopes| scopes.len() > 1) {
            let problem = "must not be there together; a token that has one of them alone passes: \
                           see `any_scopes`";
            context.warn(Unwise::NoneOfScopes, format!("{key}.scopes"), problem);
        }
        for (index, JsonObject(claim)) in raw.claims.iter().flatten().enumerate() {
            let name = claim.claim.rsplit(['/', '.']).next().unwrap_or_default();
            let is_equality = claim.equals.is_some() || claim.one_of.is_some();
            if matches!(name, "scope" | "scp") && (is_equality || claim.contains.is_some()) {
                let problem = format!(
                    "`{name}` may be a text of several scopes, which this does not look into, so \
                     that it passes; see `any_scopes`"
                );
                let key = format!("{key}.claims[{index}]");
                context.warn(Unwise::NoneOfEquals, key, problem);
            } else if is_equality && ARRAYS.contains(&name) {
                let problem = format!(
                    "`{name}` may be an array, which this does not look into, so that it passes; \
                     see `contains`"
                );
                let key = format!("{key}.claims[{index}]");
                context.warn(Unwise::NoneOfEquals, key, problem);
            }
        }
        for (name, nested) in [("all_of", &raw.all_of), ("any_of", &raw.any_of)] {
            let nested = nested.as_deref().unwrap_or_default();
            warn_of_arrays(&format!("{key}.{name}"), nested, context);
        }
    }
}
