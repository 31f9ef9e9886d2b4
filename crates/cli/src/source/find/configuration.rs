//! A plugin configuration that was found: what the filter is handed, and what the file says of its
//! surroundings.

use std::ops::Range;
use std::rc::Rc;

use crate::source::located::Located;
use crate::source::reading::{self, Note, Reader};
use crate::source::tree::Node;

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

impl Configuration {
    /// A value as its reader has it.
    pub(super) fn of_node(
        node: &Rc<Node>,
        reader: Reader,
        carrier: Carrier,
        around: Option<&Rc<Node>>,
    ) -> Self {
        let reading = reading::read(node, reader);
        Self {
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
    pub(super) fn absent(around: &Rc<Node>, carrier: Carrier) -> Self {
        Self {
            around: Some(Rc::clone(around)),
            ..Self::empty(around.span.clone(), carrier)
        }
    }

    /// Nothing yet, of which the place is known.
    pub(super) fn empty(place: Range<usize>, carrier: Carrier) -> Self {
        Self {
            carrier,
            bytes: Vec::new(),
            located: Located::scalar(place),
            offsets: None,
            surprises: Vec::new(),
            refusals: Vec::new(),
            has_vm_id: None,
            environment: Environment::Unknown,
            around: None,
        }
    }
}
