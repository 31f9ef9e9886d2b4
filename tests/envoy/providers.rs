//! Several endpoints at one gateway, each for its own tokens.

use dev_idp::{DevIdp, DevIdpConfig, Fault, IdentityProvider, Mint};
use portvakt_core::metrics::Metric;
use serde_json::{Value, json};

use crate::gateway::{Discovery, Gateway, Setup, at, filter_config, shipped_config, until};
use crate::stats::{custom, lookups};

use IdentityProvider::{EntraId, IdPorten, Maskinporten, TokenX};

/// An endpoint in a cluster of its own, which knows the tokens of Entra ID alone.
async fn entra() -> (DevIdp, Value) {
    let entra = DevIdp::start(DevIdpConfig {
        identity_providers: vec![EntraId],
        ..DevIdpConfig::default()
    })
    .await
    .unwrap();
    let mut sample = shipped_config();
    let clusters = at(&mut sample, "/static_resources/clusters");
    let mut cluster = clusters[0].clone();
    cluster["name"] = json!("entra");
    cluster["load_assignment"]["cluster_name"] = json!("entra");
    let port =
        "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    *at(&mut cluster, port) = json!(entra.idp_addr().port());
    clusters.as_array_mut().unwrap().push(cluster);
    (entra, sample)
}

fn maskinporten() -> Value {
    json!({ "cluster": "texas", "issuers": [Maskinporten.issuer()] })
}

fn plugin(providers: &Value) -> Value {
    json!({
        "providers": providers,
        "rules": [{ "name": "any", "match": { "prefix": "/api" }, "require": {} }],
    })
}

fn both(entra: &DevIdp) -> Value {
    plugin(&json!({
        "maskinporten": maskinporten(),
        "entra": {
            "cluster": "entra",
            "endpoint": format!("http://{}/api/v1/introspect", entra.idp_addr()),
            "identity_provider": "entra_id",
            "issuers": [EntraId.issuer()],
        },
    }))
}

/// The answer to a request with this token, and how often each endpoint is asked for it.
async fn check(
    gateway: &Gateway,
    entra: &DevIdp,
    case: &str,
    token: &str,
    expected: (u16, usize, usize),
) {
    let (here, there) = (gateway.idp.introspections(), entra.introspections());
    let answer = gateway.get_with(token).await;
    let asked = (
        answer.status,
        gateway.idp.introspections() - here,
        entra.introspections() - there,
    );
    assert_eq!(asked, expected, "{case}: {answer:?}");
}

