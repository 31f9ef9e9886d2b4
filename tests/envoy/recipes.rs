//! What docs/recipes.md has of Envoy's own configuration beside the filter's.

use dev_idp::Mint;
use serde_json::{Value, json};

use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at};

const RECIPES: &str = include_str!("../../docs/recipes.md");

/// The first block of YAML under that heading which says so.
fn block(heading: &str, mark: &str) -> Value {
    let section = RECIPES.split(heading).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```yaml\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.contains(mark)).unwrap();
    serde_saphyr::from_str(block).unwrap()
}

const BY_CONSUMER: &str = "## Rate limits by consumer";

fn limit(config: &mut Value) {
    let mut filter = block(BY_CONSUMER, "local_ratelimit");
    *at(&mut filter, "/typed_config/descriptors/0/token_bucket") =
        json!({ "max_tokens": 2, "tokens_per_fill": 2, "fill_interval": "600s" });
    let filters = at(config, &format!("{CONNECTION_MANAGER}/http_filters"));
    filters.as_array_mut().unwrap().insert(1, filter);
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_by_consumer() {
    let mut plugin = block(BY_CONSUMER, "introspection");
    plugin["required_scopes"] = json!(["api:read"]);
    plugin["introspection"]["timeout"] = json!("20s");
    let setup = Setup {
        plugin,
        edit: limit,
        ..Setup::default()
    };
    let gateway = Gateway::start(setup).await;
    for (consumer, expected) in [
        ("910753614", [200, 200, 429, 429]),
        ("889640782", [200, 200, 429, 429]),
    ] {
        let mint = Mint::default().scope("api:read").consumer(consumer);
        let token = gateway.idp.mint(&mint);
        for expected in expected {
            let answer = gateway.get_with(&token).await;
            assert_eq!(answer.status, expected, "{consumer}");
        }
    }
}
