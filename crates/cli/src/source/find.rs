//! Plugin configurations of Portvakt, wherever they stand in a file.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use granit_parser::ScalarStyle;

use super::Source;
use super::located::{Children, Located};
use super::offsets::offsets;
use super::reading::{self, Note, Reader};
use super::tree::{self, Documents, Kind, Node, SyntaxError};

/// What a plugin configuration stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A document of its own.
    Bare,
    /// A `google.protobuf.Struct` in Envoy's configuration.
    Struct,
    /// A `google.protobuf.StringValue` or `BytesValue` in Envoy's configuration.
    Text,
    /// Istio's `WasmPlugin` or `TrafficExtension`.
    Istio,
    /// Envoy Gateway's `EnvoyExtensionPolicy`.
    EnvoyGateway,
}

/// The variables of a VM, as far as the file says.
#[derive(Clone, Debug)]
pub(crate) enum Environment {
    /// The file does not say: any variable may be there.
    Unknown,
    /// Names, with values where they stand in the file.
    Known(Vec<(String, Option<String>)>),
}

/// A plugin configuration.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) carrier: Carrier,
    /// What the filter is handed.
    pub(crate) bytes: Vec<u8>,
    pub(crate) located: Located,
    /// Where its bytes stand in the file, if it is a text of JSON of which that can be said.
    pub(crate) offsets: Option<Vec<usize>>,
    /// Where its reader takes something for something else than it looks like.
    pub(crate) surprises: Vec<Note>,
    /// Why its reader takes none of it, so that the filter never sees it.
    pub(crate) refusals: Vec<Note>,
    /// Whether the VM has a `vm_id` of its own. `None`: the file does not say.
    pub(crate) has_vm_id: Option<bool>,
    pub(crate) environment: Environment,
    /// What it stands in: the `PluginConfig`, or the manifest.
    pub(crate) around: Option<Rc<Node>>,
}

/// All that is in a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) configurations: Vec<Configuration>,
    pub(crate) documents: Vec<Rc<Node>>,
    /// What keeps the rest of the file from being read.
    pub(crate) error: Option<SyntaxError>,
}

/// The type of Envoy's Wasm filter, after the last `/` of its URL.
const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// What Envoy's own files have at the top.
const ENVOY: [&str; 13] = [
    "@type",
    "admin",
    "clusters",
    "dynamic_resources",
    "http_filters",
    "layered_runtime",
    "listeners",
    "name",
    "node",
    "overload_manager",
    "resources",
    "static_resources",
    "stats_config",
];

/// Finds the plugin configurations in a file.
pub(crate) fn find(source: &Source) -> Found {
    let is_json = is_json(source);
    let Documents { roots, error } = tree::parse(&source.text);
    let mut found = Found {
        configurations: Vec::new(),
        documents: roots.clone(),
        error,
    };
    for root in &roots {
        document(source, root, is_json, &mut found.configurations);
    }
    // What nests too deep for the tree the filter refuses by itself.
    if is_json && roots.is_empty() && !source.text.contains("\"@type\"") {
        found.error = None;
        found.configurations.push(Configuration {
            bytes: source.text.clone().into_bytes(),
            offsets: Some((0..source.text.len()).collect()),
            ..nothing_at(0..source.text.len(), Carrier::Bare)
        });
    }
    // JSON is stricter than the tree's own syntax. A bare text the filter refuses by itself.
    let is_bare = |found: &Configuration| found.carrier == Carrier::Bare;
    if is_json && found.error.is_none() && !found.configurations.iter().any(is_bare) {
        found.error = json_error(&source.text);
    }
    found
}

/// Whether Envoy would read the file as JSON: it goes by the name. A bare configuration without a
/// name that says so is JSON if it reads as such.
fn is_json(source: &Source) -> bool {
    let extension = Path::new(&source.name).extension();
    let extension = extension.map(|ext| ext.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => !source.text.trim().is_empty() && json_error(&source.text).is_none(),
    }
}

fn json_error(text: &str) -> Option<SyntaxError> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    Some(SyntaxError {
        offset: offset_of(text, error.line(), error.column()),
        problem: error.to_string(),
    })
}

