//! What stands behind keys, where it is to be read in another way than serde has for its type: more
//! strictly, or without ever being printed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::{Map, Value};

use crate::json;

/// A whole number: `100` or `100.0`, not `100.5`. A `Struct` has floats only, and Envoy hands over
/// what has a point in YAML as a text.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Integer(pub u64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let refuse = || de::Error::custom("expected a whole number, not negative");
        let number = match Value::deserialize(deserializer)? {
            Value::Number(number) => number,
            Value::String(text) if text.contains('.') => text.parse().map_err(|_| refuse())?,
            _ => return Err(refuse()),
        };
        let integer = json::integer(&number).and_then(|integer| u64::try_from(integer).ok());
        integer.map(Self).ok_or_else(refuse)
    }
}

/// A value that a claim is compared with.
#[derive(Debug)]
pub(in crate::config) struct Wanted(pub Value);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Err(de::Error::custom(
                "expected a value; what is null counts as absent",
            )),
            value if json::has_inexact(&value) => Err(de::Error::custom(
                "holds a number of more than 64 bits, which equals none",
            )),
            value => Ok(Self(value)),
        }
    }
}

/// A JSON object with whatever is in it.
#[derive(Debug, Default)]
pub(in crate::config) struct Document(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(de::Error::custom("expected an object")),
        }
    }
}

/// Names, and what each of them stands for.
pub(super) type Names = BTreeMap<String, String>;

/// Names and values that may be secrets.
pub(in crate::config) type Fields = BTreeMap<String, Hidden>;

/// A text that may be a secret: neither it nor what stands in its place is ever printed.
#[derive(Clone)]
pub(in crate::config) struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(de::Error::custom("expected a string")),
        }
    }
}

/// A value that is there is no `null`.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
