//! RFC 7662: token introspection as it is standardised.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Body;
use crate::introspection::error::Answer;
use crate::introspection::request::{ExtraFields, HIDDEN, Secret};
use crate::token::extract::AccessToken;
use crate::token::facts::Introspection;

/// Its name in the configuration.
pub const NAME: &str = "rfc7662";

/// A token may be revoked at any time.
pub(super) const STALE_IF_ERROR: Duration = Duration::ZERO;

/// How an RFC 7662 endpoint is asked and read.
#[derive(Clone, Debug, Default)]
pub struct Rfc7662 {
    /// The `token_type_hint` to send, if any.
    pub token_type_hint: Option<String>,
    /// How the filter itself authenticates; `None` leaves that to Envoy.
    pub client_authentication: Option<ClientAuthentication>,
    /// Statuses that speak of the token, which is inactive then.
    pub inactive_statuses: Vec<u16>,
}

/// How the filter authenticates to an RFC 7662 endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `Authorization: Basic`, encoded as RFC 6749 section 2.3.1 says.
    Basic {
        /// The client's identifier.
        client_id: String,
        /// The client's secret.
        secret: Secret,
    },
    /// `client_id` and `client_secret` in the form.
    Post {
        /// The client's identifier.
        client_id: String,
        /// The client's secret.
        secret: Secret,
    },
    /// `Authorization: Bearer`.
    Bearer {
        /// The filter's own access token: visible ASCII.
        secret: Secret,
    },
}

impl Rfc7662 {
    pub(super) fn own_parameters(&self) -> &'static [&'static str] {
        match self.client_authentication {
            Some(ClientAuthentication::Post { .. }) => {
                &["token", "token_type_hint", "client_id", "client_secret"]
            }
            Some(ClientAuthentication::Basic { .. } | ClientAuthentication::Bearer { .. })
            | None => &["token", "token_type_hint"],
        }
    }

    pub(super) fn body(&self, token: &AccessToken, parameters: &ExtraFields) -> Body {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose());
        if let Some(hint) = &self.token_type_hint {
            form.append_pair("token_type_hint", hint);
        }
        if let Some(ClientAuthentication::Post { client_id, secret }) = &self.client_authentication
        {
            form.append_pair("client_id", client_id);
            form.append_pair("client_secret", secret.expose());
        }
        form.extend_pairs(&parameters.0);
        Body {
            content_type: "application/x-www-form-urlencoded",
            bytes: form.finish().into_bytes(),
        }
    }

    pub(super) fn without_secrets(&self) -> Self {
        use ClientAuthentication::{Basic, Bearer, Post};
        let hidden = || Secret::new(HIDDEN.to_owned());
        let hide = |authentication: &ClientAuthentication| match authentication {
            Basic { client_id, .. } => Basic {
                client_id: client_id.clone(),
                secret: hidden(),
            },
            Post { client_id, .. } => Post {
                client_id: client_id.clone(),
                secret: hidden(),
            },
            Bearer { .. } => Bearer { secret: hidden() },
        };
        Self {
            client_authentication: self.client_authentication.as_ref().map(hide),
            ..self.clone()
        }
    }

    pub(super) fn authorization(&self) -> Option<String> {
        match self.client_authentication.as_ref()? {
            ClientAuthentication::Basic { client_id, secret } => {
                let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
                Some(format!("Basic {}", STANDARD.encode(pair)))
            }
            ClientAuthentication::Bearer { secret } => Some(format!("Bearer {}", secret.expose())),
            ClientAuthentication::Post { .. } => None,
        }
    }

    /// The standard has no `error` in such an answer.
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as other APIs have it"
    )]
    pub(super) fn inactive(&self, _error: &str) -> Answer {
        Ok(Introspection::Inactive)
    }

    /// What is shared of an answer does not say its status.
    pub(super) fn reading(&self) -> Vec<u8> {
        let statuses = self.inactive_statuses.iter();
        statuses.flat_map(|status| status.to_be_bytes()).collect()
    }
}

/// As a form has it (RFC 6749 appendix B), but for spaces: `%20` is a space to every server, `+`
/// only to those that decode forms. A `+` of the text is `%2B`.
fn encoded(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_as_a_form_but_for_spaces() {
        for (text, expected) in [
            ("abcXYZ019*-._", "abcXYZ019*-._"),
            (" ", "%20"),
            ("+", "%2B"),
            ("%20", "%2520"),
            ("a b+c", "a%20b%2Bc"),
            (":", "%3A"),
            ("~!'()", "%7E%21%27%28%29"),
            (
                "/?#[]@&=;,$\"<>\\^`{|}",
                "%2F%3F%23%5B%5D%40%26%3D%3B%2C%24%22%3C%3E%5C%5E%60%7B%7C%7D",
            ),
            ("\t\r\n\0", "%09%0D%0A%00"),
            ("æ€🫐", "%C3%A6%E2%82%AC%F0%9F%AB%90"),
            ("", ""),
        ] {
            assert_eq!(encoded(text), expected, "{text}");
        }
    }
}
