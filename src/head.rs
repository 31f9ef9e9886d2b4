//! The head of a request as the core sees it.
//!
//! Headers are fetched one by one and only when something asks for them: in Envoy each fetch
//! crosses into the host (facts: performance).

/// A request's head, read lazily.
pub trait RequestHead {
    /// The value of a header or pseudo-header by its lower-case name; `None` if it is absent. Of
    /// one that was sent several times, the first. The bytes are the client's: they need not be
    /// UTF-8.
    fn header(&self, name: &str) -> Option<Vec<u8>>;

    /// The values of a header, one for each time it was sent. Envoy has joined those of
    /// `authorization` by `,` before anybody can see them.
    fn values(&self, name: &str) -> Vec<Vec<u8>>;
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
pub(crate) mod fake {
    use super::RequestHead;

    /// A head for tests: names and values as given.
    pub(crate) struct FakeHead<'a>(pub(crate) &'a [(&'a str, &'a [u8])]);

    impl RequestHead for FakeHead<'_> {
        fn header(&self, name: &str) -> Option<Vec<u8>> {
            self.values(name).into_iter().next()
        }

        fn values(&self, name: &str) -> Vec<Vec<u8>> {
            let all = self.0.iter().filter(|(n, _)| *n == name);
            let values: Vec<_> = all.map(|(_, value)| value.to_vec()).collect();
            if name == "authorization" && !values.is_empty() {
                // As Envoy does it: what is empty is dropped.
                let given = values.into_iter().filter(|value| !value.is_empty());
                return vec![given.collect::<Vec<_>>().join(&b',')];
            }
            values
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::FakeHead;
    use super::is_grpc;

    #[test]
    fn grpc_by_content_type() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = [("content-type", content_type.as_bytes())];
            assert_eq!(is_grpc(&FakeHead(&headers)), expected, "{content_type}");
        }
        assert!(!is_grpc(&FakeHead(&[])));
    }
}
