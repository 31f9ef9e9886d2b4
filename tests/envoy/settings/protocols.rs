//! Upgrades, CONNECT, HTTP/2's METADATA, and HTTP/3.

use std::net::UdpSocket;

use dev_idp::Fault;
use h2::ext::Protocol;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::End::{Reaches, Refused};
use super::routes::virtual_host;
use super::{check, guards, start};
use crate::gateway::{
    CONNECTION_MANAGER, Gateway, Setup, api_protocol, at, filter_config, http_filters, plugin,
    until,
};

fn manager(config: &mut Value) -> &mut Value {
    at(config, CONNECTION_MANAGER)
}

/// An upgrade with filters of its own goes by those alone, and any client can ask for one.
#[tokio::test(flavor = "multi_thread")]
async fn upgrades_with_filters_of_their_own() {
    let setting = "upgrade_configs.filters";
    let gateway = start(setting, |config| {
        let router = http_filters(config)[1].clone();
        let upgrade = json!({ "upgrade_type": "websocket", "filters": [router] });
        manager(config)["upgrade_configs"] = json!([upgrade]);
    })
    .await;
    let requests = &[
        ("GET /api/x HTTP/1.1|host: a", Refused(401)),
        ("GET /api/x HTTP/1.1|host: a|upgrade: x", Refused(401)),
        (
            "GET /api/x HTTP/1.1|host: a|connection: upgrade|upgrade: websocket",
            Reaches(200),
        ),
    ];
    check(setting, &gateway, requests).await;
    let setting = "upgrade_configs";
    let gateway = guards(setting, |config| {
        manager(config)["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
    })
    .await;
    let requests = &[
        (
            "GET /api/x HTTP/1.1|host: a|connection: upgrade|upgrade: websocket",
            Refused(401),
        ),
        (
            "GET /api/x HTTP/1.1|host: a|connection: upgrade|upgrade: websocket|WEAK",
            Refused(403),
        ),
        (
            "GET /api/x HTTP/1.1|host: a|connection: upgrade|upgrade: websocket|GOOD",
            Reaches(200),
        ),
    ];
    check(setting, &gateway, requests).await;
}

/// A WebSocket over HTTP/2 (RFC 8441).
#[tokio::test(flavor = "multi_thread")]
async fn extended_connect() {
    let gateway = start("allow_connect", |config| {
        manager(config)["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
        manager(config)["http2_protocol_options"]["allow_connect"] = json!(true);
    })
    .await;
    for (token, status) in [
        (None, 401),
        (Some("garbage".to_owned()), 401),
        (Some(gateway.token("other")), 403),
        (Some(gateway.token("api:read")), 200),
    ] {
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        until("Envoy allows it", async || {
            client.is_extended_connect_protocol_enabled()
        })
        .await;
        let mut head = http::Request::builder()
            .method("CONNECT")
            .uri("http://gateway/api/socket")
            .extension(Protocol::from_static("websocket"));
        if let Some(token) = &token {
            head = head.header("authorization", format!("Bearer {token}"));
        }
        let (response, _sender) = client.send_request(head.body(()).unwrap(), false).unwrap();
        let found = response.await.unwrap().status();
        assert_eq!(found, status, "{token:?}");
        connection.abort();
    }
    assert_eq!(gateway.idp.api_requests(), 1);
}

/// Lets clients open a connection to the API itself.
fn with_tunnels(config: &mut Value) {
    let upgrade = json!([{ "upgrade_type": "CONNECT", "connect_config": { "allow_post": true } }]);
    let action = json!({ "cluster": "api", "upgrade_configs": upgrade });
    let tunnel = json!({ "match": { "connect_matcher": {} }, "route": action });
    let post = json!({ "match": { "path": "/tunnel" }, "route": action });
    virtual_host(config)["routes"] = json!([tunnel, post]);
}

/// CONNECT has no path: no rule by paths is for it.
#[tokio::test(flavor = "multi_thread")]
async fn tunnels() {
    let require = json!({ "scopes": ["api:write"] });
    let anything = json!([{ "match": {}, "require": require }]);
    let tunnels = json!([{ "match": { "methods": ["CONNECT"] }, "require": require }]);
    let (no_rule, judged) = ([403; 4], [401, 401, 403, 200]);
    for (rules, connect, post) in [
        (plugin()["rules"].clone(), no_rule, no_rule),
        (anything, no_rule, judged),
        (tunnels, judged, no_rule),
    ] {
        let mut plugin = plugin();
        plugin["rules"] = rules;
        let gateway = Gateway::start(Setup {
            plugin,
            edit: with_tunnels,
            ..Setup::default()
        })
        .await;
        let tokens = [
            String::new(),
            "garbage".to_owned(),
            gateway.token("other"),
            gateway.token("api:write"),
        ];
        for (index, token) in tokens.iter().enumerate() {
            let authorization = match token.as_str() {
                "" => String::new(),
                token => format!("authorization: Bearer {token}\r\n"),
            };
            for (head, statuses) in [("CONNECT a:80", connect), ("POST /tunnel", post)] {
                let status = statuses[index];
                let before = gateway.idp.api_requests();
                let mut stream = TcpStream::connect(gateway.address).await.unwrap();
                let within = b"GET /api/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
                // Longer than what is sent: a server that sees the end of the tunnel may leave what
                // came before unread.
                let length = match head {
                    "POST /tunnel" => format!("content-length: {}\r\n", within.len() + 1),
                    _ => String::new(),
                };
                let head = format!("{head} HTTP/1.1\r\nhost: a\r\n{authorization}{length}\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(within).await.unwrap();
                let mut answer = Vec::new();
                while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                    assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
                }
                let answer = String::from_utf8_lossy(&answer).into_owned();
                assert!(
                    answer.starts_with(&format!("HTTP/1.1 {status}")),
                    "{head}: {answer}"
                );
                if status == 200 {
                    until("the API is reached", async || {
                        gateway.idp.api_requests() > before
                    })
                    .await;
                }
                let reached = gateway.idp.api_requests() - before;
                assert_eq!(reached, usize::from(status == 200), "{head}: {answer}");
            }
        }
    }
}

/// A frame of HTTP/2 on the first stream.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let stream = u8::from(kind != SETTINGS);
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Fields as HPACK has them in their plainest form.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let fields = fields.iter();
    fields
        .flat_map(|(name, value)| [vec![0], text(name), text(value)].concat())
        .collect()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const METADATA: u8 = 0x4d;
const END_STREAM: u8 = 1;
const END: u8 = 4;

/// Frames of metadata, between head and body, move nothing on.
#[tokio::test(flavor = "multi_thread")]
async fn metadata() {
    let gateway = guards("allow_metadata", |config| {
        manager(config)["http2_protocol_options"]["allow_metadata"] = json!(true);
        *api_protocol(config) = json!({ "http2_protocol_options": { "allow_metadata": true } });
    })
    .await;
    let passed = gateway.idp.api_requests();
    let asked = gateway.idp.introspections();
    gateway.idp.set_fault(Some(Fault::Hold));
    let head = fields(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "gateway"),
        (":path", "/api/x"),
        ("authorization", "Bearer garbage"),
    ]);
    let bytes = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, &[]),
        frame(HEADERS, END, &head),
        frame(METADATA, END, &fields(&[("key", "value")])),
        frame(DATA, 0, b"a body"),
        frame(METADATA, END, &fields(&[("key", "value")])),
        frame(DATA, END_STREAM, b"a body"),
    ]
    .concat();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    until("the token is asked about", async || {
        gateway.idp.introspections() > asked
    })
    .await;
    assert_eq!(gateway.idp.api_requests(), passed);
    gateway.idp.set_fault(None);
    // The challenge's text is in the answer as it is, or in Huffman's code; its body is.
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\"status\":401") {
        assert!(
            stream.read_buf(&mut answer).await.unwrap() > 0,
            "{}",
            answer.escape_ascii()
        );
    }
    assert_eq!(gateway.idp.api_requests(), passed);
}

