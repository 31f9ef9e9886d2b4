//! Envoy's virtual hosts and the filter's rules: which hosts each is for.

use serde_json::{Value, json};

use super::End::{self, Reaches, Refused};
use super::check;
use super::routes::{route_config, virtual_host, with_rules};
use crate::gateway::{CONNECTION_MANAGER, Edit, at};

/// `pub.example` is open, all other hosts lead to the API.
async fn check_hosts(setting: &str, edit: Edit, requests: &[(&str, End)]) {
    let rules = json!([
        { "match": { "hosts": ["pub.example"] }, "anonymous": true },
        { "match": {}, "require": { "scopes": ["api:write"] } },
    ]);
    let gateway = with_rules(setting, rules, edit).await;
    check(setting, &gateway, requests).await;
}

fn two_hosts(config: &mut Value) -> &mut Value {
    let answer = json!({ "match": { "prefix": "/" }, "direct_response": { "status": 204 } });
    let mut api = virtual_host(config).take();
    api["domains"] = json!(["*"]);
    let public = json!({ "name": "public", "domains": ["pub.example"], "routes": [answer] });
    route_config(config)["virtual_hosts"] = json!([public, api]);
    at(config, CONNECTION_MANAGER)
}

#[tokio::test(flavor = "multi_thread")]
async fn which_hosts_a_virtual_host_is_for() {
    check_hosts(
        "strip_any_host_port",
        |config| {
            two_hosts(config);
        },
        &[
            ("GET / HTTP/1.1|host: pub.example", Refused(204)),
            ("GET / HTTP/1.1|host: PUB.example:1", Refused(204)),
            ("GET / HTTP/1.1|host: pub.example.", Refused(204)),
            ("GET / HTTP/1.1|host: a", Refused(401)),
            ("GET / HTTP/1.1|host: a|WEAK", Refused(403)),
            ("GET / HTTP/1.1|host: a|GOOD", Reaches(200)),
        ],
    )
    .await;
    check_hosts(
        "strip_any_host_port: false",
        |config| two_hosts(config)["strip_any_host_port"] = json!(false),
        &[
            ("GET / HTTP/1.1|host: pub.example", Refused(204)),
            ("GET / HTTP/1.1|host: pub.example:1", Reaches(200)),
        ],
    )
    .await;
    check_hosts(
        "strip_matching_host_port",
        |config| {
            let manager = two_hosts(config).as_object_mut().unwrap();
            manager.remove("strip_any_host_port");
            manager.insert("strip_matching_host_port".to_owned(), json!(true));
        },
        &[("GET / HTTP/1.1|host: pub.example:1", Reaches(200))],
    )
    .await;
    check_hosts(
        "ignore_port_in_host_matching",
        |config| {
            two_hosts(config)["strip_any_host_port"] = json!(false);
            route_config(config)["ignore_port_in_host_matching"] = json!(true);
        },
        &[
            ("GET / HTTP/1.1|host: pub.example:1", Refused(204)),
            ("GET / HTTP/1.1|host: a:1", Refused(401)),
        ],
    )
    .await;
    check_hosts(
        "strip_trailing_host_dot: false",
        |config| two_hosts(config)["strip_trailing_host_dot"] = json!(false),
        &[
            ("GET / HTTP/1.1|host: pub.example.", Refused(400)),
            ("GET / HTTP/1.1|host: a.|GOOD", Refused(400)),
        ],
    )
    .await;
    check_hosts(
        "vhost_header",
        |config| {
            two_hosts(config);
            route_config(config)["vhost_header"] = json!("x-host");
        },
        &[
            ("GET / HTTP/1.1|host: a|x-host: pub.example", Refused(401)),
            ("GET / HTTP/1.1|host: pub.example|x-host: a", Reaches(200)),
        ],
    )
    .await;
}
