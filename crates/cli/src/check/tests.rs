//! What is told of whole files, and what must hold of any.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

/// Everything that is printed of a file.
fn shown(source: &Source) -> String {
    let checked = check(source);
    let all = checked.findings.iter();
    all.map(|finding| render::render(source, finding, &checked.secrets))
        .collect()
}

fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The names of warnings, and how many errors there are.
fn names(text: &str) -> (Vec<&'static str>, usize) {
    let found = check(&source("envoy.yaml", text)).findings;
    let names = found.iter().filter_map(|finding| match finding.severity {
        Severity::Warning(name) => Some(name),
        Severity::Error => None,
    });
    let names: Vec<_> = names.collect();
    let errors = found.len() - names.len();
    (names, errors)
}

#[test]
fn the_files_that_users_copy_have_no_findings() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let examples = fs::read_dir(examples)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let examples = examples.filter(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    let texts = examples.map(|path| fs::read_to_string(path).unwrap());
    let texts: Vec<_> = texts.chain([repository("envoy.yaml")]).collect();
    assert!(texts.len() >= 2);
    for text in texts.iter().filter(|text| text.contains("portvakt.wasm")) {
        assert_eq!(shown(&source("x.yaml", text)), "");
        assert_eq!(find::find(&source("x.yaml", text)).configurations.len(), 1);
    }
}

/// Each setting that the sample marks KEEP is missed when it is gone.
#[test]
fn what_is_missing_or_set_to_the_worse_is_told() {
    let sample = repository("envoy.yaml");
    let filter = "                  - name: portvakt\n";
    let route = "                          route: { cluster: api }\n";
    let off = "                          typed_per_filter_config:\n                            portvakt:\n                              \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig\n                              disabled: true\n";
    for (from, to, expected) in [
        (
            "normalize_path: true",
            "normalize_path: false",
            &["normalize_path"][..],
        ),
        (
            "                merge_slashes: true\n",
            "",
            &["merge_slashes"],
        ),
        (
            "REJECT_REQUEST\n                # KEEP if",
            "UNESCAPE_AND_FORWARD\n                # KEEP if",
            &["escaped_slashes"],
        ),
        (
            "headers_with_underscores_action: REJECT_REQUEST",
            "headers_with_underscores_action: ALLOW",
            &["headers_with_underscores"],
        ),
        (
            "headers_with_underscores_action: REJECT_REQUEST",
            "headers_with_underscores_action: DROP_HEADER",
            &[],
        ),
        ("                strip_any_host_port: true\n", "", &[]),
        (
            "stream_idle_timeout: 60s",
            "stream_idle_timeout: 1s",
            &["stream_idle_timeout"],
        ),
        (
            "stream_idle_timeout: 60s",
            "stream_idle_timeout: 0s",
            &["stream_idle_timeout"],
        ),
        ("overload_manager:", "other:", &["connection_limit"]),
        (
            "      per_connection_buffer_limit_bytes: 65536 # 64 KiB\n",
            "",
            &["buffer_limit"],
        ),
        (
            "failure_policy: FAIL_RELOAD",
            "failure_policy: FAIL_OPEN",
            &["fail_open"],
        ),
        (
            "failure_policy: FAIL_RELOAD",
            "fail_open: true",
            &["fail_open"],
        ),
        (
            "failure_policy: FAIL_RELOAD",
            "capability_restriction_config: { allowed_capabilities: { proxy_log: {} } }",
            &["capability_restriction"],
        ),
        ("vm_id: portvakt", "root_id: portvakt", &[]),
        (
            "            challenge: {",
            "            cache: { shared: true }\n                            challenge: {",
            &[],
        ),
        ("vm_id: portvakt", "environment: x", &[]),
        (
            "cluster: texas, timeout",
            "cluster: texs, timeout",
            &["unknown_cluster"],
        ),
        (
            "retry_on: connect-failure,",
            "retry_on: 5xx,connect-failure,",
            &["retry_without_timeout"],
        ),
        (
            filter,
            "                  - name: portvakt\n                    disabled: true\n",
            &["disabled_filter"],
        ),
        (route, &format!("{route}{off}"), &["disabled_filter"]),
        (
            route,
            &format!("{route}{}", off.replace("portvakt:", "cors:")),
            &[],
        ),
        (
            "                use_remote_address: true\n",
            "                use_remote_address: true\n                upgrade_configs: [{ upgrade_type: websocket, filters: [{ name: router }] }]\n",
            &["upgrade_without_filter"],
        ),
        (
            "static_resources:\n  listeners:\n",
            "static_resources:\n  listeners:\n    - name: back\n      filter_chains: [{ filters: [{ typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: api } }] }]\n",
            &["unguarded_upstream"],
        ),
        (
            "match: { path: /internal/health }",
            "match: { path: NO }",
            &[],
        ),
        (
            "prefix: /api/sykepenger, methods",
            "prefix: /api/sykepenger, prefix: /api/sykepenger, methods",
            &["yaml_reading"],
        ),
        (
            "challenge: { realm: sykepenger }",
            "shadow: true",
            &["shadow"],
        ),
        (
            "challenge: { realm: sykepenger }",
            "failure_mode_allow: true",
            &["failure_mode_allow"],
        ),
        (
            "configuration:\n                          \"@type\": type.googleapis.com/google.protobuf.Struct",
            "configuration:\n                          \"@type\": type.googleapis.com/google.protobuf.Any",
            &[],
        ),
    ] {
        let text = sample.replacen(from, to, 1);
        assert_ne!(text, sample, "{from}");
        let (found, errors) = names(&text);
        assert_eq!(found, expected, "{from} -> {to}");
        let is_refused = to.contains("path: NO") || to.contains("protobuf.Any");
        assert_eq!(errors > 0, is_refused, "{from} -> {to}");
    }
    let by_hosts = sample
        .replacen(
            "match: { path: /internal/health }",
            "match: { hosts: [a.example] }",
            1,
        )
        .replacen("                strip_any_host_port: true\n", "", 1);
    assert_eq!(names(&by_hosts), (vec!["host_port"], 0));
}

