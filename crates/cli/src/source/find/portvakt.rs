//! Which Wasm plugins are Portvakt: a file does not say so in one place.

use std::rc::Rc;

use crate::source::Source;
use crate::source::tree::Node;

/// Keys of which every configuration has some.
const KEYS: [&str; 4] = ["introspection", "providers", "rules", "required_scopes"];

pub(super) fn names_a_key(json: &str) -> bool {
    KEYS.iter().any(|key| json.contains(&format!("\"{key}\"")))
}

/// Whether a Wasm plugin is Portvakt: by what it is configured with, or by a name.
pub(super) fn is_portvakts(source: &Source, plugin: &Node, config: Option<&Rc<Node>>) -> bool {
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
