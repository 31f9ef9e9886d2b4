//! What a rule can ask of a token, end to end: a configuration, a request and what the endpoint
//! says of its token go in; status and challenge come out. The parts have tests of their own; here
//! it is that the keys of the configuration, the claims of an answer and the challenge fit
//! together.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rules::{FORBIDDEN, NOW, PASS, answers, asks, challenged, lacks, worker};
use crate::worker::End;

/// The user is sent to authenticate, with these parameters.
fn authenticate(parameters: &str) -> End {
    let error = r#"error="insufficient_user_authentication""#;
    challenged(401, &format!("{error}, {parameters}"))
}

/// A rule with this requirement, for a token with these claims: when the endpoint is asked, and
/// when it is remembered what it said.
fn check(require: &Value, claims: &Value, expected: &End) {
    let mut worker = worker(&json!([{ "match": {}, "require": require }]));
    worker.endpoint = Some(answers(claims));
    for time in ["first", "second"] {
        let found = worker.request("GET /", Some("Bearer abc"));
        assert_eq!(&found, expected, "{require} {claims}, {time} time");
    }
    assert_eq!(worker.callouts(), 1, "{require} {claims}");
}

/// The same for the one test of the claim `c`.
fn check_claim(test: &Value, claims: &Value, expected: bool) {
    let mut condition = test.clone();
    let path = &mut condition["claim"];
    if path.is_null() {
        *path = json!("c");
    }
    let expected = if expected { PASS } else { FORBIDDEN };
    check(&json!({ "claims": [condition] }), claims, &expected);
}

