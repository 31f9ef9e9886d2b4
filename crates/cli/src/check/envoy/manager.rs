//! The connection manager that has the filter, and its routes.

use std::rc::Rc;
use std::time::Duration;

use portvakt_core::authorizer::Authorizer;

use super::{is_true, name_span};
use crate::check::configuration::warning;
use crate::check::finding::{Around, Finding};
use crate::source::find::{WASM, is_type};
use crate::source::tree::Node;

const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

/// A connection manager with the filter.
pub(super) struct Subject<'a> {
    pub(super) manager: &'a Rc<Node>,
    pub(super) filter: &'a Rc<Node>,
    pub(super) valid: Option<&'a Authorizer>,
}

impl Subject<'_> {
    pub(super) fn check(&self, findings: &mut Vec<Finding>) {
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
            let has_filter = wasm.any(|node| is_type(&node, WASM));
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
pub(super) fn disabled_for_routes(
    node: &Rc<Node>,
    name: Option<&str>,
    findings: &mut Vec<Finding>,
) {
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

/// A duration as protobuf writes it in JSON: `0.25s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
