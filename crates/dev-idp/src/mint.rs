//! What to put in a token.
//!
//! A [`Mint`] is a plain value: it knows the claims of each identity provider,
//! but not the keys. So a test can build one anywhere and have it signed by any
//! [`DevIdp`](crate::DevIdp).

use serde_json::{Map, Value, json};

use crate::provider::IdentityProvider;

const CLIENT_ID: &str = "e4f9b547-432f-52db-8645-a9b8d7bd4550";

/// How many random bytes make a `jti`, as long as Maskinporten's.
const JTI_BYTES: usize = 32;

/// The recipe for one access token. The default is what Maskinporten would issue.
#[derive(Debug, Clone)]
pub struct Mint {
    provider: IdentityProvider,
    scope: String,
    consumer: String,
    lifetime_seconds: i64,
    overrides: Vec<(String, Value)>,
    kid: Kid,
    algorithm: Algorithm,
}

/// Which key id stands in the token's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kid {
    /// The id of the key that signs, as in the JWKS.
    #[default]
    Known,
    /// An id that is not in the JWKS.
    Unknown,
    /// No id at all.
    Absent,
}

/// How the token is signed. Maskinporten uses RS256 only; so does Texas accept only that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// RSA with SHA-256.
    #[default]
    Rs256,
    /// RSA with SHA-384.
    Rs384,
    /// RSA with SHA-512.
    Rs512,
    /// HMAC with SHA-256, the public key being the secret: a classic forgery.
    Hs256,
}

impl Default for Mint {
    fn default() -> Self {
        Self {
            provider: IdentityProvider::default(),
            scope: "nav:helse/sykepenger/afp.read".to_owned(),
            consumer: "910753614".to_owned(),
            lifetime_seconds: 120,
            overrides: Vec::new(),
            kid: Kid::default(),
            algorithm: Algorithm::default(),
        }
    }
}

impl Mint {
    /// What that identity provider would issue.
    #[must_use]
    pub fn of(provider: IdentityProvider) -> Self {
        Self {
            provider,
            ..Self::default()
        }
    }

    /// The scopes, separated by spaces.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        scope.clone_into(&mut self.scope);
        self
    }

    /// The organisation number of the consumer: nine digits, without the `0192:`.
    #[must_use]
    pub fn consumer(mut self, organisation_number: &str) -> Self {
        organisation_number.clone_into(&mut self.consumer);
        self
    }

    /// How long the token lives from now. A negative number: it expired that long ago.
    #[must_use]
    pub fn lifetime_seconds(mut self, seconds: i64) -> Self {
        self.lifetime_seconds = seconds;
        self
    }

    /// Adds a claim or replaces one. [`Value::Null`] removes it.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.overrides.push((name.to_owned(), value.into()));
        self
    }

    /// Which key id the header names.
    #[must_use]
    pub fn kid(mut self, kid: Kid) -> Self {
        self.kid = kid;
        self
    }

    /// How the token is signed.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    pub(crate) fn provider(&self) -> IdentityProvider {
        self.provider
    }

    pub(crate) fn header(&self) -> (Kid, Algorithm) {
        (self.kid, self.algorithm)
    }

    /// The claims of a token issued at `now`, in seconds since 1970.
    pub(crate) fn claims(&self, now: i64) -> Map<String, Value> {
        let own = match self.provider {
            IdentityProvider::Maskinporten => self.of_maskinporten(),
            IdentityProvider::EntraId => Self::of_entra_id(),
            IdentityProvider::IdPorten => self.of_idporten(),
            IdentityProvider::TokenX => Self::of_tokenx(),
        };
        let common = json!({
            "iss": self.provider.issuer(),
            "exp": now.saturating_add(self.lifetime_seconds),
            "iat": now,
        });
        let both = [common, own].into_iter().filter_map(|claims| match claims {
            Value::Object(claims) => Some(claims),
            _ => None,
        });
        let mut claims: Map<String, Value> = both.flatten().collect();
        for (name, value) in &self.overrides {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        claims
    }
}

/// The claims beside `iss`, `exp` and `iat`, as each provider documents them.
impl Mint {
    fn of_maskinporten(&self) -> Value {
        json!({
            "client_amr": "private_key_jwt",
            "token_type": "Bearer",
            "client_id": CLIENT_ID,
            "scope": self.scope,
            "jti": random_id(),
            "consumer": {
                "authority": "iso6523-actorid-upis",
                "ID": format!("0192:{}", self.consumer),
            },
        })
    }

