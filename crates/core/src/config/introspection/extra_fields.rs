//! What else is sent with each question: headers and parameters, of which none is the filter's own.

use http::HeaderValue;

use crate::config::context::{Context, Refused, all};
use crate::config::header_name;
use crate::config::raw::{Fields, Hidden};
use crate::introspection::api::Api;
use crate::introspection::request::ExtraFields;

/// Headers that are the filter's or Envoy's to set.
const OWN_HEADERS: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
];

pub(super) fn headers(
    key: &str,
    raw: Fields,
    api: Result<&Api, &Refused>,
    context: &mut Context,
) -> Result<ExtraFields, Refused> {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(raw.len());
    let mut result = Ok(());
    for (name, Hidden(value)) in raw {
        let key = format!("{key}.headers.{name}");
        match header(&key, &name, value, &fields, api, context) {
            Ok(field) => fields.push(field),
            Err(refused) => result = Err(refused),
        }
    }
    result.map(|()| ExtraFields(fields))
}

/// A header. There are others already.
fn header(
    key: &str,
    name: &str,
    value: String,
    others: &[(String, String)],
    api: Result<&Api, &Refused>,
    context: &mut Context,
) -> Result<(String, String), Refused> {
    let name = header_name(key, name, context)?;
    if OWN_HEADERS.contains(&name.as_str()) {
        return context.refuse(key, "is not yours to set");
    }
    if name == "authorization" && api.is_ok_and(Api::authenticates) {
        return context.refuse(key, "not together with client_authentication");
    }
    if others.iter().any(|(other, _)| *other == name) {
        return context.refuse(key, "is given twice");
    }
    // The host takes texts: what is not ASCII would be two things in one.
    if !value.is_ascii() || HeaderValue::from_str(&value).is_err() {
        return context.refuse(
            key,
            "its value holds a character that cannot stand in a header",
        );
    }
    Ok((name, value))
}

pub(super) fn parameters(
    key: &str,
    raw: Fields,
    api: Result<&Api, &Refused>,
    context: &mut Context,
) -> Result<ExtraFields, Refused> {
    let own = api.map(Api::own_parameters).unwrap_or_default();
    let own = raw.keys().filter(|name| own.contains(&name.as_str()));
    let refused = own.map(|name| {
        context.refuse::<()>(format!("{key}.parameters.{name}"), "is not yours to set")
    });
    all(refused)?;
    let fields = raw.into_iter().map(|(name, Hidden(value))| (name, value));
    Ok(ExtraFields(fields.collect()))
}
