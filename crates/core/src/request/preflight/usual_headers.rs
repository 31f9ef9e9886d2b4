//! The headers that browsers send with a preflight, and those that proxies and CDNs add to whatever
//! they pass on. None of these carries what a client authenticates with, nor another method or
//! path.

/// Whether browsers send such a header with a preflight, or proxies and CDNs add it.
pub(super) fn is_usual(name: &str) -> bool {
    let lists = [BROWSERS, PROXIES, TRACING, ENVOY, CDNS];
    lists.into_iter().flatten().any(|usual| *usual == name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const BROWSERS: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-length",
    "dnt",
    "host",
    "origin",
    "pragma",
    "priority",
    "referer",
    "save-data",
    "sec-gpc",
    "te",
    "user-agent",
];

const PROXIES: &[&str] = &[
    "cdn-loop",
    "early-data",
    "forwarded",
    "max-forwards",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-original-forwarded-for",
    "x-real-ip",
    "x-request-start",
    "x-scheme",
];

const TRACING: &[&str] = &[
    "b3",
    "baggage",
    "correlation-id",
    "elastic-apm-traceparent",
    "grpc-trace-bin",
    "newrelic",
    "request-id",
    "sentry-trace",
    "sw8",
    "sw8-correlation",
    "sw8-x",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-client-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-datadog-origin",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
    "x-ot-span-context",
    "x-request-id",
    "x-trace-id",
];

/// What an Envoy before this one, or this one, adds by itself.
const ENVOY: &[&str] = &[
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-force-trace",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
];

const CDNS: &[&str] = &[
    "akamai-origin-hop",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ew-via",
    "cf-ipcountry",
    "cf-pseudo-ipv4",
    "cf-ray",
    "cf-visitor",
    "cloudfront-forwarded-proto",
    "fastly-client",
    "fastly-client-ip",
    "fastly-ff",
    "fastly-ssl",
    "true-client-ip",
    "x-akamai-edgescape",
    "x-amz-cf-id",
    "x-amzn-tls-cipher-suite",
    "x-amzn-tls-version",
    "x-azure-clientip",
    "x-azure-fdid",
    "x-azure-ref",
    "x-azure-requestchain",
    "x-azure-socketip",
    "x-varnish",
];

/// Beginnings of names that are all of this kind.
const PREFIXES: &[&str] = &[
    "access-control-request-",
    "cloudfront-is-",
    "cloudfront-viewer-",
    "sec-ch-",
    "sec-fetch-",
    "x-b3-",
];
