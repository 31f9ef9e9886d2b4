//! `portvakt explain` says what the filter does: random configurations, requests and answers of the
//! endpoint, each explained and sent through a real Envoy.

mod endpoint;
mod generate;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::endpoint::Endpoint;
use self::generate::{Case, SECRET, runner};
use crate::client::{Answer, raw};
use crate::gateway::{
    CONNECTION_MANAGER, Form, Gateway, Setup, at, command_line, filter_config, remove,
    shipped_config, until, wasm,
};
use crate::recorder::Recorder;

const CONFIGURATIONS: usize = 25;
const REQUESTS: usize = 20;

/// Another one makes other cases.
const SEED: u64 = 20_261_128;

/// Headers of answers that the filter sets.
const ANSWERED: [&str; 6] = [
    "www-authenticate",
    "content-type",
    "retry-after",
    "access-control-allow-origin",
    "grpc-status",
    "grpc-message",
];

/// What reaches the API of these is compared.
const FORWARDED: [&str; 6] = [
    "x-consumer",
    "x-client-id",
    "x-claims",
    "x-other",
    "authorization",
    "x-token",
];

/// One configuration, where it is, and what is tried on it.
struct Policy {
    address: SocketAddr,
    file: PathBuf,
    cases: Vec<(usize, Case)>,
}

/// A listener for each configuration. Each request has its number in its query.
fn config(plugins: &[Value]) -> Value {
    let mut config = shipped_config();
    let manager = at(&mut config, CONNECTION_MANAGER);
    // The filter sees the path as it was sent.
    for key in [
        "normalize_path",
        "merge_slashes",
        "path_with_escaped_slashes_action",
    ] {
        remove(manager, key);
    }
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["name"] = json!("main");
    let format = "/access_log/0/typed_config/log_format/text_format_source/inline_string";
    *at(manager, format) = json!(
        "seen %REQ(:PATH)% %FILTER_STATE(wasm.portvakt.reason:PLAIN)% \
         %FILTER_STATE(wasm.portvakt.shadow_reason:PLAIN)% \
         %FILTER_STATE(wasm.portvakt.consumer:PLAIN)% end\n"
    );
    filter_config(&mut config)["vm_config"]["code"]["local"]["filename"] = json!(wasm());
    let mut listeners = Vec::new();
    for (number, plugin) in plugins.iter().enumerate() {
        filter_config(&mut config)["configuration"] = Form::Json.of(plugin);
        let mut listener = config["static_resources"]["listeners"][0].clone();
        listener["name"] = json!(format!("policy-{number}"));
        *at(&mut listener, "/address/socket_address/port_value") = json!(0);
        listeners.push(listener);
    }
    // The first is set up as every test's is.
    let listeners_before = at(&mut config, "/static_resources/listeners");
    listeners_before.as_array_mut().unwrap().extend(listeners);
    config
}

fn cases(
    runner: &mut TestRunner,
    plugin: &Value,
    endpoint: &Endpoint,
    first: usize,
) -> Vec<(usize, Case)> {
    let numbers = first..first + REQUESTS;
    numbers
        .map(|number| {
            let case = generate::case(runner, plugin, number);
            if let Some(token) = &case.token {
                endpoint.script(token, case.answer.clone());
            }
            (number, case)
        })
        .collect()
}

fn target(number: usize, case: &Case) -> String {
    format!("{}?case={number}.", case.path)
}

/// What the gateway answers.
async fn send(policy: &Policy, number: usize, case: &Case) -> Answer {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
        case.method,
        target(number, case),
        case.host
    );
    for (name, value) in &case.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if case.has_body {
        head += "content-length: 1\r\n\r\nx";
    } else {
        head += "\r\n";
    }
    raw(policy.address, head.as_bytes()).await
}

