//! Who may ask the RFC 7662 endpoint.

use std::fmt;

/// The one client that the RFC 7662 endpoint knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Its `client_secret`; also what it may send as a bearer token.
    pub secret: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let client = Client {
            id: "me".to_owned(),
            secret: "hidden".to_owned(),
        };
        assert!(!format!("{client:?}").contains("hidden"));
    }
}
