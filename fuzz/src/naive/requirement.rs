//! Requirements, as docs/configuration.md and docs/claims.md have them, on what a policy says
//! literally.

use super::answer::{Facts, millis};
use super::json::{Json, Text};

/// What is not met, in the order in which it is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmet {
    Scope,
    Other,
    Authentication,
}

/// A token, and what is known of it. Times are in milliseconds.
pub struct Known<'a> {
    pub facts: &'a Facts,
    /// The claims that `facts` has, by their paths.
    pub paths: &'a [String],
    pub now: u64,
}

/// The claims that a requirement is about, by their paths; `None`: it is not written plainly.
pub fn paths(require: &Json) -> Option<Vec<String>> {
    let Json::Object(members) = require else {
        return None;
    };
    let mut paths = Vec::new();
    for member in members {
        match member.name.get()?.as_str() {
            "audiences" => paths.push("aud".to_owned()),
            "acr_values" => paths.push("acr".to_owned()),
            "max_age" => {
                seconds(&member.value)?;
                paths.push("auth_time".to_owned());
            }
            "claims" => {
                for claim in items(&member.value) {
                    paths.push(claim.members("claim").first()?.text()?);
                }
            }
            "all_of" | "any_of" | "none_of" => {
                for nested in items(&member.value) {
                    paths.extend(self::paths(nested)?);
                }
            }
            _ => {}
        }
    }
    Some(paths)
}

/// Whether a token meets a requirement.
pub fn check(require: &Json, token: &Known<'_>) -> Result<(), Unmet> {
    let Json::Object(members) = require else {
        unreachable!();
    };
    let mut unmet: Vec<Unmet> = Vec::new();
    for member in members {
        let value = &member.value;
        let found = match member.name.get().unwrap_or_default().as_str() {
            "scopes" => holds(
                texts(value).iter().all(|scope| token.has_scope(scope)),
                Unmet::Scope,
            ),
            "any_scopes" => holds(
                texts(value).iter().any(|scope| token.has_scope(scope)),
                Unmet::Scope,
            ),
            "audiences" => {
                let audiences = match token.claim("aud") {
                    Some(Json::Array(items)) => items.clone(),
                    Some(aud) => vec![aud.clone()],
                    None => Vec::new(),
                };
                let is_ours =
                    |aud: &Json| aud.text().is_some_and(|aud| texts(value).contains(&aud));
                holds(audiences.iter().any(is_ours), Unmet::Other)
            }
            "acr_values" => {
                let class = token.claim("acr").and_then(Json::text);
                let is_one = class.is_some_and(|class| texts(value).contains(&class));
                holds(is_one, Unmet::Authentication)
            }
            "max_age" => {
                let age = seconds(value).unwrap_or(0) * 1000;
                let is_recent = match token.claim("auth_time") {
                    Some(Json::Number(digits)) => {
                        let at = millis(digits);
                        at <= token.now + 60_000 && token.now.saturating_sub(at) <= age
                    }
                    _ => false,
                };
                holds(is_recent, Unmet::Authentication)
            }
            "claims" => {
                for claim in items(value) {
                    unmet.extend(holds(token.passes(claim), Unmet::Other).err());
                }
                Ok(())
            }
            "all_of" => {
                unmet.extend(
                    items(value)
                        .iter()
                        .filter_map(|one| check(one, token).err()),
                );
                Ok(())
            }
            "any_of" => {
                let found: Vec<_> = items(value).iter().map(|one| check(one, token)).collect();
                if found.contains(&Ok(())) {
                    Ok(())
                } else {
                    // The one that is easiest to meet.
                    let order = [Unmet::Authentication, Unmet::Scope, Unmet::Other];
                    Err(*order
                        .iter()
                        .find(|kind| found.contains(&Err(**kind)))
                        .unwrap())
                }
            }
            "none_of" => {
                let is_met = |one: &Json| check(one, token).is_ok();
                holds(!items(value).iter().any(is_met), Unmet::Other)
            }
            other => unreachable!("{other}"),
        };
        unmet.extend(found.err());
    }
    match unmet.into_iter().min() {
        None => Ok(()),
        Some(unmet) => Err(unmet),
    }
}

