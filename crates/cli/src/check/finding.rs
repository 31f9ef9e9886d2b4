//! What is told about a place in a file.

use std::ops::Range;

use clap::builder::{PossibleValue, PossibleValuesParser};
use portvakt_core::config::warning::Unwise;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The line about it: for what the filter says itself, to the letter what it logs.
    pub(crate) line: String,
    /// Where it is, in bytes of the file.
    pub(crate) span: Range<usize>,
    /// How it may be meant.
    pub(crate) help: Option<String>,
}

/// Whether it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It does not.
    Error,
    /// It does, and is unwise: its name, for `--allow`.
    Warning(&'static str),
}

/// Defines the enum, the list of its values and their names.
macro_rules! named {
    (
        $(#[$meta:meta])*
        enum $enum:ident { $($(#[$variant_meta:meta])* $variant:ident = $name:literal,)+ }
    ) => {
        $(#[$meta])*
        pub(crate) enum $enum { $($(#[$variant_meta])* $variant,)+ }

        impl $enum {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name, for `--allow`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

named! {
    /// What is unwise about what stands around a plugin configuration, or about the file: what the
    /// filter never sees.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Around {
        /// Envoy or Kubernetes reads something as another thing than it looks like.
        YamlReading = "yaml_reading",
        /// No configuration of Portvakt was found in a file.
        NoConfiguration = "no_configuration",
        /// A secret stands in the file.
        InlineSecret = "inline_secret",
        /// Requests pass when the filter fails.
        FailOpen = "fail_open",
        /// The filter may not be called for requests.
        CapabilityRestriction = "capability_restriction",
        /// The filter is left out somewhere.
        DisabledFilter = "disabled_filter",
        /// An upgrade has filters of its own, without this one.
        UpgradeWithoutFilter = "upgrade_without_filter",
        /// What is guarded here is reached past the filter there.
        UnguardedUpstream = "unguarded_upstream",
        /// The endpoint's cluster is not in the file.
        UnknownCluster = "unknown_cluster",
        /// Tries take longer than the answer may.
        RetryWithoutTimeout = "retry_without_timeout",
        /// Paths keep their dot segments.
        NormalizePath = "normalize_path",
        /// Paths keep their empty segments.
        MergeSlashes = "merge_slashes",
        /// Paths keep their escaped slashes.
        EscapedSlashes = "escaped_slashes",
        /// Names of headers keep their underscores.
        HeadersWithUnderscores = "headers_with_underscores",
        /// Hosts keep their ports.
        HostPort = "host_port",
        /// A request may not wait as long as the endpoint may take.
        StreamIdleTimeout = "stream_idle_timeout",
        /// Clients that wait hold as much memory as they like.
        ConnectionLimit = "connection_limit",
        /// So do the bodies of requests that wait.
        BufferLimit = "buffer_limit",
    }
}

/// The names of all that `--allow` silences: of what the core tells, and of what is told here.
pub(crate) fn allowed_names() -> PossibleValuesParser {
    let core = Unwise::ALL.iter().map(|unwise| unwise.name());
    let names = core.chain(Around::ALL.iter().map(|around| around.name()));
    PossibleValuesParser::new(names.map(PossibleValue::new))
}
