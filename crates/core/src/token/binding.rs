//! Sender-constrained tokens: whether the client is the one that the token was issued to.
//!
//! A token with a `cnf` claim (RFC 7800) is worth nothing to whoever cannot prove that. Bound to a
//! client certificate (RFC 8705), the connection proves it. Every other binding, such as `DPoP`
//! (RFC 9449), cannot be proven by a request that presents the token as a bearer token.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::request::head::Peer;

/// What a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The client certificate with this SHA-256 digest, in lower-case hex.
    Certificate(String),
    /// Something that nobody can prove here.
    Unprovable,
}

impl Binding {
    /// From the claim `cnf`. All that is in it must be proven, so anything but one well-formed
    /// `x5t#S256` cannot be.
    pub fn from_cnf(cnf: &Value) -> Self {
        let certificate = || {
            let methods = cnf.as_object()?;
            let thumbprint = methods.get("x5t#S256")?.as_str()?;
            let digest = URL_SAFE_NO_PAD.decode(thumbprint).ok()?;
            (methods.len() == 1 && digest.len() == 32).then(|| hex(&digest))
        };
        certificate().map_or(Self::Unprovable, Self::Certificate)
    }

    /// Whether the client's connection proves it.
    pub fn is_proven_by(&self, peer: &impl Peer) -> bool {
        match self {
            Self::Certificate(expected) => peer
                .certificate_digest()
                .is_some_and(|found| found == expected.as_bytes()),
            Self::Unprovable => false,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Binding::Unprovable;
    use super::*;
    use crate::testing::head::FakeHead;

    /// SHA-256 of nothing, as the claim has it and as Envoy does.
    const THUMBPRINT: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_a_token_is_bound_to() {
        let certificate = || Binding::Certificate(HEX.to_owned());
        for (cnf, expected) in [
            (json!({ "x5t#S256": THUMBPRINT }), certificate()),
            (json!({ "x5t#S256": format!("{THUMBPRINT}=") }), Unprovable),
            (json!({ "x5t#S256": HEX }), Unprovable),
            (json!({ "x5t#S256": "" }), Unprovable),
            (json!({ "x5t#S256": null }), Unprovable),
            (json!({ "x5t#S256": [THUMBPRINT] }), Unprovable),
            (json!({ "x5t#s256": THUMBPRINT }), Unprovable),
            (json!({ "x5t#S256": THUMBPRINT, "jkt": "x" }), Unprovable),
            (json!({ "jkt": "x" }), Unprovable),
            (json!({}), Unprovable),
            (json!([{ "x5t#S256": THUMBPRINT }]), Unprovable),
            (json!(THUMBPRINT), Unprovable),
            (json!(false), Unprovable),
        ] {
            assert_eq!(Binding::from_cnf(&cnf), expected, "{cnf}");
        }
    }

    #[test]
    fn what_proves_it() {
        let bound = Binding::from_cnf(&json!({ "x5t#S256": THUMBPRINT }));
        let other = "f3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (binding, certificate, expected) in [
            (&bound, Some(HEX), true),
            (&bound, Some(other), false),
            (&bound, Some(""), false),
            (&bound, None, false),
            (&Unprovable, Some(HEX), false),
            (&Unprovable, None, false),
        ] {
            let peer = FakeHead::default();
            let peer = match certificate {
                Some(digest) => peer.certificate(digest),
                None => peer,
            };
            let proven = binding.is_proven_by(&peer);
            assert_eq!(proven, expected, "{binding:?} {certificate:?}");
        }
    }
}