/// What `portvakt explain` says.
fn explain(policy: &Policy, number: usize, case: &Case, folder: &Path) -> Value {
    let mut command = Command::new(command_line());
    command
        .args(["explain", "--format", "json", "--route", "main"])
        .args(["--method", case.method, "--host", case.host])
        .arg("--path")
        .arg(target(number, case))
        .arg("--config")
        .arg(&policy.file);
    for (name, value) in &case.headers {
        command.arg("--header").arg(format!("{name}: {value}"));
    }
    if case.has_body {
        command.arg("--body");
    }
    if case.token.is_some() {
        match &case.answer {
            None => {
                command.arg("--outage");
            }
            Some((status, body)) => {
                let file = folder.join(format!("answer-{number}"));
                fs::write(&file, body).unwrap();
                command.arg("--response").arg(file);
                command.args(["--response-status", &status.to_string()]);
            }
        }
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{number} {case:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The value of a field in a list of names and values.
fn field<'a>(fields: &'a Value, name: &str) -> Option<&'a str> {
    let mut fields = fields.as_array()?.iter();
    let field = fields.find(|field| field["name"] == name)?;
    field["value"].as_str()
}

fn check_answer(what: &str, answer: &Answer, explained: &Value) {
    let Some(response) = explained.get("response") else {
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert!(explained.get("upstream").is_some(), "{what}");
        return;
    };
    assert_eq!(
        json!(answer.status),
        response["status"],
        "{what}: {answer:?}"
    );
    for name in ANSWERED {
        let expected = field(&response["headers"], name);
        assert_eq!(answer.header(name).as_deref(), expected, "{what}: {name}");
    }
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(body, response["body"].as_str().unwrap(), "{what}");
}

fn check_forwarded(what: &str, case: &Case, head: Option<&String>, explained: &Value) {
    let Some(upstream) = explained.get("upstream") else {
        assert_eq!(head, None, "{what}");
        return;
    };
    let head = head.unwrap_or_else(|| panic!("{what}: nothing reached the API"));
    for name in FORWARDED {
        let mut lines = head.split("\\r\\n");
        let prefix = format!("{name}: ");
        let found = lines.find_map(|line| line.strip_prefix(&prefix));
        let is_removed = upstream["removed"]
            .as_array()
            .unwrap()
            .contains(&json!(name));
        let from_client = case
            .headers
            .iter()
            .find(|(own, _)| own == name && !is_removed);
        let set = field(&upstream["headers"], name);
        let expected = set.or(from_client.map(|(_, value)| value.as_str()));
        let expected = expected.map(|value| value.as_bytes().escape_ascii().to_string());
        assert_eq!(found, expected.as_deref(), "{what}: {name}");
    }
}

/// What the endpoint was asked, word by word but for the token and secrets.
fn check_asked(what: &str, case: &Case, endpoint: &Endpoint, explained: &Value) {
    let asked = case.token.as_ref().and_then(|token| endpoint.asked(token));
    let explained_request = explained.get("introspection");
    assert_eq!(asked.is_some(), explained_request.is_some(), "{what}");
    let (Some(asked), Some(explained_request)) = (asked, explained_request) else {
        return;
    };
    let token = format!("token-{}", explained["token"]["digest"].as_str().unwrap());
    let asked = asked.replace(case.token.as_ref().unwrap(), &token);
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let body = body.replace(SECRET, "HIDDEN");
    assert_eq!(body, explained_request["body"].as_str().unwrap(), "{what}");
    let url = explained_request["url"].as_str().unwrap();
    let path = url.splitn(4, '/').nth(3).unwrap();
    assert!(
        head.starts_with(&format!("POST /{path} HTTP/1.1\r\n")),
        "{what}: {head}"
    );
    let own: Vec<_> = explained_request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    for header in &own {
        let (name, value) = (
            header["name"].as_str().unwrap(),
            header["value"].as_str().unwrap(),
        );
        let prefix = format!("{name}: ");
        let sent = head.lines().find_map(|line| line.strip_prefix(&prefix));
        let sent = sent.unwrap_or_else(|| panic!("{what}: no {name}: {head}"));
        match value.strip_suffix("HIDDEN") {
            Some(start) => assert!(sent.starts_with(start) && sent != value, "{what}: {sent}"),
            None => assert_eq!(sent, value, "{what}: {name}"),
        }
    }
    let expected: Vec<_> = own
        .iter()
        .map(|header| header["name"].as_str().unwrap())
        .collect();
    for name in ["authorization", "x-key", "content-type", "accept"] {
        let is_sent = head
            .lines()
            .any(|line| line.starts_with(&format!("{name}: ")));
        assert_eq!(is_sent, expected.contains(&name), "{what}: {name}");
    }
}

/// What the access log has of a request: reason, reason in shadow mode, and a claim.
fn logged(log: &str) -> HashMap<usize, [String; 3]> {
    let lines = log.lines().filter_map(|line| line.strip_prefix("seen "));
    lines
        .filter_map(|line| {
            let (_, rest) = line.split_once("?case=")?;
            let (number, state) = rest.split_once(". ")?;
            let mut words = state.strip_suffix(" end")?.splitn(3, ' ');
            let mut next = || words.next().unwrap().to_owned();
            Some((number.parse().unwrap(), [next(), next(), next()]))
        })
        .collect()
}

/// What came of one case.
struct Seen {
    number: usize,
    case: Case,
    answer: Answer,
    explained: Value,
}

async fn try_out(policy: Policy, folder: PathBuf) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (number, case) in &policy.cases {
        let answer = send(&policy, *number, case).await;
        let explained = tokio::task::block_in_place(|| explain(&policy, *number, case, &folder));
        seen.push(Seen {
            number: *number,
            case: case.clone(),
            answer,
            explained,
        });
    }
    seen
}

