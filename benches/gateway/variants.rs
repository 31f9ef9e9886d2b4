//! The gateways beside each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dev_idp::{DevIdp, Mint};
use serde_json::{Value, json};

use crate::authorization::AuthorizationService;
use crate::cpu::Cores;
use crate::endpoint::Endpoint;
use crate::gateway::Setup;
use crate::others::{self, answer_directly};
use crate::rounds::Subject;
use crate::traffic::Traffic;

/// How many tokens are sent in turn.
const TOKENS: usize = 64;

/// So few that all of them find room in what workers share, while the local cache has room for one.
const SHARED_TOKENS: usize = 4;

pub const OF_ANOTHER_WORKER: &str = "Portvakt, known to another worker only";

/// Whose row it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Baseline,
    Other,
    Portvakt,
}

/// The rows that are asked for: parts of their names, with `|` between them.
pub struct Wanted(pub String);

impl Wanted {
    pub fn holds(&self, name: &str) -> bool {
        self.0.split('|').any(|part| name.contains(part))
    }
}

/// What is started, and what is sent to it.
pub struct Variant {
    pub name: &'static str,
    pub family: Family,
    pub setup: Setup,
    pub traffic: Arc<Traffic>,
}

/// What all variants share.
pub struct Surroundings {
    pub endpoint: Endpoint,
    pub authorization: AuthorizationService,
    pub tokens: Arc<Traffic>,
    pub few_tokens: Arc<Traffic>,
    pub jwks: String,
    _idp: DevIdp,
}

impl Surroundings {
    pub async fn start() -> Self {
        let endpoint = Endpoint::start().await;
        let authorization = AuthorizationService::start(endpoint.address).await;
        let idp = DevIdp::start(dev_idp::DevIdpConfig::default())
            .await
            .unwrap();
        let mint = Mint::default()
            .scope("api:read")
            .lifetime_seconds(24 * 3600);
        let tokens: Vec<_> = (0..TOKENS).map(|_| idp.mint(&mint)).collect();
        let jwks = crate::client::get(idp.idp_addr(), "/.well-known/jwks.json", &[]).await;
        Self {
            endpoint,
            authorization,
            few_tokens: Arc::new(Traffic::with(tokens[..SHARED_TOKENS].to_vec())),
            tokens: Arc::new(Traffic::with(tokens)),
            jwks: jwks.text(),
            _idp: idp,
        }
    }

    /// All of them; the first is what the others are compared with.
    pub fn variants(&self, noop: &Path) -> Vec<Variant> {
        let baseline = self.variant("no filter", Family::Baseline, others::nothing());
        let others = [
            (
                "Wasm filter that does nothing",
                no_operation(noop, "nothing"),
            ),
            (
                "Wasm filter that fetches the token",
                no_operation(noop, "token"),
            ),
            (
                "Wasm filter that fetches all headers",
                no_operation(noop, "headers"),
            ),
            (
                "Wasm filter that fetches the token, sets two headers",
                no_operation(noop, "claims"),
            ),
            (
                "Wasm filter that asks each time",
                no_operation(noop, "asks"),
            ),
            (
                "`jwt_authn`, its cache on",
                others::jwt_authn(&self.jwks, 100),
            ),
            ("`jwt_authn`, no cache", others::jwt_authn(&self.jwks, 0)),
            ("`lua`, asking each time", others::lua()),
            (
                "`ext_authz`, asking each time",
                others::ext_authz(self.authorization.address),
            ),
        ];
        let others = others.map(|(name, setup)| self.variant(name, Family::Other, setup));
        let portvakt = self.portvakt();
        [baseline]
            .into_iter()
            .chain(others)
            .chain(portvakt)
            .collect()
    }