/// Another listener of the same Envoy speaks HTTP/3 to the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn http3() {
    fn over_quic(config: &mut Value) {
        filter_config(config)["allow_on_headers_stop_iteration"] = json!(true);
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let key = rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
        let certificate = json!({ "inline_string": key.cert.pem() });
        let private_key = json!({ "inline_string": key.signing_key.serialize_pem() });
        let listeners = at(config, "/static_resources/listeners");
        let mut front = listeners[0].clone();
        let quic = &mut listeners[0];
        quic["name"] = json!("quic");
        quic["address"]["socket_address"] =
            json!({ "protocol": "UDP", "address": "127.0.0.1", "port_value": port });
        quic["udp_listener_config"] = json!({ "quic_options": {} });
        quic.as_object_mut()
            .unwrap()
            .remove("per_connection_buffer_limit_bytes");
        let chain = &mut quic["filter_chains"][0];
        chain["transport_socket"] = json!({
            "name": "envoy.transport_sockets.quic",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport",
                "downstream_tls_context": { "common_tls_context": { "tls_certificates": [{
                    "certificate_chain": certificate, "private_key": private_key,
                }] } },
            },
        });
        let manager = &mut chain["filters"][0]["typed_config"];
        manager["codec_type"] = json!("HTTP3");
        manager["http3_protocol_options"] = json!({ "allow_extended_connect": true });
        let manager = &mut front["filter_chains"][0]["filters"][0]["typed_config"];
        manager["http_filters"].as_array_mut().unwrap().remove(0);
        manager["stat_prefix"] = json!("front");
        manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] =
            json!("quic");
        manager["http_protocol_options"] = json!({ "enable_trailers": true });
        listeners.as_array_mut().unwrap().insert(0, front);
        let clusters = at(config, "/static_resources/clusters");
        let mut cluster = clusters[1].clone();
        cluster["name"] = json!("quic");
        cluster["load_assignment"]["cluster_name"] = json!("quic");
        *cluster
            .pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value")
            .unwrap() = json!(port);
        cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
            ["explicit_http_config"] = json!({ "http3_protocol_options": {} });
        cluster["transport_socket"] = json!({
            "name": "envoy.transport_sockets.quic",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport",
                "upstream_tls_context": {
                    "sni": "gateway",
                    "common_tls_context": { "validation_context": { "trusted_ca": certificate } },
                },
            },
        });
        clusters.as_array_mut().unwrap().push(cluster);
    }
    let gateway = guards("http3", over_quic).await;
    let received = gateway.stat("http.gateway.downstream_rq_http3_total").await;
    assert_eq!(received, 24);
}