#[test]
fn scopes() {
    let cases: Vec<(Value, Vec<(Value, End)>)> = vec![
        (
            json!({}),
            vec![
                (json!({}), PASS),
                (json!({ "scope": "a" }), PASS),
                (json!({ "scope": 7 }), PASS),
            ],
        ),
        (
            json!({ "scopes": ["a", "b"] }),
            vec![
                (json!({ "scope": "a b" }), PASS),
                (json!({ "scope": "c b  a" }), PASS),
                (json!({ "scope": ["b", "a"] }), PASS),
                (json!({ "scp": "a b" }), PASS),
                (json!({ "scp": ["a", "b"] }), PASS),
                (json!({ "scope": null, "scp": "a b" }), PASS),
                (json!({ "scope": "a", "scp": "b" }), lacks("a b")),
                (json!({ "scope": "", "scp": "a b" }), lacks("a b")),
                (json!({ "scope": ["a b"] }), lacks("a b")),
                (json!({ "scope": "b" }), lacks("a b")),
                (json!({ "scope": "ab" }), lacks("a b")),
                (json!({ "scope": "A B" }), lacks("a b")),
                (json!({ "scope": "a,b" }), lacks("a b")),
                (json!({ "scope": "a\tb" }), lacks("a b")),
                (json!({ "scope": "" }), lacks("a b")),
                (json!({ "scope": null }), lacks("a b")),
                (json!({ "scope": 7 }), lacks("a b")),
                (json!({ "scope": { "a": 1, "b": 1 } }), lacks("a b")),
                (json!({}), lacks("a b")),
            ],
        ),
        (
            json!({ "any_scopes": ["a", "b"] }),
            vec![
                (json!({ "scope": "a" }), PASS),
                (json!({ "scope": "x b" }), PASS),
                (json!({ "scope": "a b" }), PASS),
                (json!({ "scope": "c" }), lacks("a b")),
                (json!({}), lacks("a b")),
            ],
        ),
        (
            json!({ "scopes": ["a"], "any_scopes": ["b", "c"] }),
            vec![
                (json!({ "scope": "a c" }), PASS),
                (json!({ "scope": "a b c" }), PASS),
                (json!({ "scope": "a" }), lacks("a b c")),
                (json!({ "scope": "b c" }), lacks("a b c")),
            ],
        ),
        (
            json!({ "scopes": ["a", "nav:helse/*"] }),
            vec![
                (json!({ "scope": "a nav:helse/x" }), PASS),
                (json!({ "scope": "a nav:helse/" }), PASS),
                (json!({ "scope": "a nav:helse/*" }), PASS),
                (json!({ "scope": "nav:helse/x/y.z a" }), PASS),
                (json!({ "scope": "nav:helse/a" }), lacks("a")),
                (json!({ "scope": "a nav:helse" }), lacks("a")),
                (json!({ "scope": "a NAV:helse/x" }), lacks("a")),
                (json!({ "scope": "a x:nav:helse/x" }), lacks("a")),
                // What is granted is no pattern.
                (json!({ "scope": "a nav:*" }), lacks("a")),
                (json!({ "scope": "* nav:helse/x" }), lacks("a")),
            ],
        ),
        (
            json!({ "any_scopes": ["nav:*", "b"] }),
            vec![
                (json!({ "scope": "nav:x" }), PASS),
                (json!({ "scope": "b" }), PASS),
                (json!({ "scope": "nav bb" }), lacks("b")),
            ],
        ),
        (
            json!({ "scopes": ["*"] }),
            vec![
                (json!({ "scope": "x" }), PASS),
                (json!({ "scope": "" }), lacks("")),
                (json!({}), lacks("")),
            ],
        ),
        (
            // A scope that is not ASCII cannot stand in a challenge.
            json!({ "scopes": ["a", "nav:blåbær"] }),
            vec![
                (json!({ "scope": "nav:blåbær a" }), PASS),
                (json!({ "scope": "a nav:blabar" }), lacks("")),
                (json!({ "scope": "a nav:bla\u{30a}bær" }), lacks("")),
                (json!({ "scope": "nav:blåbær" }), lacks("")),
            ],
        ),
        (
            // A pattern is not in the challenge, and so does no harm there.
            json!({ "scopes": ["a", "nav:blå*"] }),
            vec![
                (json!({ "scope": "a nav:blåbær" }), PASS),
                (json!({ "scope": "a nav:bla" }), lacks("a")),
            ],
        ),
    ];
    for (require, cases) in cases {
        for (claims, expected) in cases {
            check(&require, &claims, &expected);
        }
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn claims() {
    let everything_else = [
        json!({}),
        json!({ "c": null }),
        json!({ "C": "x" }),
        json!({ "c": "" }),
        json!({ "c": "X" }),
        json!({ "c": "xy" }),
        json!({ "c": " x" }),
        json!({ "c": 1 }),
        json!({ "c": true }),
        json!({ "c": [["x"]] }),
        json!({ "c": ["xy"] }),
        json!({ "c": { "x": "x" } }),
        json!({ "d": "x" }),
        json!({ "d": { "c": "x" } }),
    ];
    for claims in &everything_else {
        check_claim(&json!({ "equals": "x" }), claims, false);
        check_claim(&json!({ "one_of": ["x"] }), claims, false);
        check_claim(&json!({ "contains": "x" }), claims, false);
        check_claim(&json!({ "contains": { "x": "y" } }), claims, false);
    }
    let cases: Vec<(Value, Vec<(Value, bool)>)> = vec![
        (
            json!({ "equals": "x" }),
            vec![(json!("x"), true), (json!(["x"]), false)],
        ),
        (
            json!({ "equals": 5 }),
            vec![
                (json!(5), true),
                (json!(5.0), true),
                (json!("5"), false),
                (json!(5.5), false),
                (json!(-5), false),
                (json!([5]), false),
            ],
        ),
        (
            json!({ "equals": 5.0 }),
            vec![(json!(5), true), (json!("5.0"), false)],
        ),
        (
            json!({ "equals": true }),
            vec![
                (json!(true), true),
                (json!(false), false),
                (json!("true"), false),
                (json!(1), false),
            ],
        ),
        (
            json!({ "equals": false }),
            vec![
                (json!(false), true),
                (json!(null), false),
                (json!(0), false),
                (json!(""), false),
            ],
        ),
        (
            json!({ "equals": "" }),
            vec![(json!(""), true), (json!(null), false)],
        ),
        (
            json!({ "equals": ["x", 1] }),
            vec![
                (json!(["x", 1.0]), true),
                (json!([1, "x"]), false),
                (json!(["x", 1, 2]), false),
                (json!(["x"]), false),
            ],
        ),
        (
            json!({ "equals": { "a": 1 } }),
            vec![
                (json!({ "a": 1 }), true),
                (json!({ "a": 1, "b": 2 }), false),
                (json!({}), false),
            ],
        ),
        (
            json!({ "one_of": ["x", 5, ["y"]] }),
            vec![
                (json!("x"), true),
                (json!(5), true),
                (json!(["y"]), true),
                (json!("y"), false),
                (json!("5"), false),
                (json!(["x"]), false),
                (json!(["x", 5, ["y"]]), false),
            ],
        ),
        (
            json!({ "contains": "x" }),
            vec![
                (json!(["x"]), true),
                (json!([1, null, "x"]), true),
                // What is no array counts as one of itself, and not of its parts.
                (json!("x"), true),
                (json!("axb"), false),
                (json!("x y"), false),
                (json!([]), false),
                (json!({ "x": true }), false),
            ],
        ),
        (
            json!({ "contains": 5 }),
            vec![
                (json!([4, 5.0]), true),
                (json!(["5"]), false),
                (json!(5), true),
                (json!("5"), false),
            ],
        ),
        (
            json!({ "contains": ["x", "y"] }),
            vec![
                (json!(["y", "z", "x"]), true),
                (json!(["x"]), false),
                (json!("x y"), false),
                (json!("x"), false),
            ],
        ),
        (
            json!({ "contains": { "a": 1, "o": { "p": "q" } } }),
            vec![
                (json!({ "a": 1, "o": { "p": "q", "r": "s" } }), true),
                (json!([{ "a": 1, "o": { "p": "q" }, "x": 0 }]), true),
                (json!({ "a": 1, "o": {} }), false),
                (json!({ "o": { "p": "q" } }), false),
                (json!({ "a": 1, "o": "p" }), false),
                (json!({ "a": 1, "p": "q" }), false),
                // What must be in one of them may not be spread over two.
                (json!([{ "a": 1 }, { "o": { "p": "q" } }]), false),
            ],
        ),
        (
            json!({ "exists": true }),
            vec![
                (json!("x"), true),
                (json!(""), true),
                (json!(false), true),
                (json!(0), true),
                (json!([]), true),
                (json!({}), true),
                (json!(null), false),
            ],
        ),
        (
            json!({ "equals": "blåbær" }),
            vec![
                (json!("blåbær"), true),
                (json!("bla\u{30a}bær"), false),
                (json!("BLÅBÆR"), false),
            ],
        ),
    ];
    for (test, cases) in cases {
        check_claim(&test, &json!({}), false);
        for (value, expected) in cases {
            check_claim(&test, &json!({ "c": value }), expected);
        }
    }
}

#[test]
fn where_a_claim_is() {
    let claims = json!({
        "consumer": { "authority": "iso6523-actorid-upis", "ID": "0192:1" },
        "consumer.ID": "0192:2",
        "https://x.y/role": "admin",
        "list": ["a", { "b": "c" }],
        "a~b": { "c/d": 1 },
        "blå": { "bær": "ja" },
        "": "empty",
    });
    for (path, value, expected) in [
        ("consumer.ID", json!("0192:1"), true),
        ("/consumer/ID", json!("0192:1"), true),
        ("consumer.ID", json!("0192:2"), false),
        ("/consumer.ID", json!("0192:2"), true),
        ("consumer.id", json!("0192:1"), false),
        ("Consumer.ID", json!("0192:1"), false),
        ("ID", json!("0192:1"), false),
        ("consumer.ID.x", json!("0192:1"), false),
        ("/https:~1~1x.y~1role", json!("admin"), true),
        ("/a~0b/c~1d", json!(1), true),
        ("list.0", json!("a"), true),
        ("/list/1/b", json!("c"), true),
        ("list.2", json!("a"), false),
        ("blå.bær", json!("ja"), true),
        ("blå.baer", json!("ja"), false),
    ] {
        let test = json!({ "claim": path, "equals": value });
        check_claim(&test, &claims, expected);
    }
}

#[test]
fn all_claims_of_a_rule_must_hold() {
    let require = json!({
        "scopes": ["a"],
        "claims": [
            { "claim": "c", "equals": "x" },
            { "claim": "aud", "contains": "https://api/" },
            { "claim": "c", "one_of": ["x", "y"] }
        ]
    });
    let aud = ["https://api/"];
    for (claims, expected) in [
        (json!({ "scope": "a", "c": "x", "aud": aud }), PASS),
        (json!({ "scope": "a", "c": "y", "aud": aud }), FORBIDDEN),
        (json!({ "scope": "a", "c": "x", "aud": aud[0] }), PASS),
        (
            json!({ "scope": "a", "c": "x", "aud": "https://api" }),
            FORBIDDEN,
        ),
        (json!({ "scope": "a", "c": "x" }), FORBIDDEN),
        (json!({ "scope": "a", "aud": aud }), FORBIDDEN),
        (json!({ "scope": "b", "c": "x", "aud": aud }), lacks("a")),
    ] {
        check(&require, &claims, &expected);
    }
}

#[test]
fn authorization_details_by_type() {
    let test = json!({
        "claim": "authorization_details",
        "contains": {
            "type": "urn:altinn:systemuser",
            "systemuser_org": { "ID": "0192:991825827" }
        }
    });
    let organisation = |id: &str| json!({ "authority": "iso6523-actorid-upis", "ID": id });
    let detail = |kind: &str, id: &str| {
        json!({
            "type": kind,
            "systemuser_id": ["b8d4d4d9"],
            "systemuser_org": organisation(id),
            "system_id": "1_x"
        })
    };
    let (kind, id) = ("urn:altinn:systemuser", "0192:991825827");
    for (details, expected) in [
        (json!([detail(kind, id)]), true),
        (json!([detail("other", "1"), detail(kind, id)]), true),
        (json!(detail(kind, id)), true),
        (json!([detail("other", id)]), false),
        (json!([detail(kind, "0192:1")]), false),
        (json!([detail(kind, "991825827")]), false),
        // Two that are each half of it are not one that is all of it.
        (json!([detail(kind, "0192:1"), detail("other", id)]), false),
        (json!([{ "type": kind, "systemuser_org": id }]), false),
        (json!([{ "type": kind }]), false),
        (json!([[detail(kind, id)]]), false),
        (json!([detail(kind, id).to_string()]), false),
        (json!(kind), false),
        (json!([]), false),
        (json!(null), false),
    ] {
        let claims = json!({ "authorization_details": details });
        check_claim(&test, &claims, expected);
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn nesting() {
    let is = |claim: &str, value: Value| json!({ "claims": [{ "claim": claim, "equals": value }] });
    let cases: Vec<(Value, Vec<(Value, End)>)> = vec![
        (
            json!({ "all_of": [is("c", json!("x")), is("d", json!(1))] }),
            vec![
                (json!({ "c": "x", "d": 1 }), PASS),
                (json!({ "c": "x" }), FORBIDDEN),
                (json!({ "d": 1 }), FORBIDDEN),
                (json!({ "c": "x", "d": "1" }), FORBIDDEN),
            ],
        ),
        (
            json!({ "any_of": [is("c", json!("x")), is("d", json!(1))] }),
            vec![
                (json!({ "c": "x" }), PASS),
                (json!({ "d": 1 }), PASS),
                (json!({ "c": "y", "d": 1 }), PASS),
                (json!({ "c": "y", "d": null }), FORBIDDEN),
                (json!({}), FORBIDDEN),
            ],
        ),
        (
            // What is absent, null or of another type is none of it.
            json!({ "none_of": [is("c", json!("x")), is("d", json!(1))] }),
            vec![
                (json!({}), PASS),
                (json!({ "c": null }), PASS),
                (json!({ "c": "y", "d": 2 }), PASS),
                (json!({ "c": ["x"], "d": "1" }), PASS),
                (json!({ "c": "x" }), FORBIDDEN),
                (json!({ "d": 1.0 }), FORBIDDEN),
                (json!({ "c": "x", "d": 1 }), FORBIDDEN),
            ],
        ),
        (
            // All that is given in one requirement must hold for it to be met.
            json!({ "none_of": [{ "scopes": ["a"], "claims": [{ "claim": "c", "exists": true }] }] }),
            vec![
                (json!({ "scope": "a" }), PASS),
                (json!({ "c": "x" }), PASS),
                (json!({ "c": null, "scope": "a" }), PASS),
                (json!({ "c": "x", "scope": "a" }), FORBIDDEN),
            ],
        ),
        (
            json!({ "none_of": [{ "scopes": ["test:*"] }] }),
            vec![
                (json!({}), PASS),
                (json!({ "scope": "a" }), PASS),
                (json!({ "scope": "a test:x" }), FORBIDDEN),
            ],
        ),
        (
            json!({ "none_of": [{ "acr_values": ["low"] }, { "max_age": "1m" }] }),
            vec![
                (json!({}), PASS),
                (json!({ "acr": "high", "auth_time": NOW - 61 }), PASS),
                (json!({ "acr": "low" }), FORBIDDEN),
                (json!({ "auth_time": NOW }), FORBIDDEN),
            ],
        ),
        (
            // Not (not x): it must be there.
            json!({ "none_of": [{ "none_of": [is("c", json!("x"))] }] }),
            vec![
                (json!({ "c": "x" }), PASS),
                (json!({ "c": "y" }), FORBIDDEN),
                (json!({}), FORBIDDEN),
            ],
        ),
        (
            json!({ "any_of": [{ "none_of": [is("c", json!("x"))] }, { "scopes": ["a"] }] }),
            vec![
                (json!({}), PASS),
                (json!({ "c": "x", "scope": "a" }), PASS),
                (json!({ "c": "x" }), lacks("a")),
            ],
        ),
        (
            json!({
                "scopes": ["a"],
                "any_of": [
                    { "all_of": [is("c", json!("x")), { "none_of": [is("d", json!(1))] }] },
                    { "any_of": [is("e", json!(true)), { "any_scopes": ["b", "admin*"] }] }
                ]
            }),
            vec![
                (json!({ "scope": "a", "c": "x" }), PASS),
                (json!({ "scope": "a", "c": "x", "d": 1, "e": true }), PASS),
                (json!({ "scope": "a b" }), PASS),
                (json!({ "scope": "a administrator" }), PASS),
                (json!({ "scope": "a", "c": "x", "d": 1 }), lacks("a b")),
                (json!({ "scope": "b", "c": "x" }), lacks("a b")),
                (json!({}), lacks("a b")),
            ],
        ),
        (
            // Next to each other all of them must hold.
            json!({
                "all_of": [is("c", json!("x"))],
                "any_of": [is("d", json!(1)), is("d", json!(2))],
                "none_of": [is("e", json!(true))]
            }),
            vec![
                (json!({ "c": "x", "d": 2 }), PASS),
                (json!({ "c": "x", "d": 2, "e": true }), FORBIDDEN),
                (json!({ "c": "x", "d": 3 }), FORBIDDEN),
                (json!({ "d": 1 }), FORBIDDEN),
            ],
        ),
    ];
    for (require, cases) in cases {
        for (claims, expected) in cases {
            check(&require, &claims, &expected);
        }
    }
}

#[test]
fn how_the_user_has_authenticated() {
    const CLASSES: &str = r#"acr_values="high higher""#;
    const AGE: &str = r#"max_age="300""#;
    let class = json!({ "acr_values": ["high", "higher"] });
    for (claims, expected) in [
        (json!({ "acr": "high" }), true),
        (json!({ "acr": "higher" }), true),
        (json!({ "acr": "low" }), false),
        (json!({ "acr": "High" }), false),
        (json!({ "acr": "high higher" }), false),
        (json!({ "acr": ["high"] }), false),
        (json!({ "acr": 4 }), false),
        (json!({ "acr": null }), false),
        (json!({}), false),
    ] {
        let end = || {
            if expected {
                PASS
            } else {
                authenticate(CLASSES)
            }
        };
        check(&class, &claims, &end());
    }
    let age = json!({ "max_age": "5m" });
    for (auth_time, expected) in [
        (json!(NOW), true),
        (json!(NOW - 300), true),
        (json!(1_794_999_999.5), true),
        (json!(NOW - 301), false),
        (json!(1_794_999_699.5), false),
        (json!(0), false),
        (json!(-1), false),
        // A clock that is a little ahead is no reason to refuse; a time that is to come is none.
        (json!(NOW + 30), true),
        (json!(NOW + 60), true),
        (json!(NOW + 61), false),
        (json!(NOW + 300), false),
        // Milliseconds are a time that is to come.
        (json!(NOW * 1000), false),
        (json!(1e300), false),
        (json!(NOW.to_string()), false),
        (json!([NOW]), false),
        (json!(true), false),
        (json!(null), false),
    ] {
        let end = || if expected { PASS } else { authenticate(AGE) };
        check(&age, &json!({ "auth_time": auth_time }), &end());
    }
    check(&age, &json!({}), &authenticate(AGE));

    // Both: whichever is missing, the challenge says all that is asked for.
    let both = json!({ "acr_values": ["high", "higher"], "max_age": "5m" });
    let challenge = || authenticate(&format!("{CLASSES}, {AGE}"));
    for (claims, expected) in [
        (json!({ "acr": "high", "auth_time": NOW }), PASS),
        (
            json!({ "acr": "high", "auth_time": NOW - 301 }),
            challenge(),
        ),
        (json!({ "acr": "low", "auth_time": NOW }), challenge()),
        (json!({}), challenge()),
    ] {
        check(&both, &claims, &expected);
    }
}

#[test]
fn an_authentication_that_grows_old_while_its_token_is_known() {
    let mut worker = worker(&json!([{ "match": {}, "require": { "max_age": "30s" } }]));
    worker.endpoint = Some(answers(&json!({ "auth_time": NOW })));
    for (seconds, expected) in [(0, PASS), (30, PASS), (1, authenticate(r#"max_age="30""#))] {
        worker.pass(Duration::from_secs(seconds));
        assert_eq!(worker.request("GET /", Some("Bearer abc")), expected);
    }
    assert_eq!(worker.callouts(), 1);
}

#[test]
fn of_several_things_that_are_unmet() {
    let claim = || json!([{ "claim": "c", "equals": "x" }]);
    let all = json!({ "scopes": ["a"], "claims": claim(), "acr_values": ["high"] });
    let nested = json!({
        "acr_values": ["high"],
        "all_of": [{ "claims": claim() }, { "all_of": [{ "scopes": ["a"] }] }]
    });
    let high = || authenticate(r#"acr_values="high""#);
    for require in [&all, &nested] {
        for (claims, expected) in [
            (json!({ "scope": "a", "c": "x", "acr": "high" }), PASS),
            // Whoever lacks a scope can get one.
            (json!({}), lacks("a")),
            (json!({ "acr": "high" }), lacks("a")),
            (json!({ "c": "x" }), lacks("a")),
            // Nobody is sent to authenticate for what would be refused then.
            (json!({ "scope": "a" }), FORBIDDEN),
            (json!({ "scope": "a", "acr": "high" }), FORBIDDEN),
            (json!({ "scope": "a", "c": "x" }), high()),
        ] {
            check(require, &claims, &expected);
        }
    }
    // Of alternatives the one counts that is easiest to meet.
    let alternatives = json!({
        "any_of": [
            { "scopes": ["a"] },
            { "claims": claim() },
            { "scopes": ["b"], "acr_values": ["high"] }
        ]
    });
    for (claims, expected) in [
        (json!({ "c": "x" }), PASS),
        (json!({ "scope": "b", "acr": "high" }), PASS),
        (json!({ "scope": "b" }), high()),
        (json!({ "acr": "high" }), lacks("a b")),
        (json!({}), lacks("a b")),
    ] {
        check(&alternatives, &claims, &expected);
    }
    // What may not be there is nothing that a client could add.
    let none_of =
        json!({ "scopes": ["a"], "none_of": [{ "scopes": ["b"] }], "acr_values": ["high"] });
    for (claims, expected) in [
        (json!({ "scope": "a b" }), FORBIDDEN),
        (json!({ "scope": "b" }), lacks("a")),
        (json!({ "scope": "a" }), high()),
    ] {
        check(&none_of, &claims, &expected);
    }
}

#[test]
fn scopes_that_challenges_ask_for() {
    for (require, scopes) in [
        (json!({}), ""),
        (json!({ "scopes": ["b", "a"] }), "b a"),
        (json!({ "any_scopes": ["b", "a"] }), "b a"),
        (json!({ "scopes": ["a"], "any_scopes": ["b", "a"] }), "a b"),
        (json!({ "scopes": ["nav:*"] }), ""),
        (json!({ "scopes": ["nav:*", "a"] }), "a"),
        (json!({ "scopes": ["a", "blå"] }), ""),
        (json!({ "scopes": ["a", "blå*"] }), "a"),
        (json!({ "none_of": [{ "scopes": ["a"] }] }), ""),
        (
            json!({ "scopes": ["b"], "none_of": [{ "any_scopes": ["a"] }] }),
            "b",
        ),
        (
            json!({ "any_of": [{ "scopes": ["b", "a"] }, { "any_scopes": ["c", "a"] }] }),
            "b a c",
        ),
        (
            json!({ "scopes": ["d"], "all_of": [{ "any_of": [{ "scopes": ["e"] }, { "scopes": ["f*"] }] }] }),
            "d e",
        ),
        (
            json!({ "any_of": [{ "none_of": [{ "scopes": ["a"] }] }, { "scopes": ["b"] }] }),
            "b",
        ),
        (
            json!({ "claims": [{ "claim": "c", "exists": true }], "acr_values": ["high"], "max_age": "5m" }),
            "",
        ),
    ] {
        let mut worker = worker(&json!([{ "match": {}, "require": require }]));
        assert_eq!(worker.request("GET /", None), asks(scopes), "{require}");
    }
    // A user is asked for the shortest age and for any class that is named.
    check(
        &json!({
            "max_age": "10m",
            "all_of": [{ "max_age": "2m", "acr_values": ["b"] }],
            "any_of": [{ "acr_values": ["a", "b"] }, { "max_age": "5m" }],
            "none_of": [{ "max_age": "1s", "acr_values": ["c"] }]
        }),
        &json!({}),
        &authenticate(r#"acr_values="b a", max_age="120""#),
    );
}
