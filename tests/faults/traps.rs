//! A VM dies in each of its callbacks: nothing passes unjudged, and a new one takes over. The
//! module is a build for tests, which traps in the callback that a request names.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;

use crate::client::{Answer, request_over_http2};
use crate::gateway::{
    CONNECTION_MANAGER, Discovery, Gateway, Setup, at, filter_config, shipped_config,
    start_in_vain, until, wasm,
};
use crate::load::Load;
use crate::model::{KIND, Kind, Spares};
use crate::recorder::Recorder;
use crate::report::{Report, Row, passed};
use crate::scene::{ANSWERS, for_good, setup, short_lived, under_load};

/// What the module for tests is told by.
const HEADER: &str = "x-portvakt-trap";

/// Envoy may take so long to show what it makes of a new configuration, on a busy machine too.
const SHOWS: Duration = Duration::from_secs(20);

/// All that Envoy calls, as in dev/callbacks.txt, but for what it calls to start a VM.
const CALLBACKS: [&str; 8] = [
    "on_context_create",
    "on_request_headers",
    "on_request_body",
    "on_request_trailers",
    "on_delete",
    "on_queue_ready",
    "on_http_call_response",
    "on_tick",
];

pub fn rows() -> Vec<Row> {
    let rows = CALLBACKS.into_iter().map(|callback| {
        let name = format!("VM trapping in `{callback}`");
        Row::new(&name, move || run(callback))
    });
    let start = Row::new("VM trapping when it starts", at_start);
    rows.chain([
        Row::new("VM trapping in `on_configure`", at_configuration),
        start,
    ])
    .collect()
}

fn trapping() -> PathBuf {
    let path = std::env::var_os("PORTVAKT_TRAP_WASM");
    path.expect("PORTVAKT_TRAP_WASM is not set: run `make test-faults`")
        .into()
}

/// The module that is released knows nothing of it.
fn assert_only_the_module_for_tests_traps() {
    let knows = |module: PathBuf| {
        let bytes = std::fs::read(module).unwrap();
        bytes
            .windows(HEADER.len())
            .any(|window| window == HEADER.as_bytes())
    };
    assert_eq!([knows(wasm()), knows(trapping())], [false, true]);
}

async fn start(api: &Recorder) -> Gateway {
    Gateway::start(Setup {
        module: Some(trapping()),
        discovery: Discovery::Extension,
        // Who waits in a VM that dies hears nothing until then: a minute in envoy.yaml.
        edit: |config| {
            *at(config, &format!("{CONNECTION_MANAGER}/stream_idle_timeout")) = json!("3s");
        },
        ..setup(api)
    })
    .await
}

async fn run(callback: &'static str) -> Report {
    assert_only_the_module_for_tests_traps();
    let api = Recorder::start().await;
    let gateway = start(&api).await;
    let on = async |gateway: &Gateway, load: &Load| {
        spring(gateway, callback);
        until("a VM has died and the fault shows", async || {
            load.has_shown(503) && gateway.stat("wasm.portvakt.vm_reload_*").await > 0
        })
        .await;
    };
    under_load(gateway, &api, Spares::Nobody, on, async |_| {}).await
}

/// Envoy 1.40 leaves the filter out in a worker whose VM traps over a configuration of ECDS that the
/// main thread has taken. Nothing in the module can answer for it.
async fn at_configuration() -> Report {
    let api = Recorder::start().await;
    let gateway = start(&api).await;
    let mut is_seen = false;
    let on = async |gateway: &Gateway, load: &Load| {
        // It is answered: from now on the VM traps when it is configured next.
        let sprung = spring(gateway, "on_configure").await.unwrap();
        assert!(matches!(sprung.status, 401 | 503), "{sprung:?}");
        let mut other = short_lived();
        other["challenge"]["realm"] = json!("other");
        gateway.reconfigure(&other);
        let passes = until("a request passes unjudged", async || {
            passed(&api.heads()) > 0
        });
        is_seen = tokio::time::timeout(SHOWS, passes).await.is_ok();
        load.answers(5 * ANSWERS).await;
    };
    let report = for_good(gateway, &api, Spares::Nobody, on).await;
    let note = if is_seen {
        "**that worker guards nothing**: see below".to_owned()
    } else {
        format!("nothing passed unjudged within {} s", SHOWS.as_secs())
    };
    report.note(note).known()
}

/// Sends a request that takes a VM into every callback. Whether it is answered, and with what,
/// depends on where the VM dies.
fn spring(gateway: &Gateway, callback: &str) -> JoinHandle<Answer> {
    // The body of one that is refused is not looked at.
    let (token, kind) = match callback {
        "on_request_body" | "on_request_trailers" => (gateway.token("api:write"), Kind::New),
        _ => (format!("junk-{callback}"), Kind::Junk),
    };
    let head = http::Request::post(format!("http://{}/api/x", gateway.address))
        .header("authorization", format!("Bearer {token}"))
        .header(KIND, kind.name())
        .header(HEADER, callback)
        .body(())
        .unwrap();
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("x-trailer"),
        http::HeaderValue::from_static("x"),
    )]);
    let address = gateway.address;
    tokio::spawn(request_over_http2(
        address,
        head,
        Some(b"body"),
        Some(trailers),
    ))
}

/// No Envoy comes of it that lets anybody in.
async fn at_start() -> Report {
    let mut config = shipped_config();
    let filter = filter_config(&mut config);
    let vm = &mut filter["vm_config"];
    vm["code"]["local"]["filename"] = json!(trapping());
    vm["environment_variables"] = json!({ "key_values": {
        "NAIS_TOKEN_INTROSPECTION_ENDPOINT": "http://idp/", "PORTVAKT_TRAP": "start",
    } });
    let output = tokio::task::spawn_blocking(move || start_in_vain(&config, &[]))
        .await
        .unwrap();
    assert!(!output.status.success());
    Report::without_traffic("Envoy does not start")
}
