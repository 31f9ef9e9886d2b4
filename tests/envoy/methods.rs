//! Methods: CORS preflights, which pass without a token, and requests that name two methods.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{answer, http2};
use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at, plugin, until};
use crate::rules::End::{Ambiguous, Envoy, NoRule, Open, Rule};
use crate::rules::{End, check};
use crate::stats::decisions;

const ORIGIN: &str = "origin: https://app.example.com";
const ASKS: &str = "access-control-request-method: PUT";

async fn gateway() -> Gateway {
    let mut plugin = plugin();
    plugin["challenge"] = json!({});
    Gateway::start(Setup {
        plugin,
        envoy_normalizes_paths: false,
        edit: |config: &mut Value| {
            let manager = at(config, CONNECTION_MANAGER);
            manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
        },
        ..Setup::default()
    })
    .await
}

async fn end(gateway: &Gateway) {
    assert_eq!(gateway.idp.introspections(), 0, "nobody was asked");
    until("every request has ended", async || {
        gateway.active_requests().await == 0
    })
    .await;
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights() {
    let gateway = gateway().await;
    let mut passed = 0;
    for (line, headers, expected) in [
        ("OPTIONS /api/x", format!("{ORIGIN}\n{ASKS}"), Open),
        ("OPTIONS /other", format!("{ORIGIN}\n{ASKS}"), Open),
        ("OPTIONS /api/x", format!("origin: null\n{ASKS}"), Open),
        (
            "OPTIONS /api/x",
            format!("{ORIGIN}\n{ASKS}\ncontent-length: 2"),
            Rule("api:write"),
        ),
        (
            "OPTIONS /api/x",
            format!("{ORIGIN}\n{ASKS}\ncontent-length: 0"),
            Open,
        ),
        (
            "OPTIONS /api/x",
            format!("{ORIGIN}\n{ASKS}\ntransfer-encoding: chunked"),
            Rule("api:write"),
        ),
        (
            "OPTIONS /api/x",
            format!("{ORIGIN}\n{ASKS}\naccess-control-request-headers: authorization"),
            Open,
        ),
        ("OPTIONS /api/x", ORIGIN.to_owned(), Rule("api:write")),
        ("OPTIONS /api/x", ASKS.to_owned(), Rule("api:write")),
        ("OPTIONS /api/x", "x: y".to_owned(), Rule("api:write")),
        (
            "OPTIONS /api/x",
            format!("origin:\n{ASKS}"),
            Rule("api:write"),
        ),
        (
            "OPTIONS /api/x",
            format!("{ORIGIN}\n{ORIGIN}\n{ASKS}"),
            Rule("api:write"),
        ),
        (
            "OPTIONS /api/x",
            format!("{ORIGIN}\n{ASKS}\n{ASKS}"),
            Rule("api:write"),
        ),
        ("OPTIONS /other", ORIGIN.to_owned(), NoRule),
        ("PUT /api/x", format!("{ORIGIN}\n{ASKS}"), Rule("api:write")),
        ("GET /api/x", format!("{ORIGIN}\n{ASKS}"), Rule("api:read")),
        ("OPTIONS //api/x", format!("{ORIGIN}\n{ASKS}"), Ambiguous),
        (
            "OPTIONS /open/..;/api/x",
            format!("{ORIGIN}\n{ASKS}"),
            Ambiguous,
        ),
        // Envoy finds no route, and so the API never sees it.
        ("OPTIONS *", format!("{ORIGIN}\n{ASKS}"), Envoy(404)),
        ("OPTIONS *", ORIGIN.to_owned(), Envoy(404)),
    ] {
        let head = format!("{line} HTTP/1.1\nhost: x\n{headers}");
        check(&gateway, &head, expected).await;
        passed += u64::from(expected == Open);
    }
    let reason = &decisions("allow", "preflight");
    gateway.assert_stat(reason, passed).await;
    end(&gateway).await;
}

/// Each of these alone makes a request of it like any.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_preflight_has() {
    let gateway = gateway().await;
    let client = http2();
    let asks_for = |method| format!("access-control-request-method: {method}");
    for (asks, other) in [
        (asks_for("ANYTHING"), ""),
        (asks_for("put"), ""),
        (asks_for("CONNECT"), ""),
        (asks_for("TRACE"), ""),
        (asks_for("TRACK"), ""),
        (asks_for(""), ""),
        (ASKS.to_owned(), "authorization: Basic YTpi"),
        (ASKS.to_owned(), "proxy-authorization: Basic YTpi"),
        (ASKS.to_owned(), "cookie: session=x"),
        (ASKS.to_owned(), "x-api-key: x"),
        (ASKS.to_owned(), "anything-at-all: x"),
        (ASKS.to_owned(), "x-original-url: /api/admin"),
        (ASKS.to_owned(), "x-rewrite-url: /api/admin"),
        (ASKS.to_owned(), "x-forwarded-prefix: /api"),
        (ASKS.to_owned(), "x-forwarded-method: DELETE"),
        (ASKS.to_owned(), "content-type: application/json"),
        (ASKS.to_owned(), "sec-websocket-protocol: token"),
    ] {
        for path in ["/api/x", "/other"] {
            let expected = match path {
                "/other" => NoRule,
                _ => Rule("api:write"),
            };
            let headers = format!("{ORIGIN}\n{asks}\n{other}");
            let headers = headers.trim_end_matches('\n');
            let head = format!("OPTIONS {path} HTTP/1.1\nhost: x\n{headers}");
            check(&gateway, &head, expected).await;
            check_http2(&gateway, &client, "OPTIONS", path, headers, expected).await;
        }
    }
    let upgrade = "connection: upgrade\nupgrade: websocket";
    for (headers, expected) in [
        (format!("{ORIGIN}\n{ASKS}\n{upgrade}"), Rule("api:write")),
        // Envoy takes it off.
        (format!("{ORIGIN}\n{ASKS}\nupgrade: websocket"), Open),
    ] {
        let head = format!("OPTIONS /api/x HTTP/1.1\nhost: x\n{headers}");
        check(&gateway, &head, expected).await;
    }
    end(&gateway).await;
}

