//! The reference in docs/configuration.md says of each key what the types here say of it, and every
//! configuration in the guides is valid.

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
fn the_reference_says_of_each_key_what_the_types_say() {
    let schema = schema();
    let mut expected = BTreeSet::new();
    rows(&schema, &schema, "", &[], &mut expected);
    assert!(expected.len() > 60, "{expected:#?}");

    let guide = include_str!("../../../../docs/configuration.md");
    let section = guide.split("## Reference\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let found: BTreeSet<_> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();

    let missing: Vec<_> = expected.difference(&found).map(String::as_str).collect();
    let unknown: Vec<_> = found.difference(&expected).map(String::as_str).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "the reference lacks:\n{}\n\nit has what no type has:\n{}\n",
        missing.join("\n"),
        unknown.join("\n")
    );
}

const GUIDES: [&str; 3] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../docs/configuration.md"),
    include_str!("../../../../docs/recipes.md"),
];

#[test]
fn the_guides_examples_are_valid() {
    for (guide, least) in GUIDES.into_iter().zip([2, 3, 10]) {
        let blocks = guide.split("```yaml\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split("```").next());
        let asks = |block: &&str| block.contains("introspection:") || block.contains("providers:");
        let examples: Vec<_> = blocks.filter(asks).collect();
        assert!(examples.len() >= least, "{}", examples.len());
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
}

#[test]
fn operators_find_every_reason_and_outcome() {
    let operations = include_str!("../../../../docs/operations.md");
    let reasons = operations.split("## Reasons\n").nth(1).unwrap();
    let reasons = reasons.split("\n## ").next().unwrap();
    let refusals = Reason::ALL.map(Reason::name);
    let allowed = Allowed::ALL.map(Allowed::name);
    let outcomes = Outcome::ALL.map(Outcome::name);
    for name in allowed {
        assert!(reasons.contains(&format!("`{name}`")), "{name}");
    }
    for name in outcomes {
        assert!(operations.contains(&format!("`{name}`")), "{name}");
    }
    for name in refusals {
        assert!(reasons.contains(&format!("\n| `{name}` |")), "{name}");
    }
}
