//! The request's head, fetched from the host.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use crate::head::RequestHead;

/// The head of the stream whose headers the host is showing just now. Only good in
/// `on_http_request_headers`: at other times the SDK panics.
pub(super) struct HostHead;

impl RequestHead for HostHead {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name)
            .ok()
            .flatten()
    }
}
