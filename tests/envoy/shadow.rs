//! Shadow mode, end to end: whatever a request would be refused for, it goes on as it would without
//! the filter, but for what only the filter may say; and in earnest the same request is refused.

use std::collections::BTreeSet;

use dev_idp::{Fault, Kid, Mint};
use portvakt_core::reply::reason::Reason;
use serde_json::{Value, json};

use crate::client::{Answer, request_over_http2};
use crate::gateway::{Discovery, Gateway, Setup, until};
use crate::recorder::Recorder;
use crate::stats::decisions;

/// What a client sends in the filter's name.
const SPOOFED: [(&str, &str); 2] = [("x-consumer", "spoofed"), ("x-token-claims", "c3Bvb2ZlZA")];

/// A rule for each thing that can be refused.
fn plugin(shadow: bool) -> Value {
    json!({
        "introspection": { "cluster": "texas", "timeout": "20s" },
        "shadow": shadow,
        "rules": [
            { "name": "open", "match": { "path": "/open" }, "anonymous": true },
            { "name": "scope", "match": { "path": "/scope" }, "require": { "scopes": ["x"] } },
            { "name": "aud", "match": { "path": "/aud" }, "require": { "audiences": ["x"] } },
            { "name": "acr", "match": { "path": "/acr" }, "require": { "acr_values": ["x"] } },
            { "name": "any", "match": { "prefix": "/any", "methods": ["GET", "POST"] }, "require": {} },
        ],
        "jwt_precheck": {},
        "forward": {
            "claims": { "x-consumer": "consumer.ID" },
            "payload_header": "x-token-claims",
            "filter_state": { "consumer": "consumer.ID" },
        },
    })
}

/// What the request is, and what it is refused for.
struct Case {
    path: &'static str,
    authorization: Option<String>,
    header: Option<(&'static str, &'static str)>,
    reason: &'static str,
    status: u16,
}

fn cases(gateway: &Gateway) -> Vec<Case> {
    let case = |path, mint: Option<&Mint>, reason, status| Case {
        path,
        authorization: mint.map(|mint| format!("Bearer {}", gateway.idp.mint(mint))),
        header: None,
        reason,
        status,
    };
    let good = Mint::default();
    let bound = Mint::default().claim("cnf", json!({ "jkt": "x" }));
    let forged = Mint::default().kid(Kid::Unknown);
    let given = |text: &str, reason, status| Case {
        authorization: Some(text.to_owned()),
        ..case("/any", None, reason, status)
    };
    vec![
        case("/any", None, "no_credentials", 401),
        given("Basic YTpi", "no_credentials", 401),
        given("Bearer a b", "invalid_request", 400),
        given("Bearer opaque", "precheck", 401),
        case("/any", Some(&forged), "invalid_token", 401),
        case("/any", Some(&bound), "binding", 401),
        case("/scope", Some(&good), "insufficient_scope", 403),
        case("/aud", Some(&good), "requirement", 403),
        case("/acr", Some(&good), "insufficient_user_authentication", 401),
        case("/other", Some(&good), "no_rule", 403),
        case("/any/;x", Some(&good), "ambiguous_path", 400),
        Case {
            header: Some(("x-http-method-override", "DELETE")),
            ..case("/any", Some(&good), "ambiguous_method", 400)
        },
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
    Grpc,
}

const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Grpc];