fn check(seen: &Seen, heads: &HashMap<usize, String>, endpoint: &Endpoint, log: &[String; 3]) {
    let Seen {
        number,
        case,
        answer,
        explained,
    } = seen;
    let what = format!("seed {SEED}, case {number}: {case:?}\n{explained:#}\n");
    check_answer(&what, answer, explained);
    check_forwarded(&what, case, heads.get(number), explained);
    check_asked(&what, case, endpoint, explained);
    for (found, name) in log.iter().zip(["reason", "shadow_reason", "consumer"]) {
        let expected = field(&explained["filter_state"], name).unwrap_or("-");
        assert_eq!(found, expected, "{what}: {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_explained_is_what_the_filter_does() {
    let (endpoint, api) = (Endpoint::start().await, Recorder::start().await);
    let url = format!("http://{}/introspect", endpoint.address);
    let mut runner = runner(SEED);
    let plugins: Vec<_> = (0..CONFIGURATIONS)
        .map(|_| generate::plugin(&mut runner, &url))
        .collect();
    let gateway = Gateway::start(Setup {
        sample: config(&plugins),
        envoy_normalizes_paths: true,
        endpoint: Some(endpoint.address),
        api: Some(api.address),
        ..Setup::default()
    })
    .await;
    let folder = TempDir::new().unwrap();
    let mut running = tokio::task::JoinSet::new();
    for (position, plugin) in plugins.iter().enumerate() {
        let file = folder.path().join(format!("policy-{position}.json"));
        fs::write(&file, plugin.to_string()).unwrap();
        let policy = Policy {
            address: gateway.listener(&format!("policy-{position}")).await,
            file,
            cases: cases(&mut runner, plugin, &endpoint, position * REQUESTS),
        };
        running.spawn(try_out(policy, folder.path().to_owned()));
    }
    let seen: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert_eq!(seen.len(), CONFIGURATIONS * REQUESTS);
    until("all is in the access log", async || {
        logged(&gateway.log()).len() == seen.len()
    })
    .await;
    let log = logged(&gateway.log());
    let heads = api.heads().into_iter();
    let heads: HashMap<usize, String> = heads
        .filter_map(|head| {
            let (_, rest) = head.split_once("?case=")?;
            let number = rest.split_once(". ")?.0.parse().ok()?;
            Some((number, head))
        })
        .collect();
    let mut ends: HashMap<String, usize> = HashMap::new();
    for seen in &seen {
        check(seen, &heads, &endpoint, &log[&seen.number]);
        let end = [&seen.explained["decision"], &seen.explained["reason"]];
        let end = end.map(|text| text.as_str().unwrap_or_default());
        *ends.entry(end.join(" ")).or_default() += 1;
    }
    // Nothing is shown by cases that all end in the same way.
    for end in [
        "allow token",
        "allow anonymous",
        "allow preflight",
        "allow failure_mode",
        "deny no_credentials",
        "deny invalid_request",
        "deny invalid_token",
        "deny precheck",
        "deny insufficient_scope",
        "deny requirement",
        "deny no_rule",
        "deny ambiguous_path",
        "deny ambiguous_method",
        "error endpoint_out",
        "shadow insufficient_scope",
    ] {
        assert!(ends.contains_key(end), "no case ends so: {end}; {ends:?}");
    }
    eprintln!("{ends:?}");
}
