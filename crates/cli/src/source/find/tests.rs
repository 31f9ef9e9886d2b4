use serde_json::{Value, json};

use super::*;

fn found(name: &str, text: &str) -> Vec<(Carrier, Value, usize)> {
    let source = Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let found = find(&source);
    assert!(found.error.is_none(), "{text}\n{:?}", found.error);
    let all = found.configurations.into_iter();
    all.map(|found| {
        let value = serde_json::from_slice(&found.bytes).unwrap_or(Value::Null);
        let place = found.located.find("required_scopes[0]");
        (
            found.carrier,
            value,
            source.position(place.mark().start).line,
        )
    })
    .collect()
}

#[test]
fn a_configuration_is_found_wherever_it_stands() {
    let wasm = "\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let value = "type.googleapis.com/google.protobuf";
    for (text, carrier, lines) in [
        ("required_scopes: [a]\n".to_owned(), Carrier::Bare, &[1][..]),
        ("# x\n---\nrequired_scopes: [a]\n---\nrequired_scopes:\n  - a\n".to_owned(), Carrier::Bare, &[3, 6]),
        (
            format!("static_resources:\n  listeners:\n  - http_filters:\n    - typed_config:\n        {wasm}\n        config:\n          configuration:\n            \"@type\": {value}.Struct\n            value: {{ required_scopes: [a] }}\n"),
            Carrier::Struct,
            &[9],
        ),
        (
            format!("resources:\n- name: x\n  typed_config:\n    {wasm}\n    config:\n      configuration:\n        \"@type\": {value}.StringValue\n        value: |\n          {{\n            \"required_scopes\": [\n              \"a\"]\n          }}\n"),
            Carrier::Text,
            &[11],
        ),
        (
            format!("{wasm}\nconfig:\n  configuration:\n    \"@type\": {value}.StringValue\n    value: \"{{\\\"required_scopes\\\":[\\\"a\\\"]}}\"\n"),
            Carrier::Text,
            &[5],
        ),
        (
            format!("{wasm}\nconfig:\n  configuration:\n    \"@type\": {value}.StringValue\n    value: >\n      {{\"required_scopes\":\n      [\"a\"]}}\n"),
            Carrier::Text,
            &[6],
        ),
        (
            format!("{wasm}\nconfig:\n  configuration:\n    \"@type\": {value}.BytesValue\n    value: eyJyZXF1aXJlZF9zY29wZXMiOlsiYSJdfQ==\n"),
            Carrier::Text,
            &[5],
        ),
        (
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  url: x\n  pluginConfig:\n    required_scopes: [a]\n".to_owned(),
            Carrier::Istio,
            &[6],
        ),
        (
            "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nspec:\n  wasm:\n    pluginConfig:\n      required_scopes: [a]\n".to_owned(),
            Carrier::Istio,
            &[6],
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: gateway.envoyproxy.io/v1alpha1\n  kind: EnvoyExtensionPolicy\n  spec:\n    wasm:\n    - config: {required_scopes: [a]}\n    - config: {other: [a]}\n    - config: {required_scopes: [a]}\n".to_owned(),
            Carrier::EnvoyGateway,
            &[8, 10],
        ),
        // Other plugins' configurations, and none.
        (
            format!("http_filters:\n- typed_config:\n    {wasm}\n    config:\n      name: other\n      configuration:\n        \"@type\": {value}.Struct\n        value: {{ a: b }}\n"),
            Carrier::Struct,
            &[],
        ),
        ("apiVersion: v1\nkind: Service\nspec: {}\n".to_owned(), Carrier::Bare, &[]),
        ("# nothing\n".to_owned(), Carrier::Bare, &[]),
    ] {
        let all = found("x.yaml", &text);
        let found: Vec<_> = all.iter().map(|(_, _, line)| *line).collect();
        assert_eq!(found, lines, "{text}");
        for (is, value, _) in all {
            assert_eq!((is, value), (carrier, json!({ "required_scopes": ["a"] })), "{text}");
        }
    }
}

#[test]
fn a_filter_is_portvakts_by_its_name_as_well() {
    let wasm = "\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    for (rest, expected) in [
        ("config: { name: portvakt }", 1),
        (
            "config: { vm_config: { code: { local: { filename: /x/portvakt.wasm } } } }",
            1,
        ),
        ("config: { name: other }", 0),
    ] {
        let all = found("x.yaml", &format!("{wasm}\n{rest}\n"));
        assert_eq!(all.len(), expected, "{rest}");
    }
}
