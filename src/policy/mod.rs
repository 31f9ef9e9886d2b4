//! Rules: who may do what.
//!
//! Rules are looked at in their order and the first that matches decides. Where none matches,
//! nobody may.

pub mod matching;
pub mod path;
pub mod requirement;

use crate::head::RequestHead;
use crate::policy::matching::{Match, RequestLine};
use crate::policy::requirement::Requirement;

pub use crate::policy::path::PathError;

/// All rules, in their order.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    match_on_paths: bool,
}

/// One rule: which requests it is for, and what it asks of them.
#[derive(Debug)]
pub struct Rule {
    /// Its name, for the log.
    pub name: String,
    /// Which requests it is for.
    pub matches: Match,
    /// What it asks of them.
    pub access: Access,
}

/// What a rule asks of the requests that it is for.
#[derive(Debug)]
pub enum Access {
    /// Nothing: a token that is there is not looked at.
    Anonymous,
    /// An active token that meets the requirement.
    Token(Requirement),
}

/// Names one of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(usize);

/// Why no rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRule {
    /// None matches.
    NoMatch,
    /// The path could be read in two ways, and some rule goes by paths.
    AmbiguousPath,
}

impl Rules {
    /// Rules in their order.
    pub fn new(rules: Vec<Rule>) -> Self {
        let match_on_paths = rules.iter().any(|rule| rule.matches.looks_at_path());
        Self {
            rules,
            match_on_paths,
        }
    }

    /// The first rule that matches. The head is read only as far as rules look at it.
    pub fn select(&self, head: &impl RequestHead) -> Result<(RuleId, &Rule), NoRule> {
        let target = self.match_on_paths.then(|| head.header(":path"));
        let line = RequestLine::new(head, target.as_ref().and_then(Option::as_deref))
            .map_err(|_: PathError| NoRule::AmbiguousPath)?;
        self.rules
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.matches.matches(&line))
            .map(|(index, rule)| (RuleId(index), rule))
            .ok_or(NoRule::NoMatch)
    }

    /// The rule of that name.
    pub fn get(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.0)
    }
}
