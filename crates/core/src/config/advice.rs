//! What in a valid configuration is unwise, though it is meant so. The filter does not log it: it
//! is said before a configuration is rolled out, by the command line.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::warning::{Unwise, Warning};
use crate::authorizer::Authorizer;
use crate::callout::provider::Provider;
use crate::introspection::api::Api;
use crate::policy::matching::{Match, PathMatch};
use crate::policy::{Access, Rule, Rules};
use crate::request::head::{RequestHead, Single};
use crate::request::host::HostPattern;

/// What is unwise in a configuration.
pub fn advice(authorizer: &Authorizer) -> Vec<Warning> {
    let mut all = Vec::new();
    if authorizer.failure_mode_allow {
        all.push(Warning::new(
            Unwise::FailureModeAllow,
            "failure_mode_allow",
            "is on: while the endpoint is out, requests with an unknown token pass unauthenticated, \
             so whoever can make it fail gets in",
        ));
    }
    if authorizer.precheck.is_some() && may_see_opaque_tokens(authorizer) {
        all.push(Warning::new(
            Unwise::PrecheckOfOpaqueTokens,
            "jwt_precheck",
            "refuses every token that is no JWT, and many RFC 7662 endpoints have such tokens",
        ));
    }
    all.extend(other_case(&authorizer.rules));
    all
}

/// Whether some endpoint may know tokens that are no JWTs: those with issuers never see one.
fn may_see_opaque_tokens(authorizer: &Authorizer) -> bool {
    let mut configs = authorizer.providers().iter().map(Provider::config);
    configs
        .any(|config| matches!(config.response.api, Api::Rfc7662(_)) && config.issuers().is_empty())
}

/// The most requests that are tried for one rule.
const MAX_TRIED: usize = 32;

/// The rules that a server which ignores case could be led around: in upper case their path is
/// another rule's, and there is none for it.
fn other_case(rules: &Rules) -> Vec<Warning> {
    let told: Told = rules.iter().map(|(_, rule)| &rule.matches).collect();
    let found = rules.iter().filter_map(|(id, rule)| {
        let (name, text) = literal(rule)?;
        let upper = text.to_ascii_uppercase();
        let other = if upper == text {
            text.to_ascii_lowercase()
        } else {
            upper
        };
        if other == text {
            return None;
        }
        let mut heads = told.requests(&rule.matches, &other);
        let (found, first) = heads.find_map(|head| {
            let (found, first) = rules.select(&head).ok()?;
            let own = Head {
                path: &text,
                ..head
            };
            // What another rule takes in either case is not this rule's.
            if !rules.select(&own).is_ok_and(|(own, _)| own == id) {
                return None;
            }
            let is_meant = literal(first).is_some_and(|(_, path)| path.eq_ignore_ascii_case(&text));
            (found != id && !is_meant).then_some((found, first))
        })?;
        let position = found.position();
        let name_of_first = &first.name;
        Some(Warning::new(
            Unwise::OtherCase,
            format!("rules[{}].match.{name}", id.position()),
            format!(
                "{text:?} is for this spelling alone: {other:?} is for rules[{position}] \
                 (`{name_of_first}`), and a server that ignores case takes both for the same"
            ),
        ))
    });
    found.collect()
}

/// The path that a rule asks a token for.
fn literal(rule: &Rule) -> Option<(&'static str, String)> {
    if matches!(rule.access, Access::Anonymous) {
        return None;
    }
    match rule.matches.path.as_ref()? {
        PathMatch::Exact(path) => Some(("path", path.as_str().to_owned())),
        PathMatch::Prefix(path) => Some(("prefix", path.as_str().to_owned())),
        PathMatch::Template(template) => Some(("template", template.route().replace("{p}", "1"))),
    }
}

/// What rules tell apart beside paths: a request that no rule speaks of comes first.
struct Told {
    methods: BTreeSet<String>,
    hosts: BTreeSet<String>,
    routes: BTreeSet<String>,
}

impl<'a> FromIterator<&'a Match> for Told {
    fn from_iter<I: IntoIterator<Item = &'a Match>>(all: I) -> Self {
        let mut told = Self {
            methods: BTreeSet::new(),
            hosts: BTreeSet::new(),
            routes: BTreeSet::new(),
        };
        for one in all {
            told.methods.extend(one.methods.iter().cloned());
            told.hosts.extend(one.hosts.iter().map(example));
            told.routes.extend(one.route.iter().cloned());
        }
        told
    }
}

impl Told {
    /// Requests for a path that a rule would be for if it were its own.
    fn requests<'a>(&'a self, rule: &'a Match, path: &'a str) -> impl Iterator<Item = Head<'a>> {
        let own: Vec<_> = rule.hosts.iter().map(example).collect();
        let hosts = either(own, "host.example", &self.hosts);
        let methods = either(rule.methods.clone(), "GET", &self.methods);
        let routes = either(rule.route.iter().cloned().collect(), "", &self.routes);
        let all = routes.into_iter().flat_map(move |route| {
            let methods = methods.clone();
            hosts.clone().into_iter().flat_map(move |host| {
                let route = route.clone();
                let methods = methods.clone().into_iter();
                methods.map(move |method| Head {
                    path,
                    method,
                    host: host.clone(),
                    route: route.clone(),
                })
            })
        });
        all.take(MAX_TRIED)
    }
}

/// What a rule asks for itself; else anything, and all that others ask for.
fn either(own: Vec<String>, any: &str, others: &BTreeSet<String>) -> Vec<String> {
    if own.is_empty() {
        let any = std::iter::once(any.to_owned());
        any.chain(others.iter().cloned()).take(MAX_TRIED).collect()
    } else {
        own
    }
}

/// A host that a pattern is for.
fn example(pattern: &HostPattern) -> String {
    pattern.to_string().replacen('*', "a", 1)
}

/// A request's line and route, and nothing more.
struct Head<'a> {
    path: &'a str,
    method: String,
    host: String,
    route: String,
}

impl RequestHead for Head<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let value = match name {
            ":path" => self.path,
            ":method" => &self.method,
            ":authority" => &self.host,
            _ => return None,
        };
        Some(value.as_bytes().into())
    }

    fn single(&self, _: &str) -> Single<'_> {
        Single::Absent
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        Some(self.route.clone().into())
    }

    fn ends_stream(&self) -> bool {
        true
    }
}
