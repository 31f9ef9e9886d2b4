//! The request's head, fetched from the host.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use portvakt_core::request::head::{Peer, RequestHead, Single};

/// The head of the stream whose headers the host is showing just now. Only good in
/// `on_http_request_headers`: at other times the SDK panics.
pub(super) struct HostHead {
    /// Whether the request ends with its head.
    pub(super) ends_stream: bool,
}

impl RequestHead for HostHead {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name)
            .ok()
            .flatten()
    }

    fn single(&self, name: &str) -> Single {
        if name == "authorization" {
            // Joined by Envoy: fetching one header is cheaper than fetching all.
            return Single::of(self.header(name));
        }
        let own = all().into_iter().filter(|(n, _)| n == name);
        Single::of(own.map(|(_, value)| value))
    }

    fn names(&self) -> Vec<String> {
        all().into_iter().map(|(name, _)| name).collect()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        property(vec!["xds", "route_name"])
    }

    fn ends_stream(&self) -> bool {
        self.ends_stream
    }
}

/// The SDK takes names, but not values, for UTF-8; Envoy refuses others than tokens.
fn all() -> Vec<(String, Vec<u8>)> {
    hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()
}

/// The client of the stream in the effective context, paused or not.
pub(super) struct HostPeer;

impl Peer for HostPeer {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        property(vec!["connection", "sha256_peer_certificate_digest"])
    }
}

/// What the stream in the effective context is called in logs, by Envoy's `x-request-id`.
pub(super) fn request_id() -> String {
    let id = property(vec!["request", "id"]).unwrap_or_default();
    id.escape_ascii().to_string()
}

/// A property of the stream in the effective context.
pub(super) fn property(path: Vec<&str>) -> Option<Vec<u8>> {
    hostcalls::get_property(path).ok().flatten()
}
