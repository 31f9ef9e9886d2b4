//! What the dashboard and the rules ask, read from the files themselves.

use portvakt_core::metrics::Metric;
use serde_json::Value;

const DASHBOARD: &str = include_str!("../../deploy/grafana/dashboard.json");
const RULES: &str = include_str!("../../deploy/prometheus/rules.yaml");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// The dashboard's queries, with all that can be chosen chosen, over five minutes. What stands
/// in for data that is not there (`or vector(0)`) is left out.
pub fn of_the_dashboard() -> Vec<String> {
    let mut queries = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).unwrap(), &mut queries);
    let queries = queries.into_iter().map(|query| {
        let query = query.replace("$__rate_interval", "5m");
        let query = query.replace("$job", ".+").replace("$instance", ".+");
        let query = query.replace(" or vector(0)", "");
        assert!(!query.contains('$'), "{query}");
        query
    });
    queries.collect()
}

fn collect(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(query)) = members.get("expr") {
                queries.push(query.clone());
            }
            members.values().for_each(|value| collect(value, queries));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, queries)),
        _ => {}
    }
}

/// The names of all recording rules, or of all alerts.
pub fn of_the_rules(kind: &str) -> Vec<String> {
    let rules: Value = serde_saphyr::from_str(RULES).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let names = rules.filter_map(|rule| rule[kind].as_str().map(str::to_owned));
    names.collect()
}

#[test]
fn the_dashboard_shows_every_metric() {
    let queries = of_the_dashboard().join("\n");
    for metric in Metric::ALL {
        assert!(queries.contains(metric.name()), "{}", metric.name());
    }
}

/// Whoever is woken finds what to do.
#[test]
fn every_alert_is_explained() {
    let rules: Value = serde_saphyr::from_str(RULES).unwrap();
    let alerts = of_the_rules("alert");
    assert!(!alerts.is_empty());
    for alert in alerts {
        let heading = format!("\n### {alert}\n");
        assert!(OPERATIONS.contains(&heading), "{alert}");
        let runbook = format!("docs/operations.md#{}", alert.to_lowercase());
        let rules = rules["groups"][0]["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["alert"] == *alert).unwrap();
        assert_eq!(rule["annotations"]["runbook"], *runbook, "{alert}");
    }
}
