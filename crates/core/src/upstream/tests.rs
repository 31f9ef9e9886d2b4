use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::token::claims::{ClaimPath, WantedClaims};

#[test]
fn claims_that_have_a_text() {
    let longest = "x".repeat(MAX_VALUE);
    for (claim, expected) in [
        (json!("a"), "a"),
        (json!("a  b"), "a  b"),
        (json!("a,b;c=\"d\\\""), "a,b;c=\"d\\\""),
        (json!("null"), "null"),
        (json!("blåbær 🫐"), "blåbær 🫐"),
        (json!("a\u{a0}b\u{2028}c"), "a\u{a0}b\u{2028}c"),
        (json!(longest), &*longest),
        (json!(0), "0"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(1e2), "100"),
        (json!(-0.0), "0"),
        (json!(-7), "-7"),
        (json!(1.5), "1.5"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(true), "true"),
        (json!(false), "false"),
        (json!(["a"]), "a"),
        (json!(["a", "b:c", "æ"]), "a b:c æ"),
    ] {
        assert_eq!(text(&claim).as_deref(), Ok(expected), "{claim}");
    }
}

#[test]
fn claims_that_have_none() {
    for claim in [
        json!(null),
        json!({}),
        json!({ "a": "b" }),
        json!(""),
        json!(" "),
        json!(" a"),
        json!("a "),
        json!("\u{a0}a"),
        json!("a\u{3000}"),
        json!("a\r\nb: c"),
        json!("a\n"),
        json!("\ra"),
        json!("a\0b"),
        json!("a\tb"),
        json!("a\u{1b}b"),
        json!("a\u{7f}b"),
        json!("a\u{80}b"),
        json!("a\u{9f}b"),
        json!([]),
        json!([""]),
        json!(["a", ""]),
        json!(["a", "", "b"]),
        json!(["a b"]),
        json!(["a", "b\tc"]),
        json!(["a", "b\u{a0}c"]),
        json!(["a", "b\u{7f}"]),
        json!(["a", 1]),
        json!(["a", null]),
        json!(["a", ["b"]]),
    ] {
        assert_eq!(text(&claim), Err(Omission::NoText), "{claim}");
    }
}

#[test]
fn claims_that_are_too_long() {
    let half = || "x".repeat(MAX_VALUE / 2);
    // Two bytes each: as many characters as may be, but more bytes.
    let wide = "æ".repeat(MAX_VALUE / 2 + 1);
    for claim in [
        json!("x".repeat(MAX_VALUE + 1)),
        json!(wide),
        json!([half(), half()]),
    ] {
        assert_eq!(text(&claim), Err(Omission::TooLong), "{claim:.40}");
    }
}

/// Two headers, a name in the filter state, and more claims than are asked for.
fn forwarding() -> (Forwarding, WantedClaims) {
    let mut wanted = WantedClaims::default();
    let mut want = |name: &str, path| {
        let path = ClaimPath::parse(path).unwrap();
        (name.to_owned(), wanted.want(path))
    };
    let forwarding = Forwarding {
        headers: vec![want("x-one", "one"), want("x-two", "two.inner")],
        payload_header: Some("x-all".to_owned()),
        filter_state: vec![want("three", "three")],
        token_header: Some("x-token".to_owned()),
    };
    (forwarding, wanted)
}

#[test]
fn who_is_told_what() {
    let (forwarding, wanted) = forwarding();
    let managed: Vec<_> = forwarding.managed().collect();
    assert_eq!(managed, ["x-one", "x-two", "x-all"]);
    let remove = || Edit::RemoveHeader("x-token");
    let edits: Vec<_> = forwarding.edits(None).collect();
    assert_eq!(edits, [remove()], "without facts");

    let mut facts = TokenFacts::default();
    let edits: Vec<_> = forwarding.edits(Some(&facts)).collect();
    let no_payload = Edit::LeaveOut(Omission::TooLong);
    assert_eq!(edits, [remove(), no_payload], "without claims");

    let answer = json!({ "one": 1, "two": { "inner": "b" }, "three": ["c", "d"], "four": 4 });
    facts.claims = wanted.find_in(&answer);
    facts.payload = Some("e30".to_owned());
    let edits: Vec<_> = forwarding.edits(Some(&facts)).collect();
    let expected = [
        remove(),
        Edit::SetHeader("x-one", "1".into()),
        Edit::SetHeader("x-two", "b".into()),
        Edit::SetHeader("x-all", "e30".into()),
        Edit::SetFilterState("three", "c d".into()),
    ];
    assert_eq!(edits, expected);

    let answer = json!({ "one": {}, "two": { "inner": null }, "three": "x".repeat(MAX_VALUE + 1) });
    facts.claims = wanted.find_in(&answer);
    let edits: Vec<_> = forwarding.edits(Some(&facts)).collect();
    let expected = [
        remove(),
        Edit::LeaveOut(Omission::NoText),
        Edit::SetHeader("x-all", "e30".into()),
        Edit::LeaveOut(Omission::TooLong),
    ];
    assert_eq!(edits, expected, "what stays out");
}

