//! Claims: which of them the configuration asks for, and what a token's are.
//!
//! Of an introspection response only those claims are kept that rules, forwarding or the filter
//! itself look at. They are found once, when the response is read; from then on a claim is a
//! number.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use crate::json;

/// Names one claim: a JSON Pointer (RFC 6901) into the introspection response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    /// Begins with `/`.
    pointer: String,
    /// The member of the response that the claim is, or is in.
    member: String,
}

/// The text names no claim.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} names no claim: expected a dotted path, e.g. `consumer.ID`, or a JSON Pointer, \
     e.g. `/https:~1~1x.y~1role`"
)]
pub struct ClaimPathError(String);

/// The claims that a configuration asks for.
#[derive(Clone, Debug, Default)]
pub struct WantedClaims(Vec<ClaimPath>);

/// Names one of the wanted claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimId(usize);

/// What a token's wanted claims are, in their order. It does not print.
#[derive(Clone, Default, PartialEq)]
pub struct Claims(Vec<Option<Value>>);

impl ClaimPath {
    /// Parses a dotted path or a JSON Pointer.
    pub fn parse(text: &str) -> Result<Self, ClaimPathError> {
        let pointer = if text.starts_with('/') {
            text.to_owned()
        } else {
            let escaped = text.replace('~', "~0").replace('/', "~1");
            format!("/{}", escaped.replace('.', "/"))
        };
        let is_segment = |segment: &str| {
            let mut escapes = segment.split('~').skip(1);
            !segment.is_empty() && escapes.all(|escape| escape.starts_with(['0', '1']))
        };
        let mut segments = pointer.split('/').skip(1);
        if !segments.clone().all(is_segment) {
            return Err(ClaimPathError(text.to_owned()));
        }
        let member = unescape(segments.next().unwrap_or_default());
        Ok(Self { pointer, member })
    }
}

/// As a dotted path, where that names the same claim.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.strip_prefix('/') {
            Some(path) if !path.contains(['.', '~']) => f.write_str(&path.replace('/', ".")),
            _ => f.write_str(&self.pointer),
        }
    }
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

impl WantedClaims {
    /// Asks for a claim too.
    pub fn want(&mut self, path: ClaimPath) -> ClaimId {
        let known = self.0.iter().position(|wanted| *wanted == path);
        ClaimId(known.unwrap_or_else(|| {
            self.0.push(path);
            self.0.len().saturating_sub(1)
        }))
    }

    /// How the claim is found.
    pub fn path(&self, id: ClaimId) -> Option<&ClaimPath> {
        self.0.get(id.0)
    }

    /// Whether one of the claims is this member of the response, or is in it.
    pub fn holds(&self, member: &str) -> bool {
        self.0.iter().any(|wanted| wanted.member == member)
    }

    /// The wanted claims among the response's members. One that is `null` counts as absent.
    pub fn find_in(&self, response: &Value) -> Claims {
        let find = |path: &ClaimPath| {
            let found = response.pointer(&path.pointer)?;
            (!found.is_null()).then(|| found.clone())
        };
        Claims(self.0.iter().map(find).collect())
    }
}

impl Claims {
    /// About how much memory they take, in bytes.
    pub fn size(&self) -> usize {
        let own = self.0.len().saturating_mul(size_of::<Option<Value>>());
        let inside = self.0.iter().flatten().map(json::size);
        inside.fold(own, usize::saturating_add)
    }

    /// What the claim is; `None` if it is absent or null.
    pub fn get(&self, id: ClaimId) -> Option<&Value> {
        self.0.get(id.0)?.as_ref()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(path: &str, expected: Option<&Value>) {
        let response = json!({
            "consumer": { "ID": "0192:1", "authority": null },
            "aud": ["a", "b"],
            "https://x.y/role": "admin",
            "a~b": { "c/d": 1 },
            "nothing": null,
        });
        let mut wanted = WantedClaims::default();
        let id = wanted.want(ClaimPath::parse(path).unwrap());
        assert_eq!(wanted.find_in(&response).get(id), expected, "{path}");
    }

    #[test]
    fn claims_are_found() {
        check("consumer.ID", Some(&json!("0192:1")));
        check("/consumer/ID", Some(&json!("0192:1")));
        check(
            "consumer",
            Some(&json!({ "ID": "0192:1", "authority": null })),
        );
        check("consumer.id", None);
        check("consumer.ID.x", None);
        check("consumer.authority", None);
        check("nothing", None);
        check("nothing.at.all", None);
        check("aud", Some(&json!(["a", "b"])));
        check("/aud/1", Some(&json!("b")));
        check("/aud/2", None);
        check("/https:~1~1x.y~1role", Some(&json!("admin")));
        check("https://x.y/role", None);
        check("/a~0b/c~1d", Some(&json!(1)));
        check("a~b.c/d", Some(&json!(1)));
    }

    #[test]
    fn texts_that_name_no_claim() {
        for text in [
            "", ".", "a.", ".a", "a..b", "/", "/a/", "//a", "/a~", "/a~2b",
        ] {
            assert!(ClaimPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_claim_is_wanted_once_and_by_its_member() {
        let mut wanted = WantedClaims::default();
        let one = wanted.want(ClaimPath::parse("consumer.ID").unwrap());
        let other = wanted.want(ClaimPath::parse("/a~1b/c").unwrap());
        assert_eq!(wanted.want(ClaimPath::parse("/consumer/ID").unwrap()), one);
        assert_ne!(one, other);
        for (member, expected) in [
            ("consumer", true),
            ("a/b", true),
            ("ID", false),
            ("a", false),
        ] {
            assert_eq!(wanted.holds(member), expected, "{member}");
        }
    }

    #[test]
    fn claims_do_not_print() {
        let claims = Claims(vec![Some(json!("secret"))]);
        assert_eq!(format!("{claims:?}"), "Claims(…)");
    }
}
