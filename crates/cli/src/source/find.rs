//! Plugin configurations of Portvakt, wherever they stand in a file.

mod configuration;
mod envoy;
mod manifest;
mod portvakt;

use std::path::Path;
use std::rc::Rc;

use granit_parser::ScalarStyle;

pub(crate) use self::configuration::{Carrier, Configuration, Environment};
pub(crate) use self::envoy::{WASM, is_type};
use super::Source;
use super::reading::Reader;
use super::tree::{self, Documents, Kind, Node, SyntaxError};

/// All that is in a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) configurations: Vec<Configuration>,
    pub(crate) documents: Vec<Rc<Node>>,
    /// What keeps the rest of the file from being read.
    pub(crate) error: Option<SyntaxError>,
}

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
            ..Configuration::empty(0..source.text.len(), Carrier::Bare)
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
            found.extend(manifest::configurations(source, manifest));
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
            .filter_map(|node| envoy::configuration(source, node, reader)),
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
    let mut configuration = Configuration::of_node(root, reader, Carrier::Bare, None);
    if is_json {
        configuration.bytes = source.text.clone().into_bytes();
        configuration.offsets = Some((0..source.text.len()).collect());
        // The filter refuses those itself.
        configuration.refusals.clear();
    }
    configuration
}

#[cfg(test)]
mod tests;
