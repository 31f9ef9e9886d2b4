//! Members of a JSON object that somebody asks for.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::json::Unique;
use crate::json::text::Name;

/// The members that matter, none of them twice: a claim of the same name in the token may be what
/// stands there. The others are skipped, whatever is in them, without recursion.
pub fn read(json: &str, matters: impl Fn(&str) -> bool) -> serde_json::Result<Map<String, Value>> {
    // In a name that is read as bytes serde_json takes a control character as it is, which no JSON
    // has (RFC 8259 section 7). Where there is none, not even a line break, there is nothing to see.
    if portvakt_octets::have_control(json.as_bytes()) {
        serde_json::from_str::<IgnoredAny>(json)?;
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let members = MembersVisitor(matters).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(members)
}

struct MembersVisitor<F>(F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for MembersVisitor<F> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for MembersVisitor<F> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<Name<'_>>()? {
            let Some(name) = name.as_text().filter(|name| (self.0)(name)) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let Unique(value) = members.next_value()?;
            if all.insert(name.to_owned(), value).is_some() {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(all)
    }
}
