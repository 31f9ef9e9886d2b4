//! The JSON Schema of the plugin configuration, for editors: made from the types that read it, so
//! that it knows every key and no other. What no schema can say is `portvakt check`'s to tell.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::raw::{Document, Hidden, Integer, RawConfig, Wanted};
use crate::json::object::JsonObject;

/// The schema, of draft 2020-12, with descriptions and defaults.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let settings = settings.with_transform(without_null as fn(&mut Schema));
    let settings = settings.with_transform(with_default as fn(&mut Schema));
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<RawConfig>();
    schema.insert("title".to_owned(), "Portvakt's plugin configuration".into());
    let one_of = |names: [&str; 2]| json!(names.map(|name| json!({ "required": [name] })));
    let conditions = [["introspection", "providers"], ["required_scopes", "rules"]];
    let conditions = conditions.map(|names| json!({ "oneOf": one_of(names) }));
    schema.insert("allOf".to_owned(), json!(conditions));
    schema.to_value()
}

/// Types that read what no schema derives.
macro_rules! schema {
    ($type:ty, $schema:expr) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

schema!(Integer, json_schema!({ "type": "integer", "minimum": 0 }));
schema!(Wanted, json_schema!({ "not": { "type": "null" } }));
schema!(Hidden, json_schema!({ "type": "string" }));
schema!(Document, json_schema!({ "type": "object" }));

impl<T: JsonSchema> JsonSchema for JsonObject<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A key that is there has something behind it: what may be left out may not be null.
fn without_null(schema: &mut Schema) {
    transform_subschemas(&mut (without_null as fn(&mut Schema)), schema);
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
    let is_null = |value: &Value| *value == "null" || value.get("type") == Some(&json!("null"));
    for keyword in ["type", "anyOf"] {
        let Some(Value::Array(alternatives)) = members.get_mut(keyword) else {
            continue;
        };
        alternatives.retain(|alternative| !is_null(alternative));
        if let [only] = alternatives.as_slice() {
            let only = only.clone();
            members.remove(keyword);
            match only {
                Value::Object(inner) => members.extend(inner),
                name => drop(members.insert(keyword.to_owned(), name)),
            }
        }
    }
}

/// A default is said once, in the description: `Default: …` in code, up to the end of a sentence.
fn with_default(schema: &mut Schema) {
    transform_subschemas(&mut (with_default as fn(&mut Schema)), schema);
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if let Some(default) = default_of(members) {
        members.insert("default".to_owned(), default);
    }
}

fn default_of(schema: &Map<String, Value>) -> Option<Value> {
    let description = schema.get("description")?.as_str()?;
    let (_, default) = description.split_once("Default: `")?;
    let (code, _) = default.split_once("`.")?;
    let mut items = code.split("`, `");
    let is_code = |text: &&str| !text.contains('`');
    let text = |text: &str| Value::from(text);
    if schema.get("type").is_some_and(|name| name == "array") {
        return items
            .clone()
            .all(|item| is_code(&item))
            .then(|| items.map(text).collect());
    }
    let item = items.next().filter(is_code)?;
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean" | "integer") => serde_json::from_str(item).ok(),
        _ => Some(text(item)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_at(schema: &Value, pointer: &str) -> Value {
        let (parent, name) = pointer.rsplit_once('.').unwrap_or(("", pointer));
        let properties = match parent {
            "" => &schema["properties"],
            name => &schema["$defs"][name]["properties"],
        };
        assert!(properties[name].is_object(), "{pointer}");
        properties[name]["default"].clone()
    }

    #[test]
    fn defaults_are_those_of_the_descriptions() {
        let schema = schema();
        for (pointer, expected) in [
            ("shadow", json!(false)),
            ("RawIntrospection.api", json!("texas")),
            ("RawIntrospection.timeout", json!("1s")),
            ("RawIntrospection.identity_provider", json!("maskinporten")),
            (
                "RawIntrospection.outage_errors",
                json!(["fetch:", "decode json:", "init client:"]),
            ),
            ("RawIntrospection.inactive_statuses", Value::Null),
            ("RawIntrospection.endpoint", Value::Null),
            ("RawCache.max_entries", json!(10_000)),
            ("RawCache.max_ttl", json!("60s")),
            ("RawCache.stale_if_error", Value::Null),
            ("RawCache.refresh_ahead", json!(true)),
            ("RawCache.shared", Value::Null),
            ("RawToken.max_length", json!(8192)),
            ("RawForward.authorization", json!("keep")),
            ("RawRule.name", Value::Null),
        ] {
            assert_eq!(default_at(&schema, pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn nothing_may_be_null() {
        fn check(schema: &Value, at: &str) {
            match schema {
                Value::Object(members) => {
                    for (name, member) in members {
                        let is_type = name == "type" && *member == "null";
                        assert!(!is_type || at.ends_with("/not"), "{at}");
                        assert!(name != "type" || member.is_string(), "{at}");
                        assert!(name != "default" || !member.is_null(), "{at}");
                        check(member, &format!("{at}/{name}"));
                    }
                }
                Value::Array(items) => {
                    let checked = items.iter().enumerate();
                    checked.for_each(|(index, item)| check(item, &format!("{at}/{index}")));
                }
                _ => {}
            }
        }
        check(&schema(), "");
    }
}
