//! `google.protobuf.Struct` in protobuf's wire format.

use serde_json::{Map, Value};

/// How many messages may stand within each other, by the default of protobuf's readers.
pub const MAX_NESTED: usize = 100;

/// How many messages stand within each other in the `Struct`: of each member its entry in the map,
/// its `Value`, and what that holds.
pub fn nested(members: &Map<String, Value>) -> usize {
    let deepest = members.values().map(nested_in_value).max();
    deepest.map_or(0, |deepest| 1 + deepest)
}

fn nested_in_value(value: &Value) -> usize {
    match value {
        Value::Object(members) => 2 + nested(members),
        Value::Array(items) => 2 + items.iter().map(nested_in_value).max().unwrap_or(0),
        _ => 1,
    }
}

/// Whether the bytes are entries of a map from the first to the last, as those of each `Struct`.
pub fn may_be_struct(mut bytes: &[u8]) -> bool {
    while let [tag, rest @ ..] = bytes {
        let Some((length, rest)) = read_length(rest) else {
            return false;
        };
        if *tag != (1 << 3 | 2) || length > rest.len() {
            return false;
        }
        bytes = &rest[length..];
    }
    true
}

/// A length, seven bits a byte, and what stands behind it.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let last = bytes.iter().take(4).position(|byte| byte & 128 == 0)?;
    let (digits, rest) = bytes.split_at(last + 1);
    let digits = digits.iter().rev();
    let length = digits.fold(0, |length, digit| length * 128 + usize::from(digit & 127));
    Some((length, rest))
}

/// A `Struct`: a map of names and values.
pub fn encode_struct(members: &Map<String, Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in members {
        let mut entry = Vec::new();
        push(&mut entry, 1, name.as_bytes());
        push(&mut entry, 2, &encode_value(value));
        push(&mut bytes, 1, &entry);
    }
    bytes
}

fn encode_value(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    match value {
        Value::Null => bytes.extend([1 << 3, 0]),
        Value::Number(number) => {
            bytes.push(2 << 3 | 1);
            bytes.extend(number.as_f64().unwrap().to_le_bytes());
        }
        Value::String(text) => push(&mut bytes, 3, text.as_bytes()),
        Value::Bool(value) => bytes.extend([4 << 3, u8::from(*value)]),
        Value::Object(members) => push(&mut bytes, 5, &encode_struct(members)),
        Value::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                push(&mut list, 1, &encode_value(item));
            }
            push(&mut bytes, 6, &list);
        }
    }
    bytes
}

/// A field of a known length.
fn push(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    bytes.push(field << 3 | 2);
    let mut length = content.len();
    while length >= 128 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(content);
}
