//! What an operator may be told of a plugin configuration: all that is not a secret's place.

use crate::naive::json::Json;
use crate::naive::proto::may_be_struct;

/// In lower case, as names of headers are told.
pub enum Told {
    /// JSON: the texts and names that stand elsewhere, and names that come twice, wherever; of a
    /// text that is no JSON the latter alone.
    Texts(Vec<String>),
    /// A `Struct` as it came: all of it. (That of JSON is held to what of the JSON may be told.)
    Bytes(String),
}

impl Told {
    pub fn of(input: &[u8]) -> Self {
        let text = String::from_utf8_lossy(input);
        let json = str::from_utf8(input).ok().and_then(Json::read);
        if json.is_none() && may_be_struct(input) {
            return Self::Bytes(text.to_ascii_lowercase());
        }
        let mut texts = Json::names_twice(&text);
        if let Some(json) = json {
            gather(&json, &[], &mut texts);
        }
        Self::Texts(texts.iter().map(|text| text.to_ascii_lowercase()).collect())
    }

    /// Whether a secret's text may be told: it stands for something else as well, a method, say.
    pub fn has(&self, secret: &str) -> bool {
        match self {
            Self::Texts(texts) => texts.iter().any(|text| text.contains(secret)),
            Self::Bytes(text) => text.contains(secret),
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

fn gather(value: &Json, place: &[String], told: &mut Vec<String>) {
    let is_told = !is_secret(place);
    match value {
        Json::Text(text) if is_told => told.extend(text.get()),
        Json::Array(items) => {
            let place = [place, &["[]".to_owned()]].concat();
            for item in items {
                gather(item, &place, told);
            }
        }
        Json::Object(members) => {
            for member in members {
                let name = member.name.get().unwrap_or_default();
                if is_told {
                    told.push(name.clone());
                }
                gather(&member.value, &[place, &[name]].concat(), told);
            }
        }
        _ => {}
    }
}
