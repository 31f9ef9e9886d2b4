//! Which rules a path may be for, found without looking at all of them.
//!
//! Rules are looked at in their order, but a router (`matchit`) knows no order: it finds the most
//! specific route. So each route holds all rules that are for some path that the route is for. The
//! rules themselves then say which of these is the first that matches; the index only leaves out
//! those that cannot.

use std::collections::HashSet;

use matchit::{InsertError, Router};

use super::matching::PathMatch;
use super::path::Path;
use super::template::{Template, escape};

/// Positions of rules, in their order.
type Positions = Vec<usize>;

/// The index.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    /// Whole paths: exact ones, and templates.
    whole: Router<Positions>,
    /// Paths at and below prefixes.
    below: Router<Positions>,
    /// Rules that are for every path.
    every: Positions,
}

impl PathIndex {
    /// The index of rules with these conditions.
    pub(super) fn new<'a>(
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

    /// Positions of rules that may be for this path, in three lists, each in the rules' order.
    pub(super) fn candidates(&self, path: Option<&Path<'_>>) -> [&[usize]; 3] {
        let text = path.map(Path::to_text);
        let text = text.as_deref();
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
        let path = escape(prefix.to_text().trim_end_matches('/'));
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