#[test]
fn nothing_to_tell() {
    let nothing = Forwarding::default();
    let facts = TokenFacts {
        payload: Some("e30".to_owned()),
        ..TokenFacts::default()
    };
    assert_eq!(nothing.managed().count(), 0);
    assert_eq!(nothing.edits(Some(&facts)).count(), 0);
}

/// Any text; half of its characters are such as make trouble in a header.
fn any_text() -> impl Strategy<Value = String> {
    const TROUBLE: &str = "\r\n\t\0\u{1b}\u{7f}\u{85}  \":,\u{a0}\u{2028}æ🫐";
    let trouble: Vec<char> = TROUBLE.chars().collect();
    let character = prop_oneof![
        3 => prop::char::range('!', '~'),
        1 => any::<char>(),
        2 => prop::sample::select(trouble),
    ];
    let text = prop::collection::vec(character, 0..6);
    let text = text.prop_map(|characters| characters.into_iter().collect::<String>());
    let about_too_long = (MAX_VALUE - 2..MAX_VALUE + 3).prop_map(|length| "x".repeat(length));
    prop_oneof![20 => text, 1 => about_too_long]
}

fn any_claim() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => any_text().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let words = prop::collection::vec("[!-~æ]{1,3}", 0..4).prop_map(Value::from);
    let nested = leaf.prop_recursive(2, 8, 4, |inner| {
        let array = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
        let member = (any_text(), inner);
        let object = prop::collection::vec(member, 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()));
        prop_oneof![array, object]
    });
    prop_oneof![4 => any_text().prop_map(Value::from), 2 => nested, 1 => words]
}

/// Whether the text says what the claim says, no more and no less.
fn is_the_text_of(text: &str, claim: &Value) -> bool {
    match claim {
        Value::String(own) => text == own,
        Value::Bool(own) => text.parse() == Ok(*own),
        // Not parsed by serde_json, which is not exact: Rust's own parser is.
        Value::Number(own) if own.is_f64() => text.parse::<f64>().ok() == own.as_f64(),
        Value::Number(own) => {
            let whole = own.as_i64().map(i128::from);
            text.parse().ok() == whole.or(own.as_u64().map(i128::from))
        }
        Value::Array(items) => {
            let words = text.split(' ');
            words.map(Value::from).eq(items.iter().cloned())
        }
        Value::Null | Value::Object(_) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the claims are, the upstream can take what it is told for nothing else.
    #[test]
    fn what_is_told_is_the_claim_and_nothing_beside_it(
        [one, two, three] in prop::array::uniform3(any_claim())
    ) {
        let (forwarding, wanted) = forwarding();
        let answer = json!({ "one": one, "two": { "inner": two }, "three": three });
        let facts = TokenFacts {
            claims: wanted.find_in(&answer),
            payload: Some("e30".to_owned()),
            ..TokenFacts::default()
        };
        let payload = json!("e30");
        let mut told = HashSet::new();
        for edit in forwarding.edits(Some(&facts)) {
            let (name, value, claim) = match edit {
                Edit::RemoveHeader(name) => {
                    prop_assert_eq!(name, "x-token");
                    continue;
                }
                Edit::SetHeader(name @ "x-one", value) => (name, value, &one),
                Edit::SetHeader(name @ "x-two", value) => (name, value, &two),
                Edit::SetHeader(name @ "x-all", value) => (name, value, &payload),
                Edit::SetFilterState(name @ "three", value) => (name, value, &three),
                Edit::LeaveOut(_) => continue,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            prop_assert!(told.insert(name), "{} twice", name);
            prop_assert!(value.bytes().all(|b| b >= 0x20 && b != 0x7f), "{:?}", value);
            prop_assert!(!value.starts_with(' ') && !value.ends_with(' '), "{:?}", value);
            prop_assert!((1..=16 * 1024).contains(&value.len()), "{}", value.len());
            prop_assert!(is_the_text_of(&value, claim), "{:?} for {}", value, claim);
        }
    }
}
