//! What stands around a plugin configuration: settings of Envoy that let requests past the filter,
//! or let rules and upstream read the same request in two ways (docs/envoy-settings.md).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use portvakt_core::authorizer::Authorizer;

use super::configuration::warning;
use super::finding::{Around, Finding};
use crate::source::find::{Carrier, Configuration, is_type};
use crate::source::tree::Node;

const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";
const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

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

/// A connection manager with the filter.
struct Subject<'a> {
    manager: &'a Rc<Node>,
    filter: &'a Rc<Node>,
    valid: Option<&'a Authorizer>,
}

impl Subject<'_> {
    fn check(&self, findings: &mut Vec<Finding>) {
        let must_be_true = |name: &str| !self.manager.get(name).is_some_and(is_true);
        if must_be_true("normalize_path") {
            let problem =
                "is not `true`: dot segments stay in paths, and are 400 where rules go by paths";
            self.setting(
                Around::NormalizePath,
                &["normalize_path"],
                problem,
                findings,
            );
        }
        if must_be_true("merge_slashes") {
            let problem =
                "is not `true`: empty segments stay in paths, and are 400 where rules go by paths";
            self.setting(Around::MergeSlashes, &["merge_slashes"], problem, findings);
        }
        let action = self.text(&["path_with_escaped_slashes_action"]);
        if action != Some("REJECT_REQUEST") {
            let problem = "is not `REJECT_REQUEST`: the upstream may take `%2F` for a slash";
            let path = &["path_with_escaped_slashes_action"];
            self.setting(Around::EscapedSlashes, path, problem, findings);
        }
        let path = &[
            "common_http_protocol_options",
            "headers_with_underscores_action",
        ];
        if !matches!(self.text(path), Some("REJECT_REQUEST" | "DROP_HEADER")) {
            let problem = "is neither `REJECT_REQUEST` nor `DROP_HEADER`: many servers take \
                           `x_consumer`, which clients can send, for `x-consumer`";
            self.setting(Around::HeadersWithUnderscores, path, problem, findings);
        }
        self.hosts(findings);
        self.idle_timeout(findings);
        self.disabled(findings);
        self.upgrades(findings);
    }

    fn text(&self, path: &[&str]) -> Option<&str> {
        self.manager.at(path).and_then(|node| node.text())
    }

    /// Points at the setting, or at the filter where it is missing.
    fn setting(&self, around: Around, path: &[&str], problem: &str, findings: &mut Vec<Finding>) {
        let span = match self.manager.at(path) {
            Some(node) => node.span.clone(),
            None => name_span(self.filter),
        };
        findings.push(warning(around, &path.join("."), problem, span));
    }

    fn hosts(&self, findings: &mut Vec<Finding>) {
        let rules = self
            .valid
            .into_iter()
            .flat_map(|authorizer| authorizer.rules().iter());
        let by_hosts = rules
            .map(|(_, rule)| &rule.matches.hosts)
            .any(|hosts| !hosts.is_empty());
        let strips = self.manager.get("strip_any_host_port").is_some_and(is_true)
            || self
                .manager
                .at(&["route_config", "ignore_port_in_host_matching"])
                .is_some_and(is_true);
        if by_hosts && !strips {
            let problem = "is not `true`, and rules go by hosts: with a port in `Host` clients \
                           choose another virtual host than the rules";
            self.setting(
                Around::HostPort,
                &["strip_any_host_port"],
                problem,
                findings,
            );
        }
    }

    fn idle_timeout(&self, findings: &mut Vec<Finding>) {
        let Some(timeout) = self.manager.get("stream_idle_timeout") else {
            return; // Five minutes, and no callout may take more than four.
        };
        let given = timeout.text().and_then(duration);
        let longest = self.valid.and_then(|authorizer| {
            authorizer
                .providers()
                .iter()
                .map(|one| one.config().timeout)
                .max()
        });
        let is_long = given.is_none_or(|given| longest.is_none_or(|longest| given > longest));
        if given.is_some_and(|given| given.is_zero()) || !is_long {
            let problem = "is not longer than `introspection.timeout`, which a request may wait \
                           for, or no bound at all";
            let path = &["stream_idle_timeout"];
            self.setting(Around::StreamIdleTimeout, path, problem, findings);
        }
    }

    fn disabled(&self, findings: &mut Vec<Finding>) {
        if let Some(disabled) = self.filter.get("disabled").filter(|node| is_true(node)) {
            let problem = "the filter is left out wherever a route does not put it in again";
            findings.push(warning(
                Around::DisabledFilter,
                "disabled",
                problem,
                disabled.span.clone(),
            ));
        }
        let name = self.filter.get("name").and_then(|name| name.text());
        disabled_for_routes(self.manager, name, findings);
    }

    fn upgrades(&self, findings: &mut Vec<Finding>) {
        let upgrades = self
            .manager
            .get("upgrade_configs")
            .map_or(&[][..], |all| all.items());
        for upgrade in upgrades {
            let Some(filters) = upgrade.get("filters").filter(|all| !all.items().is_empty()) else {
                continue;
            };
            let mut wasm = filters.all().into_iter();
            let has_filter =
                wasm.any(|node| is_type(&node, "envoy.extensions.filters.http.wasm.v3.Wasm"));
            if !has_filter {
                let problem = "has filters of its own without this one, and any request can ask \
                               for the upgrade";
                let key = "upgrade_configs.filters";
                findings.push(warning(
                    Around::UpgradeWithoutFilter,
                    key,
                    problem,
                    filters.span.clone(),
                ));
            }
        }
    }
}

/// Routes below a node that leave the filter of that name out.
fn disabled_for_routes(node: &Rc<Node>, name: Option<&str>, findings: &mut Vec<Finding>) {
    for node in node.all() {
        let Some(per_filter) = node.get("typed_per_filter_config") else {
            continue;
        };
        for (key, config) in per_filter.members() {
            let is_off =
                is_type(config, FILTER_CONFIG) && config.get("disabled").is_some_and(is_true);
            if key.text() == name && is_off {
                let problem = "requests of this route pass the filter unseen; write a rule with \
                               `anonymous: true` in its place";
                let path = "typed_per_filter_config";
                let span = key.span.clone();
                findings.push(warning(Around::DisabledFilter, path, problem, span));
            }
        }
    }
}

/// Whether requests pass when the filter fails: `PluginConfig`, and both kinds of manifests.
fn fails_open(around: &Rc<Node>, findings: &mut Vec<Finding>) {
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

fn restricted(plugin: &Rc<Node>, findings: &mut Vec<Finding>) {
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

fn unknown_cluster(
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
fn retries(document: &Rc<Node>, valid: Option<&Authorizer>, findings: &mut Vec<Finding>) {
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

/// A duration as protobuf writes it in JSON: `0.25s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
