//! JSON as it is written: the members of an object byte for byte, and whether all read the same
//! in it.
//!
//! A text may hold what no [`serde_json::Value`] does: numbers beyond a double, and escapes of one
//! half of a surrogate pair. `serde_json`'s `raw_value` is not used for it: with that, every `Value`
//! that is read anywhere takes what stands in a member of a certain name for a text of JSON, and
//! so nests without bound.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// How many arrays and objects may stand within each other, the outermost among them: as many as
/// `serde_json` reads.
const MAX_DEPTH: usize = 127;

/// A member's name, unescaped. UTF-8, but where an escape is half of a surrogate pair.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name<'a>(Cow<'a, [u8]>);

/// A member of an object, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    pub name: Name<'a>,
    /// Its name in the text, with quotes.
    pub name_text: &'a str,
    /// Its value in the text.
    pub value_text: &'a str,
}

/// Why not all read the same in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// Some object has a member twice.
    Twice,
    /// It nests so deep that not everybody reads it.
    TooDeep,
    /// It is no JSON.
    NoJson,
}

impl Name<'_> {
    /// The name, if it is a text.
    pub fn as_text(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes: only so does serde_json take one half of a surrogate pair.
        deserializer.deserialize_bytes(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_bytes<E: Error>(self, name: &'de [u8]) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_vec())))
    }
}

/// The members of the object that `json` is, in its order. No object in it has a member twice, at
/// any depth. That it is JSON somebody else has seen to.
pub fn members(json: &str) -> Result<Vec<Member<'_>>, Ambiguity> {
    let mut members = Vec::new();
    // The names so far of each object around the place at hand; `None` for an array.
    let mut around: Vec<Option<HashSet<Name<'_>>>> = Vec::new();
    let mut member = None;
    let (mut last, mut rest) = ("", json);
    while let Some(token) = next_token(&mut rest) {
        match token {
            "{" => around.push(Some(HashSet::new())),
            "[" => around.push(None),
            ":" => {
                let name: Name<'_> = serde_json::from_str(last).map_err(|_| Ambiguity::NoJson)?;
                if around.len() == 1 {
                    member = Some((name.clone(), last, rest));
                }
                let names = around.last_mut().and_then(Option::as_mut);
                if !names.ok_or(Ambiguity::NoJson)?.insert(name) {
                    return Err(Ambiguity::Twice);
                }
            }
            "," | "}" | "]" => {
                if around.len() == 1
                    && let Some((name, name_text, value)) = member.take()
                {
                    let behind = rest.len().saturating_add(token.len());
                    let length = value.len().saturating_sub(behind);
                    let value_text = value.get(..length).unwrap_or_default();
                    members.push(Member {
                        name,
                        name_text,
                        value_text: value_text.trim_matches(is_space),
                    });
                }
                if token != "," {
                    around.pop();
                }
            }
            _ => {}
        }
        if around.len() > MAX_DEPTH {
            return Err(Ambiguity::TooDeep);
        }
        last = token;
    }
    Ok(members)
}

/// Takes the next token off: a string, a structural character, or what stands up to the next of
/// these.
fn next_token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    *rest = rest.trim_start_matches(is_space);
    let length = match rest.chars().next()? {
        '"' => string_length(rest),
        c if is_structural(c) => 1,
        _ => rest
            .find(|c| is_space(c) || is_structural(c) || c == '"')
            .unwrap_or(rest.len()),
    };
    let (token, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(token)
}

/// How long the string is that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at.saturating_add(1),
            // What is escaped is one character, or begins with one that is no quote.
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    text.len()
}

