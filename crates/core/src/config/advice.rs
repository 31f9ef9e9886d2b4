//! What in a valid configuration is unwise, though it is meant so. The filter does not log it: it
//! is said before a configuration is rolled out, by the command line.

use super::warning::{Unwise, Warning};
use crate::authorizer::Authorizer;
use crate::callout::provider::Provider;
use crate::introspection::api::Api;
use crate::policy::matching::PathMatch;
use crate::policy::{Access, Rule, Rules};
use crate::request::head::{RequestHead, Single};

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

/// The first rule that a server which ignores case could be led around: in upper case its path is
/// another rule's, and there is none for it.
fn other_case(rules: &Rules) -> Option<Warning> {
    rules.iter().find_map(|(id, rule)| {
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
        let method = rule.matches.methods.first();
        let head = Head {
            path: &other,
            method: method.map_or("GET", String::as_str),
        };
        let (found, first) = rules.select(&head).ok()?;
        let is_meant = literal(first).is_some_and(|(_, path)| path.eq_ignore_ascii_case(&text));
        if found == id || is_meant {
            return None;
        }
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
    })
}

/// The path that a rule asks a token for, whatever the host and route.
fn literal(rule: &Rule) -> Option<(&'static str, String)> {
    let matches = &rule.matches;
    if matches!(rule.access, Access::Anonymous)
        || !matches.hosts.is_empty()
        || matches.route.is_some()
    {
        return None;
    }
    match matches.path.as_ref()? {
        PathMatch::Exact(path) => Some(("path", path.as_str().to_owned())),
        PathMatch::Prefix(path) => Some(("prefix", path.as_str().to_owned())),
        PathMatch::Template(template) => Some(("template", template.route().replace("{p}", "1"))),
    }
}

/// A request for a path, and nothing more.
struct Head<'a> {
    path: &'a str,
    method: &'a str,
}

impl RequestHead for Head<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            ":path" => Some(self.path.into()),
            ":method" => Some(self.method.into()),
            ":authority" => Some("host.example".into()),
            _ => None,
        }
    }

    fn single(&self, _: &str) -> Single {
        Single::Absent
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        None
    }

    fn ends_stream(&self) -> bool {
        true
    }
}
