//! Rules that no request can reach, because those before them are for all that they are for.
//!
//! Whoever writes the narrower rule below the wider one gets the wider one alone. It is told only
//! where it can be proven: for each method and host of a rule there must be one before it that is
//! for all of that, whatever the paths. Several that only together are, are not looked for.

use super::Rule;
use super::matching::{Match, PathMatch};
use crate::request::host::HostPattern;

/// Rules that no request can reach, each with the first of those that take its requests.
pub fn unreachable(rules: &[Rule]) -> impl Iterator<Item = (usize, usize)> {
    rules.iter().enumerate().filter_map(|(position, rule)| {
        let earlier = rules.iter().take(position);
        let takers = earlier
            .enumerate()
            .filter(|(_, earlier)| takes_paths_and_routes(&earlier.matches, &rule.matches));
        let takers: Vec<_> = takers.collect();
        let (first, _) = takers.first()?;
        let is_taken = |method: Option<&str>, host: Option<&HostPattern>| {
            let mut takers = takers.iter().map(|(_, taker)| &taker.matches);
            takers.any(|taker| takes_method(taker, method) && takes_host(taker, host))
        };
        let hosts = || some_or_all(&rule.matches.hosts);
        let methods = some_or_all(&rule.matches.methods);
        let mut regions = methods.flat_map(|method| hosts().map(move |host| (method, host)));
        regions
            .all(|(method, host)| is_taken(method.map(String::as_str), host))
            .then_some((position, *first))
    })
}

/// Each of them, or `None` alone, which is for all.
fn some_or_all<T>(given: &[T]) -> impl Iterator<Item = Option<&T>> {
    let all = given.is_empty().then_some(None);
    given.iter().map(Some).chain(all)
}

fn takes_paths_and_routes(one: &Match, other: &Match) -> bool {
    let paths = match (&one.path, &other.path) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(one), Some(other)) => one.takes_all_of(other),
    };
    paths && (one.route.is_none() || one.route == other.route)
}

/// `None`: every method but `CONNECT`.
fn takes_method(one: &Match, method: Option<&str>) -> bool {
    match method {
        None => one.methods.is_empty(),
        Some("CONNECT") => one.methods.iter().any(|own| own == "CONNECT"),
        Some(method) => one.methods.is_empty() || one.methods.iter().any(|own| own == method),
    }
}

/// `None`: every host.
fn takes_host(one: &Match, host: Option<&HostPattern>) -> bool {
    let mut own = one.hosts.iter();
    one.hosts.is_empty() || host.is_some_and(|host| own.any(|own| own.takes_all_of(host)))
}

