//! Claims: how they are named (docs/configuration.md), and what of them fits into a header.

use super::json::{Json, Text};

/// The longest value of a header.
const MAX_VALUE: usize = 16 * 1024;

/// The names that lead to a claim: a dotted path, or a JSON Pointer (RFC 6901).
pub fn steps(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        None => path.split('.').map(str::to_owned).collect(),
        Some(pointer) => {
            let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
            pointer.split('/').map(unescape).collect()
        }
    }
}

/// The claim, where it is there and is not null.
pub fn find(answer: &Json, path: &str) -> Option<Json> {
    let mut value = answer.clone();
    for step in steps(path) {
        value = match value {
            Json::Object(members) => {
                members
                    .into_iter()
                    .find(|member| member.name == Text::of(&step))?
                    .value
            }
            Json::Array(items) => {
                let index: usize = step.parse().ok()?;
                let is_index = index.to_string() == step;
                items.into_iter().nth(index).filter(|_| is_index)?
            }
            _ => return None,
        };
    }
    (value != Json::Null).then_some(value)
}

/// What a claim is in a header.
#[derive(Debug, PartialEq)]
pub enum Value {
    Text(String),
    /// This very number, in whatever digits.
    Number(f64),
    TooLong,
    None,
}

pub fn value(claim: &Json) -> Value {
    let text = match claim {
        Json::Text(text) => text.get(),
        Json::Bool(true) => Some("true".to_owned()),
        Json::Bool(false) => Some("false".to_owned()),
        Json::Number(digits) => return number(digits),
        Json::Array(items) => {
            let words: Option<Vec<String>> = items.iter().map(word).collect();
            words.map(|words| words.join(" "))
        }
        Json::Null | Json::Object(_) => None,
    };
    match text {
        None => Value::None,
        Some(text) if text.len() > MAX_VALUE => Value::TooLong,
        Some(text) if text.chars().any(is_control) || text.is_empty() => Value::None,
        Some(text) if is_space(text.chars().next()) || is_space(text.chars().last()) => Value::None,
        Some(text) => Value::Text(text),
    }
}

/// A member of an array: a text without spaces.
fn word(item: &Json) -> Option<String> {
    let text = item.text()?;
    let is_word = !text.is_empty() && !text.chars().any(|c| is_space(Some(c)));
    is_word.then_some(text)
}

fn number(digits: &str) -> Value {
    if !digits.contains(['.', 'e', 'E']) {
        let is_64_bits = digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok();
        return match digits {
            "-0" => Value::Text("0".to_owned()),
            _ if is_64_bits => Value::Text(digits.to_owned()),
            _ => Value::None,
        };
    }
    let Ok(float) = digits.parse::<f64>() else {
        return Value::None;
    };
    let whole = 9_007_199_254_740_992.0;
    if float.abs() > whole {
        Value::None
    } else if float.trunc() == float {
        Value::Text(format!("{}", float.abs())).signed(float)
    } else {
        Value::Number(float)
    }
}

impl Value {
    fn signed(self, float: f64) -> Self {
        match self {
            Self::Text(text) if float < 0.0 => Self::Text(format!("-{text}")),
            other => other,
        }
    }
}

fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}')
}

/// Unicode's `White_Space`.
fn is_space(c: Option<char>) -> bool {
    let spaces = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
    c.is_some_and(|c| spaces.contains(c) || ('\u{2000}'..='\u{200a}').contains(&c))
}
