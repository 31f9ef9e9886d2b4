//! The core's own tables of refusals, once more: each is found in a file, at the line and column of
//! the key that it names, in the very words of the filter, and without a secret.

use std::collections::BTreeMap;

use portvakt_core::config::{self, ConfigErrors, Configured, Vm};
use serde_json::Value;

use super::finding::Severity;
use crate::source::find;
use crate::source::{Position, Source};

#[path = "../../../core/src/config/tests/introspection.rs"]
mod introspection;
#[path = "../../../core/src/config/tests/misread/mod.rs"]
mod misread;
#[path = "../../../core/src/config/tests/providers.rs"]
mod providers;
#[path = "../../../core/src/config/tests/rules.rs"]
mod rules;
#[path = "../../../core/src/config/tests/sections.rs"]
mod sections;

const INTROSPECTION: &str = r#""introspection":{"cluster":"texas"}"#;

const VM: Vm<fn(&str) -> Option<String>> = Vm { env, has_id: true };

#[allow(clippy::unnecessary_wraps, reason = "the type of all environments")]
fn env(name: &str) -> Option<String> {
    match name {
        "NAIS_TOKEN_INTROSPECTION_ENDPOINT" => Some("http://127.0.0.1:7164/i".to_owned()),
        _ => Some("something".to_owned()),
    }
}

fn check(json: &str, _: Result<(), &str>) {
    let _ = parse(json.as_bytes(), &VM);
}

/// What the core says, as in its own tests; and what is said of the same in a file.
fn parse<E>(bytes: &[u8], vm: &Vm<E>) -> Result<Configured, ConfigErrors>
where
    E: Fn(&str) -> Option<String>,
{
    let json = str::from_utf8(bytes).unwrap();
    as_json(json);
    if let Ok(Value::Object(members)) = serde_json::from_str(json) {
        as_yaml(&Value::Object(members));
    }
    config::parse(bytes, vm)
}

fn as_json(json: &str) {
    let source = Source {
        name: "x.json".to_owned(),
        text: json.to_owned(),
    };
    match config::parse(json.as_bytes(), &VM) {
        Ok(_) => assert_eq!(errors(&source), [], "{json}"),
        Err(expected) => {
            let found = errors(&source);
            let lines: Vec<_> = found.iter().map(|(line, _)| line.clone()).collect();
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(lines, expected, "{json}");
        }
    }
}

fn as_yaml(value: &Value) {
    let mut yaml = Yaml::default();
    yaml.write(value, "", 0);
    let source = Source {
        name: "x.yaml".to_owned(),
        text: yaml.text.clone(),
    };
    let found = find::find(&source);
    let configuration = &found.configurations[0];
    let bytes = &configuration.bytes;
    let found = errors(&source);
    if !configuration.refusals.is_empty() {
        // Envoy takes no such YAML.
        assert!(found.len() >= configuration.refusals.len(), "{}", yaml.text);
        return;
    }
    match config::parse(bytes, &VM) {
        Ok(_) => assert_eq!(found, [], "{}", yaml.text),
        Err(expected) => {
            let lines: Vec<_> = found.iter().map(|(line, _)| line.clone()).collect();
            let all: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(lines, all, "{}", yaml.text);
            for (error, (_, position)) in expected.iter().zip(&found) {
                let places = yaml.places_of(error.key());
                assert!(
                    places.contains(position),
                    "{}\n{error}\n  is at {position:?}, not one of {places:?}",
                    yaml.text
                );
            }
        }
    }
}

/// The lines of errors, and where they are. What is shown has no secret in it.
fn errors(source: &Source) -> Vec<(String, Position)> {
    let checked = super::check(source);
    for finding in &checked.findings {
        let shown = super::render::render(source, finding, &checked.secrets);
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains(&source.name), "{shown}");
    }
    let errors = checked
        .findings
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors
        .map(|found| (found.line.clone(), source.position(found.span.start)))
        .collect()
}

/// A writer of YAML that knows where it has put what.
#[derive(Default)]
struct Yaml {
    text: String,
    line: usize,
    /// For each key path where its name stands, and where its value does.
    places: BTreeMap<String, Vec<Position>>,
}

impl Yaml {
    fn here(&self) -> Position {
        let start = self.text.rfind('\n').map_or(0, |at| at + 1);
        let column = self.text[start..].chars().count() + 1;
        Position {
            line: self.line + 1,
            column,
        }
    }

    fn place(&mut self, path: &str) {
        let here = self.here();
        self.places.entry(path.to_owned()).or_default().push(here);
    }

    fn end_line(&mut self) {
        self.text.push('\n');
        self.line += 1;
    }

    fn write(&mut self, value: &Value, path: &str, indent: usize) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                if !path.is_empty() {
                    self.end_line();
                }
                for (index, (name, member)) in members.iter().enumerate() {
                    self.text.push_str(&" ".repeat(indent));
                    if index == 0 {
                        self.place(path);
                    }
                    let path = format!("{path}.{name}").trim_start_matches('.').to_owned();
                    self.place(&path);
                    self.text.push_str(&Value::from(name.as_str()).to_string());
                    self.text.push_str(": ");
                    self.write(member, &path, indent + 2);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                self.end_line();
                for (index, item) in items.iter().enumerate() {
                    self.text.push_str(&" ".repeat(indent));
                    if index == 0 {
                        self.place(path);
                    }
                    self.text.push_str("- ");
                    let path = format!("{path}[{index}]");
                    self.place(&path);
                    self.write(item, &path, indent + 2);
                }
            }
            other => {
                self.place(path);
                self.text.push_str(&other.to_string());
                self.end_line();
            }
        }
    }

    /// Of the longest path that leads towards a key.
    fn places_of(&self, key: &str) -> Vec<Position> {
        let leads = |path: &&String| {
            let rest = key.strip_prefix(path.as_str());
            rest.is_some_and(|rest| {
                path.is_empty() || rest.is_empty() || rest.starts_with(['.', '['])
            })
        };
        let longest = self
            .places
            .keys()
            .filter(leads)
            .max_by_key(|path| path.len());
        longest
            .map(|path| self.places[path].clone())
            .unwrap_or_default()
    }
}
