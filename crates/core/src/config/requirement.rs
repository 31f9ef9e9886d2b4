//! The key `require` of a rule.

mod unwise;

use std::time::Duration;

use self::unwise::{warn_of_arrays, warn_of_pattern, warn_of_patterns, warn_of_scopes};
use super::claim::claim;
use super::context::{Context, Refused, all};
use super::raw::{RawClaim, RawRequire, Wanted};
use crate::json;
use crate::json::object::JsonObject;
use crate::policy::requirement::{ClaimTest, Clause, Requirement, RuleRequirement};
use crate::token::scope::Scope;

pub(super) fn rule_requirement(
    key: &str,
    raw: RawRequire,
    context: &mut Context,
) -> Result<RuleRequirement, Refused> {
    requirement(key, raw, context).map(RuleRequirement::new)
}

/// Every key that there is must be taken out here, and become a requirement.
fn requirement(key: &str, raw: RawRequire, context: &mut Context) -> Result<Clause, Refused> {
    let RawRequire {
        scopes: all_scopes,
        any_scopes,
        audiences: one_audience,
        claims: about_claims,
        acr_values,
        max_age: age,
        all_of,
        any_of,
        none_of,
    } = raw;
    let mut clauses = Clauses {
        all: Vec::new(),
        result: Ok(()),
    };
    if let Some(names) = all_scopes {
        let key = format!("{key}.scopes");
        let scopes = scopes(&key, names, context);
        clauses.add(key, scopes.map(Requirement::Scopes));
    }
    if let Some(names) = any_scopes {
        let key = format!("{key}.any_scopes");
        let scopes = scopes(&key, names, context);
        clauses.add(key, scopes.map(Requirement::AnyScope));
    }
    if let Some(values) = one_audience {
        let key = format!("{key}.audiences");
        let audiences = audiences(&key, values, context);
        clauses.add(key, audiences);
    }
    if let Some(raw) = about_claims {
        match claim_requirements(&format!("{key}.claims"), raw, context) {
            Ok(about_claims) => clauses.all.extend(about_claims),
            Err(refused) => clauses.result = Err(refused),
        }
    }
    if let Some(values) = acr_values {
        let key = format!("{key}.acr_values");
        let class = class(&key, values, context);
        clauses.add(key, class);
    }
    if let Some(text) = age {
        let key = format!("{key}.max_age");
        let max_age = max_age(&key, &text, context);
        clauses.add(key, max_age);
    }
    if let Some(raw) = &none_of {
        warn_of_arrays(&format!("{key}.none_of"), raw, context);
    }
    let mut add_nested = |name, raw, all: fn(Vec<Clause>) -> Requirement| {
        let key = format!("{key}.{name}");
        let nested = nested(&key, raw, context);
        clauses.add(key, nested.map(all));
    };
    if let Some(raw) = all_of {
        add_nested("all_of", raw, Requirement::AllOf);
    }
    if let Some(raw) = any_of {
        add_nested("any_of", raw, Requirement::AnyOf);
    }
    if let Some(raw) = none_of {
        add_nested("none_of", raw, Requirement::NoneOf);
    }
    clauses.result?;
    Ok(Clause {
        key: key.to_owned(),
        requirement: Requirement::AllOf(clauses.all),
    })
}

/// What was found of a requirement, and whether something in it was refused.
struct Clauses {
    all: Vec<Clause>,
    result: Result<(), Refused>,
}

impl Clauses {
    fn add(&mut self, key: String, found: Result<Requirement, Refused>) {
        match found {
            Ok(requirement) => self.all.push(Clause { key, requirement }),
            Err(refused) => self.result = Err(refused),
        }
    }
}

pub(super) fn scopes(
    key: &str,
    names: Vec<String>,
    context: &mut Context,
) -> Result<Vec<Scope>, Refused> {
    if names.is_empty() {
        return context.refuse(
            key,
            "is empty; for any active token: `rules: [{match: {prefix: /}, require: {}}]`",
        );
    }
    warn_of_scopes(key, &names, context);
    let scopes = names.into_iter().enumerate().map(|(index, name)| {
        Scope::parse(name)
            .or_else(|error| context.refuse(format!("{key}[{index}]"), error.to_string()))
    });
    all(scopes)
}

