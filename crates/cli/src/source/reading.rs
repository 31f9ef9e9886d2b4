//! What a node is for the filter. The same text is read in three ways:
//!
//! - Envoy's YAML loader (yaml-cpp, then a `Struct`): the table in the tests here is held against
//!   a real Envoy.
//! - Kubernetes (`sigs.k8s.io/yaml`, YAML 1.1), for manifests: Istio and Envoy Gateway hand over
//!   the JSON that comes of it.
//! - JSON, as it is.

mod scalar;

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::ScalarStyle;
use serde_json::{Map, Value};

use self::scalar::{core_schema, envoy, kubernetes};
use super::located::{Children, Located};
use super::tree::{Kind, Node};

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Envoy,
    Kubernetes,
    Json,
}

/// A value as its reader has it.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) value: Value,
    pub(crate) located: Located,
    /// Where the reader takes something for something else than it looks like.
    pub(crate) surprises: Vec<Note>,
    /// Why the reader takes none of it.
    pub(crate) refusals: Vec<Note>,
}

/// A line about a place in the file.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) span: Range<usize>,
    /// Where that is, as the filter writes it: `rules[0].match.path`.
    pub(crate) key: String,
    pub(crate) problem: String,
    /// The same without what stands there, if `problem` repeats it: that may be a secret.
    pub(crate) reserved: Option<String>,
}

/// The most nodes that a configuration may have, each alias counted as what it names.
const MAX_NODES: usize = 500_000;

/// The most lines of each kind about one configuration.
const MAX_NOTES: usize = 100;

/// Reads a node.
pub(crate) fn read(node: &Node, reader: Reader) -> Reading {
    let mut reading = Run {
        reader,
        nodes: 0,
        surprises: Vec::new(),
        refusals: Vec::new(),
    };
    let (value, located) = reading.read(node, None, ".");
    Reading {
        value,
        located,
        surprises: reading.surprises,
        refusals: reading.refusals,
    }
}

struct Run {
    reader: Reader,
    nodes: usize,
    surprises: Vec<Note>,
    refusals: Vec<Note>,
}

