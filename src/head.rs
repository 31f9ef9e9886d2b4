//! The request's head, fetched from the host.

use std::borrow::Cow;
use std::cell::OnceCell;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use super::plugin::Plugin;
use portvakt_core::request::head::{Peer, RequestHead, Single};

/// So many headers can be fetched together at the price of one that is fetched by itself, about.
const AT_THE_PRICE_OF_ONE: usize = 8;

/// The head of the stream in the effective context. Only good in `on_http_request_headers` and while
/// the stream is paused there: at other times the host shows none, and the SDK panics.
///
/// What the client sent in the filter's name is not in it.
pub(super) struct HostHead<'a> {
    plugin: Option<&'a Plugin>,
    /// Whether the request ends with its head.
    ends_stream: bool,
    /// Whether headers are not worth being fetched one by one.
    is_read_whole: bool,
    all: OnceCell<Vec<(String, Vec<u8>)>>,
}

impl<'a> HostHead<'a> {
    /// Of so many headers, pseudo-headers among them. Without a plugin it is as it was sent.
    pub(super) fn new(plugin: Option<&'a Plugin>, count: usize, ends_stream: bool) -> Self {
        let looked_at = plugin.map_or(0, |plugin| plugin.headers_looked_at);
        Self {
            plugin,
            ends_stream,
            is_read_whole: looked_at > 2 && count <= looked_at.saturating_mul(AT_THE_PRICE_OF_ONE),
            all: OnceCell::new(),
        }
    }

    /// The SDK takes names, but not values, for UTF-8; Envoy refuses others than tokens.
    fn all(&self) -> &[(String, Vec<u8>)] {
        self.all.get_or_init(|| {
            hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()
        })
    }

    /// What was sent under that name.
    fn values(&self, name: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let is_own = !self.is_managed(name);
        let own = self.all().iter().filter(move |(n, _)| is_own && n == name);
        own.map(|(_, value)| value.into())
    }

    fn is_managed(&self, name: &str) -> bool {
        let mut managed = self
            .plugin
            .iter()
            .flat_map(|plugin| plugin.authorizer.managed_headers());
        managed.any(|managed| managed == name)
    }
}

impl RequestHead for HostHead<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if self.is_read_whole {
            return self.values(name).next();
        }
        if self.is_managed(name) {
            return None;
        }
        let value = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name);
        value.ok().flatten().map(Cow::Owned)
    }

    fn single(&self, name: &str) -> Single<'_> {
        if name == "authorization" && !self.is_read_whole {
            // Joined by Envoy: one header need not be looked for among all.
            return Single::of(self.header(name));
        }
        Single::of(self.values(name))
    }

    fn names(&self) -> Vec<String> {
        let names = self.all().iter().map(|(name, _)| name);
        names
            .filter(|name| !self.is_managed(name))
            .cloned()
            .collect()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        property(vec!["xds", "route_name"])
    }

    fn ends_stream(&self) -> bool {
        self.ends_stream
    }
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
