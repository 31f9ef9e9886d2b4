//! A request that nobody has sent: a head and a client as values.

use std::borrow::Cow;

use crate::request::head::{Peer, RequestHead, Single};

/// A request's head, and the client that would send it.
#[derive(Clone, Default)]
pub struct Head {
    /// Names (lower-case) and values, pseudo-headers among them, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The name of the route that Envoy would choose.
    pub route: Option<String>,
    /// The SHA-256 digest of the client's certificate, in lower-case hex.
    pub certificate: Option<String>,
    /// Whether a body would follow.
    pub has_body: bool,
}

impl Head {
    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The same without these headers.
    #[must_use]
    pub(super) fn without<'a>(mut self, names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.collect();
        self.headers
            .retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    fn values(&self, name: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let own = self.headers.iter().filter(move |(own, _)| own == name);
        own.map(|(_, value)| value.into())
    }
}

impl RequestHead for Head {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.values(name).next()
    }

    fn single(&self, name: &str) -> Single<'_> {
        Single::shown_by_envoy(name, self.values(name).collect())
    }

    fn names(&self) -> Vec<String> {
        self.headers.iter().map(|(name, _)| name.clone()).collect()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        self.route.clone().map(String::into_bytes)
    }

    fn ends_stream(&self) -> bool {
        !self.has_body
    }
}

impl Peer for Head {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        self.certificate.clone().map(String::into_bytes)
    }
}
