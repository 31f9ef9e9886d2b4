//! What each step of the core costs, on this machine and not in Wasm: to see what a change did to
//! one of them. What a request costs in a gateway, benches/gateway tells.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may fail loudly"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portvakt_core::authorizer::{Authorizer, Step};
use portvakt_core::config::{self, Vm};
use portvakt_core::explain::head::Head;
use portvakt_core::introspection::response::Reply;
use portvakt_core::testing::head::FakeHead;
use portvakt_core::testing::host::FakeHost;
use portvakt_core::testing::shared_data::FakeData;
use portvakt_core::time::Time;
use portvakt_core::token::extract::{AccessToken, TokenSource};
use portvakt_core::token::id::{TokenDigest, TokenKeys};
use serde_json::{Value, json};

const NOW: Time = Time::from_millis(1_795_000_000_000);

/// As long as Maskinporten's tokens, and as long as any may be.
const LENGTHS: [usize; 2] = [900, 8_192];

/// A usual answer, and one with much that nobody asks for. In bytes, about.
const SIZES: [usize; 2] = [580, 16_000];

fn authorizer(api: &str, keys: &Value) -> Authorizer {
    let mut config = json!({
        "introspection": { "cluster": "idp", "endpoint": "http://idp/introspect", "api": api },
    });
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    let vm = Vm {
        env: |_: &str| None,
        has_id: true,
    };
    let configured = config::parse(config.to_string().as_bytes(), &vm);
    configured.unwrap().authorizer
}

/// As a browser's or a gateway's requests are.
const HEADERS: [(&str, &str); 8] = [
    (":scheme", "https"),
    (":authority", "api.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate, br"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "b0e2e1d8-6d6e-4b1e-9f0e-2f7a4e1c5d3b"),
];

fn head<'a>(line: &'a str, authorization: &'a str) -> FakeHead<'a> {
    let head = FakeHead::new(line);
    let others = HEADERS.iter();
    let head = others.fold(head, |head, (name, value)| head.header(name, value));
    head.header("authorization", authorization)
}

fn bearer(length: usize) -> String {
    format!("Bearer {}", "aZ09-._~".repeat(length / 8))
}

fn source() -> TokenSource {
    TokenSource {
        header: "authorization".to_owned(),
        scheme: "Bearer".to_owned(),
        max_length: 8_192,
    }
}

fn token(length: usize) -> AccessToken {
    let authorization = bearer(length);
    source()
        .extract(&head("GET /api/x", &authorization))
        .unwrap()
}

/// An answer of about this size, as Maskinporten's tokens make it.
fn answer(size: usize) -> String {
    let mut answer = json!({
        "active": true,
        "iss": "https://maskinporten.no/",
        "client_id": "ae3a1c3f-3b6e-4a4c-8a5f-2c8fae0f8b0c",
        "client_amr": "private_key_jwt",
        "token_type": "Bearer",
        "scope": "api:read nav:helse/sykepenger/afp.read",
        "aud": "https://api.example.com",
        "exp": 1_795_000_119,
        "iat": 1_795_000_000,
        "jti": "3Yi-C4E7wAYmCB1Qxaa44VSlmyyGtmrzQQCRN7p4xCY",
        "consumer": { "authority": "iso6523-actorid-upis", "ID": "0192:910753614" },
    });
    let length = answer.to_string().len();
    let member =
        json!({ "type": "urn:altinn:systemuser", "systemuser_org": { "ID": "0192:910753614" } });
    let count = size.saturating_sub(length) / (member.to_string().len() + 1);
    answer["authorization_details"] = vec![member; count].into();
    answer.to_string()
}

fn reply(body: &str) -> Reply<'_> {
    Reply {
        status: Some(200),
        from_upstream: true,
        body: Some(body.as_bytes()),
    }
}

/// So many rules by path, of which the last is for the request.
fn rules(count: usize) -> Value {
    let others = (1..count).map(|n| {
        let condition = match n % 3 {
            0 => json!({ "path": format!("/exact/{n}/x") }),
            1 => json!({ "prefix": format!("/prefix/{n}") }),
            _ => json!({ "template": format!("/template/{n}/{{id}}") }),
        };
        json!({ "match": condition, "require": { "scopes": ["other"] } })
    });
    let condition = json!({ "prefix": "/api", "methods": ["GET"] });
    let last = json!({ "match": condition, "require": { "scopes": ["api:read"] } });
    json!({ "rules": others.chain([last]).collect::<Value>() })
}

