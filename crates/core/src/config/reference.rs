//! The README's configuration reference says of each key what the types here say of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Vm;
use super::schema::schema;
use crate::authorizer::Allowed;
use crate::introspection::outcome::Outcome;
use crate::reply::reason::Reason;

/// A row for each key: its path, and what its type says of it.
fn rows(schema: &Value, root: &Value, path: &str, above: &[&str], rows: &mut BTreeSet<String>) {
    if let Some(reference) = reference(schema) {
        // Requirements nest: once is enough.
        if !above.contains(&reference) {
            let above = [above, &[reference]].concat();
            let pointer = reference.trim_start_matches('#');
            self::rows(root.pointer(pointer).unwrap(), root, path, &above, rows);
        }
    }
    if let Some(items) = schema.get("items") {
        self::rows(items, root, &format!("{path}[]"), above, rows);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let path = path.trim_start_matches('.');
        let text = property["description"].as_str().unwrap();
        rows.insert(format!("| `{path}` | {} |", text.replace('\n', " ")));
        self::rows(property, root, path, above, rows);
    }
}

fn reference(schema: &Value) -> Option<&str> {
    let alternatives = schema["anyOf"].as_array().into_iter().flatten();
    let mut all = [schema].into_iter().chain(alternatives);
    all.find_map(|schema| schema["$ref"].as_str())
}

#[test]
fn the_readme_says_of_each_key_what_the_types_say() {
    let schema = schema();
    let mut expected = BTreeSet::new();
    rows(&schema, &schema, "", &[], &mut expected);
    assert!(expected.len() > 60, "{expected:#?}");

    let readme = include_str!("../../../../README.md");
    let section = readme.split("### Configuration\n").nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let found: BTreeSet<_> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();

    let missing: Vec<_> = expected.difference(&found).map(String::as_str).collect();
    let unknown: Vec<_> = found.difference(&expected).map(String::as_str).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "README lacks:\n{}\n\nREADME has what no type has:\n{}\n",
        missing.join("\n"),
        unknown.join("\n")
    );
}

#[test]
fn the_readmes_examples_are_valid() {
    let readme = include_str!("../../../../README.md");
    let examples = readme.split("```yaml\n").skip(1);
    let examples: Vec<_> = examples
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let plugin: Value = serde_saphyr::from_str(example).unwrap();
        let endpoint = |_: &str| Some("http://texas/introspect".to_owned());
        let vm = Vm {
            env: endpoint,
            has_id: true,
        };
        super::parse(plugin.to_string().as_bytes(), &vm).expect(example);
    }
}

#[test]
fn the_readme_names_every_reason_and_outcome() {
    let readme = include_str!("../../../../README.md");
    let reasons = Reason::ALL.map(Reason::name);
    let outcomes = Outcome::ALL.map(Outcome::name);
    for name in reasons
        .iter()
        .chain(&Allowed::ALL.map(Allowed::name))
        .chain(&outcomes)
    {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
