//! What is counted, and under which names.
//!
//! Envoy has no labels: a name carries them in front, each as `name=.=value;.;`, which is what
//! Istio's `extraStatTags` and `stats_tags` in envoy.yaml take apart. What every request adds to is
//! counted here and told to the host when that is cheap, because each call to it costs about as
//! much as looking a token up.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::authorizer::{Allowed, Decision};
use crate::cache::lookup::Lookup;
use crate::introspection::outcome::Outcome;
use crate::labels::labelled;
use crate::policy::{RuleId, Rules};
use crate::reply::reason::Reason;
use crate::token::providers::ProviderId;
use crate::upstream::Omission;

/// So many rules have a label of their own, at most.
pub const MAX_RULE_LABELS: usize = 100;

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

/// A decision, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Allowed(Allowed),
    Refused(Reason),
    Shadowed(Reason),
}

impl Counted {
    const ALL: usize = Allowed::ALL.len() + 2 * Reason::ALL.len();

    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Forward(grant) => Self::Allowed(grant.allowed()),
            Decision::ServeMetadata => Self::Allowed(Allowed::Metadata),
            Decision::Reject(rejection) => Self::Refused(rejection.reason()),
            Decision::Shadow(rejection) => Self::Shadowed(rejection.reason()),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let refused = Reason::ALL.into_iter().map(Self::Refused);
        let shadowed = Reason::ALL.into_iter().map(Self::Shadowed);
        let allowed = Allowed::ALL.into_iter().map(Self::Allowed);
        allowed.chain(refused).chain(shadowed)
    }

    /// Its place among [`Self::all`].
    fn position(self) -> usize {
        let (before, position) = match self {
            Self::Allowed(allowed) => (0, allowed.position()),
            Self::Refused(reason) => (Allowed::ALL.len(), reason.position()),
            Self::Shadowed(reason) => {
                let before = Allowed::ALL.len().saturating_add(Reason::ALL.len());
                (before, reason.position())
            }
        };
        position.saturating_add(before)
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::Allowed(_) => Verdict::Allow,
            Self::Refused(reason) if reason.is_error() => Verdict::Error,
            Self::Refused(_) => Verdict::Deny,
            Self::Shadowed(_) => Verdict::Shadow,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Allowed(allowed) => allowed.name(),
            Self::Refused(reason) | Self::Shadowed(reason) => reason.name(),
        }
    }
}

/// What the rules are called in labels.
#[derive(Debug)]
struct RuleLabels {
    /// Each once: for no rule, for the rules, and for those beyond the bound.
    names: Vec<String>,
    /// Which of them is whose, by the rules' positions.
    of: Vec<usize>,
}

impl RuleLabels {
    const NO_RULE: usize = 0;
    const OTHER: usize = 1;

    fn new(rules: &Rules) -> Self {
        let mut names = vec!["none".to_owned(), "other".to_owned()];
        let mut known = HashMap::new();
        let of = rules.iter().map(|(_, rule)| {
            if known.len() < MAX_RULE_LABELS || known.contains_key(&rule.name) {
                *known.entry(rule.name.clone()).or_insert_with(|| {
                    names.push(rule.name.clone());
                    names.len().saturating_sub(1)
                })
            } else {
                Self::OTHER
            }
        });
        let of = of.collect();
        Self { names, of }
    }

    fn of(&self, rule: Option<RuleId>) -> usize {
        let Some(rule) = rule else {
            return Self::NO_RULE;
        };
        self.of.get(rule.position()).copied().unwrap_or(Self::OTHER)
    }
}

/// All counters of a configuration: what each has counted that the host does not know of yet. A
/// counter is named by its position.
#[derive(Debug)]
pub struct Counters {
    rules: RuleLabels,
    providers: Vec<String>,
    pending: Vec<Cell<u64>>,
    /// Those that have counted something.
    dirty: RefCell<Vec<usize>>,
}

