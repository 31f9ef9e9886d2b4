//! What a plain scalar is to each who reads it.

use serde_json::{Number, Value};

/// What a plain scalar looks like: YAML 1.2's core schema, and JSON.
pub(super) fn core_schema(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => decimal(text).unwrap_or_else(|| text.into()),
    }
}

/// A number as JSON writes them, a plus before it, or zeros before it.
fn decimal(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !digits.bytes().any(|b| b.is_ascii_digit())
        || !digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
    {
        return None;
    }
    if let Ok(integer) = digits.parse::<i64>() {
        return Some(integer.into());
    }
    let float = digits.parse::<f64>().ok()?;
    Number::from_f64(float).map(Value::Number)
}

/// `Y`, `yes`, `On` … of YAML 1.1, in lower case, upper case or with one capital.
fn yaml11_boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let capital = || {
        let (first, rest) = text.split_at_checked(1)?;
        let (_, lower_rest) = lower.split_at_checked(1)?;
        (first.bytes().all(|b| b.is_ascii_uppercase()) && rest == lower_rest).then_some(())
    };
    if text != lower && text != text.to_ascii_uppercase() && capital().is_none() {
        return None;
    }
    match lower.as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Envoy's `parseYamlNode` over yaml-cpp. A number is at most 32 bits long; others are texts of
/// digits, and what has a point or an exponent stays the text that it is.
pub(super) fn envoy(text: &str, tag: Option<&str>) -> Value {
    match tag {
        None if matches!(text, "" | "~" | "null" | "Null" | "NULL") => return Value::Null,
        // `!`: what is in quotes has it as well.
        Some("!") => return text.into(),
        _ => {}
    }
    if let Some(boolean) = yaml11_boolean(text) {
        return boolean.into();
    }
    match c_integer(text) {
        Some(integer) if i32::try_from(integer).is_ok() => integer.into(),
        Some(integer) => integer.to_string().into(),
        None => text.into(),
    }
}

/// An integer as C++ streams read one: `0x1f` and `017` too.
fn c_integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("-", rest)) => ("-", rest),
        Some(("+", rest)) => ("", rest),
        _ => ("", text),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match (hex, digits.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// `sigs.k8s.io/yaml`: YAML 1.1's booleans, and integers of any base.
pub(super) fn kubernetes(text: &str, tag: Option<&str>) -> Value {
    match tag {
        None | Some("!") if matches!(text, "" | "~" | "null" | "Null" | "NULL") => {
            return Value::Null;
        }
        Some("tag:yaml.org,2002:str") => return text.into(),
        _ => {}
    }
    if let Some(boolean) = yaml11_boolean(text) {
        return boolean.into();
    }
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let based = [
        ("0x", 16),
        ("0X", 16),
        ("0b", 2),
        ("0B", 2),
        ("0o", 8),
        ("0O", 8),
        ("0", 8),
    ];
    for (prefix, radix) in based {
        if let Some(rest) = digits.strip_prefix(prefix)
            && rest.bytes().next().is_some_and(|b| b.is_ascii_hexdigit())
            && let Ok(integer) = i64::from_str_radix(&format!("{sign}{rest}"), radix)
        {
            return integer.into();
        }
    }
    decimal(&plain).unwrap_or_else(|| text.into())
}
