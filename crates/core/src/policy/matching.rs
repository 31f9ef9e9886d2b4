//! Which requests a rule is for.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::template::Template;
use crate::request::head::RequestHead;
use crate::request::host::{Host, HostError, HostPattern};
use crate::request::path::{Path, PathError};

/// The conditions of a rule: all that are given must hold. Without any, it is for every request.
#[derive(Debug, Default)]
pub struct Match {
    /// A condition on the path.
    pub path: Option<PathMatch>,
    /// Methods, any of them; empty: every method but `CONNECT`. Compared case-sensitively
    /// (RFC 9110 section 9.1).
    pub methods: Vec<String>,
    /// Hosts, any of them; empty: every host.
    pub hosts: Vec<HostPattern>,
    /// The name of the route that Envoy has chosen.
    pub route: Option<String>,
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// This very path.
    Exact(Path<'static>),
    /// This path and all below it, by whole segments.
    Prefix(Path<'static>),
    /// Paths like this one.
    Template(Template),
}

/// One of the conditions of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// On the path.
    Path(&'a PathMatch),
    /// On the host: any of these.
    Hosts(&'a [HostPattern]),
    /// On the method: any of these; of none, every one but `CONNECT`.
    Methods(&'a [String]),
    /// On the route that Envoy has chosen.
    Route(&'a str),
}

/// What rules look at, each fetched at most once.
#[derive(Debug)]
pub struct RequestLine<'a, H> {
    head: &'a H,
    path: Option<Path<'a>>,
    host: Option<Host>,
    method: OnceCell<Option<Cow<'a, [u8]>>>,
    route: OnceCell<Option<Vec<u8>>>,
}

/// The path or the host could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

impl<'a, H: RequestHead> RequestLine<'a, H> {
    /// `target` is the request's `:path`, `authority` its `:authority`, each `None` if no rule
    /// asks for it.
    pub fn new(
        head: &'a H,
        target: Option<&'a [u8]>,
        authority: Option<&[u8]>,
    ) -> Result<Self, Ambiguous> {
        let path = match target.map(Path::parse) {
            Some(Ok(path)) => Some(path),
            Some(Err(PathError::NotAbsolute)) | None => None,
            Some(Err(PathError::Ambiguous)) => return Err(Ambiguous),
        };
        let host = authority.map(Host::parse).transpose();
        Ok(Self {
            head,
            path,
            host: host.map_err(|HostError| Ambiguous)?,
            method: OnceCell::new(),
            route: OnceCell::new(),
        })
    }

    /// The path, if there is one and rules ask for it.
    pub fn path(&self) -> Option<&Path<'a>> {
        self.path.as_ref()
    }

    /// The host, if rules ask for it.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    fn method(&self) -> Option<&[u8]> {
        let fetch = || self.head.header(":method");
        self.method.get_or_init(fetch).as_deref()
    }

    /// Whether anything may follow that no rule sees. A request that ends with its head is none,
    /// and its method need not be fetched.
    fn is_tunnel(&self) -> bool {
        !self.head.ends_stream() && self.method() == Some(b"CONNECT")
    }

    fn route(&self) -> Option<&[u8]> {
        self.route.get_or_init(|| self.head.route_name()).as_deref()
    }
}

impl PathMatch {
    /// Whether the path meets the condition.
    pub fn matches(&self, path: &Path<'_>) -> bool {
        match self {
            Self::Exact(expected) => path.is(expected),
            Self::Prefix(prefix) => path.is_below(prefix),
            Self::Template(template) => template.matches(path),
        }
    }

    /// Whether the path meets the condition, but does not spell what the condition names as
    /// Envoy's routes would.
    pub fn is_misspelled_by(&self, path: &Path<'_>) -> bool {
        self.matches(path)
            && path
                .misspelled()
                .iter()
                .any(|position| self.names(*position))
    }

    /// Whether the segment at that position of a path that matches is named here. In parameters
    /// and below prefixes any spelling goes.
    fn names(&self, position: usize) -> bool {
        match self {
            Self::Exact(_) => true,
            Self::Prefix(prefix) => position < prefix.depth(),
            Self::Template(template) => template.names(position),
        }
    }
}

impl Match {
    /// Whether the rule is for this request.
    pub fn matches(&self, line: &RequestLine<'_, impl RequestHead>) -> bool {
        // Every condition that there is must be taken out here, and be checked.
        let Self {
            path,
            methods,
            hosts,
            route,
        } = self;
        is_for_path(path.as_ref(), line)
            && is_for_host(hosts, line)
            && is_for_method(methods, line)
            && is_for_route(route.as_ref(), line)
    }

    /// The conditions that the request does not meet; none: the rule is for it.
    pub fn unmet(&self, line: &RequestLine<'_, impl RequestHead>) -> Vec<Condition<'_>> {
        // Likewise.
        let Self {
            path,
            methods,
            hosts,
            route,
        } = self;
        let is_met = is_for_path(path.as_ref(), line);
        let path = path.iter().filter(|_| !is_met).map(Condition::Path);
        let hosts = (!is_for_host(hosts, line)).then_some(Condition::Hosts(hosts));
        let methods = (!is_for_method(methods, line)).then_some(Condition::Methods(methods));
        let is_met = is_for_route(route.as_ref(), line);
        let route = route.iter().filter(|_| !is_met);
        let route = route.map(|name| Condition::Route(name));
        path.chain(hosts).chain(methods).chain(route).collect()
    }
}

fn is_for_path(condition: Option<&PathMatch>, line: &RequestLine<'_, impl RequestHead>) -> bool {
    let Some(condition) = condition else {
        return true;
    };
    line.path().is_some_and(|path| condition.matches(path))
}

fn is_for_host(patterns: &[HostPattern], line: &RequestLine<'_, impl RequestHead>) -> bool {
    let is_one = |host| patterns.iter().any(|pattern| pattern.matches(host));
    patterns.is_empty() || line.host().is_some_and(is_one)
}

fn is_for_method(methods: &[String], line: &RequestLine<'_, impl RequestHead>) -> bool {
    if methods.is_empty() {
        return !line.is_tunnel();
    }
    let is_one = |method: &[u8]| methods.iter().any(|m| m.as_bytes() == method);
    line.method().is_some_and(is_one)
}

fn is_for_route(name: Option<&String>, line: &RequestLine<'_, impl RequestHead>) -> bool {
    let Some(name) = name else {
        return true;
    };
    line.route().is_some_and(|route| route == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::{Access, NoRule, Rule, Rules};
    use super::*;
    use crate::testing::head::FakeHead;

    fn path(text: &str) -> Path<'static> {
        Path::parse(text.as_bytes()).unwrap().into_owned()
    }

    fn rule(name: &str, path: Option<PathMatch>, methods: &[&str]) -> Rule {
        Rule {
            name: name.to_owned(),
            matches: Match {
                path,
                methods: methods.iter().map(|m| (*m).to_owned()).collect(),
                ..Match::default()
            },
            access: Access::Anonymous,
            shadow: false,
        }
    }

    fn check(rules: &Rules, method: &str, target: &[u8], expected: Result<&str, NoRule>) {
        let headers = [(":method", method.as_bytes()), (":path", target)];
        let head = FakeHead::of(&headers);
        let found = rules.select(&head).map(|(_, rule)| rule.name.as_str());
        assert_eq!(found, expected, "{method} {}", target.escape_ascii());
    }

    #[test]
    fn the_first_match_decides() {
        let rules = Rules::new(vec![
            rule("health", Some(PathMatch::Exact(path("/health"))), &[]),
            rule(
                "read",
                Some(PathMatch::Prefix(path("/api"))),
                &["GET", "HEAD"],
            ),
            rule("write", Some(PathMatch::Prefix(path("/api"))), &[]),
            rule("delete", None, &["DELETE"]),
        ])
        .unwrap();
        let cases: &[(&str, &[u8], Result<&str, NoRule>)] = &[
            ("GET", b"/health", Ok("health")),
            ("POST", b"/health?x=/api", Ok("health")),
            ("GET", b"/health/", Err(NoRule::NoMatch)),
            ("GET", b"/api", Ok("read")),
            ("HEAD", b"/api/x", Ok("read")),
            ("get", b"/api/x", Ok("write")),
            ("POST", b"/api/x", Ok("write")),
            ("GET", b"/apix", Err(NoRule::NoMatch)),
            ("DELETE", b"/other", Ok("delete")),
            ("DELETE", b"*", Ok("delete")),
            ("OPTIONS", b"*", Err(NoRule::NoMatch)),
            ("GET", b"/api?x=//", Ok("read")),
            ("GET", b"/a\xff", Err(NoRule::AmbiguousPath)),
            ("GET", b"/api//x", Err(NoRule::AmbiguousPath)),
            ("GET", b"/health/../api", Err(NoRule::AmbiguousPath)),
            ("DELETE", b"/other%2f", Err(NoRule::AmbiguousPath)),
        ];
        for (method, target, expected) in cases {
            check(&rules, method, target, *expected);
        }
    }

    #[test]
    fn what_rules_name_is_spelled_canonically() {
        let template = |text| PathMatch::Template(Template::parse(text).unwrap());
        let mut post = rule("post", Some(PathMatch::Exact(path("/x:y/new"))), &["POST"]);
        post.matches.route = Some("other".to_owned());
        let rules = Rules::new(vec![
            rule("all", None, &["GET"]),
            rule("kind", Some(template("/x:y/{kind}")), &[]),
            rule("id", Some(template("/{id}/a:b")), &[]),
            rule("below", Some(PathMatch::Prefix(path("/p:q/r/"))), &[]),
            rule("above", Some(PathMatch::Prefix(path("/p:q"))), &[]),
            post,
        ])
        .unwrap();
        let cases: &[(&[u8], Result<&str, NoRule>)] = &[
            (b"/x:y/a:b", Ok("all")),
            (b"/x:y/%3A", Ok("all")),
            (b"/x%3Ay/z", Err(NoRule::AmbiguousPath)),
            (b"/x%3ay/z", Err(NoRule::AmbiguousPath)),
            // Several rules are for it, and each names another segment of it.
            (b"/x:y/a%3Ab", Err(NoRule::AmbiguousPath)),
            (b"/x%3Ay/a:b", Err(NoRule::AmbiguousPath)),
            (b"/%7a/a:b", Ok("all")),
            (b"/%7a/a%3Ab", Err(NoRule::AmbiguousPath)),
            // Also where the rule that names it is for other methods and routes.
            (b"/x:y/n%65w", Err(NoRule::AmbiguousPath)),
            (b"/p:q/%73", Ok("all")),
            (b"/p:q/r%3A/%73", Ok("all")),
            (b"/p:q/r/%73", Ok("all")),
            (b"/p:q/%72/s", Err(NoRule::AmbiguousPath)),
            (b"/p:q/%72", Err(NoRule::AmbiguousPath)),
            (b"/%70:q/s", Err(NoRule::AmbiguousPath)),
            // No rule names any of it.
            (b"/%61/%62/%63", Ok("all")),
            (b"/p:qx/%72", Ok("all")),
        ];
        for (target, expected) in cases {
            check(&rules, "GET", target, *expected);
        }
    }

    #[test]
    fn paths_that_no_rule_goes_by_may_be_anything() {
        let rules = Rules::new(vec![rule("all", None, &[])]).unwrap();
        for target in [&b"/"[..], b"//", b"/../%2f", b"*", b"\xff"] {
            check(&rules, "GET", target, Ok("all"));
        }
    }

    #[test]
    fn a_request_without_path_or_method_matches_no_condition() {
        let rules = Rules::new(vec![
            rule("path", Some(PathMatch::Prefix(path("/"))), &[]),
            rule("method", None, &["GET"]),
        ])
        .unwrap();
        let found = rules
            .select(&FakeHead::default())
            .map(|(_, rule)| &rule.name);
        assert_eq!(found, Err(NoRule::NoMatch));
    }
}
