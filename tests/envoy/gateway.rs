//! An Envoy with the filter, and the identity provider and API around it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use dev_idp::{Client, DevIdp, DevIdpConfig, IdentityProvider, Mint};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, get, request};
use crate::stats::matches;

/// How long to wait for a condition before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A change to Envoy's configuration.
pub type Edit = fn(&mut Value);

/// What is to be started.
pub struct Setup {
    /// Envoy's configuration, as a user would copy it.
    pub sample: Value,
    /// The plugin configuration.
    pub plugin: Value,
    /// Whether Envoy itself cleans up and refuses odd paths, as in `envoy.yaml`.
    pub envoy_normalizes_paths: bool,
    /// What else is to be changed in Envoy's configuration.
    pub edit: Edit,
    /// The client authentication that the RFC 7662 endpoint asks for.
    pub client: Option<Client>,
    /// The identity providers that Texas knows.
    pub identity_providers: Vec<IdentityProvider>,
    /// Envoy's log level.
    pub log_level: &'static str,
    /// How Envoy's configuration holds the plugin's.
    pub form: Form,
    /// How many workers Envoy has.
    pub workers: u32,
    /// How a new plugin configuration reaches the running Envoy.
    pub discovery: Discovery,
    /// Where the API is, if it is not the identity provider's.
    pub api: Option<SocketAddr>,
    /// Where the introspection endpoint is, if it is not the identity provider's.
    pub endpoint: Option<SocketAddr>,
    /// What Envoy takes a paused head for.
    pub paused_head: PausedHead,
    /// The built filter, if it is not the one to be tested.
    pub module: Option<PathBuf>,
    /// Variables in Envoy's own environment.
    pub environment: Vec<(&'static str, String)>,
    /// Whether another Envoy can take over from this one.
    pub hot_restart: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sample: shipped_config(),
            plugin: plugin(),
            envoy_normalizes_paths: true,
            edit: |_| {},
            client: None,
            identity_providers: vec![IdentityProvider::Maskinporten],
            log_level: "warning",
            form: Form::Native,
            workers: 1,
            discovery: Discovery::None,
            api: None,
            endpoint: None,
            paused_head: PausedHead::HoldsAll,
            module: None,
            environment: Vec::new(),
            hot_restart: false,
        }
    }
}

/// What Envoy takes a paused head for (`allow_on_headers_stop_iteration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedHead {
    /// Body and trailers are held with it: Envoy's default.
    HoldsAll,
    /// Body and trailers are shown to the filter, and go on unless it says otherwise.
    HoldsItself,
}

impl PausedHead {
    /// The usual gateway, with this setting.
    pub fn setup(self) -> Setup {
        Setup {
            paused_head: self,
            ..Setup::default()
        }
    }
}

/// How Envoy's configuration holds the plugin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As YAML like the rest (`google.protobuf.Struct`).
    Native,
    /// As a text of JSON (`google.protobuf.StringValue`).
    Json,
}

impl Form {
    /// The plugin configuration in this form.
    pub fn of(self, plugin: &Value) -> Value {
        match self {
            Self::Native => json!({
                "@type": "type.googleapis.com/google.protobuf.Struct",
                "value": plugin,
            }),
            Self::Json => string_value(&plugin.to_string()),
        }
    }
}

/// A text in Envoy's configuration.
pub fn string_value(text: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text })
}

/// How a new plugin configuration reaches a running Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// Not at all.
    None,
    /// The listener is discovered (LDS).
    Listener,
    /// The filter's configuration is discovered (ECDS).
    Extension,
}

/// The plugin configuration of most tests: `/open` needs no token, reading below `/api` needs
/// `api:read`, everything else there `api:write`.
pub fn plugin() -> Value {
    json!({
        "introspection": { "cluster": "texas", "timeout": "20s" },
        "rules": [
            { "name": "open", "match": { "path": "/open" }, "anonymous": true },
            {
                "name": "read",
                "match": { "prefix": "/api", "methods": ["GET", "HEAD"] },
                "require": { "scopes": ["api:read"] }
            },
            {
                "name": "write",
                "match": { "prefix": "/api" },
                "require": { "scopes": ["api:write"] }
            }
        ],
        "challenge": { "realm": "test" }
    })
}

