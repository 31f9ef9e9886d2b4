//! The sections `rules` and `required_scopes`.

use super::raw::{RawMatch, RawRequire, RawRule};
use super::{ConfigError, refuse};
use crate::object::Object;
use crate::policy::matching::{Match, PathMatch};
use crate::policy::path::Path;
use crate::policy::requirement::Requirement;
use crate::policy::{Access, Rule, Rules};
use crate::scope::Scope;

pub(super) fn valid(
    required_scopes: Option<Vec<String>>,
    rules: Option<Vec<Object<RawRule>>>,
) -> Result<Rules, ConfigError> {
    match (required_scopes, rules) {
        (Some(names), None) => Ok(Rules::new(vec![Rule {
            name: "required_scopes".to_owned(),
            matches: Match::default(),
            access: Access::Token(Requirement {
                scopes: scopes("required_scopes", names)?,
            }),
        }])),
        (None, Some(raw)) if raw.is_empty() => {
            refuse("rules", "is empty, so that nobody could do anything")
        }
        (None, Some(raw)) => raw
            .into_iter()
            .enumerate()
            .map(|(index, Object(raw))| rule(&format!("rules[{index}]"), raw))
            .collect::<Result<_, _>>()
            .map(Rules::new),
        (Some(_), Some(_)) => refuse("required_scopes", "not together with `rules`"),
        (None, None) => refuse("rules", "is missing; expected `rules` or `required_scopes`"),
    }
}

fn rule(key: &str, raw: RawRule) -> Result<Rule, ConfigError> {
    let access = match (raw.anonymous, raw.require) {
        (true, None) => Access::Anonymous,
        (false, Some(Object(require))) => {
            Access::Token(requirement(&format!("{key}.require"), require)?)
        }
        (true, Some(_)) => {
            return refuse(
                format!("{key}.require"),
                "not together with `anonymous: true`",
            );
        }
        (false, None) => {
            return refuse(
                format!("{key}.require"),
                "is missing; expected `require` (`{}` for any active token) or `anonymous: true`",
            );
        }
    };
    Ok(Rule {
        name: raw.name.unwrap_or_else(|| key.to_owned()),
        matches: matches(&format!("{key}.match"), raw.matches.0)?,
        access,
    })
}

fn matches(key: &str, raw: RawMatch) -> Result<Match, ConfigError> {
    let path = match (raw.path, raw.prefix) {
        (Some(_), Some(_)) => return refuse(format!("{key}.prefix"), "not together with `path`"),
        (Some(text), None) => Some(PathMatch::Exact(path(format!("{key}.path"), &text)?)),
        (None, Some(text)) => Some(PathMatch::Prefix(path(format!("{key}.prefix"), &text)?)),
        (None, None) => None,
    };
    let methods = match raw.methods {
        Some(names) => methods(&format!("{key}.methods"), names)?,
        None => Vec::new(),
    };
    Ok(Match { path, methods })
}

fn path(key: String, text: &str) -> Result<Path<'static>, ConfigError> {
    match Path::parse(text.as_bytes()) {
        Ok(path) if !text.contains('?') => Ok(path.into_owned()),
        Ok(_) => refuse(
            key,
            format!("{text:?} holds a query, which takes no part in matching"),
        ),
        Err(error) => refuse(key, format!("{text:?} is {error}")),
    }
}

fn methods(key: &str, names: Vec<String>) -> Result<Vec<String>, ConfigError> {
    if names.is_empty() {
        return refuse(key, "is empty, so that the rule is for no request");
    }
    let is_method = |name: &String| {
        http::Method::from_bytes(name.as_bytes()).is_ok()
            && !name.bytes().any(|b| b.is_ascii_lowercase())
    };
    match names.iter().position(|name| !is_method(name)) {
        None => Ok(names),
        Some(index) => refuse(
            format!("{key}[{index}]"),
            "is no method: an upper-case name, e.g. `GET`",
        ),
    }
}

fn requirement(key: &str, raw: RawRequire) -> Result<Requirement, ConfigError> {
    Ok(Requirement {
        scopes: match raw.scopes {
            Some(names) => scopes(&format!("{key}.scopes"), names)?,
            None => Vec::new(),
        },
    })
}

fn scopes(key: &str, names: Vec<String>) -> Result<Vec<Scope>, ConfigError> {
    if names.is_empty() {
        return refuse(
            key,
            "is empty; for any active token: `rules: [{match: {prefix: /}, require: {}}]`",
        );
    }
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            Scope::parse(name).or_else(|error| refuse(format!("{key}[{index}]"), error.to_string()))
        })
        .collect()
}
