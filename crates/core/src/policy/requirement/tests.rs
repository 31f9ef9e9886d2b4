use serde_json::json;

use super::UnmetKind::{Authentication as StepUp, Other, Scope as NoScope};
use super::*;
use crate::token::claims::{ClaimPath, WantedClaims};
use crate::token::scope::GrantedScopes;

const NOW: u64 = 1_795_000_000;

/// Requirements under construction, and the claims that they are about.
#[derive(Default)]
struct Build(WantedClaims);

impl Build {
    fn claim(&mut self, path: &str, test: ClaimTest) -> Requirement {
        Requirement::Claim(self.0.want(ClaimPath::parse(path).unwrap()), test)
    }

    fn class(&mut self, values: &[&str]) -> Requirement {
        let acr = self.0.want(ClaimPath::parse("acr").unwrap());
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Requirement::AcrValues { acr, values }
    }

    fn max_age(&mut self, seconds: u64) -> Requirement {
        let auth_time = self.0.want(ClaimPath::parse("auth_time").unwrap());
        let max_age = Duration::from_secs(seconds);
        Requirement::MaxAge { auth_time, max_age }
    }

    fn check(&self, requirement: Requirement, response: &Value, expected: Result<(), UnmetKind>) {
        let facts = TokenFacts {
            scopes: GrantedScopes::from_claims(response.get("scope"), None),
            claims: self.0.find_in(response),
            ..TokenFacts::default()
        };
        let described = format!("{requirement:?} {response}");
        let now = Time::from_millis(NOW * 1000);
        let requirement = RuleRequirement::new(clause(requirement));
        let found = requirement.check(&facts, now).map_err(|unmet| unmet.kind);
        assert_eq!(found, expected, "{described}");
    }
}

fn scopes(names: &[&str]) -> Requirement {
    Requirement::Scopes(parsed(names))
}

fn any_scopes(names: &[&str]) -> Requirement {
    Requirement::AnyScope(parsed(names))
}

fn parsed(names: &[&str]) -> Vec<Scope> {
    let scopes = names.iter().map(|name| Scope::parse((*name).to_owned()));
    scopes.collect::<Result<_, _>>().unwrap()
}

fn clause(requirement: Requirement) -> Clause {
    Clause {
        key: String::new(),
        requirement,
    }
}

fn clauses(requirements: Vec<Requirement>) -> Vec<Clause> {
    requirements.into_iter().map(clause).collect()
}

fn all_of(all_of: Vec<Requirement>) -> Requirement {
    Requirement::AllOf(clauses(all_of))
}

fn any_of(any_of: Vec<Requirement>) -> Requirement {
    Requirement::AnyOf(clauses(any_of))
}

fn none_of(none_of: Vec<Requirement>) -> Requirement {
    Requirement::NoneOf(clauses(none_of))
}

#[test]
fn audiences() {
    for (aud, expected) in [
        (json!("a"), Ok(())),
        (json!("b"), Ok(())),
        (json!(["x", "b"]), Ok(())),
        (json!("c"), Err(Other)),
        (json!("a b"), Err(Other)),
        (json!("A"), Err(Other)),
        (json!(["x"]), Err(Other)),
        (json!([["a"]]), Err(Other)),
        (json!([]), Err(Other)),
        (json!({ "a": "a" }), Err(Other)),
        (json!(null), Err(Other)),
    ] {
        let mut build = Build::default();
        let condition = Requirement::Audiences {
            aud: build.0.want(ClaimPath::parse("aud").unwrap()),
            values: vec!["a".to_owned(), "b".to_owned()],
        };
        build.check(condition, &json!({ "aud": aud }), expected);
    }
}