    fn portvakt(&self) -> Vec<Variant> {
        let mut portvakt: Vec<_> = policies()
            .into_iter()
            .map(|(name, policy)| self.variant(name, Family::Portvakt, with_policy(&policy)))
            .collect();
        let mut many = scopes();
        many["rules"] = rules(1000);
        let mut shared = scopes();
        shared["cache"] = json!({ "max_entries": 1 });
        for (name, policy) in [
            ("Portvakt, 1,000 rules", without_scopes(many)),
            (OF_ANOTHER_WORKER, shared),
            uncached(),
        ] {
            portvakt.push(self.variant(name, Family::Portvakt, with_policy(&policy)));
        }
        for variant in &mut portvakt {
            if variant.name == OF_ANOTHER_WORKER {
                variant.traffic = Arc::clone(&self.few_tokens);
            }
        }
        portvakt
    }

    fn variant(&self, name: &'static str, family: Family, setup: Setup) -> Variant {
        let setup = Setup {
            endpoint: Some(self.endpoint.address),
            ..setup
        };
        Variant {
            name,
            family,
            setup,
            traffic: Arc::clone(&self.tokens),
        }
    }

    /// The gateways for two builds of the filter, each with the same policies, after the one
    /// without a filter.
    pub fn two_builds(&self, builds: &[PathBuf; 2], wanted: &Wanted) -> Vec<Variant> {
        let mut variants = vec![self.variant("no filter", Family::Baseline, others::nothing())];
        let policies = policies().into_iter().chain([uncached()]);
        for (name, policy) in policies.filter(|(name, _)| wanted.holds(name)) {
            for build in builds {
                let setup = Setup {
                    module: Some(build.clone()),
                    ..with_policy(&policy)
                };
                variants.push(self.variant(name, Family::Portvakt, setup));
            }
        }
        variants
    }
}

impl Variant {
    pub async fn start(self, cores: Option<Cores>) -> Subject {
        Subject::start(self.name, self.setup, &self.traffic, cores).await
    }
}

/// What is compared between two builds, beside [`uncached`].
fn policies() -> Vec<(&'static str, Value)> {
    let mut anonymous = scopes();
    anonymous["rules"] = json!([{ "match": {}, "anonymous": true }]);
    let mut one_rule = scopes();
    one_rule["rules"] = rules(1);
    let mut claims = scopes();
    claims["forward"] =
        json!({ "claims": { "x-consumer": "consumer.ID", "x-client-id": "client_id" } });
    vec![
        ("Portvakt, no token needed", without_scopes(anonymous)),
        ("Portvakt, known token", scopes()),
        (
            "Portvakt, one rule by path and method",
            without_scopes(one_rule),
        ),
        ("Portvakt, two claims forwarded", claims),
    ]
}

/// Each request is asked about.
fn uncached() -> (&'static str, Value) {
    let mut policy = scopes();
    policy["cache"] = json!({ "max_ttl": "0s" });
    ("Portvakt, no cache", policy)
}

/// The smallest policy. A machine that is busy with something else must not end a run: so nothing
/// times out.
pub fn scopes() -> Value {
    json!({
        "introspection": { "cluster": "texas", "timeout": "20s" },
        "required_scopes": ["api:read"],
    })
}

/// A policy with rules in place of scopes for everything.
pub fn without_scopes(mut policy: Value) -> Value {
    policy.as_object_mut().unwrap().remove("required_scopes");
    policy
}

pub fn with_policy(policy: &Value) -> Setup {
    Setup {
        plugin: policy.clone(),
        edit: answer_directly,
        ..Setup::default()
    }
}

/// The filter that decides nothing, and calls the host for it as the word says (`benches/noop`).
fn no_operation(module: &Path, work: &str) -> Setup {
    Setup {
        module: Some(module.to_owned()),
        ..with_policy(&json!({ "work": work }))
    }
}

/// So many rules by path and method, of which the last is for the request.
pub fn rules(count: usize) -> Value {
    let others = (1..count).map(|n| {
        let condition = match n % 3 {
            0 => json!({ "path": format!("/exact/{n}/x") }),
            1 => json!({ "prefix": format!("/prefix/{n}") }),
            _ => json!({ "template": format!("/template/{n}/{{id}}") }),
        };
        json!({ "match": condition, "require": { "scopes": ["other"] } })
    });
    let last = json!({
        "match": { "prefix": "/api", "methods": ["GET"] },
        "require": { "scopes": ["api:read"] },
    });
    others.chain([last]).collect()
}
