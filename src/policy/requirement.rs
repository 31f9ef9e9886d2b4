//! What a rule asks of a token, and whether the facts meet it.
//!
//! Requirements nest. Everything that is given in one must hold. A claim that is absent, or of
//! another type than the one asked for, meets nothing; only `none_of` is met by what is not there.

use std::time::Duration;

use serde_json::Value;

use crate::claims::ClaimId;
use crate::introspection::facts::TokenFacts;
use crate::json;
use crate::scope::Scope;
use crate::time::Time;

/// A user who has authenticated by a clock that is ahead of ours by less than this has done so
/// just now.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A rule's requirement, and what clients are told about it.
#[derive(Debug, Default)]
pub struct Requirement {
    condition: Condition,
    asks: Asks,
}

/// What must hold: all that is given. The default asks for nothing but an active token.
#[derive(Debug, Default)]
pub struct Condition {
    /// Scopes that must all have been granted.
    pub scopes: Vec<Scope>,
    /// Scopes one of which must have been granted; empty: not asked for.
    pub any_scopes: Vec<Scope>,
    /// What must be true of claims.
    pub claims: Vec<ClaimCondition>,
    /// How the user must have authenticated (RFC 9470).
    pub authentication: Vec<Authentication>,
    /// Conditions that must all hold.
    pub all_of: Vec<Condition>,
    /// Conditions one of which must hold; empty: not asked for.
    pub any_of: Vec<Condition>,
    /// Conditions none of which may hold.
    pub none_of: Vec<Condition>,
}

/// What must be true of one claim.
#[derive(Debug)]
pub struct ClaimCondition {
    /// Which claim.
    pub claim: ClaimId,
    /// What must be true of it.
    pub test: ClaimTest,
}

/// What must be true of a claim that is there.
#[derive(Debug)]
pub enum ClaimTest {
    /// It is one of these values.
    OneOf(Vec<Value>),
    /// It contains this value (JSON containment).
    Contains(Value),
    /// It is there.
    Exists,
}

/// How the user must have authenticated.
#[derive(Debug)]
pub enum Authentication {
    /// By one of these classes.
    Class {
        /// The claim `acr`.
        acr: ClaimId,
        /// The classes.
        values: Vec<String>,
    },
    /// At most so long ago.
    MaxAge {
        /// The claim `auth_time`.
        auth_time: ClaimId,
        /// How long ago.
        max_age: Duration,
    },
}

/// What clients are told that a rule asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Scopes, in their order. Beginnings of scopes are not among them: nobody can be granted one.
    pub scopes: Vec<String>,
    /// Classes of authentication, in their order.
    pub acr_values: Vec<String>,
    /// The shortest of the ages that an authentication may have.
    pub max_age: Option<Duration>,
}

/// What the facts do not meet; of several things, the first here is spoken of. Whoever lacks a
/// scope is told so, and a user is not sent to authenticate for what would be refused then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmet {
    /// A scope is missing.
    Scope,
    /// Something that the client can do nothing about.
    Other,
    /// Everything is met, but the user must authenticate otherwise, or anew.
    Authentication,
}

impl Requirement {
    /// A requirement.
    pub fn new(condition: Condition) -> Self {
        let mut asks = Asks::default();
        asks.add(&condition);
        Self { condition, asks }
    }

    /// Whether the facts meet the requirement.
    pub fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        self.condition.check(facts, now)
    }

    /// What clients are told about it.
    pub fn asks(&self) -> &Asks {
        &self.asks
    }
}

impl Asks {
    fn add(&mut self, condition: &Condition) {
        let scopes = condition.scopes.iter().chain(&condition.any_scopes);
        for scope in scopes.filter_map(Scope::token) {
            add_once(&mut self.scopes, scope);
        }
        for authentication in &condition.authentication {
            match authentication {
                Authentication::Class { values, .. } => {
                    for value in values {
                        add_once(&mut self.acr_values, value);
                    }
                }
                Authentication::MaxAge { max_age, .. } => {
                    self.max_age = Some(self.max_age.map_or(*max_age, |age| age.min(*max_age)));
                }
            }
        }
        for nested in condition.all_of.iter().chain(&condition.any_of) {
            self.add(nested);
        }
    }
}

fn add_once(texts: &mut Vec<String>, text: &str) {
    if !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

impl Condition {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
            && self.any_scopes.is_empty()
            && self.claims.is_empty()
            && self.authentication.is_empty()
            && self.all_of.is_empty()
            && self.any_of.is_empty()
            && self.none_of.is_empty()
    }

    fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        let is_granted = |scope| facts.scopes.contains(scope);
        let has_any_scope = self.any_scopes.is_empty() || self.any_scopes.iter().any(is_granted);
        if !has_any_scope || !self.scopes.iter().all(is_granted) {
            return Err(Unmet::Scope);
        }
        let claims = self.claims.iter().map(|claim| claim.check(facts));
        let all_of = self.all_of.iter().map(|nested| nested.check(facts, now));
        let none_of = self.none_of.iter().map(|nested| {
            let is_met = nested.check(facts, now).is_ok();
            if is_met { Err(Unmet::Other) } else { Ok(()) }
        });
        let authentication = self.authentication.iter().map(|one| one.check(facts, now));
        let unmet = claims
            .chain(all_of)
            .chain([self.check_any_of(facts, now)])
            .chain(none_of)
            .chain(authentication)
            .filter_map(Result::err)
            .min();
        unmet.map_or(Ok(()), Err)
    }

    /// What is unmet of the alternative that is easiest to meet.
    fn check_any_of(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        let difficulty = |unmet: &Unmet| match unmet {
            Unmet::Authentication => 0,
            Unmet::Scope => 1,
            Unmet::Other => 2,
        };
        let alternatives = || self.any_of.iter().map(|one| one.check(facts, now));
        if self.any_of.is_empty() || alternatives().any(|one| one.is_ok()) {
            return Ok(());
        }
        let unmet = alternatives()
            .filter_map(Result::err)
            .min_by_key(difficulty);
        Err(unmet.unwrap_or(Unmet::Other))
    }
}

