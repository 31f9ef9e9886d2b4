//! From a JSON value to what is written in it. What has the wrong shape is told, taken out, and the
//! rest is read again: so one mistake hides no other.

use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::context::{Context, MAX_ERRORS, Refused};
use super::errors::{ConfigError, ConfigErrors};
use super::raw::RawConfig;
use crate::json::object::JsonObject;

/// What has the wrong shape.
#[derive(Debug)]
pub(super) struct Structure {
    sound: Result<(), Refused>,
    /// How many errors say so.
    errors: usize,
    removed: Vec<Removed>,
}

/// What was taken out.
#[derive(Debug)]
struct Removed {
    path: Vec<Step>,
    /// Whether nothing beside it depends on it: a name that there is not, or what was missing.
    is_alone: bool,
}

/// A step of a path, with the positions of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// What is put where something is missing, so that the rest of its object can be read.
fn stand_in(name: &str) -> Option<Value> {
    match name {
        "match" => Some(Value::Object(Map::new())),
        "cluster" => Some(Value::from("missing")),
        _ => None,
    }
}

/// Reads a value: what is written in it, without what has the wrong shape, unless nothing is left.
pub(super) fn read(mut value: Value, context: &mut Context) -> (Option<RawConfig>, Structure) {
    let mut structure = Structure {
        sound: Ok(()),
        errors: 0,
        removed: Vec::new(),
    };
    while structure.removed.len() < MAX_ERRORS {
        let error = match serde_path_to_error::deserialize(&value) {
            Ok(JsonObject(raw)) => return (Some(raw), structure),
            Err(error) => error,
        };
        let problem = error.inner().to_string();
        let is_out = if let Some((here, path)) = structure.paths(error.path().iter()) {
            structure.take_out(&mut value, &here, path, problem, context)
        } else {
            structure.tell(&error.path().to_string(), problem, context);
            false
        };
        if !is_out {
            break;
        }
    }
    (None, structure)
}

impl Structure {
    /// Tells a problem, and makes sure that it does not come again: false if that cannot be.
    fn take_out(
        &mut self,
        value: &mut Value,
        here: &[Step],
        path: Vec<Step>,
        problem: String,
        context: &mut Context,
    ) -> bool {
        let missing = problem.strip_prefix("missing field `");
        let missing = missing.and_then(|rest| rest.strip_suffix('`'));
        let missing = missing.map(str::to_owned);
        let is_unknown = problem.starts_with("unknown field `");
        let member = missing.as_ref().map(|name| {
            let name = Step::Member(name.clone());
            [path.as_slice(), &[name]].concat()
        });
        // What is missing because it was taken out was told of.
        let is_told = member
            .as_ref()
            .is_some_and(|path| self.removed.iter().any(|removed| removed.path == *path));
        if !is_told {
            self.tell(&written(&path), problem, context);
        }
        if let (Some(name), Some(member)) = (missing, member)
            && let Some(value_there) = stand_in(&name)
            && let Some(Value::Object(members)) = at(value, here)
        {
            members.insert(name, value_there);
            self.removed.push(Removed {
                path: member,
                is_alone: true,
            });
            return true;
        }
        let Some((last, parent)) = here.split_last() else {
            return false;
        };
        let is_out = match (at(value, parent), last) {
            (Some(Value::Object(members)), Step::Member(name)) => members.remove(name).is_some(),
            (Some(Value::Array(items)), Step::Item(index)) if *index < items.len() => {
                items.remove(*index);
                true
            }
            _ => false,
        };
        self.removed.push(Removed {
            path,
            is_alone: is_unknown,
        });
        is_out
    }

    fn tell(&mut self, key: &str, problem: String, context: &mut Context) {
        self.sound = context.refuse(key, problem);
        self.errors = self.errors.saturating_add(1);
    }