fn holds(is_so: bool, unmet: Unmet) -> Result<(), Unmet> {
    if is_so { Ok(()) } else { Err(unmet) }
}

fn items(value: &Json) -> &[Json] {
    match value {
        Json::Array(items) => items,
        _ => &[],
    }
}

fn texts(value: &Json) -> Vec<String> {
    items(value).iter().filter_map(Json::text).collect()
}

/// `5m`, `30s`, `2h`: other durations are not read here.
fn seconds(value: &Json) -> Option<u64> {
    let text = value.text()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=6).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit());
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    is_number.then(|| digits.parse::<u64>().map(|number| number * factor).ok())?
}

impl Known<'_> {
    fn claim(&self, path: &str) -> Option<&Json> {
        let position = self.paths.iter().position(|known| known == path)?;
        self.facts.claims[position].as_ref()
    }

    fn has_scope(&self, scope: &str) -> bool {
        self.facts
            .scopes
            .iter()
            .any(|granted| match scope.strip_suffix('*') {
                Some(beginning) => granted.starts_with(beginning),
                None => granted == scope,
            })
    }

    fn passes(&self, test: &Json) -> bool {
        let path = test.members("claim")[0].text().unwrap();
        let Some(claim) = self.claim(&path) else {
            return false;
        };
        if let [value] = test.members("equals")[..] {
            return equal(claim, value);
        }
        if let [values] = test.members("one_of")[..] {
            return items(values).iter().any(|value| equal(claim, value));
        }
        if let [value] = test.members("contains")[..] {
            return contains(claim, value);
        }
        test.members("exists") == [&Json::Bool(true)]
    }
}

fn contains(claim: &Json, wanted: &Json) -> bool {
    match claim {
        Json::Object(_) => includes(claim, wanted),
        Json::Array(_) if matches!(wanted, Json::Array(_)) => includes(claim, wanted),
        Json::Array(items) => items.iter().any(|item| includes(item, wanted)),
        alone => contains(&Json::Array(vec![alone.clone()]), wanted),
    }
}

fn includes(outer: &Json, inner: &Json) -> bool {
    match (outer, inner) {
        (Json::Object(members), Json::Object(wanted)) => wanted.iter().all(|wanted| {
            let named = members.iter().find(|member| member.name == wanted.name);
            named.is_some_and(|member| includes(&member.value, &wanted.value))
        }),
        (Json::Array(items), Json::Array(wanted)) => wanted
            .iter()
            .all(|wanted| items.iter().any(|item| includes(item, wanted))),
        _ => equal(outer, inner),
    }
}

fn equal(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            worth(one).is_some_and(|one| worth(other) == Some(one))
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let names = |name: &Text| other.iter().find(|member| member.name == *name);
            one.len() == other.len()
                && one.iter().all(|member| {
                    names(&member.name).is_some_and(|other| equal(&member.value, &other.value))
                })
        }
        (one, other) => one == other,
    }
}

/// What a number is worth, as a text; `None`: it is equal to none.
fn worth(digits: &str) -> Option<String> {
    if !digits.contains(['.', 'e', 'E']) && digits != "-0" {
        let is_64_bits = digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok();
        return is_64_bits.then(|| digits.to_owned());
    }
    let float: f64 = digits.parse().ok()?;
    let exact = 9_007_199_254_740_992.0;
    let is_exact = float.abs() < exact || (float.abs() == exact && float.trunc() == float);
    // Of zero there is one.
    is_exact.then(|| {
        if float == 0.0 {
            "0".to_owned()
        } else {
            float.to_string()
        }
    })
}
