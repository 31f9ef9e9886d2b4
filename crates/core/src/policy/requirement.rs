//! What a rule asks of a token, and whether the facts meet it.
//!
//! Requirements nest. A claim that is absent, or of another type than the one asked for, meets
//! nothing; only `none_of` is met by what is not there.
//!
//! What is checked and what clients are told are two matches over one enum: the compiler knows
//! when a new requirement is forgotten in either.

use std::time::Duration;

use serde_json::Value;

use crate::json;
use crate::time::Time;
use crate::token::claims::ClaimId;
use crate::token::facts::TokenFacts;
use crate::token::scope::Scope;

/// A user who has authenticated by a clock that is ahead of ours by less than this has done so
/// just now.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A requirement, and where it stands in the configuration.
#[derive(Debug)]
pub struct Clause {
    /// E.g. `rules[0].require.scopes`.
    pub key: String,
    /// What is required.
    pub requirement: Requirement,
}

/// What a token must have.
#[derive(Debug)]
pub enum Requirement {
    /// All of these scopes.
    Scopes(Vec<Scope>),
    /// One of these scopes.
    AnyScope(Vec<Scope>),
    /// It must be meant for one of these.
    Audiences {
        /// The claim `aud`: a text, or an array of texts (RFC 7519 section 4.1.3).
        aud: ClaimId,
        /// The audiences.
        values: Vec<String>,
    },
    /// Something must be true of a claim.
    Claim(ClaimId, ClaimTest),
    /// The user must have authenticated by one of these classes (RFC 9470).
    AcrValues {
        /// The claim `acr`.
        acr: ClaimId,
        /// The classes.
        values: Vec<String>,
    },
    /// The user must have authenticated at most so long ago (RFC 9470).
    MaxAge {
        /// The claim `auth_time`.
        auth_time: ClaimId,
        /// How long ago.
        max_age: Duration,
    },
    /// All of these. Without any: nothing but an active token.
    AllOf(Vec<Clause>),
    /// One of these.
    AnyOf(Vec<Clause>),
    /// None of these.
    NoneOf(Vec<Clause>),
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

/// A rule's requirement, and what clients are told about it.
#[derive(Debug)]
pub struct RuleRequirement {
    clause: Clause,
    asks: Asks,
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

/// What the facts do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet<'a> {
    /// What kind of thing it is.
    pub kind: UnmetKind,
    /// Where it stands in the configuration.
    pub key: &'a str,
}

/// What kind of thing is not met; of several, the first here is spoken of. Whoever lacks a scope is
/// told so, and a user is not sent to authenticate for what would be refused then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnmetKind {
    /// A scope is missing.
    Scope,
    /// Something that the client can do nothing about.
    Other,
    /// Everything is met, but the user must authenticate otherwise, or anew.
    Authentication,
}

impl RuleRequirement {
    /// A rule's requirement.
    pub fn new(clause: Clause) -> Self {
        let mut asks = Asks::default();
        clause.requirement.ask(&mut asks);
        Self { clause, asks }
    }

    /// Whether the facts meet it.
    pub fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet<'_>> {
        self.clause.check(facts, now)
    }

    /// The requirement itself.
    pub fn clause(&self) -> &Clause {
        &self.clause
    }

    /// What clients are told about it.
    pub fn asks(&self) -> &Asks {
        &self.asks
    }
}

