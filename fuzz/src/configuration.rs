//! Plugin configurations, as JSON and as a `google.protobuf.Struct`.
//!
//! Input: the bytes that Envoy hands over.
//!
//! Oracle: what is refused is so with lines that name a key, and no line tells a secret, be it of
//! JSON, of the same as a `Struct` or of a text that is neither. What is taken is JSON in which no
//! name comes twice, or a `Struct`; it is read alike as the other one; it denies whoever has no
//! token, or one that nobody has spoken for, unless it says `anonymous` or `shadow`; and with one
//! name in it that there is not, or with nothing behind a name, it is refused.

use portvakt_core::authorizer::{Authorizer, Decision, Step};
use portvakt_core::callout::provider::Provider;
use portvakt_core::config::{ConfigErrors, Configured, Vm, parse};
use portvakt_core::testing::head::FakeHead;
use portvakt_core::testing::shared_data::FakeData;
use portvakt_core::time::Time;
use serde_json::{Map, Value};

use crate::naive::json::{Json, MAX_DEPTH};
use crate::naive::proto::{MAX_NESTED, encode_struct, may_be_struct, nested};
use crate::told::Told;

/// At most so many changes are tried of one configuration.
const MAX_CHANGES: usize = 24;

/// Where anything may stand.
const FREE: [&str; 4] = ["protected_resource", "equals", "contains", "one_of"];

/// What secrets begin with.
const SECRET: &str = "s3cr3t-";

/// The one in the environment.
const FROM_ENV: &str = "s3cr3t-from-env";

fn env(name: &str) -> Option<String> {
    match name {
        "NAIS_TOKEN_INTROSPECTION_ENDPOINT" => Some("http://127.0.0.1:7164/i".to_owned()),
        "CLIENT_SECRET" => Some(FROM_ENV.to_owned()),
        _ => None,
    }
}

const VM: Vm<fn(&str) -> Option<String>> = Vm { env, has_id: true };

pub fn check(input: &[u8]) -> bool {
    let told = Told::of(input);
    let found = parsed(input, &told);
    let text = str::from_utf8(input).ok();
    let Some(json) = text.and_then(Json::read) else {
        let Ok(configured) = found else {
            return false;
        };
        assert!(may_be_struct(input), "taken, and nothing that is read");
        // At least it denies.
        let text = String::from_utf8_lossy(input);
        let is_open = text.contains("anonymous") || text.contains("shadow");
        check_denial(&configured.authorizer, is_open);
        return true;
    };
    let members = match serde_json::from_slice(input) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    };
    // The same in native YAML, which tells no more, be it taken or refused.
    let native = members.as_ref().filter(|_| !has_empty_name(&json));
    let native = native.map(|members| parsed(&encode_struct(members), &told));
    let Ok(configured) = found else {
        return false;
    };
    assert!(!json.repeats() && json.is_sound() && json.depth() <= MAX_DEPTH);
    let members = members.expect("taken, so it is an object");
    // Whether something is open is looked for in all that is written, wherever.
    let text = Value::Object(members.clone()).to_string();
    let is_open = text.contains("\"anonymous\":true") || text.contains("\"shadow\":true");
    check_denial(&configured.authorizer, is_open);
    if let Some(native) = native {
        check_struct(native, &members, &json, &configured);
    }
    check_changes(&members);
    true
}

/// What it is read as: each line of it is looked at.
fn parsed(bytes: &[u8], told: &Told) -> Result<Configured, ConfigErrors> {
    let found = parse(bytes, &VM);
    match &found {
        Ok(configured) => {
            for warning in &configured.warnings {
                check_line(&warning.key, &warning.to_string(), told);
            }
        }
        Err(errors) => {
            for error in errors.iter() {
                let line = format!("{}: {}", error.key(), error.problem());
                check_line(error.key(), &line, told);
            }
            check_line(errors.first().key(), &errors.to_string(), told);
        }
    }
    found
}

/// A line for the log: one, with a key, without a secret.
fn check_line(key: &str, line: &str, told: &Told) {
    assert!(!key.is_empty(), "{line}");
    for secret in [SECRET, FROM_ENV] {
        assert!(!line.contains(secret) || told.has(secret), "{line}");
    }
}