impl Counters {
    /// Counters for these rules and providers.
    pub fn new<'a>(rules: &Rules, providers: impl Iterator<Item = &'a str>) -> Self {
        let rules = RuleLabels::new(rules);
        let decisions = rules.names.len().saturating_mul(Counted::ALL);
        let mut counters = Self {
            rules,
            providers: providers.map(str::to_owned).collect(),
            pending: Vec::new(),
            dirty: RefCell::default(),
        };
        let all = counters.before_decisions().saturating_add(decisions);
        counters.pending = vec![Cell::new(0); all];
        counters
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Those that make sense ahead, at zero. What is counted for rules is too much, and comes as
    /// it is needed.
    pub fn ahead(&self) -> std::ops::Range<usize> {
        0..self.before_decisions()
    }

    /// The name of a counter at the host.
    pub fn name(&self, position: usize) -> Option<String> {
        let is_behind = |first: usize| position.checked_sub(first);
        if let Some(position) = is_behind(self.before_decisions()) {
            let (rule, counted) = cell(position, Counted::ALL)?;
            let counted = Counted::all().nth(counted)?;
            let verdict = counted.verdict().name();
            let rule = self.rules.names.get(rule)?;
            Some(Metric::Decisions.with(&[verdict, counted.reason(), rule]))
        } else if let Some(position) = is_behind(self.before_omissions()) {
            let omission = Omission::ALL.get(position)?;
            Some(Metric::ClaimsNotForwarded.with(&[omission.name()]))
        } else if let Some(position) = is_behind(self.before_outcomes()) {
            let (provider, outcome) = cell(position, Outcome::ALL.len())?;
            let (provider, outcome) = (self.providers.get(provider)?, Outcome::ALL.get(outcome)?);
            Some(Metric::Introspections.with(&[outcome.name(), provider]))
        } else {
            let (provider, lookup) = cell(position, Lookup::ALL.len())?;
            let (provider, lookup) = (self.providers.get(provider)?, Lookup::ALL.get(lookup)?);
            Some(Metric::Lookups.with(&[lookup.name(), provider]))
        }
    }

    fn before_outcomes(&self) -> usize {
        self.providers.len().saturating_mul(Lookup::ALL.len())
    }

    fn before_omissions(&self) -> usize {
        let outcomes = self.providers.len().saturating_mul(Outcome::ALL.len());
        self.before_outcomes().saturating_add(outcomes)
    }

    fn before_decisions(&self) -> usize {
        self.before_omissions().saturating_add(Omission::ALL.len())
    }

    /// A request was decided.
    pub fn decided(&self, decision: &Decision, rule: Option<RuleId>) {
        let row = self.rules.of(rule).saturating_mul(Counted::ALL);
        let position = Counted::of(decision).position().saturating_add(row);
        self.count(self.before_decisions().saturating_add(position));
    }

    /// A token was looked for.
    pub fn looked_up(&self, lookup: Lookup, provider: ProviderId) {
        let row = provider.position().saturating_mul(Lookup::ALL.len());
        self.count(lookup.position().saturating_add(row));
    }

    /// An introspection came to something.
    pub fn answered(&self, outcome: Outcome, provider: ProviderId) {
        let row = provider.position().saturating_mul(Outcome::ALL.len());
        let position = outcome.position().saturating_add(row);
        self.count(self.before_outcomes().saturating_add(position));
    }

    /// A claim was not forwarded.
    pub fn left_out(&self, omission: Omission) {
        self.count(self.before_omissions().saturating_add(omission.position()));
    }

    fn count(&self, position: usize) {
        let Some(pending) = self.pending.get(position) else {
            return;
        };
        if pending.replace(pending.get().saturating_add(1)) == 0 {
            self.dirty.borrow_mut().push(position);
        }
    }

    /// One of the counters that have counted something, and how much; it begins again.
    pub fn take(&self) -> Option<(usize, u64)> {
        let position = self.dirty.borrow_mut().pop()?;
        let pending = self.pending.get(position)?;
        Some((position, pending.take()))
    }
}