#[test]
fn what_is_unmet_is_named_by_its_key() {
    let at = |key: &str, requirement| Clause {
        key: key.to_owned(),
        requirement,
    };
    let any = Requirement::AnyOf(vec![
        at("any[0]", none_of(vec![scopes(&["b"])])),
        at("any[1]", scopes(&["a"])),
    ]);
    let requirement = Requirement::AllOf(vec![at("first", scopes(&["b"])), at("any", any)]);
    let requirement = RuleRequirement::new(at("", requirement));
    let facts = TokenFacts {
        scopes: GrantedScopes::from_claims(Some(&json!("b")), None),
        ..TokenFacts::default()
    };
    let unmet = requirement.check(&facts, Time::from_millis(0));
    assert_eq!(unmet.unwrap_err().key, "any[1]");
}

#[test]
fn scopes_are_whole_and_all_or_any() {
    for (condition, granted, expected) in [
        (scopes(&[]), "", Ok(())),
        (scopes(&["a"]), "", Err(NoScope)),
        (scopes(&["a"]), "b a", Ok(())),
        (scopes(&["a"]), "ab", Err(NoScope)),
        (scopes(&["a", "b"]), "a", Err(NoScope)),
        (scopes(&["a", "b"]), "b a c", Ok(())),
        (scopes(&["a", "n:*"]), "a n:x", Ok(())),
        (scopes(&["a", "n:*"]), "a", Err(NoScope)),
        (any_scopes(&["a", "b"]), "b", Ok(())),
        (any_scopes(&["a", "b"]), "c", Err(NoScope)),
        (any_scopes(&["a", "n:*"]), "n:x", Ok(())),
        (any_scopes(&["a", "n:*"]), "x:n:x", Err(NoScope)),
    ] {
        Build::default().check(condition, &json!({ "scope": granted }), expected);
    }
}

#[test]
fn claims_are_compared_by_type_and_value() {
    let one_of = |values: &[Value]| ClaimTest::OneOf(values.to_vec());
    for (test, claim, expected) in [
        (one_of(&[json!("x")]), json!("x"), Ok(())),
        (one_of(&[json!("x"), json!("y")]), json!("y"), Ok(())),
        (one_of(&[json!("x")]), json!("xy"), Err(Other)),
        (one_of(&[json!("x")]), json!(["x"]), Err(Other)),
        (one_of(&[json!("1")]), json!(1), Err(Other)),
        (one_of(&[json!(1)]), json!(1.0), Ok(())),
        (one_of(&[json!(true)]), json!("true"), Err(Other)),
        (one_of(&[json!(false)]), json!(null), Err(Other)),
        (one_of(&[json!(["x"])]), json!(["x"]), Ok(())),
        (ClaimTest::Contains(json!("x")), json!(["w", "x"]), Ok(())),
        (ClaimTest::Contains(json!("x")), json!(["wx"]), Err(Other)),
        (ClaimTest::Contains(json!("x")), json!("x"), Ok(())),
        (ClaimTest::Contains(json!("x")), json!("xy"), Err(Other)),
        (
            ClaimTest::Contains(json!({ "t": "x" })),
            json!([{ "t": "x", "u": 1 }]),
            Ok(()),
        ),
        (
            ClaimTest::Contains(json!({ "t": "x" })),
            json!({ "t": "x" }),
            Ok(()),
        ),
        (
            ClaimTest::Contains(json!({ "t": "x" })),
            json!(null),
            Err(Other),
        ),
        (ClaimTest::Exists, json!(""), Ok(())),
        (ClaimTest::Exists, json!(false), Ok(())),
        (ClaimTest::Exists, json!(null), Err(Other)),
    ] {
        let mut build = Build::default();
        let condition = build.claim("c.d", test);
        build.check(condition, &json!({ "c": { "d": claim } }), expected);
    }
    for test in [
        one_of(&[json!("x")]),
        ClaimTest::Contains(json!("x")),
        ClaimTest::Exists,
    ] {
        let mut build = Build::default();
        let condition = none_of(vec![build.claim("c", test)]);
        build.check(condition, &json!({}), Ok(()));
    }
}