#[test]
fn what_reads_otherwise_in_manifests() {
    let manifest = |rest: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  url: portvakt\n  pluginConfig:\n    introspection: {{ cluster: c, endpoint: \"http://a/\" }}\n    required_scopes: [a]\n{rest}"
        )
    };
    for (rest, names_expected, errors_expected) in [
        ("", &[][..], 0),
        ("  failStrategy: FAIL_OPEN\n", &["fail_open"], 0),
        ("    shadow: yes\n", &["shadow", "yaml_reading"], 0),
        (
            "    cache: { shared: true }\n",
            &["shared_without_vm_id"],
            0,
        ),
        ("    required_scopes: [b]\n", &[], 1),
        ("    token: { scheme: a b, scheme: a c }\n", &[], 2),
    ] {
        let (mut found, errors) = names(&manifest(rest));
        found.sort_unstable();
        assert_eq!(
            (found, errors),
            (names_expected.to_vec(), errors_expected),
            "{rest}"
        );
    }
}

#[test]
fn secrets_that_stand_in_the_file_are_told_and_not_shown() {
    let text = "introspection:\n  cluster: c\n  api: rfc7662\n  client_authentication:\n    method: bearer\n    secret: { inline: s3cret }\n  headers: { authorization: s3cret }\n  parameters: { client_secret: s3cret }\nrequired_scopes: [a]\n";
    for text in [
        text.to_owned(),
        text.replace("api:", "ap:"),
        text.replace("inline:", "inlin:"),
        text.replace("[a]", "[a"),
    ] {
        let source = source("x.yaml", &text);
        assert!(!shown(&source).contains("s3cret"), "{}", shown(&source));
        assert!(!check(&source).findings.is_empty());
    }
    // What reads as something else than it looks like is not repeated either.
    for number in ["012345670", "0xC0FFEE00", "99999999999", "123.456", "Yes"] {
        let text = text.replace("s3cret", number);
        let shown = shown(&source("x.yaml", &text));
        assert!(!shown.contains(number), "{shown}");
        assert!(
            shown.contains("(yaml_reading)") || shown.contains("= help"),
            "{shown}"
        );
    }
    let (found, errors) = names(&text.replace("  headers: { authorization: s3cret }\n", ""));
    assert_eq!((found, errors), (vec!["inline_secret", "inline_secret"], 0));
}

#[test]
fn nothing_in_a_file_speaks_to_the_terminal() {
    for text in ["a: \"\u{9b}31m\"\n", "a: \u{1b}[31m\n", "\"\\e[31m\": 1\n"] {
        let shown = shown(&source("x.yaml", text));
        let plain = anstream::adapter::strip_str(&shown).to_string();
        assert!(!plain.contains(['\u{1b}', '\u{9b}']), "{plain:?}");
        assert!(!shown.contains("\u{1b}[31m"), "{shown:?}");
    }
}

/// Routes that come by RDS stand beside the listener.
#[test]
fn a_filter_that_routes_elsewhere_leave_out_is_told() {
    let listener = "- \"@type\": a/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n  normalize_path: true\n  merge_slashes: true\n  path_with_escaped_slashes_action: REJECT_REQUEST\n  common_http_protocol_options: { headers_with_underscores_action: DROP_HEADER }\n  http_filters:\n  - name: guard\n    typed_config:\n      \"@type\": a/envoy.extensions.filters.http.wasm.v3.Wasm\n      config:\n        vm_config: { vm_id: a, environment_variables: { host_env_keys: [NAIS_TOKEN_INTROSPECTION_ENDPOINT] } }\n        configuration: { \"@type\": a/google.protobuf.Struct, value: { introspection: { cluster: c }, required_scopes: [a] } }\n";
    for (name, expected) in [("guard", &["disabled_filter"][..]), ("other", &[])] {
        let routes = format!(
            "- \"@type\": a/envoy.config.route.v3.RouteConfiguration\n  virtual_hosts:\n  - routes:\n    - typed_per_filter_config: {{ {name}: {{ \"@type\": a/envoy.config.route.v3.FilterConfig, disabled: true }} }}\n"
        );
        let text = format!("resources:\n{listener}{routes}");
        assert_eq!(names(&text), (expected.to_vec(), 0), "{text}");
    }
}

