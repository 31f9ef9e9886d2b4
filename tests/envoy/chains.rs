//! Long chains of filters: what one filter refuses stays refused, and what waits in one of them
//! goes on through all of the others.

use dev_idp::Fault;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::client::{Answer, read_answer, send_head};
use crate::gateway::{
    CONNECTION_MANAGER, Form, Gateway, Setup, at, connect_patiently, filter_config, until,
};

/// How many VMs Envoy has made.
const VMS: &str = "wasm.envoy.wasm.runtime.v8.created";

/// How many filters are before the router.
const FILTERS: usize = 30;

/// What is uploaded.
const BODY: &[u8] = &[b'x'; 10_000];

/// How many requests of each kind wait at once.
const CROWD: usize = 400;

/// Makes a chain out of this filter, and puts it before the router.
fn replace(config: &mut Value, chain: impl FnOnce(Value) -> Vec<Value>) {
    connect_patiently(config);
    let manager = at(config, CONNECTION_MANAGER);
    // Clients that are slow to read are to find their answers.
    manager["delayed_close_timeout"] = "30s".into();
    let filters = manager["http_filters"].as_array_mut().unwrap();
    let ours = filters
        .iter()
        .position(|filter| filter["name"] == "portvakt");
    let ours = ours.unwrap();
    let chain = chain(filters[ours].clone());
    filters.splice(ours..=ours, chain);
}

/// Thirty times this filter. Each asks for a scope of its own.
fn of_itself(config: &mut Value, vm_id: fn(usize) -> String) {
    replace(config, |ours| {
        let one = |number| {
            let mut filter = ours.clone();
            filter["name"] = json!(format!("portvakt{number}"));
            let config = &mut filter["typed_config"]["config"];
            config["vm_config"]["vm_id"] = json!(vm_id(number));
            config["configuration"] = Form::Native.of(&plugin(&[scope(number)]));
            filter
        };
        (0..FILTERS).map(one).collect()
    });
}

fn in_vms_of_their_own(config: &mut Value) {
    of_itself(config, |number| format!("portvakt{number}"));
}

fn in_one_vm(config: &mut Value) {
    of_itself(config, |_| "portvakt".to_owned());
}

fn plugin(scopes: &[String]) -> Value {
    json!({
        "introspection": { "cluster": "texas", "timeout": "20s" },
        "required_scopes": scopes,
    })
}

fn scope(number: usize) -> String {
    format!("s{number}")
}

/// Fifteen other filters before, fourteen after, which look at the head or keep the body.
fn among_others(config: &mut Value) {
    let scopes: Vec<_> = (0..FILTERS).map(scope).collect();
    filter_config(config)["configuration"] = Form::Native.of(&plugin(&scopes));
    replace(config, |ours| {
        let mut chain: Vec<_> = (0..FILTERS - 1).map(other).collect();
        chain.insert(FILTERS / 2, ours);
        chain
    });
}

fn other(number: usize) -> Value {
    let kinds = [
        (
            "buffer",
            "buffer.v3.Buffer",
            json!({ "max_request_bytes": 1_000_000 }),
        ),
        ("cors", "cors.v3.Cors", json!({})),
        (
            "lua",
            "lua.v3.Lua",
            json!({ "default_source_code": { "inline_string": "function envoy_on_request(handle) handle:body() end" } }),
        ),
        (
            "rbac",
            "rbac.v3.RBAC",
            json!({ "rules": { "policies": { "all": { "permissions": [{ "any": true }], "principals": [{ "any": true }] } } } }),
        ),
        (
            "header_mutation",
            "header_mutation.v3.HeaderMutation",
            json!({ "mutations": { "request_mutations": [
                { "append": { "header": { "key": format!("x-filter-{number}"), "value": "seen" } } }
            ] } }),
        ),
    ];
    let (name, message, mut options) = kinds[number % kinds.len()].clone();
    options["@type"] = json!(format!(
        "type.googleapis.com/envoy.extensions.filters.http.{message}"
    ));
    json!({ "name": format!("{name}{number}"), "typed_config": options })
}

async fn send(gateway: &Gateway, method: &str, token: Option<&str>) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = authorization
        .iter()
        .map(|value| (&b"authorization"[..], value.as_bytes()))
        .collect();
    let body = if method == "POST" { BODY } else { b"" };
    let line = format!("{method} /api/x");
    let mut stream = send_head(gateway.address, line.as_bytes(), &headers, body.len()).await;
    // A request that is refused need not be read to its end.
    let _ = stream.write_all(body).await;
    read_answer(stream).await
}

async fn check(edit: fn(&mut Value)) {
    let gateway = Gateway::start(Setup {
        edit,
        ..Setup::default()
    })
    .await;
    let all = |but: Option<usize>| {
        let scopes = (0..FILTERS)
            .filter(|number| Some(*number) != but)
            .map(scope);
        gateway.token(&scopes.collect::<Vec<_>>().join(" "))
    };
    let cases = [
        (Some(all(None)), 200),
        (Some(all(Some(0))), 403),
        (Some(all(Some(FILTERS / 2))), 403),
        (Some(all(Some(FILTERS - 1))), 403),
        (Some("garbage".to_owned()), 401),
        (None, 401),
    ];
    let vms = gateway.stat(VMS).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let release = async {
        until("all who have a token wait", async || {
            gateway.active_requests().await == 5 * CROWD as u64
        })
        .await;
        assert_eq!(gateway.idp.api_requests(), 0);
        gateway.idp.set_fault(None);
    };
    join(crowd(&gateway, &cases), release).await;
    assert_eq!(gateway.idp.api_requests(), CROWD);
    // Now the tokens are known.
    crowd(&gateway, &cases).await;
    assert_eq!(gateway.idp.api_requests(), 2 * CROWD);
    assert_eq!(gateway.stat(VMS).await, vms, "a VM was made anew");
}

/// Many of each case at once.
async fn crowd(gateway: &Gateway, cases: &[(Option<String>, u16)]) {
    let requests = cases.iter().flat_map(|(token, status)| {
        (0..CROWD).map(async move |number| {
            let (method, sent) = [("GET", 0), ("POST", BODY.len())][number % 2];
            let answer = send(gateway, method, token.as_deref()).await;
            assert_eq!(answer.status, *status, "{answer:?}");
            if *status == 200 {
                assert_eq!(answer.json()["body_bytes"], sent);
            }
        })
    });
    join_all(requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_in_vms_of_their_own() {
    check(in_vms_of_their_own).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_in_one_vm() {
    check(in_one_vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_among_others() {
    check(among_others).await;
}
