//! Where each part of a value stands in its file.

use std::collections::BTreeMap;
use std::ops::Range;

/// A value's place, and those of what is in it. All are bytes of the file.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// The name before it, if it is a member.
    pub(crate) name: Option<Range<usize>>,
    /// Itself.
    pub(crate) value: Range<usize>,
    pub(crate) children: Children,
}

/// What is in a value.
#[derive(Clone, Debug)]
pub(crate) enum Children {
    /// It is a scalar.
    None,
    Items(Vec<Located>),
    Members(BTreeMap<String, Located>),
}

impl Located {
    /// A scalar that is no member.
    pub(crate) fn scalar(place: Range<usize>) -> Self {
        Self {
            name: None,
            value: place,
            children: Children::None,
        }
    }

    /// The deepest that a key path leads to, as the filter writes it: `rules[0].match.path`, and
    /// `.` for the whole. Names may hold dots and brackets themselves: those that are there decide.
    pub(crate) fn find(&self, path: &str) -> &Self {
        match path {
            "." | "" => self,
            path => self.descend(path).0,
        }
    }

    /// The deepest that a path leads to, and how much of it is left.
    fn descend<'a>(&'a self, path: &str) -> (&'a Self, usize) {
        let mut best = (self, path.len());
        let mut consider = |child: &'a Self, rest: &str| {
            let found = if rest.is_empty() {
                (child, 0)
            } else {
                child.descend(rest)
            };
            if found.1 < best.1 {
                best = found;
            }
        };
        match &self.children {
            Children::None => {}
            Children::Items(items) => {
                let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                if let Some((index, rest)) = index
                    && let Some(child) = index.parse().ok().and_then(|i: usize| items.get(i))
                {
                    consider(child, rest);
                }
            }
            Children::Members(members) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                // Longer names first: they are the more exact.
                for (name, child) in members.iter().rev() {
                    if let Some(rest) = path.strip_prefix(name.as_str())
                        && (rest.is_empty() || rest.starts_with(['.', '[']))
                    {
                        consider(child, rest);
                    }
                }
            }
        }
        best
    }

    /// A member of it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.children {
            Children::Members(members) => members.get(name),
            Children::None | Children::Items(_) => None,
        }
    }

    /// All that is in it, with names.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match &self.children {
            Children::Members(members) => Some(members),
            Children::None | Children::Items(_) => None,
        };
        let members = members.into_iter().flatten();
        members.map(|(name, located)| (name.as_str(), located))
    }

    /// All that is in it, in order.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.children {
            Children::Items(items) => items,
            Children::None | Children::Members(_) => &[],
        }
    }

    /// What to mark for it: a scalar itself, the name before anything else.
    pub(crate) fn mark(&self) -> Range<usize> {
        match (&self.children, &self.name) {
            (Children::Items(_) | Children::Members(_), Some(name)) => name.clone(),
            (Children::None, Some(name)) if self.value.is_empty() => name.clone(),
            _ => self.value.clone(),
        }
    }

    /// The same with other places: those of a text within a text.
    pub(crate) fn moved(&self, to: &impl Fn(&Range<usize>) -> Range<usize>) -> Self {
        let children = match &self.children {
            Children::None => Children::None,
            Children::Items(items) => {
                Children::Items(items.iter().map(|item| item.moved(to)).collect())
            }
            Children::Members(members) => {
                let members = members.iter();
                Children::Members(
                    members
                        .map(|(name, m)| (name.clone(), m.moved(to)))
                        .collect(),
                )
            }
        };
        Self {
            name: self.name.as_ref().map(to),
            value: to(&self.value),
            children,
        }
    }
}
