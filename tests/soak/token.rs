//! The tokens: what each is, follows from its number.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::fault::Part;
use crate::run::{Millis, Run, millis};

/// Who is asked about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// JWTs, which name their issuer.
    Texas,
    /// Opaque tokens.
    Rfc7662,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Texas, Self::Rfc7662];

    /// Its name in the configuration, and its cluster's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Texas => "texas",
            Self::Rfc7662 => "idp",
        }
    }
}

/// The issuer of JWTs.
pub const ISSUER: &str = "https://maskinporten.test/";

/// What becomes of a token in the course of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// It is good all the time.
    Good,
    /// It ends by its `exp`.
    Expiring,
    /// It ends before that, and only the endpoint knows when.
    Revoked,
    /// It is not yet known at first.
    Granted,
    /// It is never good.
    Inactive,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Which one.
    pub index: u64,
    /// Who is asked about it.
    pub provider: Provider,
    /// What becomes of it.
    pub fate: Fate,
    /// From when to when the endpoint says that it is active.
    pub active: (Millis, Millis),
    /// Its `exp`, in whole seconds.
    pub expires_at: Millis,
    /// Its `scope`.
    pub scope: &'static str,
    /// Its `consumer.ID`.
    pub consumer: &'static str,
}

/// Whose tokens the rules with claims take, and another.
pub const CONSUMERS: [&str; 3] = ["0192:910753614", "0192:889640782", "0192:000000000"];

const SCOPES: [&str; 4] = ["api:read api:write", "api:read", "api:write", "other"];
const FOREVER: Millis = 24 * 60 * 60 * 1000;

impl Token {
    /// The `index`th of a run.
    pub fn of(run: &Run, index: u64) -> Self {
        let mut random = run.random(1, index);
        let provider = Provider::ALL[random.usize(..2)];
        let fate = match random.u8(..20) {
            0..12 => Fate::Good,
            12..14 => Fate::Expiring,
            14..16 => Fate::Revoked,
            16..18 => Fate::Granted,
            _ => Fate::Inactive,
        };
        let scope = SCOPES[[0, 0, 0, 1, 1, 2, 3][random.usize(..7)]];
        let consumer = CONSUMERS[random.usize(..3)];
        let half = millis(run.part / 2).max(1);
        let moment = match fate {
            Fate::Expiring if random.bool() => {
                run.beginning(Part::Expirations) + random.u64(..half)
            }
            Fate::Revoked if random.bool() => run.beginning(Part::Revocations) + random.u64(..half),
            _ => run.began + random.u64(..millis(run.whole()).max(1)),
        };
        let (from, never) = (run.began - FOREVER, run.began + FOREVER);
        let in_full_seconds = |at: Millis| at / 1000 * 1000;
        let (active, expires_at) = match fate {
            Fate::Good => ((from, never), never),
            Fate::Expiring => ((from, in_full_seconds(moment)), moment),
            Fate::Revoked => ((from, moment), never),
            Fate::Granted => ((moment, never), never),
            Fate::Inactive => ((from, from), never),
        };
        Self {
            index,
            provider,
            fate,
            active,
            expires_at: in_full_seconds(expires_at),
            scope,
            consumer,
        }
    }

    /// As clients send it, of 10 to 900 bytes.
    pub fn text(&self) -> String {
        let index = self.index;
        // Whole groups of base64: else it would be no JWT, and nobody would look for an issuer.
        let pad = "xxxx".repeat(usize::try_from(1 + index % 200).unwrap());
        match self.provider {
            Provider::Rfc7662 => format!("soak.{index}.{pad}"),
            Provider::Texas => {
                let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
                let head = part(json!({ "alg": "RS256", "kid": "1" }));
                let payload = part(json!({ "iss": ISSUER, "jti": index.to_string() }));
                format!("{head}.{payload}.{pad}")
            }
        }
    }

    /// The number of the token that is sent so.
    pub fn index_of(text: &str) -> Option<u64> {
        let mut parts = text.split('.');
        let (first, second) = (parts.next()?, parts.next()?);
        if first == "soak" {
            return second.parse().ok();
        }
        let payload = URL_SAFE_NO_PAD.decode(second).ok()?;
        let payload: serde_json::Value = serde_json::from_slice(&payload).ok()?;
        payload["jti"].as_str()?.parse().ok()
    }

    /// What the API is told of it.
    pub fn client_id(&self) -> String {
        format!("client-{}", self.index)
    }
}