/// The byte at a line and column as `serde_json` counts them, from 1.
pub(crate) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before = line.saturating_sub(1);
    let start = text
        .split_inclusive('\n')
        .take(before)
        .map(str::len)
        .sum::<usize>();
    start
        .saturating_add(column.saturating_sub(1))
        .min(text.len())
}

fn document(source: &Source, root: &Rc<Node>, is_json: bool, found: &mut Vec<Configuration>) {
    let is_manifest = root.get("apiVersion").is_some() && root.get("kind").is_some();
    if is_manifest {
        let several = root.get("items").map_or(&[][..], |items| items.items());
        for manifest in std::iter::once(root).chain(several) {
            found.extend(manifest_configurations(source, manifest));
        }
    }
    let reader = match (is_manifest, is_json) {
        (true, _) => Reader::Kubernetes,
        (false, true) => Reader::Json,
        (false, false) => Reader::Envoy,
    };
    let before = found.len();
    found.extend(
        root.all()
            .iter()
            .filter_map(|node| filter(source, node, reader)),
    );
    let is_envoys = ENVOY.iter().any(|name| root.get(name).is_some());
    if !is_manifest && !is_envoys && found.len() == before && !is_empty(root) {
        found.push(bare(source, root, is_json));
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar { text, style: ScalarStyle::Plain } if text.is_empty())
}

fn bare(source: &Source, root: &Rc<Node>, is_json: bool) -> Configuration {
    let reader = if is_json { Reader::Json } else { Reader::Envoy };
    let mut configuration = native(root, reader, Carrier::Bare, None);
    if is_json {
        configuration.bytes = source.text.clone().into_bytes();
        configuration.offsets = Some((0..source.text.len()).collect());
        // The filter refuses those itself.
        configuration.refusals.clear();
    }
    configuration
}

/// A value as its reader has it.
fn native(
    node: &Rc<Node>,
    reader: Reader,
    carrier: Carrier,
    around: Option<&Rc<Node>>,
) -> Configuration {
    let reading = reading::read(node, reader);
    Configuration {
        carrier,
        bytes: reading.value.to_string().into_bytes(),
        located: reading.located,
        offsets: None,
        surprises: reading.surprises,
        refusals: reading.refusals,
        has_vm_id: None,
        environment: Environment::Unknown,
        around: around.cloned(),
    }
}

/// What a filter without a configuration is handed.
fn nothing(around: &Rc<Node>, carrier: Carrier) -> Configuration {
    Configuration {
        around: Some(Rc::clone(around)),
        ..nothing_at(around.span.clone(), carrier)
    }
}

fn nothing_at(place: Range<usize>, carrier: Carrier) -> Configuration {
    Configuration {
        carrier,
        bytes: Vec::new(),
        located: scalar(place),
        offsets: None,
        surprises: Vec::new(),
        refusals: Vec::new(),
        has_vm_id: None,
        environment: Environment::Unknown,
        around: None,
    }
}

fn scalar(value: Range<usize>) -> Located {
    Located {
        name: None,
        value,
        children: Children::None,
    }
}

