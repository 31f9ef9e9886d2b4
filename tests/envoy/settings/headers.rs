//! Headers that others than the filter set.

use serde_json::{Value, json};

use super::routes::route;
use crate::gateway::{CONNECTION_MANAGER, Edit, Gateway, Setup, at, http_filters, plugin};

/// Who has the last word on a header.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_others_set() {
    const EARLY: &str = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";
    const LATER: &str =
        "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    fn append(name: &str, value: &str) -> Value {
        json!({ "append": {
            "header": { "key": name, "value": value },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        } })
    }
    let cases: [(&str, &str, Edit); 4] = [
        ("nothing", "0192:910753614", |_| {}),
        (
            "early_header_mutation_extensions",
            "0192:910753614",
            |config| {
                at(config, CONNECTION_MANAGER)["early_header_mutation_extensions"] = json!([{
                    "name": "envoy.http.early_header_mutation.header_mutation",
                    "typed_config": { "@type": EARLY, "mutations": [
                        append("x-consumer", "early"),
                        append("authorization", "Bearer %REQ(x-token)%"),
                    ] },
                }]);
            },
        ),
        ("request_headers_to_add", "route", |config| {
            let header = json!({ "key": "x-consumer", "value": "route" });
            let action = "OVERWRITE_IF_EXISTS_OR_ADD";
            let header = json!({ "header": header, "append_action": action });
            route(config)["request_headers_to_add"] = json!([header]);
        }),
        ("a filter behind it", "later", |config| {
            let mutations = json!({ "request_mutations": [append("x-consumer", "later")] });
            let filter = json!({ "@type": LATER, "mutations": mutations });
            http_filters(config).insert(1, json!({ "name": "later", "typed_config": filter }));
        }),
    ];
    for (setting, expected, edit) in cases {
        let mut plugin = plugin();
        plugin["forward"] = json!({ "claims": { "x-consumer": "consumer.ID" } });
        let gateway = Gateway::start(Setup {
            plugin,
            edit,
            ..Setup::default()
        })
        .await;
        let token = gateway.token("api:read");
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", &*authorization),
            ("x-token", &*token),
            ("x-consumer", "spoofed"),
        ];
        let answer = gateway.get("/api/x", &headers).await;
        assert_eq!(answer.status, 200, "{setting}: {answer:?}");
        let seen = answer.json()["headers"].to_string();
        let expected = format!(r#"["x-consumer","{expected}"]"#);
        assert!(seen.contains(&expected), "{setting}: {seen}");
        assert!(!seen.contains("spoofed"), "{setting}: {seen}");
        // What is to be a token is one wherever it was taken from.
        let status = gateway
            .get("/api/x", &[("x-token", "garbage")])
            .await
            .status;
        assert_eq!(status, 401, "{setting}");
        assert_eq!(gateway.idp.api_requests(), 1, "{setting}");
    }
}
