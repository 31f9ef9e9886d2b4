//! What an active answer becomes: facts, and the payload that is forwarded.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::token::scope::Scope;

#[test]
fn scopes_become_facts() {
    let body = r#"{"active":true,"scope":"a b","exp":1.5}"#;
    let answer = texas().parse(answer(200, body)).answer.unwrap();
    let Introspection::Active(facts) = &answer else {
        panic!("not active");
    };
    let granted = |scope: &str| {
        facts
            .scopes
            .contains(&Scope::parse(scope.to_owned()).unwrap())
    };
    assert!(granted("a") && granted("b") && !granted("c"));
    assert_eq!(facts.expires_at, Some(Time::from_millis(1500)));
}

fn facts(reader: &ResponseReader, body: &str) -> Rc<TokenFacts> {
    match reader.parse(answer(200, body)).answer.unwrap() {
        Introspection::Active(facts) => facts,
        Introspection::Inactive => panic!("not active"),
    }
}

#[test]
fn claims_that_are_asked_for_become_facts() {
    let (reader, ids) = wanting(&["consumer.ID", "scope", "aud"], false);
    let body = r#"{"active":true,"scope":"a","consumer":{"ID":"1"},"aud":null,"x":1,"x":2}"#;
    let facts = facts(&reader, body);
    let found: Vec<_> = ids
        .iter()
        .map(|id| facts.claims.get(*id).cloned())
        .collect();
    assert_eq!(found, [Some("1".into()), Some("a".into()), None]);
    assert_eq!(
        (facts.payload.as_ref(), facts.binding.as_ref()),
        (None, None)
    );
}

#[test]
fn bindings_become_facts() {
    for (cnf, expected) in [
        ("null", None),
        (r#"{"jkt":"x"}"#, Some(Binding::Unprovable)),
        ("{}", Some(Binding::Unprovable)),
    ] {
        let body = format!(r#"{{"active":true,"cnf":{cnf}}}"#);
        assert_eq!(facts(&texas(), &body).binding, expected, "{cnf}");
    }
}

fn payload_of(reader: &ResponseReader, body: &str) -> Option<String> {
    let payload = facts(reader, body).payload.clone()?;
    Some(String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap())
}

#[test]
fn the_payload_is_all_claims_byte_for_byte() {
    let (reader, _) = wanting(&["sub"], true);
    for (body, expected) in [
        (r#"{"active":true}"#, "{}"),
        (
            r#"{"sub":"a","active":true,"exp":1795350566}"#,
            r#"{"sub":"a","exp":1795350566}"#,
        ),
        (
            " { \"b\" : 1 ,\n\"\\u0061ctive\":true , \"a\":\t[ 1.10, 2 ]\r\n} ",
            r#"{"b":1,"a":[ 1.10, 2 ]}"#,
        ),
        (
            r#"{"active":true,"n":[18446744073709551616,1.10,1e400,-0,1E+2,0.0]}"#,
            r#"{"n":[18446744073709551616,1.10,1e400,-0,1E+2,0.0]}"#,
        ),
        (
            r#"{"active":true,"t":"\ud800\/\u00e6æ\r\n","\udfff":{"active":1,"\uD800x":"\"}"}}"#,
            r#"{"t":"\ud800\/\u00e6æ\r\n","\udfff":{"active":1,"\uD800x":"\"}"}}"#,
        ),
        (
            r#"{"active":true,"a":{"":null},"":[],"activ":{}}"#,
            r#"{"a":{"":null},"":[],"activ":{}}"#,
        ),
    ] {
        assert_eq!(
            payload_of(&reader, body).as_deref(),
            Some(expected),
            "{body}"
        );
    }
    let long = |length: usize| format!(r#"{{"active":true,"a":"{}"}}"#, "x".repeat(length));
    let longest = 12_288 - r#"{"a":""}"#.len();
    assert!(payload_of(&reader, &long(longest)).is_some());
    assert!(
        payload_of(&reader, &long(longest + 1)).is_none(),
        "no more than 16 kB"
    );
}

#[test]
fn large_facts_say_so() {
    let (reader, _) = wanting(&["a"], false);
    let many = format!(r#"{{"active":true,"a":[{}0]}}"#, "1,".repeat(5000));
    let size = |body: &str| reader.parse(answer(200, body)).answer.unwrap().size();
    assert!(size(&many) > 5000 * 16);
    assert!(size(r#"{"active":true,"a":"x"}"#) < 1000);
}

/// Members as texts, with odd numbers and escapes; each name once.
fn any_members() -> impl Strategy<Value = Vec<(String, String)>> {
    let piece = prop::sample::select(vec![
        "a",
        " ",
        "æ",
        "🫐",
        r"\ud800",
        r"\udc00",
        r"\ud83e\uded0",
        r"\u0000",
        r"\/",
        r"\\",
        r#"\""#,
        r"\n",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "active",
        r"\u0061",
    ]);
    let text = prop::collection::vec(piece, 0..6).prop_map(|all| format!("\"{}\"", all.concat()));
    let leaf = prop_oneof![
        4 => text.clone(),
        2 => "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
        1 => prop::sample::select(vec!["null", "true", "false", "{}", "[]"]).prop_map(str::to_owned),
    ];
    let value = leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|all| format!("[{}]", all.join(" ,\n"))),
            inner.prop_map(|value| format!("{{ \"\\u0061\" :{value}}}")),
        ]
    });
    // A number makes each name another.
    prop::collection::vec((text, value), 0..6).prop_map(|members| {
        let members = members.into_iter().enumerate();
        members
            .map(|(n, (name, value))| (format!("\"{n}{}", name.split_at(1).1), value))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_payload_is_what_the_endpoint_wrote(
        members in any_members(),
        at in 0..7_usize,
        space in prop::sample::select(vec!["", " ", "\r\n\t "]),
        active in prop::sample::select(vec![r#""active""#, r#""\u0061ctive""#]),
    ) {
        let written = |(name, value): &(String, String), space| format!("{name}{space}:{space}{value}");
        let expected: Vec<_> = members.iter().map(|member| written(member, "")).collect();
        let mut all = members.clone();
        all.insert(at.min(all.len()), (active.to_owned(), "true".to_owned()));
        let all: Vec<_> = all.iter().map(|member| written(member, space)).collect();
        let body = format!("{{{space}{}{space}}}", all.join(&format!("{space},{space}")));
        let (reader, _) = wanting(&[], true);
        let found = payload_of(&reader, &body);
        prop_assert_eq!(found, Some(format!("{{{}}}", expected.join(","))), "{}", body);
    }
}
