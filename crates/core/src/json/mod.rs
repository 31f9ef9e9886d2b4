//! JSON values as claims need them.
//!
//! What the endpoint says is read in one way or not at all: a member that comes twice would be
//! read by somebody else as the other one. Numbers are compared by what they are worth, because a
//! configuration in native YAML knows no integers: `5` is `5.0`.

pub mod members;
pub mod object;
pub mod text;

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
        all.shrink_to_fit();
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if all.contains_key(&name) {
                return Err(de::Error::custom(format_args!("`{name}` is given twice")));
            }
            all.insert(name, value);
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

/// Integers are compared as integers. Beyond [`EXACT`] a float may have been read from another
/// number, so it is equal to none.
#[allow(
    clippy::float_cmp,
    reason = "what is not the very same number is another"
)]
fn equal_numbers(one: &Number, other: &Number) -> bool {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => exact(one).is_some() && exact(one) == exact(other),
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

/// The number as a float, if it is exact.
pub fn exact(number: &Number) -> Option<f64> {
    number.as_f64().filter(|float| float.abs() < EXACT)
}

/// What an allocation costs beside what is in it, generously, in bytes.
pub const ALLOCATION: usize = 16;

/// About how much memory a value has allocated, rather too much than too little, in bytes.
pub fn size(value: &Value) -> usize {
    /// A map is made of nodes for up to eleven members, which are half full at worst.
    const NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 4 * ALLOCATION;
    let (own, inside): (usize, usize) = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => return 0,
        Value::String(text) => (text.len(), 0),
        Value::Array(items) => (
            items.len().saturating_mul(size_of::<Value>()),
            items.iter().map(size).sum(),
        ),
        Value::Object(members) => (
            members.len().div_ceil(6).saturating_mul(NODE),
            members
                .iter()
                .map(|(name, value)| name_size(name).saturating_add(size(value)))
                .sum(),
        ),
    };
    own.saturating_add(inside).saturating_add(ALLOCATION)
}

fn name_size(name: &str) -> usize {
    name.len().saturating_add(ALLOCATION)
}

/// JSON containment: an array contains what one of its members includes, or all of several such
/// things; an object what its members include. A text, number or boolean counts as an array of it
/// alone, because many claims are either. Null contains nothing.
pub fn contains(outer: &Value, inner: &Value) -> bool {
    match (outer, inner) {
        (Value::Null, _) => false,
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), _) => includes(outer, inner),
        (Value::Array(members), wanted) => members.iter().any(|member| includes(member, wanted)),
        (own, Value::Array(wanted)) => wanted.iter().all(|wanted| includes(own, wanted)),
        (own, wanted) => includes(own, wanted),
    }
}

/// Whether a value has a number in it that is equal to none, or is one.
pub fn has_inexact(value: &Value) -> bool {
    match value {
        Value::Number(number) => integer(number).is_none() && exact(number).is_none(),
        Value::Array(items) => items.iter().any(has_inexact),
        Value::Object(members) => members.values().any(has_inexact),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Whether a value has something empty or null in it, or is that: to contain it would ask for
/// nothing.
pub fn has_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty() || items.iter().any(has_nothing),
        Value::Object(members) => members.is_empty() || members.values().any(has_nothing),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
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
            (json!(1e300), json!(1e300), false),
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
            (json!("abc"), json!("abc"), true),
            (json!(1), json!(1), true),
            (json!(["a", "b"]), json!(["b"]), true),
            (json!(["a", "b"]), json!(["b", "c"]), false),
            (json!([["b"]]), json!(["b"]), false),
            (json!([["a"]]), json!("a"), false),
            (json!({ "a": 1, "b": 2 }), json!({ "b": 2 }), true),
            (json!({ "a": 1 }), json!({ "a": 2 }), false),
            (json!({ "a": 1 }), json!([{ "a": 1 }]), false),
            (json!("a"), json!("b"), false),
            (json!("a"), json!(["a"]), true),
            (json!("a"), json!(["a", "b"]), false),
            (json!("a"), json!({ "a": 1 }), false),
            (json!(5), json!(5.0), true),
            (json!(true), json!(true), true),
            (json!(true), json!("true"), false),
            (json!(null), json!(null), false),
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

    #[test]
    fn what_asks_for_nothing() {
        for (value, expected) in [
            (json!("a"), false),
            (json!(""), false),
            (json!(false), false),
            (json!(["a", { "b": 1 }]), false),
            (json!([]), true),
            (json!({}), true),
            (json!({ "a": null }), true),
            (json!({ "a": [{}] }), true),
            (json!(["a", []]), true),
        ] {
            assert_eq!(has_nothing(&value), expected, "{value}");
        }
    }

    /// What was measured in a VM: many small objects take far more than their text.
    #[test]
    fn sizes_are_generous() {
        let objects = json!(vec![json!({ "": 0 }); 700]);
        assert!(size(&objects) > 700 * 430, "{}", size(&objects));
        assert!(size(&json!("x".repeat(1000))) < 1100);
        assert_eq!(size(&json!(1)), 0);
    }
}
