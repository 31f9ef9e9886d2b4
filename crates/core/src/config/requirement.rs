//! The key `require` of a rule.

use std::time::Duration;

use super::raw::{RawClaim, RawRequire, Wanted};
use super::{ConfigError, claim, refuse};
use crate::json;
use crate::json::object::JsonObject;
use crate::policy::requirement::{ClaimTest, Requirement, RuleRequirement};
use crate::token::claims::WantedClaims;
use crate::token::scope::Scope;

pub(super) fn rule_requirement(
    key: &str,
    raw: RawRequire,
    claims: &mut WantedClaims,
) -> Result<RuleRequirement, ConfigError> {
    requirement(key, raw, claims).map(RuleRequirement::new)
}

/// Every key that there is must be taken out here, and become a requirement.
fn requirement(
    key: &str,
    raw: RawRequire,
    claims: &mut WantedClaims,
) -> Result<Requirement, ConfigError> {
    let RawRequire {
        scopes: all_scopes,
        any_scopes,
        claims: about_claims,
        acr_values,
        max_age: age,
        all_of,
        any_of,
        none_of,
    } = raw;
    let mut all = Vec::new();
    if let Some(names) = all_scopes {
        let key = format!("{key}.scopes");
        all.push(Requirement::Scopes(scopes(&key, names)?));
    }
    if let Some(names) = any_scopes {
        let key = format!("{key}.any_scopes");
        all.push(Requirement::AnyScope(scopes(&key, names)?));
    }
    if let Some(raw) = about_claims {
        all.extend(claim_requirements(&format!("{key}.claims"), raw, claims)?);
    }
    if let Some(values) = acr_values {
        all.push(class(&format!("{key}.acr_values"), values, claims)?);
    }
    if let Some(text) = age {
        all.push(max_age(&format!("{key}.max_age"), &text, claims)?);
    }
    if let Some(raw) = all_of {
        let nested = nested(&format!("{key}.all_of"), raw, claims)?;
        all.push(Requirement::AllOf(nested));
    }
    if let Some(raw) = any_of {
        let nested = nested(&format!("{key}.any_of"), raw, claims)?;
        all.push(Requirement::AnyOf(nested));
    }
    if let Some(raw) = none_of {
        let nested = nested(&format!("{key}.none_of"), raw, claims)?;
        all.push(Requirement::NoneOf(nested));
    }
    Ok(Requirement::AllOf(all))
}

pub(super) fn scopes(key: &str, names: Vec<String>) -> Result<Vec<Scope>, ConfigError> {
    if names.is_empty() {
        return refuse(
            key,
            "is empty; for any active token: `rules: [{match: {prefix: /}, require: {}}]`",
        );
    }
    let scopes = names.into_iter().enumerate().map(|(index, name)| {
        Scope::parse(name).or_else(|error| refuse(format!("{key}[{index}]"), error.to_string()))
    });
    scopes.collect()
}

fn claim_requirements(
    key: &str,
    raw: Vec<JsonObject<RawClaim>>,
    claims: &mut WantedClaims,
) -> Result<Vec<Requirement>, ConfigError> {
    if raw.is_empty() {
        return refuse(key, "is empty, so that it asks for nothing");
    }
    let requirements = raw.into_iter().enumerate().map(|(index, JsonObject(raw))| {
        let key = format!("{key}[{index}]");
        let claim = claim(&format!("{key}.claim"), &raw.claim, claims)?;
        Ok(Requirement::Claim(claim, test(&key, raw)?))
    });
    requirements.collect()
}

fn test(key: &str, raw: RawClaim) -> Result<ClaimTest, ConfigError> {
    match (raw.equals, raw.one_of, raw.contains, raw.exists) {
        (Some(Wanted(value)), None, None, None) => Ok(ClaimTest::OneOf(vec![value])),
        (None, Some(values), None, None) if values.is_empty() => refuse(
            format!("{key}.one_of"),
            "is empty, so that nothing could be one of it",
        ),
        (None, Some(values), None, None) => Ok(ClaimTest::OneOf(
            values.into_iter().map(|Wanted(value)| value).collect(),
        )),
        (None, None, Some(Wanted(value)), None) if json::has_nothing(&value) => refuse(
            format!("{key}.contains"),
            "holds something empty or null, which would ask for nothing",
        ),
        (None, None, Some(Wanted(value)), None) => Ok(ClaimTest::Contains(value)),
        (None, None, None, Some(true)) => Ok(ClaimTest::Exists),
        (None, None, None, Some(false)) => refuse(
            format!("{key}.exists"),
            "only `true`; for a claim that must not be there: \
             `none_of: [{claims: [{claim: …, exists: true}]}]`",
        ),
        _ => refuse(
            key,
            "expected one of `equals`, `one_of`, `contains` and `exists`",
        ),
    }
}

fn class(
    key: &str,
    values: Vec<String>,
    claims: &mut WantedClaims,
) -> Result<Requirement, ConfigError> {
    if values.is_empty() {
        return refuse(key, "is empty, so that nobody could authenticate so");
    }
    // They stand in a quoted string, with spaces between them (RFC 9470 section 3).
    let is_value = |value: &String| {
        let mut bytes = value.bytes();
        !value.is_empty() && bytes.all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
    };
    if let Some(index) = values.iter().position(|value| !is_value(value)) {
        return refuse(
            format!("{key}[{index}]"),
            "is not of printable ASCII without spaces, `\"` and `\\`",
        );
    }
    Ok(Requirement::AcrValues {
        acr: claim(key, "acr", claims)?,
        values,
    })
}

fn max_age(key: &str, text: &str, claims: &mut WantedClaims) -> Result<Requirement, ConfigError> {
    match humantime::parse_duration(text) {
        Ok(max_age) if !max_age.is_zero() && max_age.subsec_nanos() == 0 => {
            Ok(Requirement::MaxAge {
                auth_time: claim(key, "auth_time", claims)?,
                max_age: Duration::from_secs(max_age.as_secs()),
            })
        }
        _ => refuse(
            key,
            format!("{text:?} is no duration of whole seconds, e.g. `5m`"),
        ),
    }
}

fn nested(
    key: &str,
    raw: Vec<JsonObject<RawRequire>>,
    claims: &mut WantedClaims,
) -> Result<Vec<Requirement>, ConfigError> {
    if raw.is_empty() {
        return refuse(key, "is empty; expected at least one requirement");
    }
    let requirements = raw.into_iter().enumerate().map(|(index, JsonObject(raw))| {
        let key = format!("{key}[{index}]");
        let requirement = requirement(&key, raw, claims)?;
        if matches!(&requirement, Requirement::AllOf(all) if all.is_empty()) {
            return refuse(key, "is empty, so that every token would meet it");
        }
        Ok(requirement)
    });
    requirements.collect()
}
