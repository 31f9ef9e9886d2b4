//! The plugin around its configuration, and the clusters of its endpoints.

use std::rc::Rc;

use portvakt_core::authorizer::Authorizer;

use super::{is_true, name_span};
use crate::check::configuration::warning;
use crate::check::finding::{Around, Finding};
use crate::source::find::Configuration;
use crate::source::tree::Node;

/// Whether requests pass when the filter fails: `PluginConfig`, and both kinds of manifests.
pub(super) fn fails_open(around: &Rc<Node>, findings: &mut Vec<Finding>) {
    let problem = "all requests pass unseen once the filter has failed";
    let paths: [&[&str]; 5] = [
        &["failure_policy"],
        &["fail_open"],
        &["failOpen"],
        &["spec", "failStrategy"],
        &["spec", "wasm", "failStrategy"],
    ];
    for path in paths {
        if let Some(node) = around.at(path)
            && (node.text() == Some("FAIL_OPEN") || is_true(node))
        {
            findings.push(warning(
                Around::FailOpen,
                &path.join("."),
                problem,
                node.span.clone(),
            ));
        }
    }
}

pub(super) fn restricted(plugin: &Rc<Node>, findings: &mut Vec<Finding>) {
    let allowed = plugin.at(&["capability_restriction_config", "allowed_capabilities"]);
    let Some(allowed) = allowed.filter(|allowed| !allowed.members().is_empty()) else {
        return;
    };
    if allowed.get("proxy_on_request_headers").is_none() {
        let problem = "has no `proxy_on_request_headers`: all requests pass unseen";
        let key = "capability_restriction_config";
        findings.push(warning(
            Around::CapabilityRestriction,
            key,
            problem,
            allowed.span.clone(),
        ));
    }
}

fn clusters(document: &Rc<Node>) -> &[Rc<Node>] {
    let clusters = document.at(&["static_resources", "clusters"]);
    clusters.map_or(&[], |clusters| clusters.items())
}

pub(super) fn unknown_cluster(
    document: &Rc<Node>,
    valid: Option<&Authorizer>,
    configuration: &Configuration,
    findings: &mut Vec<Finding>,
) {
    let is_complete = document.get("static_resources").is_some()
        && document.at(&["dynamic_resources", "cds_config"]).is_none();
    if !is_complete {
        return;
    }
    let is_there = |name: &str| {
        let mut clusters = clusters(document).iter();
        clusters.any(|cluster| cluster.get("name").and_then(|name| name.text()) == Some(name))
    };
    for provider in valid
        .into_iter()
        .flat_map(|authorizer| authorizer.providers().iter())
    {
        let config = provider.config();
        if !is_there(&config.cluster) {
            let key = format!("{}.cluster", config.key);
            let problem = format!("there is no cluster `{}` in this file", config.cluster);
            let span = configuration.located.find(&key).mark();
            findings.push(warning(Around::UnknownCluster, &key, &problem, span));
        }
    }
}

/// A try that ends with the whole is none that another could follow.
pub(super) fn retries(
    document: &Rc<Node>,
    valid: Option<&Authorizer>,
    findings: &mut Vec<Finding>,
) {
    let asked: Vec<_> = valid
        .into_iter()
        .flat_map(|authorizer| authorizer.providers().iter())
        .map(|provider| provider.config().cluster.as_str())
        .collect();
    for cluster in clusters(document) {
        let name = cluster.get("name").and_then(|name| name.text());
        if !name.is_some_and(|name| asked.contains(&name)) {
            continue;
        }
        for node in cluster.all() {
            let Some(policy) = node.get("retry_policy") else {
                continue;
            };
            let on = policy
                .get("retry_on")
                .and_then(|on| on.text())
                .unwrap_or_default();
            // Where no answer came, nothing has taken time.
            let quick = [
                "connect-failure",
                "refused-stream",
                "reset",
                "reset-before-request",
            ];
            let is_quick = on.split(',').all(|on| quick.contains(&on.trim()));
            if !is_quick && policy.get("per_try_timeout").is_none() {
                let problem = "has no `per_try_timeout`: the first try may take all of \
                               `introspection.timeout`, and no other follows";
                findings.push(warning(
                    Around::RetryWithoutTimeout,
                    "retry_policy",
                    problem,
                    name_span(policy),
                ));
            }
        }
    }
}
