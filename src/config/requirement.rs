//! The key `require` of a rule.

use std::time::Duration;

use super::raw::{RawClaim, RawRequire, Wanted};
use super::{ConfigError, claim, refuse};
use crate::claims::WantedClaims;
use crate::json;
use crate::object::Object;
use crate::policy::requirement::{
    Authentication, ClaimCondition, ClaimTest, Condition, Requirement,
};
use crate::scope::Scope;

pub(super) fn valid(
    key: &str,
    raw: RawRequire,
    claims: &mut WantedClaims,
) -> Result<Requirement, ConfigError> {
    condition(key, raw, claims).map(Requirement::new)
}

fn condition(
    key: &str,
    raw: RawRequire,
    claims: &mut WantedClaims,
) -> Result<Condition, ConfigError> {
    let mut authentication = Vec::new();
    if let Some(values) = raw.acr_values {
        authentication.push(class(&format!("{key}.acr_values"), values, claims)?);
    }
    if let Some(text) = raw.max_age {
        authentication.push(max_age(&format!("{key}.max_age"), &text, claims)?);
    }
    Ok(Condition {
        scopes: scopes(&format!("{key}.scopes"), raw.scopes)?,
        any_scopes: scopes(&format!("{key}.any_scopes"), raw.any_scopes)?,
        claims: claim_conditions(&format!("{key}.claims"), raw.claims, claims)?,
        authentication,
        all_of: nested(&format!("{key}.all_of"), raw.all_of, claims)?,
        any_of: nested(&format!("{key}.any_of"), raw.any_of, claims)?,
        none_of: nested(&format!("{key}.none_of"), raw.none_of, claims)?,
    })
}

pub(super) fn scopes(key: &str, names: Option<Vec<String>>) -> Result<Vec<Scope>, ConfigError> {
    let Some(names) = names else {
        return Ok(Vec::new());
    };
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

fn claim_conditions(
    key: &str,
    raw: Option<Vec<Object<RawClaim>>>,
    claims: &mut WantedClaims,
) -> Result<Vec<ClaimCondition>, ConfigError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    if raw.is_empty() {
        return refuse(key, "is empty, so that it asks for nothing");
    }
    let conditions = raw.into_iter().enumerate().map(|(index, Object(raw))| {
        let key = format!("{key}[{index}]");
        Ok(ClaimCondition {
            claim: claim(&format!("{key}.claim"), &raw.claim, claims)?,
            test: test(&key, raw)?,
        })
    });
    conditions.collect()
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
) -> Result<Authentication, ConfigError> {
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
    Ok(Authentication::Class {
        acr: claim(key, "acr", claims)?,
        values,
    })
}

fn max_age(
    key: &str,
    text: &str,
    claims: &mut WantedClaims,
) -> Result<Authentication, ConfigError> {
    match humantime::parse_duration(text) {
        Ok(max_age) if !max_age.is_zero() && max_age.subsec_nanos() == 0 => {
            Ok(Authentication::MaxAge {
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
    raw: Option<Vec<Object<RawRequire>>>,
    claims: &mut WantedClaims,
) -> Result<Vec<Condition>, ConfigError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    if raw.is_empty() {
        return refuse(key, "is empty; expected at least one requirement");
    }
    let conditions = raw.into_iter().enumerate().map(|(index, Object(raw))| {
        let key = format!("{key}[{index}]");
        let condition = condition(&key, raw, claims)?;
        if condition.is_empty() {
            return refuse(key, "is empty, so that every token would meet it");
        }
        Ok(condition)
    });
    conditions.collect()
}