/// A running Envoy. Dropping it ends everything it started.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// The identity provider and the API.
    pub idp: DevIdp,
    /// Where Envoy's admin is.
    pub admin: SocketAddr,
    form: Form,
    discovery: Discovery,
    vms_at_start: u64,
    envoy: Child,
    successor: Mutex<Option<Child>>,
    folder: TempDir,
}

impl Gateway {
    /// Starts everything with one worker, and waits until it is ready.
    pub async fn start(setup: Setup) -> Self {
        let idp = DevIdp::start(DevIdpConfig {
            client: setup.client.clone(),
            identity_providers: setup.identity_providers.clone(),
            ..DevIdpConfig::default()
        })
        .await
        .unwrap();
        let folder = TempDir::new().unwrap();
        let config = envoy_config(&setup, &idp);
        let config = discovered(config, setup.discovery, folder.path());
        Self::launch(setup, &config, idp, folder).await
    }

    /// Starts Envoy with this configuration as it is, and waits until it is ready. Of the setup
    /// counts what is not in the configuration.
    pub async fn launch(setup: Setup, config: &Value, idp: DevIdp, folder: TempDir) -> Self {
        let config_file = write_config(&folder, config);
        let admin_file = folder.path().join("admin");
        let log = File::create(folder.path().join("log")).unwrap();
        let mut envoy = Command::new(envoy_binary())
            .args(["--concurrency", &setup.workers.to_string()])
            .args(["--service-node", "test", "--service-cluster", "test"])
            .args(["--log-level", setup.log_level])
            .args(["--file-flush-interval-msec", "10"])
            .arg("--admin-address-path")
            .arg(&admin_file)
            .arg("-c")
            .arg(config_file)
            .args(hot_restart(setup.hot_restart, folder.path()))
            .envs(setup.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("cannot start Envoy");
        let admin = admin_address(&mut envoy, &admin_file, folder.path()).await;
        let mut gateway = Self {
            address: admin,
            idp,
            admin,
            form: setup.form,
            discovery: setup.discovery,
            vms_at_start: 0,
            envoy,
            successor: Mutex::new(None),
            folder,
        };
        gateway.wait_until_ready().await;
        gateway
    }

    async fn wait_until_ready(&mut self) {
        until("Envoy is ready", async || {
            get(self.admin, "/ready", &[]).await.status == 200
        })
        .await;
        let port = "/listener_statuses/0/local_address/socket_address/port_value";
        let mut found = None;
        until("the gateway listens", async || {
            let listeners = get(self.admin, "/listeners?format=json", &[]).await.json();
            found = listeners.pointer(port).and_then(Value::as_u64);
            found.is_some()
        })
        .await;
        let port = u16::try_from(found.unwrap()).unwrap();
        self.address = SocketAddr::from(([127, 0, 0, 1], port));
        self.vms_at_start = self.stat("wasm.envoy.wasm.runtime.v8.created").await;
    }

    /// Starts another Envoy with the same configuration, and waits until it has taken over from this
    /// one, which ends.
    pub async fn restart(&self) {
        let base_id = fs::read_to_string(self.folder.path().join("base-id")).unwrap();
        let log = File::options()
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let successor = Command::new(envoy_binary())
            .args(["--concurrency", "2", "--restart-epoch", "1"])
            .args(["--base-id", base_id.trim()])
            .args(["--service-node", "test", "--service-cluster", "test"])
            .args(DRAIN.split(' '))
            .arg("-c")
            .arg(self.folder.path().join("envoy.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("cannot start Envoy");
        *self.successor.lock().unwrap() = Some(successor);
        let stat = format!("/proc/{}/stat", self.envoy.id());
        until("the old Envoy has ended", async || {
            // A zombie until this program waits for it.
            fs::read_to_string(&stat).unwrap().contains(") Z ")
        })
        .await;
    }

    /// Gives the running Envoy another plugin configuration.
    pub fn reconfigure(&self, plugin: &Value) {
        let file = self.folder.path().join(DISCOVERED);
        let mut resources: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let value = match self.discovery {
            Discovery::None => panic!("this Envoy discovers nothing"),
            Discovery::Listener => {
                let inside = CONNECTION_MANAGER.strip_prefix("/static_resources/listeners/0");
                let filter = format!("{}/http_filters/0/typed_config", inside.unwrap());
                at(
                    &mut resources,
                    &format!("/resources/0{filter}/config/configuration"),
                )
            }
            Discovery::Extension => at(
                &mut resources,
                "/resources/0/typed_config/config/configuration",
            ),
        };
        *value = self.form.of(plugin);
        // Envoy looks when a file is moved to that name.
        let next = file.with_extension("next");
        fs::write(&next, resources.to_string()).unwrap();
        fs::rename(next, file).unwrap();
    }

    /// Envoy's process.
    pub fn pid(&self) -> u32 {
        self.envoy.id()
    }

    /// Where the listener of that name listens.
    pub async fn listener(&self, name: &str) -> SocketAddr {
        let listeners = get(self.admin, "/listeners?format=json", &[]).await.json();
        let all = listeners["listener_statuses"].as_array().unwrap();
        let found = all.iter().find(|listener| listener["name"] == name);
        let port = &found.unwrap()["local_address"]["socket_address"]["port_value"];
        let port = u16::try_from(port.as_u64().unwrap()).unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// The memory that Envoy has, in kB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.envoy.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// A token with these scopes.
    pub fn token(&self, scope: &str) -> String {
        self.idp.mint(&Mint::default().scope(scope))
    }

    /// A GET with these headers.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        get(self.address, path, headers).await
    }

    /// A GET below `/api` with this access token.
    pub async fn get_with(&self, token: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        self.get("/api/x", &[("authorization", &authorization)])
            .await
    }

    /// A request with this head, sent as it is but for the `host` and `connection` that are added.
    pub async fn send(&self, request_line: &[u8], headers: &[(&[u8], &[u8])]) -> Answer {
        request(self.address, request_line, headers, b"").await
    }

    /// The value of one of Envoy's counters or gauges; 0 if it does not exist yet.
    pub async fn stat(&self, name: &str) -> u64 {
        let stats = get(self.admin, "/stats?usedonly", &[]).await.text();
        let lines = stats.lines().filter_map(|line| line.split_once(": "));
        let values = lines.filter(|(found, _)| matches(name, found));
        values.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    }

    /// One of Envoy's counters or gauges comes to this. The filter reports what it counted once a
    /// second.
    pub async fn assert_stat(&self, name: &str, expected: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.stat(name).await;
            if found == expected {
                return;
            }
            let in_time = found < expected && Instant::now() < deadline;
            assert!(in_time, "{name} is {found}, not {expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Envoy's metrics as Prometheus reads them.
    pub async fn prometheus(&self) -> String {
        get(self.admin, "/stats/prometheus", &[]).await.text()
    }

    /// Requests that the gateway is busy with.
    pub async fn active_requests(&self) -> u64 {
        self.stat("http.gateway.downstream_rq_active").await
    }

    /// What Envoy and the filter have logged so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// After whatever a test did: a good token still passes, and no VM was lost.
    pub async fn assert_well(&self) {
        self.idp.set_fault(None);
        let token = self.token("api:read");
        let answer = self.get_with(&token).await;
        assert_eq!(
            answer.status, 200,
            "a good token no longer passes: {answer:?}"
        );
        let vms = self.stat("wasm.envoy.wasm.runtime.v8.created").await;
        // To check a new configuration Envoy makes a VM too.
        if self.discovery == Discovery::None {
            assert_eq!(vms, self.vms_at_start, "a VM was made anew: {}", self.log());
        }
        // `vm_reload` itself is never counted.
        assert_eq!(self.stat("wasm.portvakt.vm_reload_*").await, 0);
        let log = self.log();
        assert!(
            !log.contains("panicked") && !log.contains("[critical]"),
            "{log}"
        );
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut successor) = self.successor.lock().unwrap().take() {
            let _ = successor.kill();
            let _ = successor.wait();
        }
        let _ = self.envoy.kill();
        let _ = self.envoy.wait();
        if std::thread::panicking() {
            eprintln!("Envoy's log:\n{}", self.log());
        }
    }
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs `envoy --mode validate` on this configuration, in the repository's folder.
pub fn validate(config: &Value, environment: &[(&str, &str)]) -> Output {
    let folder = TempDir::new().unwrap();
    validate_file(&write_config(&folder, config), environment)
}

/// Runs `envoy --mode validate` on a file of YAML, which Envoy reads otherwise than JSON.
pub fn validate_yaml(config: &str, environment: &[(&str, &str)]) -> Output {
    let folder = TempDir::new().unwrap();
    let config_file = folder.path().join("envoy.yaml");
    fs::write(&config_file, config).unwrap();
    validate_file(&config_file, environment)
}

fn validate_file(config_file: &Path, environment: &[(&str, &str)]) -> Output {
    Command::new(envoy_binary())
        .args(["--mode", "validate", "-c"])
        .arg(config_file)
        .envs(environment.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

/// Runs Envoy with a configuration that it must refuse, and waits for its end.
pub fn start_in_vain(config: &Value, environment: &[(&str, &str)]) -> Output {
    let folder = TempDir::new().unwrap();
    let config_file = write_config(&folder, config);
    Command::new(envoy_binary())
        .args(["--disable-hot-restart", "-c"])
        .arg(config_file)
        .envs(environment.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

/// `envoy.yaml` as it is.
pub fn shipped_config() -> Value {
    serde_saphyr::from_str(include_str!("../../envoy.yaml")).unwrap()
}

/// The chain of HTTP filters.
pub fn http_filters(config: &mut Value) -> &mut Vec<Value> {
    let filters = at(config, &format!("{CONNECTION_MANAGER}/http_filters"));
    filters.as_array_mut().unwrap()
}

/// The filter's own part of Envoy's configuration.
pub fn filter_config(config: &mut Value) -> &mut Value {
    let mut filters = http_filters(config).iter_mut();
    let filter = filters.find(|filter| filter["name"] == "portvakt");
    at(filter.unwrap(), "/typed_config/config")
}

/// Lets Envoy speak HTTP/2 to the API, as one with gRPC needs.
pub fn speak_http2_to_the_api(config: &mut Value) {
    *api_protocol(config) = json!({ "http2_protocol_options": { "max_concurrent_streams": 100 } });
}

/// What Envoy speaks to the API.
pub fn api_protocol(config: &mut Value) -> &mut Value {
    at(
        config,
        "/static_resources/clusters/1/typed_extension_protocol_options\
         /envoy.extensions.upstreams.http.v3.HttpProtocolOptions/explicit_http_config",
    )
}

/// What stands at that JSON Pointer.
pub fn at<'a>(config: &'a mut Value, pointer: &str) -> &'a mut Value {
    config
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("envoy.yaml has no {pointer}"))
}

pub const CONNECTION_MANAGER: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

/// `envoy.yaml` with free ports and the plugin configuration of the test.
fn envoy_config(setup: &Setup, idp: &DevIdp) -> Value {
    let mut config = setup.sample.clone();
    let endpoint = format!("http://{}/api/v1/introspect", idp.idp_addr());
    let port = "address/socket_address/port_value";
    let upstream = "load_assignment/endpoints/0/lb_endpoints/0/endpoint";
    let changes = [
        (format!("/admin/{port}"), json!(0)),
        (format!("/static_resources/listeners/0/{port}"), json!(0)),
        (
            format!("/static_resources/clusters/0/{upstream}/{port}"),
            json!(setup.endpoint.unwrap_or(idp.idp_addr()).port()),
        ),
        (
            format!("/static_resources/clusters/1/{upstream}/{port}"),
            json!(setup.api.unwrap_or(idp.api_addr()).port()),
        ),
        (
            format!("{CONNECTION_MANAGER}/http2_protocol_options/max_concurrent_streams"),
            json!(1000),
        ),
    ];
    for (pointer, value) in changes {
        *at(&mut config, &pointer) = value;
    }
    let filter = filter_config(&mut config);
    filter["vm_config"]["code"]["local"]["filename"] =
        json!(setup.module.clone().unwrap_or_else(wasm));
    filter["vm_config"]["environment_variables"] =
        json!({ "key_values": { "NAIS_TOKEN_INTROSPECTION_ENDPOINT": endpoint } });
    filter["configuration"] = setup.form.of(&setup.plugin);
    if setup.paused_head == PausedHead::HoldsItself {
        filter["allow_on_headers_stop_iteration"] = json!(true);
    }
    if !setup.envoy_normalizes_paths {
        let manager = at(&mut config, CONNECTION_MANAGER);
        for key in [
            "normalize_path",
            "merge_slashes",
            "path_with_escaped_slashes_action",
        ] {
            remove(manager, key);
        }
    }
    (setup.edit)(&mut config);
    config
}

/// Where what Envoy discovers stands.
const DISCOVERED: &str = "discovered.json";

/// Moves the listener, or the filter's configuration, to a file of its own.
fn discovered(mut config: Value, discovery: Discovery, folder: &Path) -> Value {
    let file = folder.join(DISCOVERED);
    let source = json!({ "resource_api_version": "V3", "path_config_source": { "path": &file } });
    let resource = match discovery {
        Discovery::None => return config,
        Discovery::Listener => {
            let mut listener = at(&mut config, "/static_resources/listeners").take()[0].take();
            listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            config["static_resources"]["listeners"] = json!([]);
            config["dynamic_resources"] = json!({ "lds_config": source });
            listener
        }
        Discovery::Extension => {
            let filter = at(&mut config, &format!("{CONNECTION_MANAGER}/http_filters/0"));
            let typed_config = filter["typed_config"].take();
            let discovery = json!({
                "config_source": source,
                "type_urls": [typed_config["@type"]],
            });
            *filter = json!({ "name": "portvakt", "config_discovery": discovery });
            json!({
                "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                "name": "portvakt",
                "typed_config": typed_config,
            })
        }
    };
    fs::write(file, json!({ "resources": [resource] }).to_string()).unwrap();
    config
}

pub fn remove(object: &mut Value, key: &str) {
    let removed = object.as_object_mut().unwrap().remove(key);
    assert!(removed.is_some(), "envoy.yaml has no {key} here");
}

fn write_config(folder: &TempDir, config: &Value) -> PathBuf {
    let file = folder.path().join("envoy.json");
    fs::write(&file, config.to_string()).unwrap();
    file
}

/// How an Envoy is started that another one can take over from, or none.
fn hot_restart(is_possible: bool, folder: &Path) -> Vec<String> {
    if !is_possible {
        return vec!["--disable-hot-restart".to_owned()];
    }
    let base_id = format!("--base-id-path {}", folder.join("base-id").display());
    let arguments = format!("--use-dynamic-base-id {base_id} {DRAIN}");
    arguments.split(' ').map(str::to_owned).collect()
}

/// How long the old one goes on beside the new one, in seconds.
const DRAIN: &str = "--drain-time-s 2 --parent-shutdown-time-s 4";

async fn admin_address(envoy: &mut Child, file: &Path, folder: &Path) -> SocketAddr {
    let mut address = None;
    until("Envoy says where its admin is", async || {
        if let Some(status) = envoy.try_wait().unwrap() {
            let log = fs::read_to_string(folder.join("log")).unwrap();
            panic!("Envoy ended with {status}:\n{log}");
        }
        address = fs::read_to_string(file)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        address.is_some()
    })
    .await;
    address.unwrap()
}

fn envoy_binary() -> PathBuf {
    std::env::var_os("ENVOY")
        .expect("ENVOY is not set: run `make test`")
        .into()
}

/// The command line.
pub fn command_line() -> PathBuf {
    std::env::var_os("PORTVAKT_CLI")
        .expect("PORTVAKT_CLI is not set: run `make test`")
        .into()
}

/// The built filter.
pub fn wasm() -> PathBuf {
    std::env::var_os("PORTVAKT_WASM")
        .expect("PORTVAKT_WASM is not set: run `make test`")
        .into()
}

/// Makes Envoy speak this to the API, whatever the client speaks: a key of `explicit_http_config`.
pub fn speak_to_api(config: &mut Value, protocol: &str, options: Value) {
    let api = "/static_resources/clusters/1/typed_extension_protocol_options";
    let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut explicit = json!({});
    explicit[protocol] = options;
    *at(config, api) = json!({
        name: {
            "@type": format!("type.googleapis.com/{name}"),
            "explicit_http_config": explicit,
        }
    });
}

/// Gives connections of Envoy's to the endpoint and to the API time: many at once take longer than
/// `envoy.yaml` has it.
pub fn connect_patiently(config: &mut Value) {
    for cluster in [0, 1] {
        let timeout = format!("/static_resources/clusters/{cluster}/connect_timeout");
        *at(config, &timeout) = json!("20s");
    }
}
