//! What an operator may be told of a plugin configuration: all that is not a secret's place.

use crate::naive::json::Json;

/// In lower case, as names of headers are told.
pub enum Told {
    /// JSON: the texts and names that stand elsewhere.
    Texts(Vec<String>),
    /// A `Struct`, or JSON up to a mistake: all of it.
    Bytes(String),
}

impl Told {
    pub fn of(input: &[u8]) -> Self {
        let Some(json) = str::from_utf8(input).ok().and_then(Json::read) else {
            return Self::Bytes(String::from_utf8_lossy(input).to_ascii_lowercase());
        };
        // A name that is given twice is told, wherever it stands.
        let mut texts = Vec::new();
        gather(&json, &[], json.repeats(), &mut texts);
        Self::Texts(texts)
    }

    /// Whether a secret's text may be told: it stands for something else as well, a method, say.
    pub fn has(&self, secret: &str) -> bool {
        match self {
            Self::Texts(texts) => texts.iter().any(|text| text.contains(secret)),
            Self::Bytes(text) => text.contains(secret) || text.contains("\\u"),
        }
    }
}

/// Whether what stands at that place may be a secret, with all that is in it.
fn is_secret(place: &[String]) -> bool {
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let (["introspection", rest @ ..] | ["providers", _, rest @ ..]) = place.as_slice() else {
        return false;
    };
    // Names of headers and parameters are told.
    matches!(
        rest,
        ["endpoint", ..]
            | ["headers" | "parameters", _, ..]
            | ["client_authentication", "secret", ..]
    )
}

fn gather(value: &Json, place: &[String], names_are_told: bool, told: &mut Vec<String>) {
    let is_told = !is_secret(place);
    match value {
        Json::Text(text) if is_told => {
            told.extend(text.get().map(|text| text.to_ascii_lowercase()));
        }
        Json::Array(items) => {
            let place = [place, &["[]".to_owned()]].concat();
            for item in items {
                gather(item, &place, names_are_told, told);
            }
        }
        Json::Object(members) => {
            for member in members {
                let name = member.name.get().unwrap_or_default();
                if is_told || names_are_told {
                    told.push(name.to_ascii_lowercase());
                }
                gather(
                    &member.value,
                    &[place, &[name]].concat(),
                    names_are_told,
                    told,
                );
            }
        }
        _ => {}
    }
}
