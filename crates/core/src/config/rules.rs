//! The sections `rules` and `required_scopes`.

use super::context::{Context, Refused, all};
use super::methods::{self, warn_of_unused};
use super::paths::{literal, template};
use super::raw::{RawMatch, RawRequire, RawRule};
use super::warning::Unwise;
use super::{providers, requirement};
use crate::introspection::IntrospectionConfig;
use crate::json::object::JsonObject;
use crate::policy::matching::{Match, PathMatch};
use crate::policy::requirement::{Clause, Requirement, RuleRequirement};
use crate::policy::{Access, Rule, Rules, TokenAccess, reach};
use crate::request::host::HostPattern;

/// What the rules speak of, and whether it is sound.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) providers: Result<&'a [IntrospectionConfig], Refused>,
    pub(super) extra_methods: Result<&'a [String], Refused>,
}

/// Rules as they are valid, but for what one is beside the others.
pub(super) fn rules(
    required_scopes: Option<Vec<String>>,
    rules: Option<Vec<JsonObject<RawRule>>>,
    known: Known<'_>,
    context: &mut Context,
) -> Result<Vec<Rule>, Refused> {
    match (required_scopes, rules) {
        (Some(names), None) => {
            let scopes = requirement::scopes("required_scopes", names, context);
            let providers = providers::trusted("providers", None, known.providers, context);
            Ok(vec![Rule {
                name: "required_scopes".to_owned(),
                matches: Match::default(),
                access: Access::Token(Box::new(TokenAccess {
                    requirement: RuleRequirement::new(Clause {
                        key: "required_scopes".to_owned(),
                        requirement: Requirement::Scopes(scopes?),
                    }),
                    providers: providers?,
                })),
                shadow: false,
            }])
        }
        (None, Some(raw)) if raw.is_empty() => {
            context.refuse("rules", "is empty, so that nobody could do anything")
        }
        (None, Some(raw)) => all(raw.into_iter().enumerate().map(|(index, JsonObject(raw))| {
            let key = format!("rules[{index}]");
            let rule = rule(&key, raw, known, context)?;
            if rule.shadow {
                let problem = format!("is on: the rule `{}` refuses nothing", rule.name);
                context.warn(Unwise::Shadow, format!("{key}.shadow"), problem);
            }
            Ok(rule)
        })),
        (Some(_), Some(_)) => context.refuse("required_scopes", "not together with `rules`"),
        (None, None) => {
            context.refuse("rules", "is missing; expected `rules` or `required_scopes`")
        }
    }
}

/// The rules, each beside the others.
pub(super) fn build_rules(
    rules: Vec<Rule>,
    extra_methods: &[String],
    context: &mut Context,
) -> Result<Rules, Refused> {
    let named = rules.iter().flat_map(|rule: &Rule| &rule.matches.methods);
    let named: Vec<_> = named.map(String::as_str).collect();
    warn_of_unused(extra_methods, &named, context);
    refuse_unreachable(&rules, context)?;
    Rules::new(rules).or_else(|error| context.refuse("rules", error.to_string()))
}

fn refuse_unreachable(rules: &[Rule], context: &mut Context) -> Result<(), Refused> {
    let refused = reach::unreachable(rules).map(|(position, taker)| {
        let name = rules.get(taker).map(|rule| rule.name.as_str());
        let name = name.unwrap_or_default();
        context.refuse::<()>(
            format!("rules[{position}]"),
            format!(
                "can never be reached: all requests that it is for are taken by rules before it, \
                 such as rules[{taker}] (`{name}`); the first that matches decides, so the narrower \
                 one goes first"
            ),
        )
    });
    all(refused).map(|_| ())
}

fn rule(key: &str, raw: RawRule, known: Known<'_>, context: &mut Context) -> Result<Rule, Refused> {
    let access = access(
        key,
        raw.anonymous,
        raw.shadow,
        raw.require,
        raw.providers,
        known,
        context,
    );
    let matches = matches(
        &format!("{key}.match"),
        raw.matches.0,
        known.extra_methods,
        context,
    );
    Ok(Rule {
        name: raw.name.unwrap_or_else(|| key.to_owned()),
        access: access?,
        matches: matches?,
        shadow: raw.shadow,
    })
}

