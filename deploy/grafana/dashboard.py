"""Prints the dashboard: `make dashboard` writes what it says to dashboard.json."""

from itertools import count

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24
HEIGHT = 8

# What the variables at the top choose.
CHOSEN = 'job=~"$job", instance=~"$instance"'


def metric(name, *labels):
    return f"{name}{{{', '.join([CHOSEN, *labels])}}}"


def rate(name, *labels):
    return f"rate({metric(name, *labels)}[$__rate_interval])"


def by(labels, inner):
    return f"sum by ({labels}) ({inner})"


DECISIONS = "portvakt_decisions_total"
LOOKUPS = "portvakt_lookups_total"
INTROSPECTIONS = "portvakt_introspections_total"
DURATION = "portvakt_introspection_duration_milliseconds"

DENY = 'result="deny"'
ERROR = 'result="error"'
SHADOW = 'result="shadow"'
FAILURE_MODE = 'reason="failure_mode"'
KNOWN = 'lookup=~"hit|shared_hit|stale"'


def quantile(share):
    buckets = by("le, provider", rate(f"{DURATION}_bucket"))
    return f"histogram_quantile({share}, {buckets})"


def query(expr, legend, ref_id="A"):
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref_id)


def thresholds(*steps):
    """Colours from values upwards; the first is for everything below the second."""
    steps = [Threshold(value=value, color=color) for value, color in steps]
    return builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


GOOD_UNTIL = [(None, "green")]