impl Run {
    fn read(&mut self, node: &Node, name: Option<Range<usize>>, key: &str) -> (Value, Located) {
        self.nodes = self.nodes.saturating_add(1);
        let mut located = Located {
            name,
            value: node.span.clone(),
            children: Children::None,
        };
        if self.nodes > MAX_NODES {
            if self.refusals.iter().all(|note| note.problem != TOO_MUCH) {
                self.refuse(&node.span, key, TOO_MUCH.to_owned());
            }
            return (Value::Null, located);
        }
        let value = match &node.kind {
            Kind::Scalar { text, style } => self.scalar(node, text, *style, key),
            Kind::Sequence(items) => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    let key = format!("{}[{index}]", key.trim_start_matches('.'));
                    self.read(item, None, &key)
                });
                let (values, places): (Vec<_>, Vec<_>) = items.unzip();
                located.children = Children::Items(places);
                Value::Array(values)
            }
            Kind::Mapping(members) => {
                let mut values = Map::new();
                let mut places = BTreeMap::new();
                for (name_node, member) in members {
                    self.member(name_node, member, key, &mut values, &mut places);
                }
                located.children = Children::Members(places);
                Value::Object(values)
            }
        };
        (value, located)
    }

    fn member(
        &mut self,
        name_node: &Node,
        member: &Node,
        key: &str,
        values: &mut Map<String, Value>,
        places: &mut BTreeMap<String, Located>,
    ) {
        let Some(name) = name_node.text() else {
            self.refuse(&name_node.span, key, "a name that is no text".to_owned());
            return;
        };
        if self.reader == Reader::Envoy && name_node.tag.as_deref() == Some("!ignore") {
            return;
        }
        if self.reader == Reader::Envoy && name.is_empty() {
            let problem = "some name in it is empty".to_owned();
            return self.refuse(&name_node.span, ".", problem);
        }
        if self.reader == Reader::Kubernetes && name == "<<" && is_plain(name_node) {
            self.merge(member, key, values, places);
            return;
        }
        let key = match key {
            "." => name.to_owned(),
            key => format!("{key}.{name}"),
        };
        if values.contains_key(name) {
            match self.reader {
                Reader::Envoy => self.surprise(note(
                    &name_node.span,
                    &key,
                    "comes twice: Envoy takes the last one, and leaves the others out".to_owned(),
                )),
                Reader::Kubernetes | Reader::Json => {
                    self.refuse(&name_node.span, &key, "is given twice".to_owned());
                }
            }
        }
        let (value, place) = self.read(member, Some(name_node.span.clone()), &key);
        values.insert(name.to_owned(), value);
        places.insert(name.to_owned(), place);
    }

    /// A merge key of YAML 1.1: members that are there already stay.
    fn merge(
        &mut self,
        from: &Node,
        key: &str,
        values: &mut Map<String, Value>,
        places: &mut BTreeMap<String, Located>,
    ) {
        let several = from.items().iter().map(AsRef::as_ref);
        for source in std::iter::once(from).chain(several) {
            self.nodes = self.nodes.saturating_add(1);
            if self.nodes > MAX_NODES {
                return self.refuse(&from.span, key, TOO_MUCH.to_owned());
            }
            for (name_node, member) in source.members() {
                let is_there = name_node
                    .text()
                    .is_some_and(|name| values.contains_key(name));
                if !is_there {
                    self.member(name_node, member, key, values, places);
                }
            }
        }
    }

    fn scalar(&mut self, node: &Node, text: &str, style: ScalarStyle, key: &str) -> Value {
        // Envoy looks into what is in quotes, too, where it has a tag.
        let tag = node.tag.as_deref();
        let is_tagged = self.reader == Reader::Envoy && tag.is_some_and(|tag| tag != "!");
        if style != ScalarStyle::Plain && !is_tagged {
            return Value::String(text.to_owned());
        }
        match self.reader {
            Reader::Envoy => {
                let value = envoy(text, tag);
                self.note_surprise(node, text, &value, "Envoy", key);
                value
            }
            Reader::Kubernetes => {
                let value = kubernetes(text, tag);
                self.note_surprise(node, text, &value, "Kubernetes", key);
                value
            }
            Reader::Json => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        }
    }

    fn note_surprise(&mut self, node: &Node, text: &str, value: &Value, who: &str, key: &str) {
        if core_schema(text) == *value {
            return;
        }
        let problem = match value {
            Value::Bool(read) => format!("`{text}` is `{read}` for {who}; a text needs quotes"),
            Value::Number(read) => format!("`{text}` is the number {read} for {who}"),
            Value::String(read) if read == text => {
                format!(
                    "`{text}` is a text for {who}, and no number; write it in quotes if that is meant"
                )
            }
            Value::String(read) => format!("`{text}` is the text \"{read}\" for {who}"),
            _ => format!("`{text}` is nothing (null) for {who}"),
        };
        let reserved =
            format!("is another thing for {who} than it looks like; a text needs quotes");
        self.surprise(Note {
            reserved: Some(reserved),
            ..note(&node.span, key, problem)
        });
    }

    fn surprise(&mut self, note: Note) {
        if self.surprises.len() < MAX_NOTES {
            self.surprises.push(note);
        }
    }

    fn refuse(&mut self, span: &Range<usize>, key: &str, problem: String) {
        if self.refusals.len() >= MAX_NOTES {
            return;
        }
        self.refusals.push(note(span, key, problem));
    }
}

const TOO_MUCH: &str = "holds more than 500000 values";

pub(super) fn note(span: &Range<usize>, key: &str, problem: String) -> Note {
    Note {
        span: span.clone(),
        key: key.to_owned(),
        problem,
        reserved: None,
    }
}

fn is_plain(node: &Node) -> bool {
    matches!(
        &node.kind,
        Kind::Scalar {
            style: ScalarStyle::Plain,
            ..
        }
    )
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::too_many_lines,
    reason = "tests count, and put together what they test"
)]
mod tests;