#[test]
fn authentication() {
    for (claims, expected) in [
        (json!({ "acr": "high", "auth_time": NOW - 300 }), Ok(())),
        (
            json!({ "acr": "higher", "auth_time": 1_794_999_999.5 }),
            Ok(()),
        ),
        (json!({ "acr": "high", "auth_time": NOW + 60 }), Ok(())),
        (json!({ "acr": "high", "auth_time": NOW + 61 }), Err(StepUp)),
        (
            json!({ "acr": "high", "auth_time": NOW - 301 }),
            Err(StepUp),
        ),
        (
            json!({ "acr": "high", "auth_time": NOW.to_string() }),
            Err(StepUp),
        ),
        (json!({ "acr": "high" }), Err(StepUp)),
        (json!({ "acr": "low", "auth_time": NOW }), Err(StepUp)),
        (json!({ "acr": ["high"], "auth_time": NOW }), Err(StepUp)),
        (json!({ "auth_time": NOW }), Err(StepUp)),
    ] {
        let mut build = Build::default();
        let condition = all_of(vec![build.class(&["high", "higher"]), build.max_age(300)]);
        build.check(condition, &claims, expected);
    }
}

#[test]
fn what_is_unmet_when_several_things_are() {
    let mut build = Build::default();
    let exists = |build: &mut Build| build.claim("c", ClaimTest::Exists);
    let step_up = |build: &mut Build| build.class(&["high"]);
    let (c, d) = (exists(&mut build), exists(&mut build));
    let cases = vec![
        (all_of(vec![scopes(&["a"]), c]), Err(NoScope)),
        (all_of(vec![d, scopes(&["a"])]), Err(NoScope)),
        (
            all_of(vec![step_up(&mut build), exists(&mut build)]),
            Err(Other),
        ),
        (
            all_of(vec![step_up(&mut build), scopes(&["a"])]),
            Err(NoScope),
        ),
        (
            all_of(vec![step_up(&mut build), scopes(&["b"])]),
            Err(StepUp),
        ),
        (
            any_of(vec![scopes(&["a"]), exists(&mut build)]),
            Err(NoScope),
        ),
        (
            any_of(vec![
                exists(&mut build),
                step_up(&mut build),
                scopes(&["a"]),
            ]),
            Err(StepUp),
        ),
        (any_of(vec![exists(&mut build)]), Err(Other)),
        (any_of(vec![exists(&mut build), scopes(&["b"])]), Ok(())),
        (none_of(vec![scopes(&["b"])]), Err(Other)),
        (none_of(vec![scopes(&["a"]), scopes(&["b"])]), Err(Other)),
        (none_of(vec![scopes(&["a"]), exists(&mut build)]), Ok(())),
        (
            all_of(vec![none_of(vec![scopes(&["b"])]), scopes(&["a"])]),
            Err(NoScope),
        ),
        (
            any_of(vec![all_of(vec![
                scopes(&["b"]),
                none_of(vec![scopes(&["b"])]),
            ])]),
            Err(Other),
        ),
    ];
    for (condition, expected) in cases {
        build.check(condition, &json!({ "scope": "b" }), expected);
    }
}

#[test]
fn what_clients_are_told() {
    let mut build = Build::default();
    let requirement = all_of(vec![
        scopes(&["a", "p*"]),
        any_scopes(&["b", "a"]),
        all_of(vec![build.max_age(300), build.class(&["y", "x"])]),
        any_of(vec![
            scopes(&["c"]),
            all_of(vec![build.max_age(600), build.class(&["x"])]),
        ]),
        none_of(vec![scopes(&["d"]), build.class(&["z"])]),
        build.claim("c", ClaimTest::Exists),
    ]);
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let expected = Asks {
        scopes: texts(&["a", "b", "c"]),
        acr_values: texts(&["y", "x"]),
        max_age: Some(Duration::from_secs(300)),
    };
    assert_eq!(RuleRequirement::new(clause(requirement)).asks(), &expected);
}
