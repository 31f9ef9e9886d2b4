//! The sections `rules` and `required_scopes`.

use super::context::Context;
use super::methods::{methods, warn_of_unused};
use super::paths::{literal, template};
use super::raw::{RawMatch, RawRule};
use super::warning::Unwise;
use super::{ConfigError, providers, refuse, requirement};
use crate::introspection::IntrospectionConfig;
use crate::json::object::JsonObject;
use crate::policy::matching::{Match, PathMatch};
use crate::policy::requirement::{Clause, Requirement, RuleRequirement};
use crate::policy::{Access, Rule, Rules, TokenAccess, reach};
use crate::request::host::HostPattern;

pub(super) fn build_rules(
    required_scopes: Option<Vec<String>>,
    rules: Option<Vec<JsonObject<RawRule>>>,
    providers: &[IntrospectionConfig],
    extra_methods: &[String],
    context: &mut Context,
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
                        context,
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
                let rule = rule(&key, raw, providers, extra_methods, context)?;
                if rule.shadow {
                    let problem = format!("is on: the rule `{}` refuses nothing", rule.name);
                    context.warn(Unwise::Shadow, format!("{key}.shadow"), problem);
                }
                Ok(rule)
            })
            .collect::<Result<_, _>>()?,
        (Some(_), Some(_)) => return refuse("required_scopes", "not together with `rules`"),
        (None, None) => {
            return refuse("rules", "is missing; expected `rules` or `required_scopes`");
        }
    };
    let named = rules.iter().flat_map(|rule: &Rule| &rule.matches.methods);
    let named: Vec<_> = named.map(String::as_str).collect();
    warn_of_unused(extra_methods, &named, context);
    refuse_unreachable(&rules)?;
    Rules::new(rules).or_else(|error| refuse("rules", error.to_string()))
}

fn refuse_unreachable(rules: &[Rule]) -> Result<(), ConfigError> {
    let Some((position, taker)) = reach::unreachable(rules) else {
        return Ok(());
    };
    let name = rules.get(taker).map(|rule| rule.name.as_str());
    let name = name.unwrap_or_default();
    refuse(
        format!("rules[{position}]"),
        format!(
            "can never be reached: all requests that it is for are taken by rules before it, \
             such as rules[{taker}] (`{name}`); the first that matches decides, so the narrower \
             one goes first"
        ),
    )
}

fn rule(
    key: &str,
    raw: RawRule,
    providers: &[IntrospectionConfig],
    extra_methods: &[String],
    context: &mut Context,
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
                requirement::rule_requirement(&format!("{key}.require"), require, context)?;
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
        matches: matches(&format!("{key}.match"), raw.matches.0, extra_methods)?,
        access,
        shadow: raw.shadow,
    })
}

fn matches(key: &str, raw: RawMatch, extra_methods: &[String]) -> Result<Match, ConfigError> {
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
            Some(names) => methods(&format!("{key}.methods"), names, extra_methods)?,
            None => Vec::new(),
        },
        hosts: match raw.hosts {
            Some(names) => hosts(&format!("{key}.hosts"), &names)?,
            None => Vec::new(),
        },
        route: raw.route,
    })
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
