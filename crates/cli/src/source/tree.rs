//! YAML, and so JSON, as a tree of nodes that know where they stand.
//!
//! Nothing is interpreted here but the syntax: what a scalar is depends on who reads it.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};

/// A node of a document. An alias is the very node that it names.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where it stands, in bytes.
    pub(crate) span: Range<usize>,
    /// Its tag, if it has one: `!!str` is `tag:yaml.org,2002:str`.
    pub(crate) tag: Option<String>,
    /// How many nodes there are at most from here down to a scalar.
    depth: usize,
    pub(crate) kind: Kind,
}

/// The deepest that nodes may nest. Aliases can nest without the parser's own bound.
const MAX_DEPTH: usize = 300;

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    Scalar { text: String, style: ScalarStyle },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// What keeps a file from being read.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// Where, in bytes.
    pub(crate) offset: usize,
    pub(crate) problem: String,
}

/// The documents of a file, and what keeps the rest from being read.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) roots: Vec<Rc<Node>>,
    pub(crate) error: Option<SyntaxError>,
}

impl Node {
    /// The value of a member; of those with that key the last one, as all readers take it.
    pub(crate) fn get(&self, key: &str) -> Option<&Rc<Node>> {
        let mut members = self.members().iter().rev();
        members
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    }

    /// A member of a member, and so on.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Rc<Node>> {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(self.get(first)?, |node, key| node.get(key))
    }

    /// Its members, if it is a mapping.
    pub(crate) fn members(&self) -> &[(Rc<Node>, Rc<Node>)] {
        match &self.kind {
            Kind::Mapping(members) => members,
            Kind::Scalar { .. } | Kind::Sequence(_) => &[],
        }
    }

    /// Its items, if it is a sequence.
    pub(crate) fn items(&self) -> &[Rc<Node>] {
        match &self.kind {
            Kind::Sequence(items) => items,
            Kind::Scalar { .. } | Kind::Mapping(_) => &[],
        }
    }

    /// Its text, if it is a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Itself and all nodes below it, each once.
    pub(crate) fn all(self: &Rc<Self>) -> Vec<Rc<Self>> {
        let mut seen = std::collections::HashSet::new();
        let mut all = Vec::new();
        let mut open = vec![Rc::clone(self)];
        while let Some(node) = open.pop() {
            if !seen.insert(Rc::as_ptr(&node)) {
                continue;
            }
            open.extend(node.items().iter().rev().cloned());
            open.extend(
                node.members()
                    .iter()
                    .rev()
                    .map(|(_, value)| Rc::clone(value)),
            );
            all.push(node);
        }
        all
    }
}

/// A sequence or mapping whose end has not come yet.
struct Open {
    anchor: usize,
    start: usize,
    tag: Option<String>,
    is_mapping: bool,
    children: Vec<Rc<Node>>,
}

/// What was read of a text so far.
#[derive(Default)]
struct Building {
    roots: Vec<Rc<Node>>,
    /// The nodes that aliases can name.
    anchors: HashMap<usize, Rc<Node>>,
    /// From the outermost to the innermost.
    open: Vec<Open>,
}

/// Reads all documents of a text, up to what cannot be read.
pub(crate) fn parse(text: &str) -> Documents {
    let mut options = Options::default();
    options.emit_comments = false;
    let mut building = Building::default();
    let mut events = Parser::new_from_str_with_options(text, options);
    let error = events.find_map(|next| match next {
        Ok((event, span)) => building.take(event, range(&span)).err(),
        Err(error) => Some(SyntaxError {
            offset: error.marker().byte_offset().unwrap_or(text.len()),
            problem: error.info(),
        }),
    });
    Documents {
        roots: building.roots,
        error,
    }
}

impl Building {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) -> Result<(), SyntaxError> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let node = Node {
                    span: range,
                    tag: tag.map(|tag| name(&tag)),
                    depth: 1,
                    kind: Kind::Scalar {
                        text: value.into_owned(),
                        style,
                    },
                };
                self.add(anchor, Rc::new(node))
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = tag.map(|tag| name(&tag));
                self.open.push(Open::new(anchor, range.start, tag, false));
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                let tag = tag.map(|tag| name(&tag));
                self.open.push(Open::new(anchor, range.start, tag, true));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(found) => self.add(found.anchor, Rc::new(found.close(range.end))),
                None => Ok(()),
            },
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(node) => self.add(0, Rc::clone(node)),
                None => Err(SyntaxError {
                    offset: range.start,
                    problem: "an alias within the node that it names".to_owned(),
                }),
            },
            _ => Ok(()),
        }
    }

    /// A node that is complete; an anchor of 0 is none.
    fn add(&mut self, anchor: usize, node: Rc<Node>) -> Result<(), SyntaxError> {
        if node.depth > MAX_DEPTH {
            return Err(SyntaxError {
                offset: node.span.start,
                problem: format!("nests more than {MAX_DEPTH} levels deep"),
            });
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.roots.push(node),
        }
        Ok(())
    }
}

impl Open {
    fn new(anchor: usize, start: usize, tag: Option<String>, is_mapping: bool) -> Self {
        Self {
            anchor,
            start,
            tag,
            is_mapping,
            children: Vec::new(),
        }
    }

    /// It ends where its last child does: where it stands as a block the parser finds its end only
    /// at the next line that is not its own.
    fn close(self, end: usize) -> Node {
        let last = self.children.last().map(|child| child.span.end);
        let end = last.filter(|last| *last > self.start).unwrap_or(end);
        let depth = self.children.iter().map(|child| child.depth).max();
        let depth = depth.unwrap_or_default().saturating_add(1);
        let kind = if self.is_mapping {
            let mut members = Vec::new();
            let mut children = self.children.into_iter();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                members.push((key, value));
            }
            Kind::Mapping(members)
        } else {
            Kind::Sequence(self.children)
        };
        Node {
            span: self.start..end.max(self.start),
            tag: self.tag,
            depth,
            kind,
        }
    }
}

fn range(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

fn name(tag: &granit_parser::Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_their_place() {
        for (text, key, expected) in [
            ("a: b\nc: d\n", "c", "d"),
            ("a: 'b'\nc: \"d\\n\" # x\n", "c", "\"d\\n\""),
            ("{\"a\": 1, \"c\": [1, 2]}", "c", "[1, 2"),
            ("c: |\n  one\n  two\nd: x\n", "c", "one\n  two\n"),
            ("c: &x 1\nd: *x\n", "d", "1"),
            ("ø: å\nc: å\n", "c", "å"),
            ("c: 1\nc: 2\n", "c", "2"),
            ("c:\n  - x\n  - y\n\nd: 1\n", "c", "- x\n  - y"),
            ("c: # why\n  e: f\n", "c", "e: f"),
        ] {
            let documents = parse(text);
            assert!(documents.error.is_none(), "{text}");
            let found = documents.roots[0].get(key).unwrap().span.clone();
            assert_eq!(&text[found], expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_place_and_what_came_before_it_is_there() {
        for (text, roots) in [
            ("a: 1\n---\nb: [\n", 1),
            ("a: b: c\n", 0),
            ("a: &x [*x]\n", 0),
            ("\t{", 0),
        ] {
            let documents = parse(text);
            assert_eq!(documents.roots.len(), roots, "{text:?}");
            assert!(documents.error.is_some(), "{text:?}");
        }
    }
}