fn check_denial(authorizer: &Authorizer, is_open: bool) {
    if is_open {
        return;
    }
    let data = FakeData::default();
    for line in [
        "GET /",
        "GET /zz/unlikely",
        "DELETE /a//b",
        "OPTIONS *",
        "POST /a/../b",
    ] {
        let head = FakeHead::new(line).host("zz.invalid");
        let bearer = head.clone().header("authorization", "Bearer zz");
        for head in [head, bearer] {
            match authorizer.on_request(&head, &head, &data, || Time::from_millis(1)) {
                // A token is asked about, and a document that is for everybody is served.
                Step::Introspect(..)
                | Step::Decided(Decision::Reject(_) | Decision::ServeMetadata, _) => {}
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}

/// An empty name is not written in a `Struct`, so that it cannot be told from none.
fn has_empty_name(json: &Json) -> bool {
    json.all().iter().any(|value| match value {
        Json::Object(members) => members.iter().any(|member| member.name.0.is_empty()),
        _ => false,
    })
}

/// In native YAML, which knows no integers, it is the same.
fn check_struct(
    native: Result<Configured, ConfigErrors>,
    members: &Map<String, Value>,
    json: &Json,
    configured: &Configured,
) {
    let exact = 9_007_199_254_740_992.0;
    let mut is_plain = true;
    for value in json.all() {
        if let Json::Number(digits) = value {
            let number = digits.parse::<f64>();
            // Beyond, a double is another number.
            if number.is_ok_and(|number| number.abs() >= exact) {
                return;
            }
            is_plain &= !digits.contains(['.', 'e', 'E']) && digits != "-0";
        }
    }
    let is_too_deep = nested(members) > MAX_NESTED;
    let native = match native {
        Ok(native) => native,
        Err(_) if is_too_deep => return,
        Err(errors) => panic!("as a Struct it is refused: {errors}"),
    };
    assert!(!is_too_deep, "a Struct that nobody else reads");
    assert_eq!(native.warnings, configured.warnings);
    if is_plain {
        let (one, other) = (
            described(&native.authorizer),
            described(&configured.authorizer),
        );
        assert_eq!(one, other);
    }
}

fn described(authorizer: &Authorizer) -> String {
    let rules: Vec<_> = authorizer.rules().iter().map(|(_, rule)| rule).collect();
    let configs: Vec<_> = authorizer
        .providers()
        .iter()
        .map(Provider::config)
        .collect();
    let managed: Vec<_> = authorizer.managed_headers().collect();
    let rest = (authorizer.is_shadow(), authorizer.metadata());
    format!("{rules:?} {configs:?} {managed:?} {rest:?}")
}

fn check_changes(members: &Map<String, Value>) {
    let whole = Value::Object(members.clone());
    let mut objects = Vec::new();
    objects_in(&whole, String::new(), &mut objects);
    for pointer in objects.iter().take(MAX_CHANGES) {
        let mut unknown = whole.clone();
        let object = unknown
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .unwrap();
        if object.contains_key("zz_unknown") {
            return;
        }
        object.insert("zz_unknown".to_owned(), Value::from(1));
        refused(&unknown, "a name that there is not", pointer);
        let names: Vec<String> = whole
            .pointer(pointer)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        for name in names {
            let mut nothing = whole.clone();
            let object = nothing
                .pointer_mut(pointer)
                .and_then(Value::as_object_mut)
                .unwrap();
            object.insert(name.clone(), Value::Null);
            refused(
                &nothing,
                "nothing behind a name",
                &format!("{pointer}/{name}"),
            );
        }
    }
}

fn refused(value: &Value, what: &str, pointer: &str) {
    let text = value.to_string();
    let Err(errors) = parsed(text.as_bytes(), &Told::of(text.as_bytes())) else {
        panic!("{what} is taken: {pointer} in {value}");
    };
    // Some line names the place: its first step at least.
    let first = pointer.split('/').nth(1).unwrap_or_default();
    let is_named = errors.iter().any(|error| error.to_string().contains(first));
    assert!(is_named, "{pointer}: {errors}");
}

/// Pointers to all objects of which the names are known.
fn objects_in(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if !FREE.contains(&name.as_str()) {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    objects_in(value, format!("{pointer}/{name}"), found);
                }
            }
            found.push(pointer);
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                objects_in(value, format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}
