//! Why a rule was selected, and those before it were not: for people.
//!
//! What decides is [`Rules::select`]; that both say the same is tested here.

use super::matching::{Condition, RequestLine};
use super::{RuleId, Rules};
use crate::request::head::RequestHead;
use crate::request::method;
use crate::request::path::{Path, PathError};

/// What came of looking for a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    /// No rule was looked at: the request could be read in two ways.
    Ambiguous(Ambiguity),
    /// The rules in their order, each with the conditions that the request does not meet. The last
    /// one is the one that was selected, if it has none.
    Rules(Vec<(RuleId, Vec<Condition<'a>>)>),
}

/// What could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// The path.
    Path,
    /// The host.
    Host,
    /// The path does not spell canonically what this rule names in it.
    Spelling(RuleId),
    /// The method: this header names another.
    Method(&'static str),
}

impl Rules {
    /// What comes of looking for the rule that the request is for.
    pub fn explain(&self, head: &impl RequestHead) -> Selection<'_> {
        let fetch = |name| head.header(name).unwrap_or_default();
        let target = self.match_on_paths.then(|| fetch(":path"));
        let authority = self.match_on_hosts.then(|| fetch(":authority"));
        let line = RequestLine::new(head, target.as_deref(), authority.as_deref());
        let Ok(line) = line else {
            let path = target.as_deref().map(Path::parse);
            let is_path = matches!(path, Some(Err(PathError::Ambiguous)));
            let what = if is_path {
                Ambiguity::Path
            } else {
                Ambiguity::Host
            };
            return Selection::Ambiguous(what);
        };
        if let Some(rule) = line.path().and_then(|path| self.misspelled_for(path)) {
            return Selection::Ambiguous(Ambiguity::Spelling(rule));
        }
        let mut overrides = method::OVERRIDES.into_iter();
        if let Some(name) = overrides.find(|name| head.header(name).is_some())
            && self.match_on_methods
        {
            return Selection::Ambiguous(Ambiguity::Method(name));
        }
        let mut looked_at = Vec::new();
        for (id, rule) in self.iter() {
            let unmet = rule.matches.unmet(&line);
            let is_selected = unmet.is_empty();
            looked_at.push((id, unmet));
            if is_selected {
                break;
            }
        }
        Selection::Rules(looked_at)
    }

    /// The rule that names what the path does not spell canonically.
    fn misspelled_for(&self, path: &Path<'_>) -> Option<RuleId> {
        let mut rules = self.iter();
        let found = rules.find(|(_, rule)| {
            let condition = rule.matches.path.as_ref();
            condition.is_some_and(|condition| condition.is_misspelled_by(path))
        });
        found.map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::matching::{Match, PathMatch};
    use super::super::template::Template;
    use super::super::{Access, NoRule, Rule};
    use super::*;
    use crate::request::host::HostPattern;
    use crate::testing::head::FakeHead;

    const PATHS: [&str; 7] = ["", "=/", "=/a", "=/a:b", "^/a", "^/a/b", "/a/{x}"];
    const TARGETS: [&str; 9] = [
        "/",
        "/a",
        "/a/b",
        "/a/b/c",
        "/a%3Ab",
        "/%61",
        "/a//b",
        "*",
        "/a/b?x=//",
    ];
    const METHODS: [&str; 3] = ["GET", "POST", "CONNECT"];
    const HOSTS: [&str; 4] = ["a.x", "b.a.x:80", "A.X", "a x"];

    fn rule((path, methods, host, route): (&str, Vec<&str>, Option<&str>, bool)) -> Rule {
        let parsed = |text: &str| Path::parse(text.as_bytes()).unwrap().into_owned();
        Rule {
            name: String::new(),
            matches: Match {
                path: match path.split_at_checked(1) {
                    None => None,
                    Some(("=", path)) => Some(PathMatch::Exact(parsed(path))),
                    Some(("^", path)) => Some(PathMatch::Prefix(parsed(path))),
                    Some(_) => Some(PathMatch::Template(Template::parse(path).unwrap())),
                },
                methods: methods.into_iter().map(str::to_owned).collect(),
                hosts: host
                    .map(|host| HostPattern::parse(host).unwrap())
                    .into_iter()
                    .collect(),
                route: route.then(|| "main".to_owned()),
            },
            access: Access::Anonymous,
            shadow: false,
        }
    }

    fn rules() -> impl Strategy<Value = Rules> {
        use prop::sample::{select, subsequence};
        let host = prop::option::of(select(vec!["a.x", "*.a.x"]));
        let methods = subsequence(METHODS.to_vec(), 0..2);
        let rule = (select(PATHS.to_vec()), methods, host, any::<bool>()).prop_map(rule);
        prop::collection::vec(rule, 1..5).prop_map(|rules| Rules::new(rules).unwrap())
    }

    proptest! {
        #[test]
        fn what_is_explained_is_what_is_selected(
            rules in rules(),
            target in prop::sample::select(TARGETS.to_vec()),
            method in prop::sample::select(METHODS.to_vec()),
            host in prop::sample::select(HOSTS.to_vec()),
            on_route in any::<bool>(),
            has_override in prop::bool::weighted(0.1),
            has_body in any::<bool>(),
        ) {
            let line = format!("{method} {target}");
            let mut head = FakeHead::new(&line).host(host);
            if on_route {
                head = head.route("main");
            }
            if has_override {
                head = head.header("x-http-method", "DELETE");
            }
            if has_body {
                head = head.with_body();
            }
            let selected = rules.select(&head).map(|(id, _)| id);
            match rules.explain(&head) {
                Selection::Ambiguous(Ambiguity::Method(_)) => {
                    prop_assert_eq!(selected, Err(NoRule::AmbiguousMethod));
                }
                Selection::Ambiguous(_) => {
                    prop_assert_eq!(selected, Err(NoRule::AmbiguousPath));
                }
                Selection::Rules(looked_at) => {
                    let (last, before) = looked_at.split_last().unwrap();
                    prop_assert!(before.iter().all(|(_, unmet)| !unmet.is_empty()));
                    let found = last.1.is_empty().then_some(last.0);
                    prop_assert_eq!(selected, found.ok_or(NoRule::NoMatch));
                }
            }
        }
    }
}
