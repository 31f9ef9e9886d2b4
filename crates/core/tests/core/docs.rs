//! What docs/claims.md says of each requirement and each JSON type.

use serde_json::{Value, json};

use crate::rules::{answers, worker};
use crate::worker::End;

const DOCS: &str = include_str!("../../../../docs/claims.md");

/// The rows of the table under that heading, the first one among them, each as its cells.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let section = DOCS.split(heading).nth(1).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|'));
    let rows = rows.filter(|row| !row.starts_with("|---"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The values that a cell of the first row names; `None`: the claim is absent.
fn values(cell: &str) -> Vec<Option<Value>> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let values = quoted.map(|text| Some(serde_json::from_str(text).unwrap()));
    let absent = cell.starts_with("absent").then_some(None);
    values.chain(absent).collect()
}

/// A requirement and a claim; whether it is met, and in `none_of`.
fn check(require: &Value, claim: &str, value: Option<&Value>, expected: bool) {
    let mut claims = json!({});
    if let Some(value) = value {
        claims[claim] = value.clone();
    }
    let negated = json!({ "none_of": [require] });
    for (require, expected) in [(require, expected), (&negated, !expected)] {
        let mut worker = worker(&json!([{ "match": {}, "require": require }]));
        worker.endpoint = Some(answers(&claims));
        let found = worker.request("GET /", Some("Bearer abc"));
        let passes = matches!(found, End::Passed(_));
        assert_eq!(passes, expected, "{require} {claims}: {found:?}");
    }
}

fn check_table(
    heading: &str,
    requirement: impl Fn(&[&str]) -> (Value, String),
    labels: usize,
) -> usize {
    let mut rows = table(heading).into_iter();
    let first = rows.next().unwrap();
    let mut checked = 0;
    for row in rows {
        let (require, claim) = requirement(&row);
        for (cell, column) in row.iter().zip(&first).skip(labels) {
            let expected = match *cell {
                "met" => true,
                "–" => false,
                "if recent" => continue,
                other => panic!("{other}"),
            };
            for value in values(column) {
                check(&require, &claim, value.as_ref(), expected);
                checked += 1;
            }
        }
    }
    checked
}

/// A key and its value, as in `equals: "x"`.
fn pair(cell: &str) -> (&str, Value) {
    let (name, value) = cell.trim_matches('`').split_once(": ").unwrap();
    (name, serde_json::from_str(value).unwrap())
}

#[test]
fn tests_of_claims() {
    let requirement = |row: &[&str]| {
        let (name, value) = pair(row[0]);
        let mut test = json!({ "claim": "c" });
        test[name] = value;
        (json!({ "claims": [test] }), "c".to_owned())
    };
    assert!(check_table("## Claims\n", requirement, 1) > 120);
}

#[test]
fn requirements_with_a_claim_of_their_own() {
    let requirement = |row: &[&str]| {
        let (name, value) = pair(row[0]);
        let mut require = json!({});
        require[name] = value;
        (require, row[1].trim_matches('`').to_owned())
    };
    let heading = "## Requirements with a claim of their own\n";
    assert!(check_table(heading, requirement, 2) > 55);
}