impl PathMatch {
    /// Whether every path that the other is for is one that this is for.
    fn takes_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(path), Self::Exact(other)) => path.is(other),
            (Self::Exact(path), Self::Template(other)) => other.is(path),
            (Self::Prefix(prefix), Self::Exact(other) | Self::Prefix(other)) => {
                other.is_below(prefix)
            }
            (Self::Prefix(prefix), Self::Template(other)) => other.is_below(prefix),
            (Self::Template(template), Self::Exact(other)) => template.matches(other),
            (Self::Template(template), Self::Template(other)) => template.takes_all_of(other),
            // Below a prefix there are longer paths than these.
            (Self::Exact(_) | Self::Template(_), Self::Prefix(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::template::Template;
    use super::super::{Access, Rules};
    use super::*;
    use crate::request::path::Path;
    use crate::testing::head::FakeHead;

    /// A condition as it is written: path, methods, hosts, route.
    type Condition<'a> = (&'a str, &'a str, &'a str, &'a str);

    fn rule(condition: Condition<'_>) -> Rule {
        let (path, methods, hosts, route) = condition;
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let parsed = |text: &str| Path::parse(text.as_bytes()).unwrap().into_owned();
        let path = match path.split_at_checked(1) {
            None => None,
            Some(("=", path)) => Some(PathMatch::Exact(parsed(path))),
            Some(("^", path)) => Some(PathMatch::Prefix(parsed(path))),
            Some((_, path)) => Some(PathMatch::Template(Template::parse(path).unwrap())),
        };
        Rule {
            name: String::new(),
            matches: Match {
                path,
                methods: words(methods),
                hosts: words(hosts)
                    .iter()
                    .map(|host| HostPattern::parse(host).unwrap())
                    .collect(),
                route: (!route.is_empty()).then(|| route.to_owned()),
            },
            access: Access::Anonymous,
            shadow: false,
        }
    }

    fn check(conditions: &[Condition<'_>], expected: Option<(usize, usize)>) {
        let rules: Vec<_> = conditions
            .iter()
            .map(|condition| rule(*condition))
            .collect();
        assert_eq!(unreachable(&rules).next(), expected, "{conditions:?}");
    }

    /// `=` path, `^` prefix, `~` template. The second rule is never reached.
    #[test]
    fn what_takes_everything() {
        for (one, other) in [
            (("", "", "", ""), ("", "", "", "")),
            (("", "", "", ""), ("=/a", "GET", "a.no", "r")),
            (("^/", "", "", ""), ("=/a", "", "", "")),
            (("^/", "", "", ""), ("~/{x}/b", "", "", "")),
            (("^/", "", "", ""), ("^/", "", "", "")),
            (("^/a", "", "", ""), ("^/a/", "", "", "")),
            (("^/a/", "", "", ""), ("^/a", "", "", "")),
            (("^/a", "", "", ""), ("^/a/b", "", "", "")),
            (("^/a", "", "", ""), ("=/a/", "", "", "")),
            (("^/a", "", "", ""), ("~/a/{x}", "", "", "")),
            (("^/a/b", "", "", ""), ("~/a/b/{x}", "", "", "")),
            (("=/a", "", "", ""), ("=/a", "", "", "")),
            (("=/a", "", "", ""), ("~/a", "", "", "")),
            (("~/{x}", "", "", ""), ("=/a", "", "", "")),
            (("~/{x}", "", "", ""), ("~/{y}", "", "", "")),
            (("~/{x}/b", "", "", ""), ("~/a/b", "", "", "")),
            (("^/a", "GET PUT", "", ""), ("^/a/b", "PUT", "", "")),
            (("", "CONNECT", "", ""), ("", "CONNECT", "", "")),
            (("", "", "*.b.no", ""), ("", "", "a.b.no", "")),
            (("", "", "*.b.no", ""), ("", "", "A.B.no *.a.b.no", "")),
            (("", "", "*.b.no", ""), ("", "", "*.b.no", "")),
            (("^/a", "", "", "r"), ("=/a", "", "", "r")),
        ] {
            check(&[one, other], Some((1, 0)));
        }
        // Each method and each host has one before.
        let by_method = [
            ("^/", "GET", "", ""),
            ("", "PUT", "", ""),
            ("=/a", "PUT GET", "", ""),
        ];
        check(&by_method, Some((2, 0)));
        let by_host = [
            ("", "", "a.no", ""),
            ("^/", "", "b.no", ""),
            ("=/a", "", "b.no a.no", ""),
        ];
        check(&by_host, Some((2, 0)));
    }

    #[test]
    fn what_leaves_something() {
        for (one, other) in [
            (("^/", "", "", ""), ("", "", "", "")),
            (("^/a", "", "", ""), ("^/ab", "", "", "")),
            (("^/a", "", "", ""), ("^/", "", "", "")),
            (("^/a", "", "", ""), ("~/{x}/a", "", "", "")),
            (("=/a", "", "", ""), ("=/a/", "", "", "")),
            (("=/a", "", "", ""), ("^/a", "", "", "")),
            (("=/a", "", "", ""), ("~/{x}", "", "", "")),
            (("~/{x}", "", "", ""), ("=/", "", "", "")),
            (("~/{x}", "", "", ""), ("^/a", "", "", "")),
            (("~/a/{x}", "", "", ""), ("=/a/", "", "", "")),
            (("~/a/{x}", "", "", ""), ("~/a/{x}/c", "", "", "")),
            (("~/a/{x}", "", "", ""), ("~/{x}/a", "", "", "")),
            (("", "GET", "", ""), ("", "", "", "")),
            (("", "", "", ""), ("", "CONNECT", "", "")),
            (("", "", "", ""), ("", "GET CONNECT", "", "")),
            (("", "GET", "", ""), ("", "GET PUT", "", "")),
            (("", "", "a.no", ""), ("", "", "", "")),
            (("", "", "*.b.no", ""), ("", "", "b.no", "")),
            (("", "", "*.b.no", ""), ("", "", "xb.no", "")),
            (("", "", "*.a.b.no", ""), ("", "", "*.b.no", "")),
            (("", "", "", "r"), ("", "", "", "")),
            (("", "", "", "r"), ("", "", "", "s")),
        ] {
            check(&[one, other], None);
        }
        // One has the method, the other the host.
        check(
            &[
                ("", "GET", "a.no", ""),
                ("", "PUT", "b.no", ""),
                ("", "GET", "b.no", ""),
            ],
            None,
        );
    }

    const PATHS: [&str; 12] = [
        "", "^/", "^/a", "^/a/b", "^/a/", "=/a", "=/a/", "=/b", "~/{x}", "~/a/{x}", "~/{x}/b",
        "~/a/b",
    ];
    const METHODS: [&str; 5] = ["", "GET", "PUT", "GET PUT", "CONNECT"];
    const HOSTS: [&str; 5] = ["", "a.no", "b.a.no", "*.a.no", "a.no *.a.no"];
    const ROUTES: [&str; 3] = ["", "r", "s"];

    /// The rules that are selected for some request: every one that tells any two of these
    /// conditions apart.
    fn reached(rules: Vec<Rule>) -> BTreeSet<usize> {
        let rules = Rules::new(rules).unwrap();
        let mut reached = BTreeSet::new();
        for path in [
            "/", "/a", "/a/", "/a/b", "/a/c", "/b", "/b/b", "/c", "/a/b/c", "*",
        ] {
            for method in ["GET", "PUT", "POST", "CONNECT"] {
                let line = format!("{method} {path}");
                for host in ["a.no", "b.a.no", "c.b.a.no", "x.no"] {
                    for route in ["r", "s", "t"] {
                        let head = FakeHead::new(&line).host(host).route(route).with_body();
                        let selected = rules.select(&head).ok();
                        reached.extend(selected.map(|(id, _)| id.position()));
                    }
                }
            }
        }
        reached
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Rules that are refused are reached by no request, and by every one of a pair that is not
        /// refused some request gets to the second.
        #[test]
        fn it_is_what_requests_show(
            conditions in prop::collection::vec(
                (
                    prop::sample::select(&PATHS[..]),
                    prop::sample::select(&METHODS[..]),
                    prop::sample::select(&HOSTS[..]),
                    prop::sample::select(&ROUTES[..]),
                ),
                2..6,
            )
        ) {
            let rules = |count: usize| {
                conditions.iter().take(count).map(|condition| rule(*condition)).collect::<Vec<_>>()
            };
            let found = unreachable(&rules(conditions.len())).next();
            if let Some((position, taker)) = found {
                let reached = reached(rules(conditions.len()));
                prop_assert!(!reached.contains(&position), "{:?} {:?}", position, conditions);
                prop_assert!(taker < position);
            }
            let is_reached = reached(rules(2)).contains(&1);
            let is_refused = unreachable(&rules(2)).next().is_some();
            prop_assert_eq!(is_refused, !is_reached, "{:?}", &conditions[..2]);
        }
    }
}