fn access(
    key: &str,
    anonymous: bool,
    shadow: bool,
    require: Option<JsonObject<RawRequire>>,
    providers: Option<Vec<String>>,
    known: Known<'_>,
    context: &mut Context,
) -> Result<Access, Refused> {
    match (anonymous, require) {
        (true, None) if providers.is_some() => context.refuse(
            format!("{key}.providers"),
            "not together with `anonymous: true`",
        ),
        (true, None) if shadow => context.refuse(
            format!("{key}.shadow"),
            "not together with `anonymous: true`, which refuses nothing anyway",
        ),
        (true, None) => Ok(Access::Anonymous),
        (false, Some(JsonObject(require))) => {
            let requirement =
                requirement::rule_requirement(&format!("{key}.require"), require, context);
            let key = format!("{key}.providers");
            let providers = providers::trusted(&key, providers, known.providers, context);
            Ok(Access::Token(Box::new(TokenAccess {
                requirement: requirement?,
                providers: providers?,
            })))
        }
        (true, Some(_)) => context.refuse(
            format!("{key}.require"),
            "not together with `anonymous: true`",
        ),
        (false, None) => context.refuse(
            format!("{key}.require"),
            "is missing; expected `require` (`{}` for any active token) or `anonymous: true`",
        ),
    }
}

fn matches(
    key: &str,
    raw: RawMatch,
    extra_methods: Result<&[String], Refused>,
    context: &mut Context,
) -> Result<Match, Refused> {
    let RawMatch {
        path,
        prefix,
        template,
        methods,
        hosts,
        route,
    } = raw;
    let path = path_match(key, path, prefix, template, context);
    let route = match route {
        Some(name) if name.is_empty() => context.refuse(
            format!("{key}.route"),
            "is empty; expected the name of a route",
        ),
        route => Ok(route),
    };
    let methods = methods
        .map(|names| methods::methods(&format!("{key}.methods"), names, extra_methods, context));
    let hosts = hosts.map(|names| self::hosts(&format!("{key}.hosts"), &names, context));
    Ok(Match {
        path: path?,
        methods: methods.transpose()?.unwrap_or_default(),
        hosts: hosts.transpose()?.unwrap_or_default(),
        route: route?,
    })
}

fn path_match(
    key: &str,
    path: Option<String>,
    prefix: Option<String>,
    template: Option<String>,
    context: &mut Context,
) -> Result<Option<PathMatch>, Refused> {
    let given = [
        ("path", &path),
        ("prefix", &prefix),
        ("template", &template),
    ];
    let mut given = given.iter().filter(|(_, text)| text.is_some());
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        return context.refuse(
            format!("{key}.{second}"),
            format!("not together with `{first}`"),
        );
    }
    Ok(match (path, prefix, template) {
        (Some(text), _, _) => Some(PathMatch::Exact(literal(
            format!("{key}.path"),
            &text,
            context,
        )?)),
        (_, Some(text), _) => Some(PathMatch::Prefix(literal(
            format!("{key}.prefix"),
            &text,
            context,
        )?)),
        (_, _, Some(text)) => Some(PathMatch::Template(self::template(
            format!("{key}.template"),
            &text,
            context,
        )?)),
        (None, None, None) => None,
    })
}

fn hosts(key: &str, names: &[String], context: &mut Context) -> Result<Vec<HostPattern>, Refused> {
    if names.is_empty() {
        return context.refuse(key, "is empty, so that the rule is for no request");
    }
    all(names.iter().enumerate().map(|(index, name)| {
        HostPattern::parse(name).or_else(|error| {
            context.refuse(
                format!("{key}[{index}]"),
                format!("{name:?} is {error}, without port, perhaps behind `*.`"),
            )
        })
    }))
}