/// What browsers send, and what a proxy and a CDN add.
#[tokio::test(flavor = "multi_thread")]
async fn preflights_of_browsers() {
    const CHROMIUM: &str = "accept: */*
access-control-request-method: PUT
access-control-request-headers: authorization,content-type
access-control-request-private-network: true
origin: https://app.example.com
user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36
sec-fetch-mode: cors
sec-fetch-site: same-site
sec-fetch-dest: empty
referer: https://app.example.com/
accept-encoding: gzip, deflate, br, zstd
accept-language: nb-NO,nb;q=0.9,en;q=0.8
priority: u=1, i";
    const FIREFOX: &str =
        "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0
accept: */*
accept-language: nb-NO,nb;q=0.9,en;q=0.8
accept-encoding: gzip, deflate, br, zstd
access-control-request-method: DELETE
access-control-request-headers: authorization
referer: https://app.example.com/
origin: null
dnt: 1
sec-gpc: 1
sec-fetch-dest: empty
sec-fetch-mode: cors
sec-fetch-site: cross-site
priority: u=4
pragma: no-cache
cache-control: no-cache
te: trailers";
    const PROXIES: &str = "x-request-id: 8f14e45fceea167a5a36dedd4bea2543
x-real-ip: 192.0.2.1
x-forwarded-for: 192.0.2.1, 10.0.0.1
x-forwarded-host: api.example.com
x-forwarded-port: 443
x-forwarded-proto: https
x-forwarded-scheme: https
x-scheme: https
via: 1.1 google
forwarded: for=192.0.2.1
x-forwarded-client-cert: By=spiffe://a;Hash=b
x-envoy-attempt-count: 1
x-envoy-expected-rq-timeout-ms: 15000
x-envoy-peer-metadata: abc
x-envoy-peer-metadata-id: router~10.0.0.1~x~y
x-envoy-decorator-operation: api:80/*
traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
tracestate: a=b
x-b3-traceid: 80f198ee56343ba864fe8b2a57d3eff7
x-b3-sampled: 1
cf-ray: 8c1e5b2f3d4a5b6c-OSL
cf-connecting-ip: 192.0.2.1
cdn-loop: cloudflare; loops=1";
    let gateway = gateway().await;
    let client = http2();
    for browser in [CHROMIUM, FIREFOX] {
        for headers in [browser.to_owned(), format!("{browser}\n{PROXIES}")] {
            let head = format!("OPTIONS /api/x HTTP/1.1\nhost: x\n{headers}");
            check(&gateway, &head, Open).await;
            let head = format!("{head}\nconnection: keep-alive");
            check(&gateway, &head, Open).await;
            check_http2(&gateway, &client, "OPTIONS", "/api/x", &headers, Open).await;
            let with_key = format!("{headers}\nx-api-key: x");
            let head = format!("OPTIONS /api/x HTTP/1.1\nhost: x\n{with_key}");
            let expected = Rule("api:write");
            check(&gateway, &head, expected).await;
            check_http2(&gateway, &client, "OPTIONS", "/api/x", &with_key, expected).await;
        }
    }
    end(&gateway).await;
}

/// Where rules go by methods, a request has one: whoever it is for, and with any token.
#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_overridden() {
    let gateway = gateway().await;
    let client = http2();
    let good = format!(
        "authorization: Bearer {}",
        gateway.token("api:read api:write")
    );
    let mut refused = 0;
    for name in [
        "X-HTTP-Method-Override",
        "x-http-method",
        "X-Method-Override",
    ] {
        for headers in [
            format!("{name}: DELETE"),
            format!("{name}: GET"),
            format!("{name}: anything"),
            format!("{name}:"),
            format!("{name}:\n{name}: DELETE"),
            format!("{good}\n{name}: DELETE"),
            format!("{ORIGIN}\n{ASKS}\n{name}: DELETE"),
        ] {
            for line in [
                "GET /api/x",
                "POST /api/x",
                "GET /open",
                "GET /other",
                "OPTIONS /api/x",
            ] {
                let (method, path) = line.split_once(' ').unwrap();
                let head = format!("{line} HTTP/1.1\nhost: x\n{headers}");
                check(&gateway, &head, Ambiguous).await;
                check_http2(&gateway, &client, method, path, &headers, Ambiguous).await;
                refused += 2;
            }
        }
    }
    let reason = &decisions("deny", "ambiguous_method");
    gateway.assert_stat(reason, refused).await;
    until("the access log says so", async || {
        gateway.log().contains(" ambiguous_method\n")
    })
    .await;
    end(&gateway).await;
    drop(gateway);

    // Elsewhere it is a header like any.
    let gateway = Gateway::start(Setup {
        plugin: json!({
            "introspection": { "cluster": "texas" },
            "rules": [{ "match": { "path": "/open" }, "anonymous": true }],
        }),
        ..Setup::default()
    })
    .await;
    let head = "GET /open HTTP/1.1\nhost: x\nx-http-method-override: DELETE";
    check(&gateway, head, Open).await;
}

/// The same over HTTP/2.
async fn check_http2(
    gateway: &Gateway,
    client: &reqwest::Client,
    method: &str,
    path: &str,
    headers: &str,
    expected: End,
) {
    let before = gateway.idp.api_requests();
    let method: Method = method.parse().unwrap();
    let request = client.request(method.clone(), format!("http://{}{path}", gateway.address));
    let lines = headers.lines().map(|line| line.split_once(':').unwrap());
    let request = lines.fold(request, |request, (name, value)| {
        request.header(name.trim(), value.trim())
    });
    let answer = answer(request.send().await.unwrap()).await;
    let found = End::of(&answer, gateway.idp.api_requests() > before);
    assert_eq!(
        found,
        (expected, expected == Open),
        "{method} {path} {headers}: {answer:?}"
    );
}
