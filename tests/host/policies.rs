//! Plugin configurations.

use serde_json::{Value, json};

/// Which requests need what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The smallest one.
    RequiredScopes,
    /// A rule by path needs no token.
    Anonymous,
    /// A rule by prefix and method.
    OneRule,
    /// 1,000 rules by path, of which the last is for the request.
    ManyRules,
    /// A rule by host.
    Host,
    /// A rule by route.
    Route,
    /// A claim is asked for, two are forwarded.
    Claims,
    /// The whole answer is forwarded, and something is told to filter state.
    Payload,
    /// The token comes in a header of its own.
    OwnHeader,
    /// Nothing is refused.
    Shadow,
    /// Anybody is let in during an outage.
    FailureMode,
    /// Answers about active tokens are not kept.
    ActiveNotKept,
    /// No answer is kept.
    NothingKept,
    /// With what clients can read about the API.
    Metadata,
}

impl Policy {
    /// The plugin configuration.
    pub fn configuration(self) -> String {
        let mut config = json!({
            "introspection": { "cluster": "texas", "endpoint": "http://texas/introspect" },
            // Few, so that others' entries are met in what workers share.
            "cache": { "max_entries": 8 },
        });
        for (key, value) in self.keys().as_object().unwrap() {
            config[key] = value.clone();
        }
        config.to_string()
    }

    fn keys(self) -> Value {
        let scopes = json!({ "scopes": ["api:read"] });
        match self {
            Self::RequiredScopes => json!({ "required_scopes": ["api:read"] }),
            Self::Anonymous => {
                json!({ "rules": [{ "match": { "prefix": "/" }, "anonymous": true }] })
            }
            Self::OneRule => {
                let condition = json!({ "prefix": "/api", "methods": ["GET"] });
                json!({ "rules": [{ "match": condition, "require": scopes }] })
            }
            Self::ManyRules => json!({ "rules": many_rules() }),
            Self::Host => {
                let condition = json!({ "hosts": ["api.example.com"] });
                json!({ "rules": [{ "match": condition, "require": scopes }] })
            }
            Self::Route => {
                let condition = json!({ "route": "api" });
                json!({ "rules": [{ "match": condition, "require": scopes }] })
            }
            Self::Claims => json!({
                "rules": [{
                    "match": { "prefix": "/api" },
                    "require": { "claims": [{ "claim": "consumer.authority", "equals": "iso6523-actorid-upis" }] },
                }, { "match": { "path": "/open" }, "anonymous": true }],
                "forward": { "claims": { "x-consumer": "consumer.ID", "x-client-id": "client_id" } },
            }),
            Self::Payload => json!({
                "required_scopes": ["api:read"],
                "forward": { "payload_header": "x-token", "filter_state": { "consumer": "consumer.ID" } },
            }),
            Self::OwnHeader => json!({
                "required_scopes": ["api:read"],
                "token": { "header": "x-access-token" },
            }),
            Self::Shadow => json!({ "required_scopes": ["api:read"], "shadow": true }),
            Self::FailureMode => {
                json!({ "required_scopes": ["api:read"], "failure_mode_allow": true })
            }
            Self::ActiveNotKept => {
                json!({ "required_scopes": ["api:read"], "cache": { "max_ttl": "0s" } })
            }
            Self::NothingKept => json!({
                "required_scopes": ["api:read"],
                "cache": { "max_ttl": "0s", "inactive_ttl": "0s" },
            }),
            Self::Metadata => json!({
                "required_scopes": ["api:read"],
                "protected_resource": {
                    "resource": "https://api.example.com",
                    "authorization_servers": ["https://idp.example.com"],
                },
            }),
        }
    }
}

fn many_rules() -> Vec<Value> {
    let others = (1..1_000).map(|n| {
        let condition = match n % 3 {
            0 => json!({ "path": format!("/exact/{n}/x") }),
            1 => json!({ "prefix": format!("/prefix/{n}") }),
            _ => json!({ "template": format!("/template/{n}/{{id}}") }),
        };
        json!({ "match": condition, "require": { "scopes": ["other"] } })
    });
    let last = json!({ "match": { "prefix": "/api" }, "require": { "scopes": ["api:read"] } });
    others.chain([last]).collect()
}
