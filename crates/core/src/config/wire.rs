//! The plugin configuration as Envoy hands it over: JSON from a `google.protobuf.StringValue`, or
//! the bytes of a `google.protobuf.Struct`, which is native YAML in Envoy's own configuration.

use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde::de::Error;
use serde_json::{Map, Number, Value};

use crate::json::{self, Unique};

/// One of these is in every configuration.
const ASKED: [&str; 2] = ["introspection", "providers"];

/// Reads either. A `Struct` begins with the tag of its first field, a line break; so may JSON, but
/// no JSON text is a `Struct` from its first to its last byte.
pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Value> {
    match Struct::decode(bytes) {
        // No configuration is an empty one.
        Ok(found) if found.encoded_len() == bytes.len() => Ok(object(found)),
        // Names are not written where they are empty, and that makes the difference.
        Ok(found) if ASKED.iter().any(|name| found.fields.contains_key(*name)) => {
            Err(serde_json::Error::custom("some name in it is empty"))
        }
        _ => serde_json::from_slice(bytes).map(|Unique(value)| value),
    }
}

fn object(found: Struct) -> Value {
    let fields = found.fields.into_iter();
    Value::Object(
        fields
            .map(|(name, found)| (name, value(found)))
            .collect::<Map<_, _>>(),
    )
}

fn value(found: ProtoValue) -> Value {
    match found.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => Number::from_f64(number).map_or(Value::Null, whole),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::StructValue(found)) => object(found),
        Some(Kind::ListValue(found)) => Value::Array(found.values.into_iter().map(value).collect()),
    }
}

/// There are only floats in a `Struct`: those that are whole numbers become integers again.
fn whole(number: Number) -> Value {
    let integer = json::integer(&number).and_then(|integer| i64::try_from(integer).ok());
    integer.map_or(Value::Number(number), Value::from)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    fn proto(value: &Value) -> ProtoValue {
        let kind = match value {
            Value::Null => Kind::NullValue(0),
            Value::Bool(value) => Kind::BoolValue(*value),
            Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
            Value::String(text) => Kind::StringValue(text.clone()),
            Value::Array(items) => Kind::ListValue(prost_types::ListValue {
                values: items.iter().map(proto).collect(),
            }),
            Value::Object(members) => Kind::StructValue(proto_struct(members)),
        };
        ProtoValue { kind: Some(kind) }
    }

    /// The same as a `Struct`.
    pub(in crate::config) fn proto_struct(members: &Map<String, Value>) -> Struct {
        let fields = members.iter();
        Struct {
            fields: fields
                .map(|(name, member)| (name.clone(), proto(member)))
                .collect(),
        }
    }

    #[test]
    fn a_struct_is_what_it_says() {
        let value = json!({
            "a": [1, -1, 0, 1.5, 9_007_199_254_740_992_i64, 1e300],
            "b": { "c": true, "d": "\n{", "e": {}, "f": [], "g": null },
        });
        let bytes = proto_struct(value.as_object().unwrap()).encode_to_vec();
        assert_eq!(read(&bytes).unwrap(), value);
    }

    #[test]
    fn everything_else_is_json() {
        assert_eq!(read(b"").unwrap(), json!({}), "no configuration");
        for text in ["{}", "\n{}", "\n\n{\"a\":1}", "\n \n \n {}\n", "\r\n{}"] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
        for text in ["\n", "{", "{} {}", r#"{"a":1,"a":1}"#] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
        let some = json!({ "required_scopes": ["a"] });
        let whole = proto_struct(some.as_object().unwrap()).encode_to_vec();
        for end in 1..whole.len() {
            let part = &whole[..end];
            assert!(read(part).is_err(), "{}", part.escape_ascii());
        }
    }
}
