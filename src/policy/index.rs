//! Which rules a request may be for, found without looking at all of them.
//!
//! Rules are looked at in their order, but a router (`matchit`) knows no order: it finds the most
//! specific route. So each route holds all rules that are for some path that the route is for. The
//! rules themselves then say which of these is the first that matches; an index only leaves out
//! those that cannot.

use std::collections::{HashMap, HashSet};

use matchit::{InsertError, Router};

use super::host::{Host, HostPattern};
use super::matching::{Match, PathMatch};
use super::path::Path;
use super::template::{Template, escape};

/// Positions of rules, in their order.
type Positions = Vec<usize>;

/// Rules by path and by host.
#[derive(Debug)]
pub(super) struct Index {
    by_path: PathIndex,
    by_host: HostIndex,
}

impl Index {
    /// The index of rules with these conditions.
    pub(super) fn new<'a>(
        conditions: impl Iterator<Item = &'a Match> + Clone,
    ) -> Result<Self, InsertError> {
        Ok(Self {
            by_path: PathIndex::new(conditions.clone().map(|matches| matches.path.as_ref()))?,
            by_host: HostIndex::new(conditions.map(|matches| matches.hosts.as_slice())),
        })
    }

    /// Positions of rules that may be for such a request, in lists, each in the rules' order.
    /// Either index leaves out only what cannot match, so the one that leaves out more will do.
    pub(super) fn candidates(&self, path: Option<&Path<'_>>, host: Option<&Host>) -> Vec<&[usize]> {
        let count = |lists: &[&[usize]]| lists.iter().map(|list| list.len()).sum::<usize>();
        let by_path = self.by_path.candidates(path);
        // Where no rule goes by hosts there is nothing to leave out.
        match host.map(|host| self.by_host.candidates(host)) {
            Some(by_host) if count(&by_host) < count(&by_path) => by_host,
            _ => by_path.to_vec(),
        }
    }
}

/// Rules by host.
#[derive(Debug, Default)]
struct HostIndex {
    /// By the key of each of their patterns.
    some: HashMap<String, Positions>,
    /// Rules that are for every host.
    every: Positions,
}

impl HostIndex {
    fn new<'a>(conditions: impl Iterator<Item = &'a [HostPattern]>) -> Self {
        let mut index = Self::default();
        for (position, patterns) in conditions.enumerate() {
            if patterns.is_empty() {
                index.every.push(position);
            }
            for pattern in patterns {
                let key = pattern.key().to_owned();
                index.some.entry(key).or_default().push(position);
            }
        }
        index
    }

    fn candidates(&self, host: &Host) -> Vec<&[usize]> {
        let some = host.keys().filter_map(|key| self.some.get(key));
        some.chain([&self.every]).map(Vec::as_slice).collect()
    }
}

/// Rules by path.
#[derive(Debug, Default)]
struct PathIndex {
    /// Whole paths: exact ones, and templates.
    whole: Router<Positions>,
    /// Paths at and below prefixes.
    below: Router<Positions>,
    /// Rules that are for every path.
    every: Positions,
}

impl PathIndex {
    fn new<'a>(
        conditions: impl Iterator<Item = Option<&'a PathMatch>>,
    ) -> Result<Self, InsertError> {
        let (mut templates, mut prefixes, mut every) = (Vec::new(), Vec::new(), Vec::new());
        for (position, condition) in conditions.enumerate() {
            match condition {
                None => every.push(position),
                Some(PathMatch::Prefix(prefix)) => prefixes.push((position, prefix)),
                Some(PathMatch::Exact(path)) => templates.push((position, Template::of(path))),
                Some(PathMatch::Template(template)) => templates.push((position, template.clone())),
            }
        }
        Ok(Self {
            whole: whole(&templates)?,
            below: below(&prefixes)?,
            every,
        })
    }

    fn candidates(&self, path: Option<&Path<'_>>) -> [&[usize]; 3] {
        let text = path.map(Path::as_str);
        [
            found(&self.whole, text),
            found(&self.below, text),
            &self.every,
        ]
    }
}

fn found<'a>(router: &'a Router<Positions>, path: Option<&str>) -> &'a [usize] {
    let found = path.and_then(|path| router.at(path).ok());
    found.map_or(&[], |found| found.value)
}

fn whole(templates: &[(usize, Template)]) -> Result<Router<Positions>, InsertError> {
    let mut router = Router::new();
    let mut known = HashSet::new();
    for (_, template) in templates {
        let route = template.route();
        if known.insert(route.clone()) {
            let overlapping = templates
                .iter()
                .filter(|(_, other)| other.overlaps(template));
            router.insert(route, positions(overlapping))?;
        }
    }
    Ok(router)
}

