//! Which rules a request may be for, found without looking at all of them.
//!
//! Rules are looked at in their order, but a router (`matchit`) knows no order: it finds the most
//! specific route. So each route holds all rules that are for some path that the route is for. The
//! rules themselves then say which of these is the first that matches; an index only leaves out
//! those that cannot.

use std::collections::{HashMap, HashSet};

use matchit::{InsertError, Router};

use super::matching::{Match, PathMatch};
use super::template::{Template, escape};
use crate::request::host::{Host, HostPattern};
use crate::request::path::Path;

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

    /// Positions of rules that name, between them, every segment of the path that any rule names.
    pub(super) fn naming(&self, path: &Path<'_>) -> impl Iterator<Item = usize> {
        let routes = self.by_path.routes(Some(path)).into_iter().flatten();
        routes.flat_map(|route| route.naming.iter().copied())
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
    whole: Router<Route>,
    /// Paths at and below prefixes.
    below: Router<Route>,
    /// Rules that are for every path.
    every: Positions,
}

/// What is known of the paths that a route is for.
#[derive(Clone, Debug)]
struct Route {
    /// Rules that are for some of them.
    rules: Positions,
    /// Those of the rules that name, between them, every segment that any of them names.
    naming: Positions,
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
        let [whole, below] = self.routes(path).map(|found| match found {
            Some(route) => route.rules.as_slice(),
            None => &[],
        });
        [whole, below, &self.every]
    }

    /// The most specific routes for the path.
    fn routes(&self, path: Option<&Path<'_>>) -> [Option<&Route>; 2] {
        [&self.whole, &self.below].map(|router| {
            let found = path.and_then(|path| router.at(path.as_str()).ok());
            found.map(|found| found.value)
        })
    }
}

fn whole(templates: &[(usize, Template)]) -> Result<Router<Route>, InsertError> {
    let mut router = Router::new();
    let mut known = HashSet::new();
    let distinct = templates.iter();
    let distinct = distinct.filter(|(_, template)| known.insert(template.route()));
    let distinct: Vec<_> = distinct.collect();
    for (_, template) in &distinct {
        let naming = distinct.iter().copied();
        let route = Route {
            rules: positions(templates.iter().filter(|(_, t)| t.overlaps(template))),
            naming: positions(naming.filter(|(_, t)| t.overlaps(template))),
        };
        router.insert(template.route(), route)?;
    }
    Ok(router)
}

fn below(prefixes: &[(usize, &Path<'static>)]) -> Result<Router<Route>, InsertError> {
    let mut router = Router::new();
    let mut known = HashSet::new();
    for (position, prefix) in prefixes {
        let path = escape(prefix.as_str().trim_end_matches('/'));
        if known.insert(path.clone()) {
            let route = Route {
                rules: positions(prefixes.iter().filter(|(_, p)| prefix.is_below(p))),
                // The longest prefix names what the shorter ones name.
                naming: vec![*position],
            };
            // A catch-all takes at least one character.
            if !path.is_empty() {
                router.insert(path.as_str(), route.clone())?;
            }
            router.insert(format!("{path}/"), route.clone())?;
            router.insert(format!("{path}/{{*rest}}"), route)?;
        }
    }
    Ok(router)
}

fn positions<'a, T: 'a>(of: impl Iterator<Item = &'a (usize, T)>) -> Positions {
    of.map(|(position, _)| *position).collect()
}

#[cfg(test)]
mod tests;