fn is_structural(c: char) -> bool {
    matches!(c, '{' | '}' | '[' | ']' | ':' | ',')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::json::Unique;

    fn check(json: &str, expected: Result<&[(&str, &str)], Ambiguity>) {
        let found = members(json);
        let found = found.as_ref().map(|members| {
            let texts =
                |member: &Member<'_>| (member.name_text.to_owned(), member.value_text.to_owned());
            members.iter().map(texts).collect::<Vec<_>>()
        });
        let expected = expected.map(|members| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            members.iter().map(owned).collect::<Vec<_>>()
        });
        assert_eq!(found.map_err(|error| *error), expected, "{json}");
    }

    #[test]
    fn members_byte_for_byte() {
        for (json, expected) in [
            ("{}", [].as_slice()),
            (" {\t} ", &[]),
            (r#"{"a":1}"#, &[(r#""a""#, "1")]),
            (
                " { \"b\" :\r\n1.10 , \"a\":\t[ 1 , {\"b\":2} ]\n} ",
                &[(r#""b""#, "1.10"), (r#""a""#, r#"[ 1 , {"b":2} ]"#)],
            ),
            (
                r#"{"a":18446744073709551616,"b":1e400,"c":-0,"d":1E+2}"#,
                &[
                    (r#""a""#, "18446744073709551616"),
                    (r#""b""#, "1e400"),
                    (r#""c""#, "-0"),
                    (r#""d""#, "1E+2"),
                ],
            ),
            (
                r#"{"\u0061":"\ud800\/\u00e6æ","\ud800":{"\ud800":1,"\udc00":2},"":true}"#,
                &[
                    (r#""\u0061""#, r#""\ud800\/\u00e6æ""#),
                    (r#""\ud800""#, r#"{"\ud800":1,"\udc00":2}"#),
                    (r#""""#, "true"),
                ],
            ),
            (
                r#"{"a,":"}\"]:{","b\\":"\\","c\"":[],"d":{}}"#,
                &[
                    (r#""a,""#, r#""}\"]:{""#),
                    (r#""b\\""#, r#""\\""#),
                    (r#""c\"""#, "[]"),
                    (r#""d""#, "{}"),
                ],
            ),
            (
                r#"{"a":{"a":{"a":1},"b":[{"a":1},{"a":1}]}}"#,
                &[(r#""a""#, r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#)],
            ),
        ] {
            check(json, Ok(expected));
        }
    }

    #[test]
    fn names() {
        for (json, expected) in [
            (r#"{"a":1}"#, Some("a")),
            (r#"{"\u0061ctive":1}"#, Some("active")),
            (r#"{"\ud83e\uDED0":1}"#, Some("🫐")),
            (r#"{"æ\/\\\n":1}"#, Some("æ/\\\n")),
            (r#"{"a\ud800":1}"#, None),
        ] {
            let members = members(json).unwrap();
            assert_eq!(members[0].name.as_text(), expected, "{json}");
        }
    }

    #[test]
    fn nothing_comes_twice() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"æ":1,"b":2,"\u00E6":1}"#,
            r#"{"\ud83e\uded0":1,"🫐":1}"#,
            r#"{"\ud800":1,"\uD800":1}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[[{"b":{"c":{},"c":[]}}]]}"#,
            r#"{"a":[{"b":"{"},{"b":"}","b":1}]}"#,
        ] {
            check(json, Err(Ambiguity::Twice));
        }
    }

    #[test]
    fn nesting_is_bounded_as_in_serde_json() {
        for open in ["[", r#"{"a":"#] {
            let close = if open == "[" { "]" } else { "}" };
            for depth in [1, 125, 126, 127, 128, 100_000] {
                let json = format!(r#"{{"a":{}1{}}}"#, open.repeat(depth), close.repeat(depth));
                let is_read = serde_json::from_str::<Unique>(&json).is_ok();
                assert_eq!(is_read, depth <= 126);
                let expected = is_read.then_some(()).ok_or(Ambiguity::TooDeep);
                assert_eq!(members(&json).map(drop), expected, "{depth}");
            }
        }
    }

    #[test]
    fn what_is_no_json_ends_too() {
        for json in [
            "",
            "\"",
            "{\"",
            "{\"\\",
            ":",
            "{:1}",
            "{1:1}",
            "[\"a\":1]",
            "}",
            "{\"a\":",
            "\u{fffd}{",
        ] {
            let _ = members(json);
        }
    }

    /// JSON with odd spaces, names and texts; names come twice now and then.
    fn any_json() -> impl Strategy<Value = String> {
        let space = || prop::sample::select(vec!["", "", "", " ", "\t\n", "\r "]);
        let name = || {
            let names = ["a", r"\u0061", "b", "æ", r"\u00e6", r#"{\""#, r"\\", ""];
            prop::sample::select(names.to_vec())
        };
        let texts = [
            "null",
            "true",
            "1",
            "-0",
            "1.10",
            "1e3",
            r#""""#,
            r#""a""#,
            r#""},\":{[\\""#,
            r#""\ud83e\uded0""#,
        ];
        let leaf = prop::sample::select(texts.to_vec()).prop_map(str::to_owned);
        let value = leaf.prop_recursive(4, 24, 4, move |inner| {
            let item = (space(), inner.clone(), space());
            let item = item.prop_map(|(before, value, after)| format!("{before}{value}{after}"));
            let member = (space(), name(), space(), item.clone());
            let member = member.prop_map(|(before, name, after, value)| {
                format!("{before}\"{name}\"{after}:{value}")
            });
            prop_oneof![
                prop::collection::vec(item, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec(member, 0..4)
                    .prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        });
        value.prop_map(|value| format!(r#"{{"first":{value},"last":0}}"#))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 1024,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// What is found is what serde_json finds, and what comes twice comes twice for both.
        #[test]
        fn serde_json_agrees(json in any_json()) {
            let expected = serde_json::from_str::<Unique>(&json).ok();
            let found = members(&json).ok();
            prop_assert_eq!(expected.is_some(), found.is_some(), "{}", json);
            if let Some((Unique(Value::Object(expected)), found)) = expected.zip(found) {
                prop_assert_eq!(found.len(), expected.len());
                for member in &found {
                    let value: Value = serde_json::from_str(member.value_text).unwrap();
                    let name = member.name.as_text().unwrap();
                    prop_assert_eq!(expected.get(name), Some(&value), "{}", json);
                }
            }
        }

        /// Nothing that comes from outside makes it fail, even if it is no JSON.
        #[test]
        fn anything_is_read_to_its_end(text in r#"[{}\[\]":,\\a \u{e6}]{0,24}"#) {
            let _ = members(&text);
        }
    }
}