fn scopes() -> Value {
    json!({ "required_scopes": ["api:read"] })
}

fn extraction(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extraction");
    let source = source();
    for length in LENGTHS {
        let authorization = bearer(length);
        let head = head("GET /api/x", &authorization);
        group.throughput(Throughput::Bytes(u64::try_from(length).unwrap()));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| source.extract(black_box(&head)).unwrap());
        });
    }
}

fn digest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    let keys = TokenKeys::default();
    for length in LENGTHS {
        let token = token(length);
        group.throughput(Throughput::Bytes(u64::try_from(length).unwrap()));
        group.bench_function(BenchmarkId::new("SipHash", length), |bencher| {
            bencher.iter(|| keys.key(black_box(&token)));
        });
        group.bench_function(BenchmarkId::new("BLAKE3", length), |bencher| {
            bencher.iter(|| TokenDigest::of(black_box(&token)));
        });
    }
}

/// The token is made known, as it becomes known in the filter.
fn learn(authorizer: &Authorizer, head: &FakeHead<'_>, data: &FakeData, body: &str) {
    let Step::Introspect(token, rank) = authorizer.on_request(head, head, data, || NOW) else {
        panic!("it is known");
    };
    let providers = authorizer.providers();
    let mut host = FakeHost::new(providers);
    host.ask(token.question(rank, None), 1, providers, NOW);
    host.work(providers, data, NOW);
    let callout = *host.out.keys().next().unwrap();
    host.respond(callout, Some(body), providers, data, NOW);
}

fn hit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hit");
    for (name, keys) in [
        ("required_scopes", scopes()),
        ("1 rule", rules(1)),
        ("1,000 rules", rules(1_000)),
    ] {
        let (authorizer, data) = (authorizer("texas", &keys), FakeData::default());
        let authorization = bearer(LENGTHS[0]);
        let head = head("GET /api/x", &authorization);
        learn(&authorizer, &head, &data, &answer(SIZES[0]));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let step = authorizer.on_request(black_box(&head), &head, &data, || NOW);
                assert!(matches!(step, Step::Known { .. }));
                step
            });
        });
    }
}

fn rule(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rule");
    for count in [1, 1_000] {
        let authorizer = authorizer("texas", &rules(count));
        let head = FakeHead::new("GET /api/x");
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| authorizer.rules().select(black_box(&head)).unwrap().0);
        });
    }
}

fn response(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response");
    for api in ["texas", "rfc7662"] {
        let authorizer = authorizer(api, &scopes());
        let provider = authorizer.providers().iter().next().unwrap();
        let reader = &provider.config().response;
        for size in SIZES {
            let body = answer(size);
            group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap()));
            group.bench_function(BenchmarkId::new(api, size), |bencher| {
                bencher.iter(|| {
                    let reading = reader.parse(black_box(reply(&body)));
                    assert!(reading.answer.is_ok());
                    reading.answer
                });
            });
        }
    }
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    for (name, scope) in [("forwarded", "api:read"), ("refused", "api:write")] {
        let authorizer = authorizer("texas", &json!({ "required_scopes": [scope] }));
        let authorization = bearer(LENGTHS[0]);
        let head = head("GET /api/x", &authorization);
        let data = FakeData::default();
        let Step::Introspect(token, _) = authorizer.on_request(&head, &head, &data, || NOW) else {
            panic!("it is known");
        };
        let inquiry = token.inquiry();
        let provider = authorizer.providers().iter().next().unwrap();
        let body = answer(SIZES[0]);
        let answer = provider.config().response.parse(reply(&body)).answer;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                authorizer.on_answer(black_box(&inquiry), black_box(&answer), &head, &data, NOW)
            });
        });
    }
}

fn explain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("explain");
    let body = answer(SIZES[0]);
    for count in [1, 1_000] {
        let authorizer = authorizer("texas", &rules(count));
        let head = Head::default()
            .with(":method", "GET")
            .with(":path", "/api/x")
            .with("authorization", bearer(LENGTHS[0]));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| authorizer.explain(black_box(&head), Some(reply(&body)), NOW));
        });
    }
}

criterion_group!(
    core, extraction, digest, hit, rule, response, decision, explain
);
criterion_main!(core);