/// Row and column in a table of so many columns.
fn cell(position: usize, columns: usize) -> Option<(usize, usize)> {
    Some((
        position.checked_div(columns)?,
        position.checked_rem(columns)?,
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::authorizer::Grant;
    use crate::config::{self, Vm};
    use crate::policy::requirement::Asks;
    use crate::reply::challenge::ChallengeParameters;
    use crate::reply::rejection::Rejection;

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

    fn rules(names: &[String]) -> Rules {
        let rules = names.iter().enumerate().map(|(number, name)| {
            serde_json::json!({
                "name": name, "match": { "path": format!("/{number}") }, "require": {},
            })
        });
        let config = serde_json::json!({
            "introspection": { "cluster": "c", "endpoint": "http://idp/i" },
            "rules": rules.collect::<Vec<_>>(),
        });
        let vm = Vm {
            env: |_: &str| None,
            has_id: true,
        };
        let configured = config::parse(config.to_string().as_bytes(), &vm).unwrap();
        configured.authorizer.rules
    }

    fn rejection(reason: Reason) -> Rejection {
        Rejection::new(
            reason,
            None,
            &ChallengeParameters::default(),
            &Asks::default(),
        )
    }

    /// All that was counted, by name.
    fn taken(counters: &Counters) -> BTreeMap<String, u64> {
        let taken = std::iter::from_fn(|| counters.take());
        taken
            .map(|(position, count)| (counters.name(position).unwrap(), count))
            .collect()
    }

    #[test]
    fn everything_has_a_name_of_its_own_and_is_counted_under_it() {
        let rules = rules(&["read".to_owned(), "write".to_owned()]);
        let counters = Counters::new(&rules, ["one", "two"].into_iter());
        let names = (0..counters.len()).map(|position| counters.name(position).unwrap());
        let names: Vec<_> = names.collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(counters.name(names.len()), None);
        for (position, name) in names.iter().enumerate() {
            let is_decision = name.ends_with(Metric::Decisions.name());
            assert_eq!(is_decision, !counters.ahead().contains(&position), "{name}");
        }

        let mut expected = BTreeMap::new();
        let two = ProviderId::at(1).unwrap();
        for lookup in Lookup::ALL {
            counters.looked_up(lookup, two);
            counters.looked_up(lookup, two);
            expected.insert(Metric::Lookups.with(&[lookup.name(), "two"]), 2);
        }
        for outcome in Outcome::ALL {
            counters.answered(outcome, two);
            expected.insert(Metric::Introspections.with(&[outcome.name(), "two"]), 1);
        }
        for omission in Omission::ALL {
            counters.left_out(omission);
            expected.insert(Metric::ClaimsNotForwarded.with(&[omission.name()]), 1);
        }
        let write = rules.iter().nth(1).map(|(id, _)| id);
        let decided = |decision: &Decision, rule, labels: [&str; 3]| {
            counters.decided(decision, rule);
            (Metric::Decisions.with(&labels), 1)
        };
        for reason in Reason::ALL {
            let rejection = rejection(reason);
            let result = if reason == Reason::EndpointOut {
                "error"
            } else {
                "deny"
            };
            let refused = Decision::Reject(rejection.clone());
            expected.extend([decided(&refused, write, [result, reason.name(), "write"])]);
            let shadowed = Decision::Shadow(rejection);
            expected.extend([decided(&shadowed, None, ["shadow", reason.name(), "none"])]);
        }
        let grant = Decision::Forward(Grant::Anonymous);
        expected.extend([decided(&grant, write, ["allow", "anonymous", "write"])]);
        let served = Decision::ServeMetadata;
        expected.extend([decided(&served, None, ["allow", "metadata", "none"])]);
        assert_eq!(taken(&counters), expected);
        assert_eq!(taken(&counters), BTreeMap::new());
    }

    /// What docs/operations.md says of names and labels.
    #[test]
    fn operators_can_read_of_every_metric_and_value() {
        let docs = include_str!("../../../docs/operations.md");
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

    #[test]
    fn only_so_many_rules_have_labels() {
        let mut names: Vec<_> = (0..MAX_RULE_LABELS).map(|n| format!("r{n}")).collect();
        names.extend(["beyond".to_owned(), "r7".to_owned()]);
        let rules = rules(&names);
        let counters = Counters::new(&rules, ["one"].into_iter());
        for (id, _) in rules.iter() {
            counters.decided(&Decision::Forward(Grant::Anonymous), Some(id));
        }
        let taken = taken(&counters);
        let counted =
            |rule: &str| taken.get(&Metric::Decisions.with(&["allow", "anonymous", rule]));
        assert_eq!(taken.len(), MAX_RULE_LABELS + 1);
        assert_eq!(counted("r0"), Some(&1));
        assert_eq!(counted("r7"), Some(&2), "a name that comes twice");
        assert_eq!(counted("other"), Some(&1));
    }
}