impl ClaimCondition {
    fn check(&self, facts: &TokenFacts) -> Result<(), Unmet> {
        let holds = facts
            .claims
            .get(self.claim)
            .is_some_and(|claim| match &self.test {
                ClaimTest::OneOf(values) => values.iter().any(|value| json::equal(claim, value)),
                ClaimTest::Contains(value) => json::contains(claim, value),
                ClaimTest::Exists => true,
            });
        if holds { Ok(()) } else { Err(Unmet::Other) }
    }
}

impl Authentication {
    fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet> {
        let holds = match self {
            Self::Class { acr, values } => facts
                .claims
                .get(*acr)
                .and_then(Value::as_str)
                .is_some_and(|class| values.iter().any(|value| value == class)),
            Self::MaxAge { auth_time, max_age } => {
                matches!(facts.claims.get(*auth_time), Some(Value::Number(at)) if {
                    let at = Time::from_numeric_date(at);
                    at <= now.after(CLOCK_SKEW) && now.since(at) <= *max_age
                })
            }
        };
        if holds {
            Ok(())
        } else {
            Err(Unmet::Authentication)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Unmet::{Authentication as StepUp, Other, Scope as NoScope};
    use super::*;
    use crate::claims::{ClaimPath, WantedClaims};
    use crate::scope::GrantedScopes;

    const NOW: u64 = 1_795_000_000;

    /// Conditions under construction, and the claims that they are about.
    #[derive(Default)]
    struct Build(WantedClaims);

    impl Build {
        fn claim(&mut self, path: &str, test: ClaimTest) -> Condition {
            Condition {
                claims: vec![ClaimCondition {
                    claim: self.0.want(ClaimPath::parse(path).unwrap()),
                    test,
                }],
                ..Condition::default()
            }
        }

        fn class(&mut self, values: &[&str]) -> Condition {
            let acr = self.0.want(ClaimPath::parse("acr").unwrap());
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            Condition {
                authentication: vec![Authentication::Class { acr, values }],
                ..Condition::default()
            }
        }

        fn max_age(&mut self, seconds: u64) -> Condition {
            let auth_time = self.0.want(ClaimPath::parse("auth_time").unwrap());
            let max_age = Duration::from_secs(seconds);
            Condition {
                authentication: vec![Authentication::MaxAge { auth_time, max_age }],
                ..Condition::default()
            }
        }

        fn check(&self, condition: Condition, response: &Value, expected: Result<(), Unmet>) {
            let facts = TokenFacts {
                scopes: GrantedScopes::from_claims(response.get("scope"), None),
                claims: self.0.find_in(response),
                ..TokenFacts::default()
            };
            let described = format!("{condition:?} {response}");
            let now = Time::from_millis(NOW * 1000);
            let found = Requirement::new(condition).check(&facts, now);
            assert_eq!(found, expected, "{described}");
        }
    }

    fn scopes(names: &[&str]) -> Condition {
        Condition {
            scopes: parsed(names),
            ..Condition::default()
        }
    }

    fn any_scopes(names: &[&str]) -> Condition {
        Condition {
            any_scopes: parsed(names),
            ..Condition::default()
        }
    }

    fn parsed(names: &[&str]) -> Vec<Scope> {
        let scopes = names.iter().map(|name| Scope::parse((*name).to_owned()));
        scopes.collect::<Result<_, _>>().unwrap()
    }

    fn all_of(all_of: Vec<Condition>) -> Condition {
        Condition {
            all_of,
            ..Condition::default()
        }
    }

    fn any_of(any_of: Vec<Condition>) -> Condition {
        Condition {
            any_of,
            ..Condition::default()
        }
    }

    fn none_of(none_of: Vec<Condition>) -> Condition {
        Condition {
            none_of,
            ..Condition::default()
        }
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
            (ClaimTest::Contains(json!("x")), json!("x"), Err(Other)),
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
        let condition = Condition {
            scopes: parsed(&["a", "p*"]),
            any_scopes: parsed(&["b", "a"]),
            any_of: vec![
                scopes(&["c"]),
                all_of(vec![build.max_age(600), build.class(&["x"])]),
            ],
            none_of: vec![scopes(&["d"]), build.class(&["z"])],
            all_of: vec![build.max_age(300), build.class(&["y", "x"])],
            ..Condition::default()
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let expected = Asks {
            scopes: texts(&["a", "b", "c"]),
            acr_values: texts(&["y", "x"]),
            max_age: Some(Duration::from_secs(300)),
        };
        assert_eq!(Requirement::new(condition).asks(), &expected);
    }
}
