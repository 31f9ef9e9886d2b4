//! The schema that stands in the repository is the one that the command line makes; it accepts
//! every example, and no key in them that is mistyped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn made() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portvakt"))
        .arg("schema")
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_schema_in_the_repository_is_fresh() {
    let path = root().join("schema/portvakt.schema.json");
    let made = made();
    if fs::read_to_string(&path).unwrap_or_default() != made {
        // So that whoever has changed a key only has to look at the difference.
        fs::write(&path, made).unwrap();
        panic!("schema/portvakt.schema.json was stale, and is written anew: commit it");
    }
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&made()).unwrap();
    jsonschema::draft202012::options()
        .should_validate_formats(false)
        .build(&schema)
        .unwrap()
}

/// Every plugin configuration in the examples and documents of the repository.
fn examples() -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for folder in ["", "docs", "examples", "deploy"] {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() && path.starts_with(root().join("deploy")) {
                    folders.push(path);
                    continue;
                }
                let extension = path.extension().and_then(|extension| extension.to_str());
                for text in match extension {
                    Some("yaml" | "yml") => vec![fs::read_to_string(&path).unwrap()],
                    Some("md") => blocks(&fs::read_to_string(&path).unwrap()),
                    _ => Vec::new(),
                } {
                    for document in documents(&text) {
                        let mut configurations = Vec::new();
                        gather(&document, &mut configurations);
                        found.extend(configurations.into_iter().map(|one| (path.clone(), one)));
                    }
                }
            }
        }
    }
    found
}

fn blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .filter_map(|rest| rest.split("```").next())
        .map(str::to_owned)
        .collect()
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_default()
}

/// What asks somebody about tokens is a plugin configuration, wherever it stands.
fn gather(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            let is_one = |name| members.get(name).is_some_and(Value::is_object);
            let has_rules = ["rules", "required_scopes"]
                .iter()
                .any(|name| members.contains_key(*name));
            if has_rules && (is_one("introspection") || is_one("providers")) {
                found.push(value.clone());
            } else {
                members.values().for_each(|member| gather(member, found));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
        // A `StringValue`.
        Value::String(text) if text.trim_start().starts_with('{') => {
            if let Ok(value) = serde_json::from_str(text) {
                gather(&value, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_example_is_accepted() {
    let validator = validator();
    let examples = examples();
    assert!(examples.len() >= 6, "{}", examples.len());
    for (path, example) in examples {
        let errors: Vec<_> = validator
            .iter_errors(&example)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

/// Where keys are the user's own.
const FREE: [&str; 9] = [
    "claims",
    "contains",
    "equals",
    "filter_state",
    "headers",
    "one_of",
    "parameters",
    "protected_resource",
    "providers",
];

/// The pointers of all keys that the schema knows by name.
fn keys(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let pointer = format!("{at}/{name}");
                let parent = at.rsplit('/').next().unwrap_or_default();
                let is_free = FREE.contains(&parent);
                // Below them are their values, or what has keys again.
                if !is_free {
                    found.push(pointer.clone());
                }
                if !is_free || parent == "providers" {
                    keys(member, &pointer, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                keys(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// As fingers slip.
fn mistyped(name: &str, kind: usize, at: Index) -> String {
    let mut letters: Vec<_> = name.chars().collect();
    let length = letters.len();
    let place = at.index(length);
    let letter = letters[place];
    match kind {
        0 => drop(letters.remove(place)),
        1 => letters.insert(place, letter),
        2 => letters[place] = letter.to_ascii_uppercase(),
        3 => letters.swap(place, (place + 1) % length),
        _ => letters.insert(place, '-'),
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mistyped_key_is_accepted(
        slips in proptest::collection::vec((any::<Index>(), any::<Index>(), 0..5_usize, any::<Index>()), 1000)
    ) {
        let validator = validator();
        let examples = examples();
        for (example, key, kind, at) in slips {
            let (path, mut example) = example.get(&examples).clone();
            let mut known = Vec::new();
            keys(&example, "", &mut known);
            let pointer = key.get(&known);
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let slip = mistyped(name, kind, at);
            if slip == name {
                continue;
            }
            let parent = example.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            let value = parent.remove(name).unwrap();
            parent.insert(slip.clone(), value);
            prop_assert!(!validator.is_valid(&example), "{} {pointer} as {slip}", path.display());
        }
    }
}
