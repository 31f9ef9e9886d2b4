//! The head of a request as the core sees it.
//!
//! Headers are fetched one by one and only when something asks for them: in Envoy each fetch
//! crosses into the host.

use std::borrow::Cow;

/// A request's head, read lazily.
pub trait RequestHead {
    /// The value of a header or pseudo-header by its lower-case name; `None` if it is absent. Of
    /// one that was sent several times, the first. The bytes are the client's: they need not be
    /// UTF-8.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// A header that must not be sent several times. Envoy joins the values of `authorization`
    /// by `,` before anybody can see them; those come as one.
    fn single(&self, name: &str) -> Single<'_>;

    /// The names of all headers and pseudo-headers, lower-case, each as often as it was sent.
    fn names(&self) -> Vec<String>;

    /// The name of the route that Envoy has chosen, if it has one.
    fn route_name(&self) -> Option<Vec<u8>>;

    /// Whether the request is its head and nothing more.
    fn ends_stream(&self) -> bool;
}

/// The client at the other end of the connection.
pub trait Peer {
    /// The SHA-256 digest of the certificate that the client has proven to be its own, in
    /// lower-case hex; `None` if it has shown none.
    fn certificate_digest(&self) -> Option<Vec<u8>>;
}

/// A header that must not be sent several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Single<'a> {
    /// It is absent.
    Absent,
    /// It was sent once.
    Value(Cow<'a, [u8]>),
    /// It was sent several times.
    Repeated,
}

impl<'a> Single<'a> {
    /// From the values of the header of that name, as Envoy shows them: those of `authorization`
    /// are joined, and what is empty among them is dropped.
    pub fn shown_by_envoy(name: &str, values: Vec<Cow<'a, [u8]>>) -> Self {
        if name != "authorization" || values.is_empty() {
            return Self::of(values);
        }
        let given = values.into_iter().filter(|value| !value.is_empty());
        Self::Value(given.collect::<Vec<_>>().join(&b',').into())
    }

    /// From the values, one for each time that the header was sent.
    pub fn of(values: impl IntoIterator<Item = Cow<'a, [u8]>>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Value(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }
}

/// Whether this is a gRPC request, by Envoy's own rule: `content-type` is `application/grpc`,
/// alone or followed by `+` and a serialization.
pub fn is_grpc(head: &impl RequestHead) -> bool {
    head.header("content-type").is_some_and(|value| {
        value
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
    })
}

#[cfg(test)]
mod tests {
    use super::is_grpc;
    use crate::testing::head::FakeHead;

    #[test]
    fn grpc_by_content_type() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = [("content-type", content_type.as_bytes())];
            assert_eq!(is_grpc(&FakeHead::of(&headers)), expected, "{content_type}");
        }
        assert!(!is_grpc(&FakeHead::default()));
    }
}