    /// A path in the value as it is now, and in the file.
    fn paths<'a>(
        &self,
        segments: impl Iterator<Item = &'a Segment>,
    ) -> Option<(Vec<Step>, Vec<Step>)> {
        let (mut here, mut path) = (Vec::new(), Vec::new());
        for segment in segments {
            match segment {
                Segment::Map { key } => {
                    here.push(Step::Member(key.clone()));
                    path.push(Step::Member(key.clone()));
                }
                Segment::Seq { index } => {
                    here.push(Step::Item(*index));
                    let index = self.position(&written(&path), *index);
                    path.push(Step::Item(index));
                }
                // The variant that an enum has is no step.
                Segment::Enum { .. } => {}
                Segment::Unknown => return None,
            }
        }
        (!here.is_empty()).then_some((here, path))
    }

    /// The position in the file of what is now the item at `index` of an array.
    fn position(&self, array: &str, index: usize) -> usize {
        let gone = self.removed.iter().filter_map(|removed| {
            let (last, parent) = removed.path.split_last()?;
            match last {
                Step::Item(position) if written(parent) == array => Some(*position),
                _ => None,
            }
        });
        let mut gone: Vec<_> = gone.collect();
        gone.sort_unstable();
        let mut position = index;
        for gone in gone {
            if gone <= position {
                position = position.saturating_add(1);
            }
        }
        position
    }

    /// Whether all of it could be read.
    pub(super) fn sound(&self) -> Result<(), Refused> {
        self.sound
    }

    /// What was found of some sections, if nothing was taken out of them.
    pub(super) fn unless_broken<T>(
        &self,
        sections: &[&str],
        found: Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut removed = self
            .removed
            .iter()
            .filter_map(|removed| removed.path.first());
        let is_broken = removed
            .any(|step| matches!(step, Step::Member(name) if sections.contains(&name.as_str())));
        if is_broken {
            self.sound?;
        }
        found
    }

    /// All errors: those about what was left have the positions of the file, and those that may
    /// only follow from what was taken out are not told.
    pub(super) fn told(&self, errors: Vec<ConfigError>) -> Option<ConfigErrors> {
        let all = errors.into_iter().enumerate();
        ConfigErrors::new(all.filter_map(|(index, error)| {
            if index < self.errors || self.sound.is_ok() {
                Some(error)
            } else {
                self.of_the_rest(&error)
            }
        }))
    }

    fn of_the_rest(&self, error: &ConfigError) -> Option<ConfigError> {
        let key = self.in_file(error.key());
        let follows = |removed: &Removed| {
            let path = written(&removed.path);
            let object = match removed.path.split_last() {
                Some((Step::Member(_), object)) => written(object),
                _ => path.clone(),
            };
            let is_beside = is_within(&key, &object);
            is_within(&path, &key)
                || (is_beside && removed.is_alone && error.problem().starts_with("is missing"))
                || (is_beside && !removed.is_alone && !object.is_empty())
        };
        if self.removed.iter().any(follows) {
            return None;
        }
        Some(ConfigError::new(key, error.problem()))
    }

    /// A key with the positions of the file.
    fn in_file(&self, key: &str) -> String {
        let mut found = String::with_capacity(key.len());
        let mut rest = key;
        while let Some((before, after)) = rest.split_once('[') {
            found.push_str(before);
            rest = after;
            let number = after.split_once(']');
            let number = number.and_then(|(text, rest)| Some((text.parse().ok()?, rest)));
            if let Some((index, after)) = number {
                let position = self.position(&found, index);
                push_index(&mut found, position);
                rest = after;
            } else {
                found.push('[');
            }
        }
        found.push_str(rest);
        found
    }
}

/// Whether a path is another, or leads on from it.
fn is_within(path: &str, other: &str) -> bool {
    let rest = path.strip_prefix(other);
    rest.is_some_and(|rest| other.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// As keys are written: `rules[0].match.path`.
fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Member(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                // Even of no letters it is a name.
                text.push_str(if name.is_empty() { "\"\"" } else { name });
            }
            Step::Item(index) => push_index(&mut text, *index),
        }
    }
    text
}

fn push_index(text: &mut String, index: usize) {
    text.push('[');
    text.push_str(&index.to_string());
    text.push(']');
}

fn at<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.get_mut(name),
        Step::Item(index) => value.get_mut(index),
    })
}
