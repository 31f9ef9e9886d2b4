//! In Envoy's own configuration: Wasm filters, and what their `Any` holds.

use std::ops::Range;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::configuration::{Carrier, Configuration, Environment};
use super::portvakt::{is_portvakts, names_a_key};
use crate::source::Source;
use crate::source::located::Located;
use crate::source::offsets::offsets;
use crate::source::reading::{self, Reader};
use crate::source::tree::{self, Kind, Node};

/// The type of Envoy's Wasm filter, after the last `/` of its URL.
pub(crate) const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// The configuration of a Wasm filter in Envoy's configuration.
pub(super) fn configuration(
    source: &Source,
    node: &Rc<Node>,
    reader: Reader,
) -> Option<Configuration> {
    let plugin = wasm_filter(node)?.get("config")?;
    let any = plugin.get("configuration");
    let value = any.and_then(|any| any.get("value"));
    let is_a = |name: &str| any.is_some_and(|any| is_type(any, name));
    let decoded = value.filter(|_| is_a("google.protobuf.BytesValue"));
    let decoded = decoded.and_then(|value| STANDARD.decode(value.text()?.trim()).ok());
    let has_key = decoded.is_some_and(|bytes| names_a_key(&String::from_utf8_lossy(&bytes)));
    if !has_key && !is_portvakts(source, plugin, value) {
        return None;
    }
    let mut found = match (any, value) {
        (Some(_), Some(value)) if is_a("google.protobuf.Struct") => {
            Configuration::of_node(value, reader, Carrier::Struct, Some(plugin))
        }
        (Some(_), Some(value)) if is_a("google.protobuf.StringValue") => {
            text(source, value, plugin)
        }
        (Some(_), Some(value)) if is_a("google.protobuf.BytesValue") => bytes(value, plugin),
        (Some(any), _) if any.get("@type").is_some() && !is_a("google.protobuf.Struct") => {
            let mut found = Configuration::absent(any, Carrier::Text);
            let problem =
                "expected a google.protobuf.Struct, or a google.protobuf.StringValue of JSON";
            let refusal = reading::note(&any.span, ".", problem.to_owned());
            found.refusals.push(refusal);
            found
        }
        (Some(any), _) => Configuration::absent(any, Carrier::Struct),
        (None, _) => Configuration::absent(plugin, Carrier::Struct),
    };
    let vm = plugin.get("vm_config");
    let id = vm.and_then(|vm| vm.get("vm_id")).and_then(|id| id.text());
    found.has_vm_id = Some(id.is_some_and(|id| !id.is_empty()));
    found.environment = Environment::Known(vm.map(variables).unwrap_or_default());
    found.around = Some(Rc::clone(plugin));
    Some(found)
}

/// The Wasm filter that a node is, by itself or within a `TypedStruct`.
fn wasm_filter(node: &Rc<Node>) -> Option<&Rc<Node>> {
    if is_type(node, WASM) {
        return Some(node);
    }
    let is_wrapped = ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"]
        .iter()
        .any(|name| is_type(node, name))
        && node
            .get("type_url")
            .and_then(|url| url.text())
            .is_some_and(|url| url.ends_with(WASM));
    if is_wrapped { node.get("value") } else { None }
}

/// Whether a node says that it is of that type.
pub(crate) fn is_type(node: &Node, name: &str) -> bool {
    let url = node.get("@type").and_then(|url| url.text());
    url.and_then(|url| url.rsplit('/').next()) == Some(name)
}

fn variables(vm: &Rc<Node>) -> Vec<(String, Option<String>)> {
    let keys = vm.at(&["environment_variables", "host_env_keys"]);
    let keys = keys.map_or(&[][..], |keys| keys.items());
    let keys = keys
        .iter()
        .filter_map(|key| Some((key.text()?.to_owned(), None)));
    let pairs = vm.at(&["environment_variables", "key_values"]);
    let pairs = pairs.map_or(&[][..], |pairs| pairs.members());
    let pairs = pairs.iter().filter_map(|(name, value)| {
        Some((name.text()?.to_owned(), value.text().map(str::to_owned)))
    });
    keys.chain(pairs).collect()
}

/// A text of JSON.
fn text(source: &Source, value: &Rc<Node>, plugin: &Rc<Node>) -> Configuration {
    let Kind::Scalar { text, style } = &value.kind else {
        return Configuration::of_node(value, Reader::Json, Carrier::Text, Some(plugin));
    };
    let offsets = offsets(&source.text, &value.span, text, *style);
    Configuration {
        bytes: text.clone().into_bytes(),
        located: within(text, value, offsets.as_deref()),
        offsets,
        ..Configuration::absent(plugin, Carrier::Text)
    }
}

/// Where the values of a text of JSON stand in the file: the text itself, where that cannot be
/// said.
fn within(text: &str, value: &Rc<Node>, offsets: Option<&[usize]>) -> Located {
    let documents = tree::parse(text);
    let (Some(root), Some(offsets)) = (documents.roots.first(), offsets) else {
        return Located::scalar(value.span.clone());
    };
    let place = |at: usize| offsets.get(at).copied();
    let moved =
        |range: &Range<usize>| match (place(range.start), place(range.end.saturating_sub(1))) {
            (Some(start), Some(end)) => start..end.saturating_add(1).max(start),
            _ => value.span.clone(),
        };
    reading::read(root, Reader::Json).located.moved(&moved)
}

fn bytes(value: &Rc<Node>, plugin: &Rc<Node>) -> Configuration {
    let mut found = Configuration::absent(plugin, Carrier::Text);
    found.located = Located::scalar(value.span.clone());
    if let Some(Ok(bytes)) = value.text().map(|text| STANDARD.decode(text.trim())) {
        found.bytes = bytes;
    } else {
        let problem = "a google.protobuf.BytesValue is base64".to_owned();
        let refusal = reading::note(&value.span, ".", problem);
        found.refusals.push(refusal);
    }
    found
}
