//! The plugin configuration that decides.

use std::path::Path;

use portvakt_core::authorizer::Authorizer;
use portvakt_core::config::{self, Vm};
use serde_json::Value;

use super::read;
use crate::outcome::Failure;

/// Reads the one plugin configuration in a file. Variables of the VM's environment are taken from
/// this process; what is not set there is a URL that nobody has, which names it.
pub(crate) fn load(path: &Path) -> Result<Authorizer, Failure> {
    let wrong = |what: String| Failure::new(format!("{}: {what}", path.display()));
    let text = String::from_utf8(read(path)?).map_err(|_| wrong("it is no UTF-8".to_owned()))?;
    let value: Value = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let mut found = Vec::new();
    find(&value, &mut found);
    let [json] = found.as_slice() else {
        let count = found.len();
        return Err(wrong(format!(
            "it has {count} plugin configurations; expected one"
        )));
    };
    let vm = Vm {
        env: |name: &str| Some(std::env::var(name).unwrap_or_else(|_| unset(name))),
        has_id: true,
    };
    match config::parse(json.as_bytes(), &vm) {
        Ok(configured) => Ok(configured.authorizer),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn unset(name: &str) -> String {
    format!("http://unset.invalid/{name}")
}

/// All plugin configurations in a document, as JSON.
fn find(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if ["introspection", "providers"]
                .iter()
                .any(|key| object.contains_key(*key))
            {
                found.push(value.to_string());
                return;
            }
            if object.contains_key("vm_config")
                && let Some(Value::String(text)) = value.pointer("/configuration/value")
            {
                found.push(text.clone());
                return;
            }
            object.values().for_each(|value| find(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| find(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
