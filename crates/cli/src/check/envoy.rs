//! What stands around a plugin configuration: settings of Envoy that let requests past the filter,
//! or let rules and upstream read the same request in two ways (docs/envoy-settings.md).

mod manager;
mod plugin;

use std::collections::BTreeSet;
use std::rc::Rc;

use portvakt_core::authorizer::Authorizer;

use self::manager::{Subject, disabled_for_routes};
use self::plugin::{fails_open, restricted, retries, unknown_cluster};
use super::configuration::warning;
use super::finding::{Around, Finding};
use crate::source::find::{Carrier, Configuration, is_type};
use crate::source::tree::Node;

const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";

/// A configuration, and what it is if it is valid.
pub(crate) type Checked<'a> = (&'a Configuration, Option<Authorizer>);

/// Checks a document that has some of the configurations in it.
pub(crate) fn check(document: &Rc<Node>, checked: &[Checked<'_>], findings: &mut Vec<Finding>) {
    let all = document.all();
    let here: Vec<_> = checked
        .iter()
        .filter_map(|one| Some((one, one.0.around.as_ref()?)))
        .filter(|(_, around)| all.iter().any(|node| Rc::ptr_eq(node, around)))
        .collect();
    if here.is_empty() {
        return;
    }
    let managers: Vec<_> = all
        .iter()
        .filter(|node| is_type(node, CONNECTION_MANAGER))
        .collect();
    let mut guarded = Vec::new();
    let mut names = BTreeSet::new();
    for ((configuration, valid), around) in here {
        match configuration.carrier {
            Carrier::Bare => {}
            Carrier::Istio | Carrier::EnvoyGateway => fails_open(around, findings),
            Carrier::Struct | Carrier::Text => {
                fails_open(around, findings);
                restricted(around, findings);
                unknown_cluster(document, valid.as_ref(), configuration, findings);
                retries(document, valid.as_ref(), findings);
            }
        }
        for manager in &managers {
            let Some(filter) = filter_of(manager, around) else {
                continue;
            };
            if guarded.iter().any(|other| Rc::ptr_eq(other, *manager)) {
                continue;
            }
            guarded.push(Rc::clone(manager));
            names.insert(filter.get("name").and_then(|name| name.text()));
            let subject = Subject {
                manager,
                filter,
                valid: valid.as_ref(),
            };
            subject.check(findings);
        }
    }
    // Of RDS and VHDS: what is within a manager has no type.
    let routes = all
        .iter()
        .filter(|node| is_type(node, ROUTES) || is_type(node, VIRTUAL_HOST));
    for resource in routes {
        for name in &names {
            disabled_for_routes(resource, *name, findings);
        }
    }
    unguarded(&all, &guarded, findings);
    if document.get("static_resources").is_some() && !guarded.is_empty() {
        limits(document, &all, &guarded, findings);
    }
}

/// The HTTP filter of a connection manager that has that plugin.
fn filter_of<'a>(manager: &'a Rc<Node>, plugin: &Rc<Node>) -> Option<&'a Rc<Node>> {
    let filters = manager.get("http_filters")?;
    filters.items().iter().find(|filter| holds(filter, plugin))
}

fn holds(node: &Rc<Node>, other: &Rc<Node>) -> bool {
    node.all().iter().any(|node| Rc::ptr_eq(node, other))
}

/// Other ways to the upstreams of those that have the filter.
fn unguarded(all: &[Rc<Node>], guarded: &[Rc<Node>], findings: &mut Vec<Finding>) {
    let upstreams: Vec<String> = guarded.iter().flat_map(upstreams).collect();
    let others = all.iter().filter(|node| {
        (is_type(node, CONNECTION_MANAGER) && !guarded.iter().any(|other| Rc::ptr_eq(other, node)))
            || is_type(node, TCP_PROXY)
    });
    for other in others {
        let reached = self::upstreams(other);
        if let Some(name) = reached.iter().find(|name| upstreams.contains(name)) {
            let problem =
                format!("leads to `{name}` without the filter, which another listener has");
            findings.push(warning(
                Around::UnguardedUpstream,
                "filters",
                &problem,
                name_span(other),
            ));
        }
    }
}

/// Names of clusters that routes below a node lead to.
fn upstreams(node: &Rc<Node>) -> Vec<String> {
    let mut found = Vec::new();
    for node in node.all() {
        let weighted = node.at(&["weighted_clusters", "clusters"]);
        let weighted = weighted.map_or(&[][..], |all| all.items());
        let weighted = weighted.iter().filter_map(|one| one.get("name"));
        let names = node.get("cluster").into_iter().chain(weighted);
        found.extend(names.filter_map(|name| name.text()).map(str::to_owned));
    }
    found
}

/// What bounds the memory that requests that wait take.
fn limits(
    document: &Rc<Node>,
    all: &[Rc<Node>],
    guarded: &[Rc<Node>],
    findings: &mut Vec<Finding>,
) {
    let Some(manager) = guarded.first() else {
        return;
    };
    if document.get("overload_manager").is_none() {
        let problem = "is missing: clients that wait hold as many connections as they like";
        findings.push(warning(
            Around::ConnectionLimit,
            "overload_manager",
            problem,
            name_span(manager),
        ));
    }
    let listeners = all
        .iter()
        .filter(|node| node.get("filter_chains").is_some());
    for listener in listeners {
        let has_filter = guarded.iter().any(|manager| holds(listener, manager));
        if has_filter && listener.get("per_connection_buffer_limit_bytes").is_none() {
            let problem = "is missing: the bodies of requests that wait take 1 MiB of memory each";
            let key = "per_connection_buffer_limit_bytes";
            findings.push(warning(
                Around::BufferLimit,
                key,
                problem,
                name_span(listener),
            ));
        }
    }
}

/// What to mark for a message: its name, its type, or how it begins.
fn name_span(node: &Rc<Node>) -> std::ops::Range<usize> {
    let name = node.get("name").or_else(|| node.get("@type"));
    let first = || node.members().first().map(|(name, _)| name.span.clone());
    match name {
        Some(name) => name.span.clone(),
        None => first().unwrap_or_else(|| node.span.clone()),
    }
}

/// `true`, as Envoy and Kubernetes read it.
fn is_true(node: &Rc<Node>) -> bool {
    matches!(
        node.text().map(str::to_ascii_lowercase).as_deref(),
        Some("true" | "yes" | "on" | "y")
    )
}
