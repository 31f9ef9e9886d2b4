//! What is counted, and under which names.
//!
//! Envoy has no labels: a name carries them in front, each as `name=.=value;.;`, which is what
//! Istio's `extraStatTags` and `stats_tags` in envoy.yaml take apart.

pub mod counters;

use crate::labels::labelled;

/// A longer label is cut, in bytes.
const MAX_LABEL: usize = 128;

labelled! {
    /// All metrics, by the names that Prometheus has for them.
    pub enum Metric {
        /// A counter of decisions.
        Decisions = "portvakt_decisions_total",
        /// A counter of tokens that were looked for among those that are known.
        Lookups = "portvakt_lookups_total",
        /// A counter of what introspections came to.
        Introspections = "portvakt_introspections_total",
        /// A histogram of how long the endpoint took.
        IntrospectionDuration = "portvakt_introspection_duration_milliseconds",
        /// A gauge of how many tokens all workers remember together.
        CacheEntries = "portvakt_cache_entries",
        /// A counter of claims that were not forwarded though they are there.
        ClaimsNotForwarded = "portvakt_claims_not_forwarded_total",
        /// A gauge that is 1 where this version runs.
        BuildInfo = "portvakt_build_info",
    }
}

labelled! {
    /// All labels.
    pub enum Label {
        Result = "result",
        Reason = "reason",
        Rule = "rule",
        Lookup = "lookup",
        Outcome = "outcome",
        Provider = "provider",
        Version = "version",
    }
}

labelled! {
    /// How a decision ends for the client.
    pub enum Verdict {
        /// The request went on, or was answered as asked.
        Allow = "allow",
        /// The client was refused.
        Deny = "deny",
        /// The filter could not tell, and refused.
        Error = "error",
        /// The request went on, but only because nothing is refused.
        Shadow = "shadow",
    }
}

impl Metric {
    /// Its labels, in the order in which its name carries them.
    pub fn labels(self) -> &'static [Label] {
        match self {
            Self::Decisions => &[Label::Result, Label::Reason, Label::Rule],
            Self::Lookups => &[Label::Lookup, Label::Provider],
            Self::Introspections => &[Label::Outcome, Label::Provider],
            Self::IntrospectionDuration => &[Label::Provider],
            Self::ClaimsNotForwarded => &[Label::Reason],
            Self::BuildInfo => &[Label::Version],
            Self::CacheEntries => &[],
        }
    }

    /// Its name at the host with these values of its labels.
    pub fn with(self, values: &[&str]) -> String {
        let labels = self.labels().iter().zip(values);
        let labels = labels.map(|(label, value)| format!("{}=.={};.;", label.name(), clean(value)));
        labels.collect::<String>() + self.name()
    }
}

/// A value that can stand in a name: printable, and without what ends a value or has a meaning in
/// what is made of it.
fn clean(value: &str) -> String {
    let is_plain = |c: &char| matches!(c, ' '..='~') && !";=\"\\".contains(*c);
    let plain = value.chars().take(MAX_LABEL);
    plain.map(|c| if is_plain(&c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorizer::Allowed;
    use crate::cache::lookup::Lookup;
    use crate::introspection::outcome::Outcome;
    use crate::upstream::Omission;

    #[test]
    fn names_carry_their_labels_in_front() {
        for (metric, values, expected) in [
            (Metric::CacheEntries, &[][..], "portvakt_cache_entries"),
            (
                Metric::BuildInfo,
                &["0.1.0"],
                "version=.=0.1.0;.;portvakt_build_info",
            ),
            (
                Metric::Decisions,
                &["deny", "no_rule", "none"],
                "result=.=deny;.;reason=.=no_rule;.;rule=.=none;.;portvakt_decisions_total",
            ),
            (
                Metric::Decisions,
                &["allow", "token", "a;.;b=.=\"c\\\n\u{7f}blå {x}"],
                "result=.=allow;.;reason=.=token;.;rule=.=a_._b_.__c___bl_ {x};.;portvakt_decisions_total",
            ),
            (
                Metric::IntrospectionDuration,
                &[&"x".repeat(200)],
                &format!(
                    "provider=.={};.;portvakt_introspection_duration_milliseconds",
                    "x".repeat(MAX_LABEL)
                ),
            ),
        ] {
            assert_eq!(metric.with(values), expected);
        }
        for metric in Metric::ALL {
            let values = vec!["v"; metric.labels().len()];
            let name = metric.with(&values);
            assert_eq!(name.matches("=.=v;.;").count(), values.len(), "{name}");
            assert!(name.ends_with(metric.name()), "{name}");
        }
    }

    /// What docs/operations.md says of names and labels.
    #[test]
    fn operators_can_read_of_every_metric_and_value() {
        let docs = include_str!("../../../../docs/operations.md");
        for metric in Metric::ALL {
            let labels = metric
                .labels()
                .iter()
                .map(|label| format!("`{}`", label.name()));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let row = docs
                .lines()
                .find(|line| line.starts_with(&format!("| `{}` |", metric.name())));
            let cells: Vec<_> = row.unwrap().split('|').map(str::trim).collect();
            assert_eq!(cells[3], labels, "{row:?}");
        }
        let values = Verdict::ALL.map(Verdict::name).to_vec();
        let values = [
            values,
            Allowed::ALL.map(Allowed::name).to_vec(),
            Lookup::ALL.map(Lookup::name).to_vec(),
            Outcome::ALL.map(Outcome::name).to_vec(),
            Omission::ALL.map(Omission::name).to_vec(),
        ];
        for value in values.concat() {
            assert!(docs.contains(&format!("`{value}`")), "{value}");
        }
    }
}
