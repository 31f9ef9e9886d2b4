//! Challenges: what a client can do about a refusal (`WWW-Authenticate`, RFC 6750 section 3,
//! RFC 9470, RFC 9728).

use std::time::Duration;

use crate::policy::requirement::Asks;

/// What challenges carry beside the reason (RFC 6750 section 3, RFC 9728 section 5.1).
/// Each value is such that it can stand in a quoted string as it is.
#[derive(Clone, Debug, Default)]
pub struct ChallengeParameters {
    /// `realm`, if any.
    pub realm: Option<String>,
    /// `resource_metadata`, if any: a URL.
    pub resource_metadata: Option<String>,
}

/// What a challenge speaks of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Challenge {
    None,
    /// Without `error`, with the scopes.
    Bare,
    Error(&'static str),
    ErrorWithScopes(&'static str),
    ErrorWithAuthentication(&'static str),
}

impl ChallengeParameters {
    /// The challenge, if there is one. `asks` is what the matched rule asks for.
    pub(super) fn challenge(&self, challenge: Challenge, asks: &Asks) -> Option<String> {
        match challenge {
            Challenge::None => None,
            Challenge::Bare => Some(self.write(&[("scope", scope_parameter(&asks.scopes))])),
            Challenge::Error(error) => Some(self.write(&[("error", Some(error.to_owned()))])),
            Challenge::ErrorWithScopes(error) => Some(self.write(&[
                ("error", Some(error.to_owned())),
                ("scope", scope_parameter(&asks.scopes)),
            ])),
            Challenge::ErrorWithAuthentication(error) => Some(self.write(&[
                ("error", Some(error.to_owned())),
                ("acr_values", joined(&asks.acr_values)),
                ("max_age", asks.max_age.map(seconds)),
            ])),
        }
    }

    fn write(&self, about: &[(&str, Option<String>)]) -> String {
        let realm = [("realm", self.realm.as_deref())];
        let metadata = [("resource_metadata", self.resource_metadata.as_deref())];
        let about = about.iter().map(|(name, value)| (*name, value.as_deref()));
        let parameters: Vec<_> = realm
            .into_iter()
            .chain(about)
            .chain(metadata)
            .filter_map(|(name, value)| value.map(|value| format!("{name}=\"{value}\"")))
            .collect();
        format!("Bearer {}", parameters.join(", "))
            .trim_end()
            .to_owned()
    }
}

/// The scopes with spaces between them. `None` if one of them cannot stand in a challenge
/// (RFC 6750 section 3 has ASCII only): an incomplete list would send the client for a token that
/// is refused again.
fn scope_parameter(scopes: &[String]) -> Option<String> {
    joined(scopes).filter(|text| text.is_ascii())
}

fn joined(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join(" "))
}

fn seconds(age: Duration) -> String {
    age.as_secs().to_string()
}