fn below(prefixes: &[(usize, &Path<'static>)]) -> Result<Router<Positions>, InsertError> {
    let mut router = Router::new();
    let mut known = HashSet::new();
    for (_, prefix) in prefixes {
        let path = escape(prefix.as_str().trim_end_matches('/'));
        if known.insert(path.clone()) {
            let above = prefixes.iter().filter(|(_, other)| prefix.is_below(other));
            let positions = positions(above);
            // A catch-all takes at least one character.
            if !path.is_empty() {
                router.insert(path.as_str(), positions.clone())?;
            }
            router.insert(format!("{path}/"), positions.clone())?;
            router.insert(format!("{path}/{{*rest}}"), positions)?;
        }
    }
    Ok(router)
}

fn positions<'a, T: 'a>(of: impl Iterator<Item = &'a (usize, T)>) -> Positions {
    of.map(|(position, _)| *position).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::matching::Match;
    use super::super::{Access, Rule, Rules};
    use super::*;
    use crate::head::fake::FakeHead;

    const SEGMENTS: [&str; 6] = ["a", "b", "ab", "%7Bp%7D", "bl%C3%A5", "p"];

    fn condition() -> impl Strategy<Value = Option<PathMatch>> {
        let segment = || prop::sample::select(SEGMENTS.as_slice());
        let path = || {
            (prop::collection::vec(segment(), 0..4), any::<bool>())
                .prop_map(|(segments, slash)| joined(&segments, slash))
        };
        let parse = |text: String| Path::parse(text.as_bytes()).unwrap().into_owned();
        let parameter = prop_oneof![segment(), Just("{x}"), Just("{y}")];
        let template = (prop::collection::vec(parameter, 0..4), any::<bool>())
            .prop_map(|(segments, slash)| Template::parse(&joined(&segments, slash)).unwrap());
        prop_oneof![
            1 => Just(None),
            3 => path().prop_map(move |text| Some(PathMatch::Exact(parse(text)))),
            3 => path().prop_map(move |text| Some(PathMatch::Prefix(parse(text)))),
            5 => template.prop_map(|template| Some(PathMatch::Template(template))),
        ]
    }

    fn hosts() -> impl Strategy<Value = Vec<HostPattern>> {
        let host = prop::sample::select(["x", "a.x", "*.x", "*.a.x", "y"].as_slice());
        let host = host.prop_map(|text| HostPattern::parse(text).unwrap());
        prop_oneof![Just(Vec::new()), prop::collection::vec(host, 1..3)]
    }

    fn joined(segments: &[&str], slash: bool) -> String {
        let path: String = segments.iter().flat_map(|s| ["/", s]).collect();
        if slash || path.is_empty() {
            path + "/"
        } else {
            path
        }
    }

    fn target() -> impl Strategy<Value = Vec<u8>> {
        let segment = prop_oneof![
            4 => prop::sample::select(SEGMENTS.as_slice()).prop_map(|s| s.as_bytes().to_vec()),
            1 => Just(b"other".to_vec()),
        ];
        (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
            let mut path: Vec<u8> = segments
                .into_iter()
                .flat_map(|s| [b"/".to_vec(), s])
                .flatten()
                .collect();
            if slash || path.is_empty() {
                path.push(b'/');
            }
            path
        })
    }

    proptest! {
        /// Whatever the rules are, the first that matches is the one that is found.
        #[test]
        fn the_index_and_a_look_at_all_rules_agree(
            conditions in prop::collection::vec((condition(), hosts()), 1..12),
            target in target(),
            authority in prop::sample::select(["x", "a.x", "b.a.x:80", "A.X", "y"].as_slice()),
        ) {
            let rules = conditions.into_iter().map(|(path, hosts)| Rule {
                name: String::new(),
                matches: Match { path, hosts, ..Match::default() },
                access: Access::Anonymous,
            });
            let rules = Rules::new(rules.collect()).unwrap();
            let path = Path::parse(&target).unwrap();
            let host = Host::parse(authority.as_bytes()).unwrap();
            let is_for_host = |hosts: &[HostPattern]| {
                hosts.is_empty() || hosts.iter().any(|pattern| pattern.matches(&host))
            };
            let is_for_path = |condition: &Option<PathMatch>| match condition {
                None => true,
                Some(PathMatch::Exact(exact)) => path.is(exact),
                Some(PathMatch::Prefix(prefix)) => path.is_below(prefix),
                Some(PathMatch::Template(template)) => template.matches(&path),
            };
            let expected = rules.all.iter().position(|rule| {
                is_for_path(&rule.matches.path) && is_for_host(&rule.matches.hosts)
            });
            let head = [(":path", target.as_slice()), (":authority", authority.as_bytes())];
            let found = rules.select(&FakeHead(&head)).ok().map(|(id, _)| id.0);
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn only_what_may_match_is_looked_at() {
        let prefix = |n: usize| format!("/api/{n}");
        let all = (0..1000).map(|n| Match {
            path: Some(PathMatch::Prefix(
                Path::parse(prefix(n / 2).as_bytes()).unwrap().into_owned(),
            )),
            hosts: vec![HostPattern::parse(&format!("h{}.x", n % 100)).unwrap()],
            ..Match::default()
        });
        let all: Vec<_> = all.chain([Match::default()]).collect();
        let index = Index::new(all.iter()).unwrap();
        for (path, host, expected) in [
            ("/api/7/x", "h1.x", &[14, 15, 1000][..]),
            ("/api/499", "other", &[1000]),
            ("/api/500", "h1.x", &[1000]),
            ("/api", "h1.x", &[1000]),
        ] {
            let path = Path::parse(path.as_bytes()).unwrap();
            let host = Host::parse(host.as_bytes()).unwrap();
            let found = index.candidates(Some(&path), Some(&host)).concat();
            assert_eq!(found, expected, "{path:?} {host:?}");
        }
    }
}
