//! Which of a rule's requirements a token meets and which it does not, and why: for people.
//!
//! Whether one is met is what the check itself says. What is found is told without the values of
//! claims: whoever reads this may not be whom the token is about.

use serde::Serialize;
use serde_json::Value;

use super::requirement::{ClaimTest, Clause, Requirement};
use crate::time::Time;
use crate::token::claims::{ClaimId, WantedClaims};
use crate::token::facts::TokenFacts;
use crate::token::scope::Scope;

/// A requirement as a token meets it or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it stands in the configuration, e.g. `rules[0].require.scopes`.
    pub key: String,
    /// What is required, in words.
    pub expected: String,
    /// Whether it is met.
    pub met: bool,
    /// Why it is not met, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The requirements that it is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Finding>,
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What the endpoint said about the token.
    pub facts: &'a TokenFacts,
    /// The names of claims.
    pub claims: &'a WantedClaims,
    /// When.
    pub now: Time,
}

impl Clause {
    /// What there is to say of it.
    pub fn find(&self, asked: &Asked<'_>) -> Finding {
        let met = self.check(asked.facts, asked.now).is_ok();
        let of = |nested: &[Self]| nested.iter().map(|one| one.find(asked)).collect();
        let (expected, because, of) = match &self.requirement {
            Requirement::Scopes(scopes) => {
                let is_missing = |scope: &&Scope| !asked.facts.scopes.contains(scope);
                let missing = names(scopes.iter().filter(is_missing));
                let because = format!("not granted: {missing}");
                (
                    format!("all of these scopes: {}", names(scopes)),
                    because,
                    Vec::new(),
                )
            }
            Requirement::AnyScope(scopes) => {
                let expected = format!("one of these scopes: {}", names(scopes));
                (expected, "none of them is granted".to_owned(), Vec::new())
            }
            Requirement::Audiences { aud, values } => {
                let expected = format!("`aud` is, or holds, one of: {}", values.join(", "));
                let because = asked.found(*aud, ", with none of those");
                (expected, because, Vec::new())
            }
            Requirement::Claim(id, test) => {
                let expected = format!("`{}` {}", asked.name(*id), in_words(test));
                let because = asked.found(*id, otherwise(test));
                (expected, because, Vec::new())
            }
            Requirement::AcrValues { acr, values } => {
                let expected = format!("`acr` is one of: {}", values.join(", "));
                (expected, asked.found(*acr, ", none of those"), Vec::new())
            }
            Requirement::MaxAge { auth_time, max_age } => {
                let expected = format!("`auth_time` is at most {}s ago", max_age.as_secs());
                let because = asked.found(*auth_time, ", no time as recent as that");
                (expected, because, Vec::new())
            }
            Requirement::AllOf(all) if all.is_empty() => {
                ("an active token".to_owned(), String::new(), Vec::new())
            }
            Requirement::AllOf(all) => {
                let because = "not all of them are met".to_owned();
                ("all of".to_owned(), because, of(all))
            }
            Requirement::AnyOf(alternatives) => {
                let because = "none of them is met".to_owned();
                ("one of".to_owned(), because, of(alternatives))
            }
            Requirement::NoneOf(none) => {
                let because = "one of them is met".to_owned();
                ("none of".to_owned(), because, of(none))
            }
        };
        Finding {
            key: self.key.clone(),
            expected,
            met,
            because: (!met).then_some(because),
            of,
        }
    }
}

impl Asked<'_> {
    fn name(&self, id: ClaimId) -> String {
        self.claims
            .path(id)
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Of what kind the claim is that does not meet the requirement, and what is wrong with it.
    fn found(&self, id: ClaimId, otherwise: &str) -> String {
        let kind = match self.facts.claims.get(id) {
            None | Some(Value::Null) => return "it is absent, or null".to_owned(),
            Some(Value::Bool(_)) => "a boolean".to_owned(),
            Some(Value::Number(_)) => "a number".to_owned(),
            Some(Value::String(_)) => "a text".to_owned(),
            Some(Value::Array(items)) => format!("an array of {}", items.len()),
            Some(Value::Object(_)) => "an object".to_owned(),
        };
        format!("it is {kind}{otherwise}")
    }
}

fn names<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> String {
    let names: Vec<_> = scopes.into_iter().map(Scope::as_str).collect();
    names.join(" ")
}

fn in_words(test: &ClaimTest) -> String {
    match test {
        ClaimTest::OneOf(values) => {
            let values: Vec<_> = values.iter().map(Value::to_string).collect();
            match values.as_slice() {
                [value] => format!("is {value}"),
                values => format!("is one of: {}", values.join(", ")),
            }
        }
        ClaimTest::Contains(value) => format!("contains {value}"),
        ClaimTest::Exists => "is there".to_owned(),
    }
}

/// What it is not, if it is there.
fn otherwise(test: &ClaimTest) -> &'static str {
    match test {
        ClaimTest::OneOf(values) if values.len() == 1 => ", not that value",
        ClaimTest::OneOf(_) => ", none of those values",
        ClaimTest::Contains(_) => ", without that",
        ClaimTest::Exists => "",
    }
}