impl Clause {
    pub(super) fn check(&self, facts: &TokenFacts, now: Time) -> Result<(), Unmet<'_>> {
        let is_granted = |scope| facts.scopes.contains(scope);
        let claim = |id: &ClaimId| facts.claims.get(*id);
        let met = |holds: bool, kind| {
            let key = self.key.as_str();
            if holds {
                Ok(())
            } else {
                Err(Unmet { kind, key })
            }
        };
        match &self.requirement {
            Requirement::Scopes(scopes) => met(scopes.iter().all(is_granted), UnmetKind::Scope),
            Requirement::AnyScope(scopes) => met(scopes.iter().any(is_granted), UnmetKind::Scope),
            Requirement::Audiences { aud, values } => {
                let is_meant = claim(aud).is_some_and(|aud| is_for_one_of(aud, values));
                met(is_meant, UnmetKind::Other)
            }
            Requirement::Claim(id, test) => {
                let holds = claim(id).is_some_and(|claim| test.holds(claim));
                met(holds, UnmetKind::Other)
            }
            Requirement::AcrValues { acr, values } => {
                let class = claim(acr).and_then(Value::as_str);
                let is_one = class.is_some_and(|class| values.iter().any(|value| value == class));
                met(is_one, UnmetKind::Authentication)
            }
            Requirement::MaxAge { auth_time, max_age } => {
                let is_recent = claim(auth_time).is_some_and(|at| is_recent(at, *max_age, now));
                met(is_recent, UnmetKind::Authentication)
            }
            Requirement::AllOf(all) => {
                let unmet = all.iter().filter_map(|one| one.check(facts, now).err());
                unmet.min_by_key(|unmet| unmet.kind).map_or(Ok(()), Err)
            }
            Requirement::AnyOf(alternatives) => {
                easiest(alternatives, facts, now).unwrap_or_else(|| met(false, UnmetKind::Other))
            }
            Requirement::NoneOf(none) => {
                let is_met = |one: &Self| one.check(facts, now).is_ok();
                met(!none.iter().any(is_met), UnmetKind::Other)
            }
        }
    }
}

impl Requirement {
    fn ask(&self, asks: &mut Asks) {
        match self {
            Self::Scopes(scopes) | Self::AnyScope(scopes) => {
                for scope in scopes.iter().filter_map(Scope::token) {
                    add_once(&mut asks.scopes, scope);
                }
            }
            Self::AcrValues { values, .. } => {
                for value in values {
                    add_once(&mut asks.acr_values, value);
                }
            }
            Self::MaxAge { max_age, .. } => {
                asks.max_age = Some(asks.max_age.map_or(*max_age, |age| age.min(*max_age)));
            }
            Self::AllOf(nested) | Self::AnyOf(nested) => {
                for one in nested {
                    one.requirement.ask(asks);
                }
            }
            // There is nothing that a client could do about these.
            Self::Audiences { .. } | Self::Claim(..) | Self::NoneOf(_) => {}
        }
    }
}

/// What is unmet of the alternative that is easiest to meet, if one of them is not met already.
/// `None`: there are no alternatives.
fn easiest<'a>(
    alternatives: &'a [Clause],
    facts: &TokenFacts,
    now: Time,
) -> Option<Result<(), Unmet<'a>>> {
    let difficulty = |unmet: &Unmet<'_>| match unmet.kind {
        UnmetKind::Authentication => 0,
        UnmetKind::Scope => 1,
        UnmetKind::Other => 2,
    };
    let mut easiest: Option<Unmet<'_>> = None;
    for alternative in alternatives {
        let Err(unmet) = alternative.check(facts, now) else {
            return Some(Ok(()));
        };
        if easiest.is_none_or(|known| difficulty(&unmet) < difficulty(&known)) {
            easiest = Some(unmet);
        }
    }
    easiest.map(Err)
}

/// `aud` is one of the values, or has one of them as a member.
fn is_for_one_of(aud: &Value, values: &[String]) -> bool {
    let is_one = |aud: &Value| {
        let aud = aud.as_str();
        aud.is_some_and(|aud| values.iter().any(|value| value == aud))
    };
    match aud {
        Value::Array(members) => members.iter().any(is_one),
        aud => is_one(aud),
    }
}

fn is_recent(auth_time: &Value, max_age: Duration, now: Time) -> bool {
    let Value::Number(at) = auth_time else {
        return false;
    };
    let at = Time::from_numeric_date(at);
    at <= now.after(CLOCK_SKEW) && now.since(at) <= max_age
}

fn add_once(texts: &mut Vec<String>, text: &str) {
    if !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

impl ClaimTest {
    fn holds(&self, claim: &Value) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|value| json::equal(claim, value)),
            Self::Contains(value) => json::contains(claim, value),
            Self::Exists => true,
        }
    }
}

#[cfg(test)]
mod tests {
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

        fn check(
            &self,
            requirement: Requirement,
            response: &Value,
            expected: Result<(), UnmetKind>,
        ) {
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
}
