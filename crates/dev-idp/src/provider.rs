//! The identity providers that Texas knows, and what tokens of each look like.

use clap::ValueEnum;
use serde::Deserialize;

/// An identity provider, by Texas's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum IdentityProvider {
    /// Machines of other organisations.
    #[default]
    Maskinporten,
    /// Employees and applications, by Entra ID.
    #[serde(alias = "azuread")]
    #[value(alias = "azuread")]
    EntraId,
    /// Citizens.
    #[serde(rename = "idporten")]
    #[value(name = "idporten")]
    IdPorten,
    /// Applications on behalf of citizens.
    #[serde(rename = "tokenx")]
    #[value(name = "tokenx")]
    TokenX,
}

impl IdentityProvider {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Maskinporten,
        Self::EntraId,
        Self::IdPorten,
        Self::TokenX,
    ];

    /// Texas's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Maskinporten => "maskinporten",
            Self::EntraId => "entra_id",
            Self::IdPorten => "idporten",
            Self::TokenX => "tokenx",
        }
    }

    /// The `iss` of its tokens, to the letter.
    #[must_use]
    pub fn issuer(self) -> &'static str {
        match self {
            Self::Maskinporten => "https://test.maskinporten.no/",
            Self::EntraId => {
                "https://login.microsoftonline.com/62366534-1ec3-4962-8869-9b5535279d0b/v2.0"
            }
            Self::IdPorten => "https://test.idporten.no",
            Self::TokenX => "https://tokenx.dev-gcp.nav.cloud.nais.io",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_texas_names() {
        for (name, expected) in [
            ("maskinporten", Some(IdentityProvider::Maskinporten)),
            ("entra_id", Some(IdentityProvider::EntraId)),
            ("azuread", Some(IdentityProvider::EntraId)),
            ("idporten", Some(IdentityProvider::IdPorten)),
            ("tokenx", Some(IdentityProvider::TokenX)),
            ("Maskinporten", None),
            ("entraid", None),
            ("", None),
        ] {
            let by_serde = serde_json::from_value(name.into()).ok();
            assert_eq!(by_serde, expected, "{name}, in a question");
            let by_clap = <IdentityProvider as ValueEnum>::from_str(name, false);
            assert_eq!(by_clap.ok(), expected, "{name}, as an option");
        }
    }

    #[test]
    fn issuers_differ() {
        for one in IdentityProvider::ALL {
            let same = IdentityProvider::ALL.map(|other| one.issuer() == other.issuer());
            assert_eq!(
                same.iter().filter(|is_same| **is_same).count(),
                1,
                "{one:?}"
            );
        }
    }
}