async fn introspections(gateway: &Gateway, outcome: &str, provider: &str, expected: u64) {
    let metric = custom(Metric::Introspections, &[outcome, provider]);
    gateway.assert_stat(&metric, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_is_asked_about_its_own_tokens_alone() {
    let (entra, sample) = entra().await;
    let gateway = Gateway::start(Setup {
        sample,
        plugin: both(&entra),
        ..Setup::default()
    })
    .await;
    let good = || gateway.idp.mint(&Mint::default());
    let other = || entra.mint(&Mint::of(EntraId));
    let (one, two) = (good(), other());
    let lies = |iss: &str| gateway.idp.mint(&Mint::default().claim("iss", iss));
    let lying = lies(EntraId.issuer());
    for (case, token, expected) in [
        ("Maskinporten's", &one, (200, 1, 0)),
        ("Entra's", &two, (200, 0, 1)),
        ("Maskinporten's, known", &one, (200, 0, 0)),
        ("Entra's, known", &two, (200, 0, 0)),
        ("one that lies about its issuer", &lying, (401, 0, 1)),
        ("of nobody here", &lies("https://elsewhere/"), (401, 0, 0)),
        ("without an issuer", &lies(""), (401, 0, 0)),
        ("opaque", &"opaque".to_owned(), (401, 0, 0)),
    ] {
        check(&gateway, &entra, case, token, expected).await;
    }

    // One is out while the other serves, and what is known counts.
    entra.set_fault(Some(Fault::Status { status: 500 }));
    for (case, token, expected) in [
        ("out", other(), (503, 0, 1)),
        ("not out", good(), (200, 1, 0)),
        ("out, known", two, (200, 0, 0)),
    ] {
        check(&gateway, &entra, case, &token, expected).await;
    }
    introspections(&gateway, "status", "entra", 1).await;
    introspections(&gateway, "active", "entra", 1).await;
    introspections(&gateway, "inactive", "entra", 1).await;
    introspections(&gateway, "active", "maskinporten", 2).await;
    introspections(&gateway, "status", "maskinporten", 0).await;
    let log = gateway.log();
    let began = log
        .lines()
        .find(|line| line.contains("tokens cannot be checked"));
    assert!(began.unwrap().contains(r#"provider="entra""#), "{began:?}");

    for (lookup, provider, expected) in [
        ("hit", "entra", 2),
        ("miss", "entra", 3),
        ("hit", "maskinporten", 1),
        ("miss", "maskinporten", 2),
    ] {
        let metric = custom(Metric::Lookups, &[lookup, provider]);
        gateway.assert_stat(&metric, expected).await;
    }
    entra.set_fault(None);
    check(&gateway, &entra, "over", &other(), (200, 0, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_added() {
    let (entra, sample) = entra().await;
    let gateway = Gateway::start(Setup {
        sample,
        plugin: plugin(&json!({ "maskinporten": maskinporten() })),
        discovery: Discovery::Extension,
        ..Setup::default()
    })
    .await;
    let (one, two) = (
        gateway.idp.mint(&Mint::default()),
        entra.mint(&Mint::of(EntraId)),
    );
    check(&gateway, &entra, "before", &one, (200, 1, 0)).await;
    check(&gateway, &entra, "before", &two, (401, 0, 0)).await;
    gateway.reconfigure(&both(&entra));
    until("its tokens are asked about", async || {
        gateway.get_with(&two).await.status == 200
    })
    .await;
    assert_eq!(entra.introspections(), 1);
    check(&gateway, &entra, "after, still known", &one, (200, 0, 0)).await;

    // And taken away again, with what it said.
    gateway.reconfigure(&plugin(&json!({ "maskinporten": maskinporten() })));
    until("its tokens are nobody's", async || {
        gateway.get_with(&two).await.status == 401
    })
    .await;
    check(&gateway, &entra, "gone", &two, (401, 0, 0)).await;
}

/// What an endpoint says of tokens that are not for it to judge counts for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_anothers_issuer_is_inactive() {
    let gateway = Gateway::start(Setup {
        plugin: plugin(&json!({ "maskinporten": maskinporten() })),
        ..Setup::default()
    })
    .await;
    for (iss, status) in [
        (json!(Maskinporten.issuer()), 200),
        (json!(EntraId.issuer()), 401),
        (json!([Maskinporten.issuer()]), 401),
        (Value::Null, 401),
    ] {
        let body = json!({ "active": true, "iss": iss }).to_string();
        gateway
            .idp
            .set_fault(Some(Fault::Body { status: 200, body }));
        let token = gateway.idp.mint(&Mint::default());
        let answer = gateway.get_with(&token).await;
        assert_eq!(answer.status, status, "{iss}: {answer:?}");
    }
    introspections(&gateway, "inactive", "maskinporten", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_identity_providers_of_one_texas() {
    let provider = |identity_provider: IdentityProvider| {
        json!({
            "cluster": "texas",
            "identity_provider": identity_provider.name(),
            "issuers": [identity_provider.issuer()],
        })
    };
    let rule = |path: &str, provider: &str, require: &Value| json!({ "match": { "path": path }, "providers": [provider], "require": require });
    let pid = json!({ "claims": [{ "claim": "pid", "exists": true }] });
    let rules = json!([
        rule("/outside", "maskinporten", &json!({ "scopes": ["nav:x"] })),
        rule(
            "/inside",
            "entra",
            &json!({
                "claims": [{ "claim": "roles", "contains": "access_as_application" }],
            })
        ),
        rule(
            "/citizen",
            "idporten",
            &json!({
                "all_of": [{ "acr_values": ["idporten-loa-high"] }, pid],
            })
        ),
        rule(
            "/onbehalf",
            "tokenx",
            &json!({ "audiences": ["dev-gcp:team:api"] })
        ),
    ]);
    let gateway = Gateway::start(Setup {
        identity_providers: IdentityProvider::ALL.to_vec(),
        plugin: json!({
            "providers": {
                "maskinporten": provider(Maskinporten),
                "entra": provider(EntraId),
                "idporten": provider(IdPorten),
                "tokenx": provider(TokenX),
            },
            "rules": rules,
        }),
        ..Setup::default()
    })
    .await;
    let paths = ["/outside", "/inside", "/citizen", "/onbehalf"];
    let kinds = [Maskinporten, EntraId, IdPorten, TokenX];
    for (kind, own) in kinds.into_iter().zip(paths) {
        let token = gateway.idp.mint(&Mint::of(kind).scope("nav:x"));
        let authorization = format!("Bearer {token}");
        let asked = gateway.idp.introspections();
        for path in paths {
            let answer = gateway
                .get(path, &[("authorization", &authorization)])
                .await;
            let expected = if path == own { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{kind:?} {path}: {answer:?}");
        }
        assert_eq!(gateway.idp.introspections(), asked + 1, "{kind:?}");
        let question = gateway.idp.last_introspection().unwrap();
        let body: Value = serde_json::from_slice(&question.body).unwrap();
        assert_eq!(body["identity_provider"], kind.name());
    }
}

/// The callout is seen in the trace of the request that caused it.
#[tokio::test(flavor = "multi_thread")]
async fn callouts_are_in_the_trace_of_their_request() {
    let gateway = Gateway::start(Setup::default()).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (headers, expected) in [
        (
            vec![
                ("traceparent", parent),
                ("tracestate", "a=b"),
                ("baggage", "user=alice"),
            ],
            vec![("traceparent", parent), ("tracestate", "a=b")],
        ),
        (vec![("traceparent", parent)], vec![("traceparent", parent)]),
        (
            vec![("traceparent", "00-odd-01"), ("tracestate", "a=b")],
            vec![],
        ),
        (vec![("tracestate", "a=b")], vec![]),
        (vec![], vec![]),
    ] {
        let authorization = format!("Bearer {}", gateway.token("api:read"));
        let mut all = headers.clone();
        all.push(("authorization", &*authorization));
        assert_eq!(gateway.get("/api/x", &all).await.status, 200);
        let question = gateway.idp.last_introspection().unwrap();
        let found = ["traceparent", "tracestate", "baggage"]
            .into_iter()
            .filter_map(|name| {
                let own = question.headers.iter().find(|(n, _)| n == name)?;
                Some((name, std::str::from_utf8(&own.1).unwrap()))
            });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{headers:?}");
    }
}

/// Two workers, and whether one finds what the other knows.
#[tokio::test(flavor = "multi_thread")]
async fn workers_share_what_they_know_where_the_plugin_has_a_vm_id() {
    const TRUSTED: &str = "shared_without_vm_id";
    let ids: [(Option<&str>, Value, bool, bool); 4] = [
        (Some("portvakt"), json!({}), true, false),
        (Some(""), json!({}), false, false),
        (None, json!({}), false, false),
        (None, json!({ "shared": true }), true, true),
    ];
    for (vm_id, cache, is_shared, is_told) in ids {
        let mut sample = shipped_config();
        let vm_config = &mut filter_config(&mut sample)["vm_config"];
        match vm_id {
            Some(id) => vm_config["vm_id"] = json!(id),
            None => drop(vm_config.as_object_mut().unwrap().remove("vm_id")),
        }
        let mut plugin = crate::gateway::plugin();
        plugin["cache"] = cache.clone();
        let gateway = Gateway::start(Setup {
            sample,
            plugin,
            workers: 2,
            ..Setup::default()
        })
        .await;
        let case = format!("{vm_id:?} {cache}");
        let token = gateway.token("api:read");
        // Until both workers have seen it: each has looked for it in vain, or found it.
        until("both workers have it", async || {
            assert_eq!(gateway.get_with(&token).await.status, 200, "{case}");
            let misses = gateway.stat(&lookups("miss")).await;
            misses + gateway.stat(&lookups("shared_hit")).await == 2
        })
        .await;
        let expected = if is_shared { 1 } else { 2 };
        assert_eq!(gateway.idp.introspections(), expected, "{case}");
        let told = gateway.log().matches(TRUSTED).count();
        assert_eq!(told, usize::from(is_told), "{case}: {}", gateway.log());
    }
}
