//! The sections `rules` and `required_scopes`.

use super::raw::{RawMatch, RawRule};
use super::warning::{Unwise, Warning};
use super::{ConfigError, providers, refuse, requirement};
use crate::introspection::IntrospectionConfig;
use crate::json::object::JsonObject;
use crate::policy::matching::{Match, PathMatch};
use crate::policy::requirement::{Clause, Requirement, RuleRequirement};
use crate::policy::template::Template;
use crate::policy::{Access, Rule, Rules, TokenAccess};
use crate::request::host::HostPattern;
use crate::request::path::Path;
use crate::request::spelling::{OtherSpelling, other_spelling};
use crate::token::claims::WantedClaims;

pub(super) fn build_rules(
    required_scopes: Option<Vec<String>>,
    rules: Option<Vec<JsonObject<RawRule>>>,
    providers: &[IntrospectionConfig],
    claims: &mut WantedClaims,
    warnings: &mut Vec<Warning>,
) -> Result<Rules, ConfigError> {
    let rules = match (required_scopes, rules) {
        (Some(names), None) => vec![Rule {
            name: "required_scopes".to_owned(),
            matches: Match::default(),
            access: Access::Token(Box::new(TokenAccess {
                requirement: RuleRequirement::new(Clause {
                    key: "required_scopes".to_owned(),
                    requirement: Requirement::Scopes(requirement::scopes(
                        "required_scopes",
                        names,
                    )?),
                }),
                providers: providers::trusted("providers", None, providers)?,
            })),
            shadow: false,
        }],
        (None, Some(raw)) if raw.is_empty() => {
            return refuse("rules", "is empty, so that nobody could do anything");
        }
        (None, Some(raw)) => raw
            .into_iter()
            .enumerate()
            .map(|(index, JsonObject(raw))| {
                let key = format!("rules[{index}]");
                let rule = rule(&key, raw, providers, claims)?;
                if rule.shadow {
                    let problem = format!("is on: the rule `{}` refuses nothing", rule.name);
                    warnings.push(Warning::new(
                        Unwise::Shadow,
                        format!("{key}.shadow"),
                        problem,
                    ));
                }
                Ok(rule)
            })
            .collect::<Result<_, _>>()?,
        (Some(_), Some(_)) => return refuse("required_scopes", "not together with `rules`"),
        (None, None) => {
            return refuse("rules", "is missing; expected `rules` or `required_scopes`");
        }
    };
    Rules::new(rules).or_else(|error| refuse("rules", error.to_string()))
}

fn rule(
    key: &str,
    raw: RawRule,
    providers: &[IntrospectionConfig],
    claims: &mut WantedClaims,
) -> Result<Rule, ConfigError> {
    let access = match (raw.anonymous, raw.require) {
        (true, None) if raw.providers.is_some() => {
            return refuse(
                format!("{key}.providers"),
                "not together with `anonymous: true`",
            );
        }
        (true, None) if raw.shadow => {
            return refuse(
                format!("{key}.shadow"),
                "not together with `anonymous: true`, which refuses nothing anyway",
            );
        }
        (true, None) => Access::Anonymous,
        (false, Some(JsonObject(require))) => {
            let requirement =
                requirement::rule_requirement(&format!("{key}.require"), require, claims)?;
            let key = format!("{key}.providers");
            Access::Token(Box::new(TokenAccess {
                requirement,
                providers: providers::trusted(&key, raw.providers, providers)?,
            }))
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
        shadow: raw.shadow,
    })
}

fn matches(key: &str, raw: RawMatch) -> Result<Match, ConfigError> {
    let given = [
        ("path", &raw.path),
        ("prefix", &raw.prefix),
        ("template", &raw.template),
    ];
    let mut given = given.iter().filter(|(_, text)| text.is_some());
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        return refuse(
            format!("{key}.{second}"),
            format!("not together with `{first}`"),
        );
    }
    let path_match = match (raw.path, raw.prefix, raw.template) {
        (Some(text), _, _) => Some(PathMatch::Exact(literal(format!("{key}.path"), &text)?)),
        (_, Some(text), _) => Some(PathMatch::Prefix(literal(format!("{key}.prefix"), &text)?)),
        (_, _, Some(text)) => Some(PathMatch::Template(template(
            format!("{key}.template"),
            &text,
        )?)),
        (None, None, None) => None,
    };
    if raw.route.as_ref().is_some_and(String::is_empty) {
        return refuse(
            format!("{key}.route"),
            "is empty; expected the name of a route",
        );
    }
    Ok(Match {
        path: path_match,
        methods: match raw.methods {
            Some(names) => methods(&format!("{key}.methods"), names)?,
            None => Vec::new(),
        },
        hosts: match raw.hosts {
            Some(names) => hosts(&format!("{key}.hosts"), &names)?,
            None => Vec::new(),
        },
        route: raw.route,
    })
}

/// A path that is meant to the letter. Who writes a pattern here would get a rule for nothing.
fn literal(key: String, text: &str) -> Result<Path<'static>, ConfigError> {
    if text.contains(['*', '{', '}']) {
        return refuse(
            key,
            format!(
                "{text:?} looks like a pattern; see `prefix` and `template`, or write `%2A`, `%7B`, `%7D`"
            ),
        );
    }
    path(key, text)
}

fn path(key: String, text: &str) -> Result<Path<'static>, ConfigError> {
    match Path::parse(text.as_bytes()) {
        Ok(_) if text.contains('?') => refuse(
            key,
            format!("{text:?} holds a query, which takes no part in matching"),
        ),
        Ok(path) => match other_spelling(text) {
            None => Ok(path.into_owned()),
            Some(OtherSpelling { escape, canonical }) => refuse(
                key,
                format!(
                    "{text:?} spells `{canonical}` as `{escape}`; write `{canonical}`, as requests must"
                ),
            ),
        },
        Err(error) => refuse(key, format!("{text:?} is {error}")),
    }
}

fn template(key: String, text: &str) -> Result<Template, ConfigError> {
    path(key.clone(), text)?;
    Template::parse(text).or_else(|error| refuse(key, format!("{text:?} is {error}")))
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

fn hosts(key: &str, names: &[String]) -> Result<Vec<HostPattern>, ConfigError> {
    if names.is_empty() {
        return refuse(key, "is empty, so that the rule is for no request");
    }
    let hosts = names.iter().enumerate().map(|(index, name)| {
        HostPattern::parse(name).or_else(|error| {
            refuse(
                format!("{key}[{index}]"),
                format!("{name:?} is {error}, without port, perhaps behind `*.`"),
            )
        })
    });
    hosts.collect()
}
