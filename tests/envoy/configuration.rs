//! Configurations: the shipped one is good, and Envoy refuses to start with a bad one.

use serde_json::{Value, json};

use crate::gateway::{
    Form, Gateway, Setup, filter_config, plugin, shipped_config, start_in_vain, string_value,
    validate, validate_yaml,
};

const ENDPOINT: (&str, &str) = (
    "NAIS_TOKEN_INTROSPECTION_ENDPOINT",
    "http://127.0.0.1:7164/api/v1/introspect",
);

/// Envoy itself ends with that line, and listens nowhere.
#[test]
fn envoy_does_not_start_with_a_bad_configuration() {
    let mut config = shipped_config();
    filter_config(&mut config)["configuration"] = string_value("{}");
    let output = start_in_vain(&config, &[ENDPOINT]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("configuration: introspection: is missing"),
        "{said}"
    );
}

fn check(plugin: Value, environment: &[(&str, &str)], expected: Result<(), &str>) {
    let mut config = shipped_config();
    let described = plugin.to_string();
    filter_config(&mut config)["configuration"] = plugin;
    let output = validate(&config, environment);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match expected {
        Ok(()) => assert!(output.status.success(), "{described}: {said}"),
        Err(line) => {
            assert!(!output.status.success(), "{described} was accepted");
            assert!(said.contains(line), "{described} said {said}, not {line}");
        }
    }
}

#[test]
fn the_shipped_configuration_is_valid() {
    let mut config = shipped_config();
    let shipped = filter_config(&mut config)["configuration"].clone();
    let plugin = &shipped["value"];
    assert_eq!(plugin["introspection"]["cluster"], "texas");
    let env = |name: &str| (name == ENDPOINT.0).then(|| ENDPOINT.1.to_owned());
    let vm = portvakt_core::config::Vm { env, has_id: true };
    portvakt_core::config::parse(plugin.to_string().as_bytes(), &vm).unwrap();
    check(Form::Json.of(plugin), &[ENDPOINT], Ok(()));
    check(shipped.clone(), &[ENDPOINT], Ok(()));
    check(
        shipped,
        &[],
        Err("configuration: introspection.endpoint: is not given"),
    );
}

#[test]
fn what_is_no_json_is_refused() {
    for (text, line) in [
        ("", "configuration: "),
        ("{", "configuration: "),
        ("[]", "expected an object"),
    ] {
        check(string_value(text), &[ENDPOINT], Err(line));
    }
    check(
        Form::Native.of(&json!({})),
        &[ENDPOINT],
        Err("configuration: "),
    );
}

/// As native YAML and as a text of JSON the same is refused, with the same line.
#[test]
fn what_envoy_refuses_to_start_with() {
    let with = |members: Value| {
        let mut plugin = json!({ "introspection": { "cluster": "texas" } });
        plugin
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        plugin
    };
    for (plugin, line) in [
        (
            json!({ "required_scopes": ["a"] }),
            "introspection: is missing",
        ),
        (
            with(json!({ "required_scopes": [] })),
            "configuration: required_scopes: is empty",
        ),
        (
            with(json!({ "required_scopes": ["a"], "rules": [] })),
            "configuration: required_scopes: not together with `rules`",
        ),
        (
            with(json!({ "required_scopes": ["a b"] })),
            r#"configuration: required_scopes[0]: "a b" is no scope"#,
        ),
        (
            with(json!({ "required_scopes": ["a"], "precheck": {} })),
            "unknown field `precheck`",
        ),
        (
            with(json!({ "required_scopes": ["a"], "cache": { "max_entries": 100.5 } })),
            "configuration: cache.max_entries: expected a whole number",
        ),
        (
            with(json!({ "required_scopes": ["a"], "token": { "header": null } })),
            "configuration: token.header: invalid type: null",
        ),
        (
            json!({
                "introspection": { "cluster": "texas", "endpoint": "ftp://x/" },
                "required_scopes": ["a"],
            }),
            "configuration: introspection.endpoint: expected an http or https URL",
        ),
    ] {
        for form in [Form::Native, Form::Json] {
            check(form.of(&plugin), &[ENDPOINT], Err(line));
        }
    }
    let whole = with(json!({ "required_scopes": ["a"], "cache": { "max_entries": 100.0 } }));
    for form in [Form::Native, Form::Json] {
        check(form.of(&whole), &[ENDPOINT], Ok(()));
    }
}

