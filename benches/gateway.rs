//! What the filter costs: Envoy's CPU time per request with it, as a ratio to the same Envoy
//! without it. `make bench` runs it.
//!
//! `PORTVAKT_WASM_BEFORE` names another module to compare with, in the same run.
//!
//! All gateways run at once and are loaded in turn, round by round, so that what else the machine
//! does hits all of them. Wall-clock times and throughputs are not looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    reason = "a program for developers, over the tests' own harness"
)]

#[path = "../tests/envoy/client.rs"]
mod client;
#[path = "../tests/envoy/gateway.rs"]
mod gateway;
#[path = "../tests/envoy/stats.rs"]
mod stats;

use std::process::Command;

use gateway::{CONNECTION_MANAGER, Gateway, Setup, at, plugin};
use serde_json::{Value, json};

const ROUNDS: usize = 15;
const SECONDS: &str = "1";
const CONNECTIONS: &str = "16";

/// Answers without an upstream, so that the filter's share is as large as it can be.
fn answer_directly(config: &mut Value) {
    let route = format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes/0");
    *at(config, &route) = json!({
        "match": { "prefix": "/" },
        "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
    });
    let manager = at(config, CONNECTION_MANAGER).as_object_mut().unwrap();
    manager.remove("access_log");
}

fn without_filter(config: &mut Value) {
    answer_directly(config);
    let filters = at(config, &format!("{CONNECTION_MANAGER}/http_filters"));
    filters.as_array_mut().unwrap().remove(0);
}

fn setup(edit: fn(&mut Value), plugin: Value) -> Setup {
    Setup {
        plugin,
        edit,
        ..Setup::default()
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
    let last = json!({ "match": { "prefix": "/api" }, "require": { "scopes": ["api:read"] } });
    others.chain([last]).collect()
}

/// Envoy's CPU time per request under load, in microseconds.
fn measure(gateway: &Gateway, token: &str) -> f64 {
    let before = gateway.cpu_micros();
    let output = Command::new("wrk")
        .args(["-t", "1", "-c", CONNECTIONS, "-d", SECONDS, "-H"])
        .arg(format!("Authorization: Bearer {token}"))
        .arg(format!("http://{}/api/x", gateway.address))
        .output()
        .expect("cannot run wrk: is it installed?");
    let cpu = gateway.cpu_micros() - before;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("Non-2xx"), "{said}");
    let line = said
        .lines()
        .find(|line| line.contains("requests in"))
        .unwrap();
    let requests: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    cpu as f64 / requests
}

#[tokio::main]
async fn main() {
    let cached = json!({ "max_ttl": "10m", "refresh_ahead": false });
    let mut known = plugin();
    known["cache"] = cached.clone();
    let mut smallest = known.clone();
    smallest.as_object_mut().unwrap().remove("rules");
    smallest["required_scopes"] = json!(["api:read"]);
    let mut one_rule = known.clone();
    one_rule["rules"] = rules(1);
    let mut many_rules = known.clone();
    many_rules["rules"] = rules(1000);
    let mut many_hosts = known.clone();
    many_hosts["rules"] = (1..1000)
        .map(|n| json!({ "match": { "hosts": [format!("host{n}.example.com")] }, "anonymous": true }))
        .chain([json!({ "match": { "hosts": ["127.0.0.1"] }, "require": {} })])
        .collect();
    let mut claims = known.clone();
    claims["rules"] = json!([{
        "match": { "prefix": "/api" },
        "require": { "claims": [{ "claim": "consumer.authority", "equals": "iso6523-actorid-upis" }] }
    }]);
    claims["forward"] =
        json!({ "claims": { "x-consumer": "consumer.ID", "x-client-id": "client_id" } });
    let mut asked = plugin();
    asked["cache"] = json!({ "max_ttl": "0s" });
    let mut anonymous = plugin();
    anonymous["rules"] = json!([{ "match": {}, "anonymous": true }]);
    let mut variants = vec![
        ("no filter", setup(without_filter, plugin())),
        ("no token needed", setup(answer_directly, anonymous)),
        (
            "known token, required_scopes",
            setup(answer_directly, smallest.clone()),
        ),
        (
            "known token, one rule by path",
            setup(answer_directly, one_rule),
        ),
        (
            "known token, 1000 rules by path",
            setup(answer_directly, many_rules),
        ),
        (
            "known token, 1000 rules by host",
            setup(answer_directly, many_hosts),
        ),
        (
            "known token, a claim, two forwarded",
            setup(answer_directly, claims),
        ),
        (
            "known token, rules by path and method",
            setup(answer_directly, known.clone()),
        ),
        (
            "no cache, callouts shared by 16 connections",
            setup(answer_directly, asked),
        ),
    ];
    if let Some(before) = std::env::var_os("PORTVAKT_WASM_BEFORE") {
        let with = |plugin| Setup {
            module: Some(before.clone().into()),
            ..setup(answer_directly, plugin)
        };
        variants.push(("before: known token, required_scopes", with(smallest)));
        variants.push(("before: rules by path and method", with(known)));
    }
    let mut gateways = Vec::new();
    for (name, setup) in variants {
        gateways.push((name, Gateway::start(setup).await));
    }
    let mut samples = vec![Vec::new(); gateways.len()];
    for round in 0..=ROUNDS {
        for ((_, gateway), samples) in gateways.iter().zip(&mut samples) {
            let lifetime = dev_idp::Mint::default()
                .scope("api:read")
                .lifetime_seconds(3600);
            let micros = measure(gateway, &gateway.idp.mint(&lifetime));
            // The first round warms up.
            if round > 0 {
                samples.push(micros);
            }
        }
    }
    println!(
        "{:44} {:>9} {:>7} {:>13}",
        "", "CPU µs", "ratio", "of the least"
    );
    for ((name, _), own) in gateways.iter().zip(&samples) {
        // Each round's ratio by itself: a slow moment of the machine is in both of its numbers.
        let ratios = own.iter().zip(&samples[0]).map(|(own, base)| own / base);
        println!(
            "{name:44} {:>9.1} {:>7.2} {:>13.2}",
            median(own.clone()),
            median(ratios.collect()),
            least(own) / least(&samples[0])
        );
    }
}

fn least(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
