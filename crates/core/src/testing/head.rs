//! A request's head, and the client that sent it.

use std::borrow::Cow;

use crate::request::head::{Peer, RequestHead, Single};

/// A head with what it is told to have.
#[derive(Clone, Debug, Default)]
pub struct FakeHead<'a> {
    headers: Vec<(&'a str, &'a [u8])>,
    route: Option<&'a str>,
    certificate: Option<&'a str>,
    has_body: bool,
}

impl<'a> FakeHead<'a> {
    /// Names and values, pseudo-headers among them.
    pub fn of(headers: &[(&'a str, &'a [u8])]) -> Self {
        Self {
            headers: headers.to_vec(),
            ..Self::default()
        }
    }

    /// Method and path, with a space between them.
    pub fn new(line: &'a str) -> Self {
        let (method, path) = line.split_once(' ').unwrap();
        Self::default()
            .header(":method", method)
            .header(":path", path)
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value.as_bytes()));
        self
    }

    /// The authority.
    #[must_use]
    pub fn host(self, authority: &'a str) -> Self {
        self.header(":authority", authority)
    }

    /// The name of the route that Envoy has chosen.
    #[must_use]
    pub fn route(mut self, name: &'a str) -> Self {
        self.route = Some(name);
        self
    }

    /// The digest of the certificate that the client has shown.
    #[must_use]
    pub fn certificate(mut self, digest: &'a str) -> Self {
        self.certificate = Some(digest);
        self
    }

    /// A body comes behind it.
    #[must_use]
    pub fn with_body(mut self) -> Self {
        self.has_body = true;
        self
    }

    fn values(&self, name: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let all = self.headers.iter().filter(move |(n, _)| *n == name);
        all.map(|(_, value)| (*value).into())
    }
}

impl RequestHead for FakeHead<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.values(name).next()
    }

    fn single(&self, name: &str) -> Single<'_> {
        Single::shown_by_envoy(name, self.values(name).collect())
    }

    fn names(&self) -> Vec<String> {
        let names = self.headers.iter().map(|(name, _)| *name);
        names.map(str::to_owned).collect()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        self.route.map(|name| name.as_bytes().to_vec())
    }

    fn ends_stream(&self) -> bool {
        !self.has_body
    }
}

impl Peer for FakeHead<'_> {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        self.certificate.map(|digest| digest.as_bytes().to_vec())
    }
}