/// A policy that is as long as any.
fn long(rules: usize) -> String {
    let mut text = "introspection: { cluster: c }\nrules:\n".to_owned();
    for n in 0..rules {
        text.push_str(&format!(
            "  - name: rule-{n}\n    match: {{ template: \"/api/v{}/orders-{n}/{{id}}\", methods: [GET, POST] }}\n    require:\n      scopes: [\"my:scope.{n}\"]\n      claims: [{{ claim: consumer.ID, one_of: [\"a{n}\", \"b{n}\"] }}]\n",
            n % 7
        ));
    }
    text
}

#[test]
fn a_thousand_rules_take_less_than_a_second() {
    let text = long(1000);
    for text in [
        text.clone(),
        text.replace("methods: [GET, POST]", "methods: [get]"),
    ] {
        let took = (0..3).map(|_| {
            let start = processor_time();
            let source = source("x.yaml", &text);
            let found = check(&source).findings.len();
            assert_eq!(found > 0, text.contains("[get]"));
            let _ = shown(&source);
            processor_time().saturating_sub(start)
        });
        let best = took.min().unwrap();
        // Code that is not optimized takes about five times as long.
        let bound = if cfg!(debug_assertions) { 5 } else { 1 };
        assert!(best < Duration::from_secs(bound), "{best:?}");
    }
}

/// What this thread has had of a processor: other tests do not count.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Aliases that multiply, and that nest without end.
#[test]
fn aliases_are_bounded() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut deep = "a0: &a0 [x]\n".to_owned();
    let mut merged = "apiVersion: x\nkind: WasmPlugin\nspec: { url: portvakt, pluginConfig: { rules: [] } }\nb0: &b0 { x: y }\n".to_owned();
    for n in 1..2000 {
        let m = n - 1;
        if n < 12 {
            laughs.push_str(&format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{m}"); 10].join(", ")
            ));
            merged.push_str(&format!(
                "b{n}: &b{n} {{ <<: [{}] }}\n",
                vec![format!("*b{m}"); 10].join(", ")
            ));
        }
        deep.push_str(&format!("a{n}: &a{n} [*a{m}]\n"));
    }
    merged.push_str("---\napiVersion: x\nkind: WasmPlugin\nspec: { url: portvakt, pluginConfig: { rules: [] } }\n");
    for (text, expected) in [
        (
            format!("{laughs}rules: *a11\n"),
            "holds more than 500000 values",
        ),
        (deep, "nests more than 300 levels deep"),
        (merged, "introspection: is missing"),
    ] {
        let found = shown(&source("x.yaml", &text));
        assert!(found.contains(expected), "{found:.2000}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), name in "x\\.(yaml|json)|x") {
        let text = String::from_utf8_lossy(&bytes);
        let _ = shown(&source(&name, &text));
    }

    #[test]
    fn nothing_panics_on_yaml_like_text(text in "[a-z0-9:{}\\[\\],\"'&*!|>%#@~ \\n\\tåé-]{0,200}", name in "x\\.(yaml|json)|x") {
        let _ = shown(&source(&name, &text));
    }

    /// Good files with parts cut out, doubled and put elsewhere.
    #[test]
    fn nothing_panics_on_what_was_a_good_file(
        which in 0..5_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..60_usize, "[a-z:{}\\[\\]\"', \\n~*&|-]{0,6}", any::<bool>()), 1..8),
    ) {
        let json = r#"{"introspection":{"cluster":"c","client_authentication":{"method":"bearer","secret":{"inline":"x"}}},
            "rules":[{"match":{"path":"/a","methods":["GET"]},"require":{"claims":[{"claim":"a.b","one_of":[1,"x",{"y":[true,null]}]}]}}]}"#;
        let wasm = "\"@type\": a/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig:\n  configuration:\n    \"@type\": a/google.protobuf.StringValue\n    value: |\n";
        let (name, mut text) = match which {
            0 => ("x.yaml", repository("envoy.yaml")),
            1 => ("x.yaml", repository("examples/rfc7662.yaml")),
            2 => ("x.json", json.to_owned()),
            3 => ("x.yaml", format!("{wasm}      {}\n", json.replace('\n', "\n      "))),
            _ => ("x.yaml", format!("apiVersion: a\nkind: EnvoyExtensionPolicy\nspec:\n  wasm:\n  - config: {json}\n")),
        };
        for (at, to, length, insert, keeps) in edits {
            let mut chars: Vec<char> = text.chars().collect();
            if chars.is_empty() {
                break;
            }
            let at = at.index(chars.len());
            let end = (at + length).min(chars.len());
            let cut: Vec<char> = if keeps { chars[at..end].to_vec() } else { chars.drain(at..end).collect() };
            let to = to.index(chars.len() + 1);
            chars.splice(to..to, insert.chars().chain(cut));
            text = chars.into_iter().collect();
        }
        let _ = shown(&source(name, &text));
    }
}