/// In YAML Envoy makes texts of numbers with a point.
#[test]
fn whole_numbers_in_yaml() {
    let shipped = include_str!("../../envoy.yaml");
    let section = "introspection: { cluster: texas, timeout: 1s }";
    assert!(shipped.contains(section));
    for (number, expected) in [
        ("4096", Ok(())),
        ("4096.0", Ok(())),
        (
            "4096.5",
            Err("configuration: token.max_length: expected a whole number"),
        ),
        (
            "many",
            Err("configuration: token.max_length: expected a whole number"),
        ),
    ] {
        let token =
            format!("{section}\n                            token: {{ max_length: {number} }}");
        let output = validate_yaml(&shipped.replace(section, &token), &[ENDPOINT]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.success(),
            expected.is_ok(),
            "{number}: {said}"
        );
        if let Err(line) = expected {
            assert!(said.contains(line), "{number}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_header_of_its_own() {
    let mut plugin = plugin();
    plugin["token"] = json!({ "header": "X-Token", "scheme": "", "max_length": 4096 });
    plugin["challenge"]["resource_metadata"] = json!("https://api/.well-known/x");
    let gateway = Gateway::start(Setup {
        plugin,
        ..Setup::default()
    })
    .await;
    let token = gateway.token("api:read");
    for (name, value, status) in [
        ("x-token", token.clone(), 200),
        ("X-TOKEN", token.clone(), 200),
        ("x-token", format!("Bearer {token}"), 400),
        ("x-token", String::new(), 401),
        ("x-token", "a".repeat(4097), 400),
        ("authorization", format!("Bearer {token}"), 401),
    ] {
        let answer = gateway.get("/api/x", &[(name, &value)]).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status != 200 {
            let challenge = answer.header("www-authenticate").unwrap();
            let metadata = r#"resource_metadata="https://api/.well-known/x""#;
            assert!(challenge.contains(metadata), "{challenge}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_its_own_that_is_repeated() {
    for scheme in ["", "Bearer"] {
        let mut plugin = plugin();
        plugin["token"] = json!({ "header": "X-Token", "scheme": scheme });
        let gateway = Gateway::start(Setup {
            plugin,
            ..Setup::default()
        })
        .await;
        let good = format!("{scheme} {}", gateway.token("api:read"));
        let good = good.trim().as_bytes();
        let cases: &[(&[&[u8]], u16)] = &[
            (&[good], 200),
            (&[good, good], 400),
            (&[good, b"Bearer forged"], 400),
            (&[b"Bearer forged", good], 400),
            (&[b"", good], 400),
            (&[good, b""], 400),
        ];
        for (values, status) in cases {
            let names = [&b"x-token"[..], b"X-Token"];
            let headers: Vec<_> = names.into_iter().zip(values.iter().copied()).collect();
            let answer = gateway.send(b"GET /api/x", &headers).await;
            assert_eq!(
                answer.status,
                *status,
                "{scheme:?} {}: {answer:?}",
                values.len()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_logged_at_debug_without_the_token() {
    let gateway = Gateway::start(Setup {
        log_level: "debug",
        ..Setup::default()
    })
    .await;
    let token = gateway.token("other");
    let headers = [("authorization", &*format!("Bearer {token}"))];
    assert_eq!(gateway.get("/api/x", &headers).await.status, 403);
    let digest = blake3::hash(token.as_bytes()).to_hex();
    let log = gateway.log();
    let line = log
        .lines()
        .find(|line| line.contains("refused: insufficient_scope"));
    let line = line.unwrap_or_else(|| panic!("no line in {log}"));
    assert!(line.contains(&format!("token={}", &digest[..8])), "{line}");
    assert!(
        line.contains("request=") && line.contains(r#"rule="read""#),
        "{line}"
    );
    for id in [&b"\xff\xfe"[..], b"\x80", b"a\xc3"] {
        let headers = [(&b"x-request-id"[..], id)];
        assert_eq!(gateway.send(b"GET /api/x", &headers).await.status, 401);
    }
    gateway.assert_well().await;
    let own: Vec<_> = log
        .lines()
        .filter(|line| line.contains("wasm log portvakt"))
        .collect();
    assert!(
        own.iter().all(|line| !line.contains(&token)),
        "a token is in the log"
    );
}
