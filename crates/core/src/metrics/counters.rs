//! What was counted and the host does not know of yet.
//!
//! What every request adds to is counted here and told to the host when that is cheap, because each
//! call to it costs about as much as looking a token up.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::{Metric, Verdict};
use crate::authorizer::{Allowed, Decision};
use crate::cache::lookup::Lookup;
use crate::introspection::outcome::Outcome;
use crate::policy::{RuleId, Rules};
use crate::reply::reason::Reason;
use crate::token::providers::ProviderId;
use crate::upstream::Omission;

/// So many rules have a label of their own, at most.
pub const MAX_RULE_LABELS: usize = 100;

impl Decision {
    /// How it ends for the client, and why: as it is counted.
    pub fn counted_as(&self) -> (Verdict, &'static str) {
        let counted = Counted::of(self);
        (counted.verdict(), counted.reason())
    }
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
