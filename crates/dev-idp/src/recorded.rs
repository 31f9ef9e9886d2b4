//! What is kept of a request.

/// One introspection request, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The path, without a query.
    pub path: String,
    /// Names in lower case, values as bytes, in the order they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}