async fn send(gateway: &Gateway, protocol: Protocol, case: &Case) -> Answer {
    let mut headers: Vec<_> = SPOOFED.into_iter().chain(case.header).collect();
    if let Some(value) = &case.authorization {
        headers.push(("authorization", value));
    }
    if protocol == Protocol::Http1 {
        return gateway.get(case.path, &headers).await;
    }
    let is_grpc = protocol == Protocol::Grpc;
    let mut request = http::Request::builder()
        .method(if is_grpc { "POST" } else { "GET" })
        .uri(format!("http://{}{}", gateway.address, case.path));
    if is_grpc {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = is_grpc.then_some(&b"\0\0\0\0\0"[..]);
    request_over_http2(gateway.address, request.body(()).unwrap(), body, None).await
}

async fn start(shadow: bool) -> (Gateway, Recorder) {
    let api = Recorder::start().await;
    let gateway = Gateway::start(Setup {
        plugin: plugin(shadow),
        api: Some(api.address),
        discovery: Discovery::Extension,
        ..Setup::default()
    })
    .await;
    (gateway, api)
}

/// The request goes on, says nothing in the filter's name, and is told to the operator alone.
async fn check(gateway: &Gateway, api: &Recorder, protocol: Protocol, case: &Case) {
    let what = format!("{protocol:?} {} {}", case.path, case.reason);
    let before = api.heads().len();
    let logged = |gateway: &Gateway| {
        let field = format!(" {} -\n", case.reason);
        gateway.log().matches(&field).count()
    };
    let lines = logged(gateway);
    let answer = send(gateway, protocol, case).await;
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    assert_eq!(answer.header("www-authenticate"), None, "{what}");
    let told: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, value)| name.contains("portvakt") || value.contains(case.reason))
        .collect();
    assert!(told.is_empty(), "{what}: {told:?}");

    let heads = api.heads();
    assert_eq!(heads.len(), before + 1, "{what}");
    let head = heads[before].to_lowercase();
    assert!(!head.starts_with('!'), "{what}: {head}");
    for (name, _) in SPOOFED {
        assert!(!head.contains(name), "{what}: {head}");
    }
    let has_token = head.contains("authorization: ");
    assert_eq!(has_token, case.authorization.is_some(), "{what}: {head}");
    until("the access log tells", async || {
        logged(gateway) == lines + 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_refused_and_in_earnest_all_of_it() {
    let (gateway, api) = start(true).await;
    let mut cases = cases(&gateway);
    for case in &cases {
        for protocol in PROTOCOLS {
            check(&gateway, &api, protocol, case).await;
        }
    }
    let out = Case {
        path: "/any",
        authorization: Some(format!("Bearer {}", gateway.token("nobody knows"))),
        header: None,
        reason: "endpoint_out",
        status: 503,
    };
    gateway.idp.set_fault(Some(Fault::Status { status: 500 }));
    for protocol in PROTOCOLS {
        check(&gateway, &api, protocol, &out).await;
    }
    gateway.idp.set_fault(None);
    let seen: BTreeSet<_> = cases.iter().chain([&out]).map(|case| case.reason).collect();
    let all: BTreeSet<_> = Reason::ALL.map(Reason::name).into_iter().collect();
    assert_eq!(seen, all, "every reason");
    for case in cases.iter().chain([&out]) {
        let protocols = cases.iter().filter(|other| other.reason == case.reason);
        let expected = 3 * protocols.count().max(1);
        let metric = decisions("shadow", case.reason);
        let expected = u64::try_from(expected).unwrap();
        gateway.assert_stat(&metric, expected).await;
        for result in ["deny", "error"] {
            gateway
                .assert_stat(&decisions(result, case.reason), 0)
                .await;
        }
    }
    let log = gateway.log();
    assert!(log.contains("configuration: shadow: is on"), "{log}");

    // A token that passes is told to the API as ever.
    let good = Case {
        authorization: Some(format!("Bearer {}", gateway.token("api:read"))),
        ..cases.remove(0)
    };
    for protocol in PROTOCOLS {
        let answer = send(&gateway, protocol, &good).await;
        assert_eq!(answer.status, 200, "{protocol:?}");
        let head = api.heads().pop().unwrap().to_lowercase();
        assert!(head.contains("x-consumer: 0192:910753614"), "{head}");
        assert!(!head.contains("spoofed"), "{head}");
    }

    // The same in earnest.
    gateway.reconfigure(&plugin(false));
    let mut in_a_row = 0;
    until("it is in earnest", async || {
        let answer = gateway.get("/other", &[]).await;
        in_a_row = if answer.status == 403 {
            in_a_row + 1
        } else {
            0
        };
        in_a_row == 10
    })
    .await;
    let reached = api.heads().len();
    gateway.idp.set_fault(Some(Fault::Status { status: 500 }));
    for protocol in PROTOCOLS {
        let answer = send(&gateway, protocol, &out).await;
        check_refused(protocol, &out, &answer);
    }
    gateway.idp.set_fault(None);
    for case in crate::shadow::cases(&gateway) {
        for protocol in PROTOCOLS {
            let answer = send(&gateway, protocol, &case).await;
            check_refused(protocol, &case, &answer);
        }
    }
    assert_eq!(
        api.heads().len(),
        reached,
        "a refused request reached the API"
    );
}

fn check_refused(protocol: Protocol, case: &Case, answer: &Answer) {
    let what = format!("{protocol:?} {} {}", case.path, case.reason);
    if protocol == Protocol::Grpc {
        let status = answer.header("grpc-status");
        assert!(
            status.is_some_and(|status| status != "0"),
            "{what}: {answer:?}"
        );
    } else {
        assert_eq!(answer.status, case.status, "{what}: {answer:?}");
    }
}

/// One rule in shadow mode, the others in earnest: what no rule is for is refused too.
#[tokio::test(flavor = "multi_thread")]
async fn one_rule_in_shadow_mode() {
    let mut plugin = plugin(false);
    plugin["rules"][1]["shadow"] = json!(true);
    let gateway = Gateway::start(Setup {
        plugin,
        ..Setup::default()
    })
    .await;
    for (path, status) in [
        ("/scope", 200),
        ("/aud", 401),
        ("/other", 403),
        ("/any/;x", 400),
    ] {
        assert_eq!(gateway.get(path, &[]).await.status, status, "{path}");
    }
    let authorization = format!("Bearer {}", gateway.token("api:read"));
    let headers = [("authorization", &*authorization)];
    for (path, status) in [("/scope", 200), ("/aud", 403)] {
        assert_eq!(gateway.get(path, &headers).await.status, status, "{path}");
    }
    let told = "configuration: rules[1].shadow: is on: the rule `scope` refuses nothing";
    assert_eq!(
        gateway.log().matches(told).count(),
        1,
        "once, whatever VMs there are"
    );
}
