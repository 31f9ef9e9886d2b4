//! JSON values as claims need them.
//!
//! What the endpoint says is read in one way or not at all: a member that comes twice would be
//! read by somebody else as the other one. Numbers are compared by what they are worth, because a
//! configuration in native YAML knows no integers: `5` is `5.0`.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value in which no object has a member twice.
#[derive(Debug)]
pub struct Unique(pub Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        UniqueVisitor.deserialize(deserializer).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> DeserializeSeed<'de> for UniqueVisitor {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if all.insert(name, value).is_some() {
                return Err(de::Error::custom("a member comes twice"));
            }
        }
        Ok(Value::Object(all))
    }
}

/// Whether two values are the same: of one type, and numbers of one worth.
pub fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => equal_numbers(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| equal(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, a)| other.get(name).is_some_and(|b| equal(a, b)))
        }
        (one, other) => one == other,
    }
}

/// Integers are compared as integers: as floats two large ones may look alike.
#[allow(
    clippy::float_cmp,
    reason = "what is not the very same number is another"
)]
fn equal_numbers(one: &Number, other: &Number) -> bool {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.as_f64() == other.as_f64(),
        _ => false,
    }
}

/// 2⁵³: beyond it floats are not exact.
pub const EXACT: f64 = 9_007_199_254_740_992.0;

/// The number as an integer, if it is one. No float beyond [`EXACT`] is taken for an integer.
#[allow(
    clippy::cast_possible_truncation,
    reason = "floats are whole and small where they are cast"
)]
pub fn integer(number: &Number) -> Option<i128> {
    if let Some(integer) = number.as_i128() {
        return Some(integer);
    }
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i128)
}

/// About how much memory a value takes, in bytes.
pub fn size(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| name.len().saturating_add(size(value)))
            .sum(),
    };
    inside.saturating_add(size_of::<Value>())
}

/// JSON containment: an array contains what one of its members includes, an object what its
/// members include. Nothing else contains anything.
pub fn contains(outer: &Value, inner: &Value) -> bool {
    match (outer, inner) {
        (Value::Array(members), Value::Array(wanted)) => wanted
            .iter()
            .all(|wanted| members.iter().any(|member| includes(member, wanted))),
        (Value::Array(members), wanted) => members.iter().any(|member| includes(member, wanted)),
        (Value::Object(_), Value::Object(_)) => includes(outer, inner),
        _ => false,
    }
}

/// Whether `outer` has everything that `inner` has, in the same places.
fn includes(outer: &Value, inner: &Value) -> bool {
    match (outer, inner) {
        (Value::Object(members), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            members
                .get(name)
                .is_some_and(|member| includes(member, wanted))
        }),
        (Value::Array(members), Value::Array(wanted)) => wanted
            .iter()
            .all(|wanted| members.iter().any(|member| includes(member, wanted))),
        (outer, inner) => equal(outer, inner),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_come_once() {
        for (text, expected) in [
            (r#"{"a":[1,-1,1.5,null,true,"x",{"a":{}}],"b":{}}"#, true),
            (r#"{"a":1,"a":1}"#, false),
            (r#"{"a":1,"\u0061":2}"#, false),
            (r#"[{"b":{"a":1,"a":2}}]"#, false),
        ] {
            let read = serde_json::from_str::<Unique>(text);
            assert_eq!(read.is_ok(), expected, "{text}");
            if let Ok(Unique(value)) = read {
                assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
            }
        }
    }

    #[test]
    fn equality() {
        for (one, other, expected) in [
            (json!(5), json!(5.0), true),
            (json!(5), json!(5.5), false),
            (json!(-5.0), json!(-5), true),
            (json!(5.5), json!(5.5), true),
            (json!(5), json!("5"), false),
            (json!(true), json!(1), false),
            (json!(null), json!(false), false),
            (json!(u64::MAX), json!(u64::MAX - 1), false),
            (json!(u64::MAX), json!(1.844_674_407_370_955_2e19), false),
            (
                json!(9_007_199_254_740_993_u64),
                json!(9_007_199_254_740_992.0),
                false,
            ),
            (json!("a"), json!("A"), false),
            (json!([1, 2]), json!([1.0, 2.0]), true),
            (json!([1, 2]), json!([2, 1]), false),
            (json!([1]), json!([1, 1]), false),
            (json!({ "a": 1, "b": 2 }), json!({ "b": 2.0, "a": 1 }), true),
            (json!({ "a": 1 }), json!({ "a": 1, "b": null }), false),
        ] {
            assert_eq!(equal(&one, &other), expected, "{one} {other}");
            assert_eq!(equal(&other, &one), expected, "{other} {one}");
        }
    }

    #[test]
    fn containment() {
        for (outer, inner, expected) in [
            (json!(["a", "b"]), json!("a"), true),
            (json!(["ab"]), json!("a"), false),
            (json!([1, 2]), json!(2.0), true),
            (json!([]), json!("a"), false),
            (json!("abc"), json!("b"), false),
            (json!("abc"), json!("abc"), false),
            (json!(1), json!(1), false),
            (json!(["a", "b"]), json!(["b"]), true),
            (json!(["a", "b"]), json!(["b", "c"]), false),
            (json!([["a"]]), json!("a"), false),
            (json!({ "a": 1, "b": 2 }), json!({ "b": 2 }), true),
            (json!({ "a": 1 }), json!({ "a": 2 }), false),
            (json!({ "a": 1 }), json!("a"), false),
            (json!({ "a": 1 }), json!(1), false),
            (
                json!({ "a": { "b": 1, "c": 2 } }),
                json!({ "a": { "c": 2 } }),
                true,
            ),
            (json!({ "a": ["x", "y"] }), json!({ "a": ["y"] }), true),
            (json!({ "a": ["x", "y"] }), json!({ "a": "y" }), false),
            (
                json!([{ "type": "t", "org": { "ID": "1" } }, { "type": "u" }]),
                json!({ "type": "t", "org": { "ID": "1" } }),
                true,
            ),
            (
                json!([{ "type": "t", "org": { "ID": "2" } }, { "type": "u", "org": { "ID": "1" } }]),
                json!({ "type": "t", "org": { "ID": "1" } }),
                false,
            ),
        ] {
            assert_eq!(contains(&outer, &inner), expected, "{outer} {inner}");
        }
    }
}
