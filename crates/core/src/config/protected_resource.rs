//! The section `protected_resource`.

use http::Uri;
use http::uri::PathAndQuery;
use serde_json::{Map, Value};

use super::context::{Context, Refused};
use super::raw::Document;

use crate::reply::metadata::ProtectedResource;

/// Members that RFC 9728 section 2 has as arrays of strings.
const LISTS: [&str; 3] = [
    "authorization_servers",
    "scopes_supported",
    "bearer_methods_supported",
];

pub(super) fn build_protected_resource(
    raw: Document,
    context: &mut Context,
) -> Result<Option<ProtectedResource>, Refused> {
    let Document(document) = raw;
    if document.is_empty() {
        return Ok(None);
    }
    let mut lists = Ok(());
    for name in LISTS {
        let is_list = |value: &Value| {
            let items = value.as_array();
            items.is_some_and(|items| items.iter().all(Value::is_string))
        };
        if !document.get(name).is_none_or(is_list) {
            lists = context.refuse(
                format!("protected_resource.{name}"),
                "expected an array of strings",
            );
        }
    }
    let resource = resource(&document).map_or_else(
        || {
            context.refuse(
                "protected_resource.resource",
                "expected an https (or http) URL without fragment, whose path has one reading",
            )
        },
        |resource| Ok(Some(resource)),
    );
    lists.and(resource)
}

fn resource(document: &Map<String, Value>) -> Option<ProtectedResource> {
    let url = document.get("resource")?.as_str()?;
    let uri: Uri = url.parse().ok()?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = uri
        .authority()
        .filter(|authority| !authority.as_str().contains('@'))?;
    if url.contains(['#', '"', '\\']) || !url.is_ascii() {
        return None;
    }
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    ProtectedResource::new(document, &format!("{scheme}://{authority}"), target)
}