def figure(title, description, expr, unit, bad_from=None):
    """One number; red from `bad_from` on."""
    steps = GOOD_UNTIL + ([] if bad_from is None else [(bad_from, "red")])
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(thresholds(*steps))
        .color_mode(BigValueColorMode.VALUE)
        .orientation(VizOrientation.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(query(expr, ""))
        .height(4)
        .span(WIDTH // 6)
    )


def graph(title, description, unit, *queries, stacked=False, width=WIDTH // 2):
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .line_width(1)
        .fill_opacity(30 if stacked else 5)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.RIGHT)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .height(HEIGHT)
        .span(width)
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for ref_id, (expr, legend) in zip("ABCDEF", queries):
        panel = panel.with_target(query(expr, legend, ref_id))
    return panel


def variable(name, label, values):
    return (
        builders.QueryVariable(name)
        .label(label)
        .query(values)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


FIGURES = [
    figure(
        "Requests",
        "All that the filter has decided.",
        f"sum({rate(DECISIONS)})",
        "reqps",
    ),
    figure(
        "Refused",
        "Share of the requests that were refused for what the client sent (401, 403, 400).",
        f"(sum({rate(DECISIONS, DENY)}) or vector(0)) / sum({rate(DECISIONS)})",
        "percentunit",
    ),
    figure(
        "Not decided",
        "Share of the requests that were answered with 503 because their token could not be checked.",
        f"(sum({rate(DECISIONS, ERROR)}) or vector(0)) / sum({rate(DECISIONS)})",
        "percentunit",
        0.01,
    ),
    figure(
        "Unauthenticated",
        "Requests that failure_mode_allow lets through while the endpoint is out.",
        f"sum({rate(DECISIONS, FAILURE_MODE)}) or vector(0)",
        "reqps",
        0.000001,
    ),
    figure(
        "Shadow",
        "Requests that passed only because of shadow mode.",
        f"sum({rate(DECISIONS, SHADOW)}) or vector(0)",
        "reqps",
    ),
    figure(
        "Known tokens",
        "Share of the tokens that were known, so that nobody was asked.",
        f"sum({rate(LOOKUPS, KNOWN)}) / sum({rate(LOOKUPS)})",
        "percentunit",
    ),
]

REQUESTS = [
    graph(
        "Requests by result",
        "error: answered with 503. shadow: passed, but would have been refused.",
        "reqps",
        (by("result", rate(DECISIONS)), "{{result}}"),
        stacked=True,
    ),
    graph(
        "Requests that passed, by reason",
        "failure_mode: unauthenticated, while the endpoint is out.",
        "reqps",
        (by("reason", rate(DECISIONS, 'result="allow"')), "{{reason}}"),
        stacked=True,
    ),
    graph(
        "Refusals by reason",
        "What each reason means: docs/operations.md.",
        "reqps",
        (by("reason", rate(DECISIONS, 'result=~"deny|error"')), "{{reason}}"),
    ),
    graph(
        "Refusals by rule",
        "none: no rule matched, or none was chosen.",
        "reqps",
        (by("rule", rate(DECISIONS, 'result=~"deny|error"')), "{{rule}}"),
    ),
    graph(
        "Shadow mode: what would be refused",
        "By rule and reason. Empty is what you want before you take shadow mode away.",
        "reqps",
        (by("rule, reason", rate(DECISIONS, SHADOW)), "{{rule}}: {{reason}}"),
    ),
    graph(
        "Claims that did not reach the API",
        "too_long: more than 16 kB. no_text: nothing that a header can carry as it is.",
        "ops",
        (by("reason", rate("portvakt_claims_not_forwarded_total")), "{{reason}}"),
    ),
]

ENDPOINT = [
    graph(
        "Introspections by outcome",
        "timeout, unreachable and status are an outage. misconfigured: we ask in a wrong way.",
        "ops",
        (by("provider, outcome", rate(INTROSPECTIONS)), "{{provider}}: {{outcome}}"),
        stacked=True,
    ),
    graph(
        "How long the endpoint takes",
        "A request whose token is not known waits for so long.",
        "ms",
        (quantile(0.5), "{{provider}}: half"),
        (quantile(0.95), "{{provider}}: 95 %"),
        (quantile(0.99), "{{provider}}: 99 %"),
    ),
    graph(
        "Introspections without an answer",
        "Share of all. PortvaktEndpointOut is told above a half.",
        "percentunit",
        (
            by("provider", rate(INTROSPECTIONS, 'outcome=~"timeout|unreachable|status"'))
            + " / "
            + by("provider", rate(INTROSPECTIONS)),
            "{{provider}}",
        ),
    ),
    graph(
        "The endpoint at work",
        "Introspections that have ended, whatever they came to.",
        "ops",
        (by("provider", rate(f"{DURATION}_count")), "{{provider}}"),
    ),
]

TOKENS = [
    graph(
        "Tokens that were looked for",
        "stale: known from before, while the endpoint cannot be asked. coalesced: waits for a question that is out already.",
        "ops",
        (by("provider, lookup", rate(LOOKUPS)), "{{provider}}: {{lookup}}"),
        stacked=True,
    ),
    graph(
        "Tokens that are remembered",
        "Of all workers. At most cache.max_entries for each worker, of active and of inactive ones each.",
        "short",
        (by("instance", metric("portvakt_cache_entries")), "{{instance}}"),
    ),
]

GATEWAYS = [
    graph(
        "Versions",
        "How many gateways run which version of the filter.",
        "short",
        (by("version", metric("portvakt_build_info")), "{{version}}"),
        width=WIDTH // 3,
    ),
    graph(
        "VMs made anew",
        "The filter has failed in a worker: it must never be. In the last 15 minutes.",
        "short",
        (
            by("instance", f"increase({metric('envoy_wasm_portvakt_vm_reload_success')}[15m])"),
            "{{instance}}: done",
        ),
        (
            by("instance", f"increase({metric('envoy_wasm_portvakt_vm_reload_failure')}[15m])"),
            "{{instance}}: in vain",
        ),
        (
            by("instance", f"increase({metric('envoy_wasm_portvakt_vm_reload_backoff')}[15m])"),
            "{{instance}}: requests refused meanwhile",
        ),
        width=WIDTH // 3,
    ),
    graph(
        "VMs",
        "At least one for each worker; more while a configuration changes.",
        "short",
        (by("instance", metric("envoy_wasm_wasm_vm_count")), "{{instance}}"),
        width=WIDTH // 3,
    ),
]

ROWS = [
    ("Requests", REQUESTS),
    ("Introspection endpoint", ENDPOINT),
    ("Known tokens", TOKENS),
    ("Gateways", GATEWAYS),
]


def dashboard():
    board = (
        builders.Dashboard("Portvakt")
        .uid("portvakt")
        .description("Who is let in, who is refused and why, and how the introspection endpoint does.")
        .tags(["portvakt", "envoy"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(builders.DatasourceVariable("datasource").label("Source").type("prometheus"))
        .with_variable(variable("job", "Job", "label_values(portvakt_build_info, job)"))
        .with_variable(
            variable("instance", "Instance", 'label_values(portvakt_build_info{job=~"$job"}, instance)')
        )
    )
    ids = count(1)
    for panel in FIGURES:
        board = board.with_panel(panel.id(next(ids)))
    for title, panels in ROWS:
        board = board.with_row(builders.Row(title).id(next(ids)))
        for panel in panels:
            board = board.with_panel(panel.id(next(ids)))
    return board.build()


if __name__ == "__main__":
    print(JSONEncoder(sort_keys=True, indent=2).encode(dashboard()))