fn manifest_configurations(source: &Source, manifest: &Rc<Node>) -> Vec<Configuration> {
    let kind = manifest.get("kind").and_then(|kind| kind.text());
    match kind {
        Some("WasmPlugin") => istio(source, manifest, &["spec"]).into_iter().collect(),
        Some("TrafficExtension") => istio(source, manifest, &["spec", "wasm"])
            .into_iter()
            .collect(),
        Some("EnvoyExtensionPolicy") => {
            let all = manifest
                .at(&["spec", "wasm"])
                .map_or(&[][..], |all| all.items());
            all.iter()
                .filter_map(|wasm| envoy_gateway(source, wasm))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn istio(source: &Source, manifest: &Rc<Node>, path: &[&str]) -> Option<Configuration> {
    let wasm = manifest.at(path)?;
    let config = wasm.get("pluginConfig");
    if !is_portvakts(source, manifest, config) {
        return None;
    }
    let mut found = match config {
        Some(config) => native(config, Reader::Kubernetes, Carrier::Istio, Some(manifest)),
        None => nothing(wasm, Carrier::Istio),
    };
    found.has_vm_id = Some(false);
    let variables = wasm
        .at(&["vmConfig", "env"])
        .map_or(&[][..], |all| all.items());
    let variables = variables.iter().filter_map(|variable| {
        let name = variable.get("name")?.text()?.to_owned();
        let value = variable.get("value").and_then(|value| value.text());
        Some((name, value.map(str::to_owned)))
    });
    found.environment = Environment::Known(variables.collect());
    found.around = Some(Rc::clone(manifest));
    Some(found)
}

fn envoy_gateway(source: &Source, wasm: &Rc<Node>) -> Option<Configuration> {
    let config = wasm.get("config");
    if !is_portvakts(source, wasm, config) {
        return None;
    }
    let mut found = match config {
        Some(config) => native(
            config,
            Reader::Kubernetes,
            Carrier::EnvoyGateway,
            Some(wasm),
        ),
        None => nothing(wasm, Carrier::EnvoyGateway),
    };
    found.has_vm_id = Some(true);
    let names = wasm
        .at(&["env", "hostKeys"])
        .map_or(&[][..], |all| all.items());
    let names = names
        .iter()
        .filter_map(|name| Some((name.text()?.to_owned(), None)));
    found.environment = Environment::Known(names.collect());
    Some(found)
}

/// The configuration of a Wasm filter in Envoy's configuration.
fn filter(source: &Source, node: &Rc<Node>, reader: Reader) -> Option<Configuration> {
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
            native(value, reader, Carrier::Struct, Some(plugin))
        }
        (Some(_), Some(value)) if is_a("google.protobuf.StringValue") => {
            text(source, value, plugin)
        }
        (Some(_), Some(value)) if is_a("google.protobuf.BytesValue") => bytes(value, plugin),
        (Some(any), _) if any.get("@type").is_some() && !is_a("google.protobuf.Struct") => {
            let mut found = nothing(any, Carrier::Text);
            let problem =
                "expected a google.protobuf.Struct, or a google.protobuf.StringValue of JSON";
            let refusal = reading::note(&any.span, ".", problem.to_owned());
            found.refusals.push(refusal);
            found
        }
        (Some(any), _) => nothing(any, Carrier::Struct),
        (None, _) => nothing(plugin, Carrier::Struct),
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
        return native(value, Reader::Json, Carrier::Text, Some(plugin));
    };
    let offsets = offsets(&source.text, &value.span, text, *style);
    Configuration {
        bytes: text.clone().into_bytes(),
        located: within(text, value, offsets.as_deref()),
        offsets,
        ..nothing(plugin, Carrier::Text)
    }
}

/// Where the values of a text of JSON stand in the file: the text itself, where that cannot be
/// said.
fn within(text: &str, value: &Rc<Node>, offsets: Option<&[usize]>) -> Located {
    let documents = tree::parse(text);
    let (Some(root), Some(offsets)) = (documents.roots.first(), offsets) else {
        return scalar(value.span.clone());
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
    let mut found = nothing(plugin, Carrier::Text);
    found.located = scalar(value.span.clone());
    if let Some(Ok(bytes)) = value.text().map(|text| STANDARD.decode(text.trim())) {
        found.bytes = bytes;
    } else {
        let problem = "a google.protobuf.BytesValue is base64".to_owned();
        let refusal = reading::note(&value.span, ".", problem);
        found.refusals.push(refusal);
    }
    found
}

/// Keys of which every configuration has some.
const KEYS: [&str; 4] = ["introspection", "providers", "rules", "required_scopes"];

fn names_a_key(json: &str) -> bool {
    KEYS.iter().any(|key| json.contains(&format!("\"{key}\"")))
}

/// Whether a Wasm plugin is Portvakt: by what it is configured with, or by a name.
fn is_portvakts(source: &Source, plugin: &Node, config: Option<&Rc<Node>>) -> bool {
    if let Some(config) = config {
        let has_key = match config.text() {
            Some(text) => names_a_key(text),
            None => KEYS.iter().any(|key| config.get(key).is_some()),
        };
        if has_key {
            return true;
        }
    }
    // Names, addresses of images and modules.
    let around = match config {
        Some(config) => [
            plugin.span.start..config.span.start,
            config.span.end..plugin.span.end,
        ],
        None => [plugin.span.clone(), 0..0],
    };
    around.iter().any(|range| {
        source
            .slice(range)
            .to_ascii_lowercase()
            .contains("portvakt")
    })
}

#[cfg(test)]
mod tests;