fn claim_requirements(
    key: &str,
    raw: Vec<JsonObject<RawClaim>>,
    context: &mut Context,
) -> Result<Vec<Clause>, Refused> {
    if raw.is_empty() {
        return context.refuse(key, "is empty, so that it asks for nothing");
    }
    let requirements = raw.into_iter().enumerate().map(|(index, JsonObject(raw))| {
        let key = format!("{key}[{index}]");
        let claim = claim(&format!("{key}.claim"), &raw.claim, context);
        warn_of_patterns(&key, &raw, context);
        let test = test(&key, raw, context);
        let requirement = Requirement::Claim(claim?, test?);
        Ok(Clause { key, requirement })
    });
    all(requirements)
}

fn test(key: &str, raw: RawClaim, context: &mut Context) -> Result<ClaimTest, Refused> {
    match (raw.equals, raw.one_of, raw.contains, raw.exists) {
        (Some(Wanted(value)), None, None, None) => Ok(ClaimTest::OneOf(vec![value])),
        (None, Some(values), None, None) if values.is_empty() => context.refuse(
            format!("{key}.one_of"),
            "is empty, so that nothing could be one of it",
        ),
        (None, Some(values), None, None) => Ok(ClaimTest::OneOf(
            values.into_iter().map(|Wanted(value)| value).collect(),
        )),
        (None, None, Some(Wanted(value)), None) if json::has_nothing(&value) => context.refuse(
            format!("{key}.contains"),
            "holds something empty or null, which would ask for nothing",
        ),
        (None, None, Some(Wanted(value)), None) => Ok(ClaimTest::Contains(value)),
        (None, None, None, Some(true)) => Ok(ClaimTest::Exists),
        (None, None, None, Some(false)) => context.refuse(
            format!("{key}.exists"),
            "only `true`; for a claim that must not be there: \
             `none_of: [{claims: [{claim: …, exists: true}]}]`",
        ),
        _ => context.refuse(
            key,
            "expected one of `equals`, `one_of`, `contains` and `exists`",
        ),
    }
}

fn audiences(
    key: &str,
    values: Vec<String>,
    context: &mut Context,
) -> Result<Requirement, Refused> {
    if values.is_empty() {
        return context.refuse(
            key,
            "is empty, so that no token could be meant for one of it",
        );
    }
    if let Some(index) = values.iter().position(String::is_empty) {
        return context.refuse(format!("{key}[{index}]"), "is empty; expected an audience");
    }
    for (index, value) in values.iter().enumerate() {
        warn_of_pattern(&format!("{key}[{index}]"), value, context);
    }
    Ok(Requirement::Audiences {
        aud: claim(key, "aud", context)?,
        values,
    })
}

fn class(key: &str, values: Vec<String>, context: &mut Context) -> Result<Requirement, Refused> {
    if values.is_empty() {
        return context.refuse(key, "is empty, so that nobody could authenticate so");
    }
    // They stand in a quoted string, with spaces between them (RFC 9470 section 3).
    let is_value = |value: &String| {
        let mut bytes = value.bytes();
        !value.is_empty() && bytes.all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
    };
    if let Some(index) = values.iter().position(|value| !is_value(value)) {
        return context.refuse(
            format!("{key}[{index}]"),
            "is not of printable ASCII without spaces, `\"` and `\\`",
        );
    }
    Ok(Requirement::AcrValues {
        acr: claim(key, "acr", context)?,
        values,
    })
}

fn max_age(key: &str, text: &str, context: &mut Context) -> Result<Requirement, Refused> {
    match humantime::parse_duration(text) {
        Ok(max_age) if !max_age.is_zero() && max_age.subsec_nanos() == 0 => {
            Ok(Requirement::MaxAge {
                auth_time: claim(key, "auth_time", context)?,
                max_age: Duration::from_secs(max_age.as_secs()),
            })
        }
        _ => context.refuse(
            key,
            format!("{text:?} is no duration of whole seconds, e.g. `5m`"),
        ),
    }
}

fn nested(
    key: &str,
    raw: Vec<JsonObject<RawRequire>>,
    context: &mut Context,
) -> Result<Vec<Clause>, Refused> {
    if raw.is_empty() {
        return context.refuse(key, "is empty; expected at least one requirement");
    }
    let requirements = raw.into_iter().enumerate().map(|(index, JsonObject(raw))| {
        let key = format!("{key}[{index}]");
        let clause = requirement(&key, raw, context)?;
        if matches!(&clause.requirement, Requirement::AllOf(all) if all.is_empty()) {
            return context.refuse(key, "is empty, so that every token would meet it");
        }
        Ok(clause)
    });
    all(requirements)
}
