//! In Kubernetes manifests: what Istio and Envoy Gateway hand to the filter.

use std::rc::Rc;

use super::configuration::{Carrier, Configuration, Environment};
use super::portvakt::is_portvakts;
use crate::source::Source;
use crate::source::reading::Reader;
use crate::source::tree::Node;

/// The configurations in one manifest.
pub(super) fn configurations(source: &Source, manifest: &Rc<Node>) -> Vec<Configuration> {
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
        Some(config) => {
            Configuration::of_node(config, Reader::Kubernetes, Carrier::Istio, Some(manifest))
        }
        None => Configuration::absent(wasm, Carrier::Istio),
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
        Some(config) => Configuration::of_node(
            config,
            Reader::Kubernetes,
            Carrier::EnvoyGateway,
            Some(wasm),
        ),
        None => Configuration::absent(wasm, Carrier::EnvoyGateway),
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