    /// Of an application. It has roles, not scopes.
    fn of_entra_id() -> Value {
        json!({
            "aud": CLIENT_ID,
            "azp": "a1b2c3d4-0000-4000-8000-000000000001",
            "azp_name": "dev-gcp:team:app",
            "azpacr": "2",
            "idtyp": "app",
            "oid": "a1b2c3d4-0000-4000-8000-000000000002",
            "sub": "a1b2c3d4-0000-4000-8000-000000000002",
            "roles": ["access_as_application"],
            "tid": "62366534-1ec3-4962-8869-9b5535279d0b",
            "uti": random_id(),
            "ver": "2.0",
        })
    }

    fn of_idporten(&self) -> Value {
        json!({
            "acr": "idporten-loa-high",
            "amr": ["BankID"],
            "aud": "unspecified",
            "client_amr": "private_key_jwt",
            "client_id": CLIENT_ID,
            "consumer": {
                "authority": "iso6523-actorid-upis",
                "ID": format!("0192:{}", self.consumer),
            },
            "jti": random_id(),
            "pid": "12345678901",
            "scope": self.scope,
            "sub": "ZpLYbYJtk0ZBVmB8",
            "token_type": "Bearer",
        })
    }

    /// It has neither scopes nor roles: who may call is up to the provider.
    fn of_tokenx() -> Value {
        json!({
            "acr": "idporten-loa-high",
            "aud": "dev-gcp:team:api",
            "client_id": "dev-gcp:team:app",
            "idp": IdentityProvider::IdPorten.issuer(),
            "jti": random_id(),
            "pid": "12345678901",
            "sub": "ZpLYbYJtk0ZBVmB8",
        })
    }
}

fn random_id() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; JTI_BYTES]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(mint: &Mint) -> Value {
        Value::Object(mint.claims(1_000))
    }

    #[test]
    fn the_default_has_maskinportens_claims() {
        let mut claims = claims(&Mint::default());
        let jti = claims["jti"].take();
        assert_eq!(jti.as_str().unwrap().len(), 43);
        assert_eq!(
            claims,
            json!({
                "iss": "https://test.maskinporten.no/",
                "client_amr": "private_key_jwt",
                "token_type": "Bearer",
                "client_id": "e4f9b547-432f-52db-8645-a9b8d7bd4550",
                "scope": "nav:helse/sykepenger/afp.read",
                "exp": 1_120,
                "iat": 1_000,
                "jti": null,
                "consumer": {"authority": "iso6523-actorid-upis", "ID": "0192:910753614"},
            })
        );
    }

    /// What rules go by, of each provider.
    #[test]
    fn each_provider_has_claims_of_its_own() {
        for (provider, expected) in [
            (IdentityProvider::Maskinporten, "consumer scope"),
            (IdentityProvider::EntraId, "aud azp_name roles sub"),
            (
                IdentityProvider::IdPorten,
                "acr amr aud consumer pid scope sub",
            ),
            (IdentityProvider::TokenX, "acr aud idp pid sub"),
        ] {
            let claims = claims(&Mint::of(provider));
            assert_eq!(claims["iss"], provider.issuer());
            let asked = [
                "acr", "amr", "aud", "azp_name", "consumer", "idp", "pid", "roles", "scope", "sub",
            ];
            let found = asked.into_iter().filter(|name| !claims[*name].is_null());
            let found: Vec<_> = found.collect();
            assert_eq!(found.join(" "), expected, "{provider:?}");
        }
    }

    #[test]
    fn every_jti_is_new() {
        let mint = Mint::default();
        assert_ne!(claims(&mint)["jti"], claims(&mint)["jti"]);
    }

    #[test]
    fn a_claim_is_added_replaced_or_removed() {
        let mint = Mint::default()
            .consumer("889640782")
            .lifetime_seconds(-30)
            .claim("pid", "12345678901")
            .claim("scope", json!(["a:b", "c:d"]))
            .claim("token_type", Value::Null);
        let claims = claims(&mint);
        assert_eq!(claims["consumer"]["ID"], "0192:889640782");
        assert_eq!(claims["exp"], 970);
        assert_eq!(claims["pid"], "12345678901");
        assert_eq!(claims["scope"], json!(["a:b", "c:d"]));
        assert_eq!(claims.get("token_type"), None);
    }
}
