//! What is broken on purpose, to see that a run finds it.

use serde_json::{Value, json};

use crate::token::Token;

/// `SABOTAGE=NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Facts count for ever.
    Revocation,
    /// Tokens do not expire.
    Expiry,
    /// A scope is not asked for.
    Scope,
    /// The claims of one token are told for another's.
    Claims,
    /// An outage opens the gate.
    Outage,
    /// What is known in an outage counts for ever.
    Stale,
    /// What is known does not outlive its `max_ttl` in an outage.
    Forgetful,
    /// What clients say in the filter's name reaches the API.
    Forwarding,
}

impl Sabotage {
    const ALL: [(&str, Self); 8] = [
        ("revocation", Self::Revocation),
        ("expiry", Self::Expiry),
        ("scope", Self::Scope),
        ("claims", Self::Claims),
        ("outage", Self::Outage),
        ("stale", Self::Stale),
        ("forgetful", Self::Forgetful),
        ("forwarding", Self::Forwarding),
    ];

    /// By its name.
    pub fn named(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(found, _)| *found == name);
        found
            .unwrap_or_else(|| panic!("SABOTAGE: one of {:?}", Self::ALL))
            .1
    }

    /// Breaks the gateway.
    pub fn configure(self, plugin: &mut Value) {
        match self {
            Self::Revocation => plugin["cache"]["max_ttl"] = json!("24h"),
            Self::Stale => plugin["cache"]["stale_if_error"] = json!("24h"),
            Self::Forgetful => plugin["cache"]["stale_if_error"] = json!("0s"),
            Self::Forwarding => {
                plugin.as_object_mut().unwrap().remove("forward");
            }
            Self::Scope => {
                let rules = plugin["rules"].as_array_mut().unwrap();
                let mut write = rules.iter_mut().filter(|rule| rule["name"] == "write");
                write.next().unwrap()["require"] = json!({});
            }
            Self::Outage => plugin["failure_mode_allow"] = json!(true),
            Self::Expiry | Self::Claims => {}
        }
    }

    /// Breaks what an endpoint says about this token.
    pub fn answer(self, said: &mut Value, token: &Token) {
        match self {
            Self::Expiry => {
                said.as_object_mut().unwrap().remove("exp");
            }
            Self::Claims if token.index.is_multiple_of(10) => {
                said["client_id"] = json!("client-1");
            }
            Self::Claims
            | Self::Revocation
            | Self::Scope
            | Self::Outage
            | Self::Stale
            | Self::Forgetful
            | Self::Forwarding => {}
        }
    }
}
