//! Rules: who may do what.
//!
//! Rules are looked at in their order and the first that matches decides. Where none matches,
//! nobody may.

pub mod finding;
mod index;
pub mod matching;
pub mod reach;
pub mod requirement;
pub mod selection;
pub mod template;

use matchit::InsertError;

use crate::policy::index::Index;
use crate::policy::matching::{Ambiguous, Match, RequestLine};
use crate::policy::requirement::{Asks, RuleRequirement};
use crate::request::head::RequestHead;
use crate::request::method;
use crate::request::path::Path;
use crate::token::providers::ProviderSet;

/// All rules, in their order.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    index: Index,
    match_on_paths: bool,
    match_on_hosts: bool,
    match_on_methods: bool,
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
    /// Whether it refuses nothing, and only what it would have refused is told.
    pub shadow: bool,
}

/// What a rule asks of the requests that it is for.
#[derive(Debug)]
pub enum Access {
    /// Nothing: a token that is there is not looked at.
    Anonymous,
    /// An active token.
    Token(Box<TokenAccess>),
}

/// What a rule asks of tokens.
#[derive(Debug)]
pub struct TokenAccess {
    /// What the facts must meet.
    pub requirement: RuleRequirement,
    /// Whose word counts.
    pub providers: ProviderSet,
}

impl Rule {
    /// What clients are told that it asks for; `None`: it asks for nothing.
    pub fn asks(&self) -> Option<&Asks> {
        match &self.access {
            Access::Anonymous => None,
            Access::Token(access) => Some(access.requirement.asks()),
        }
    }
}

/// Names one of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(usize);

impl RuleId {
    /// Its position.
    pub fn position(self) -> usize {
        self.0
    }
}

/// Why no rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRule {
    /// None matches.
    NoMatch,
    /// The path or the host could be read in two ways, and some rule goes by it.
    AmbiguousPath,
    /// The request names another method beside its own, and some rule goes by methods.
    AmbiguousMethod,
}

impl Rules {
    /// Rules in their order.
    pub fn new(rules: Vec<Rule>) -> Result<Self, InsertError> {
        let conditions = || rules.iter().map(|rule| &rule.matches);
        Ok(Self {
            index: Index::new(conditions())?,
            match_on_paths: conditions().any(|matches| matches.path.is_some()),
            match_on_hosts: conditions().any(|matches| !matches.hosts.is_empty()),
            match_on_methods: conditions().any(|matches| !matches.methods.is_empty()),
            all: rules,
        })
    }

    /// The first rule that matches. The head is read only as far as rules look at it.
    pub fn select(&self, head: &impl RequestHead) -> Result<(RuleId, &Rule), NoRule> {
        let fetch = |name| head.header(name).unwrap_or_default();
        let target = self.match_on_paths.then(|| fetch(":path"));
        let authority = self.match_on_hosts.then(|| fetch(":authority"));
        let line = RequestLine::new(head, target.as_deref(), authority.as_deref())
            .map_err(|Ambiguous| NoRule::AmbiguousPath)?;
        let first = |positions: &[usize]| {
            let ids = positions.iter().map(|position| RuleId(*position));
            let mut rules = ids.filter_map(|id| Some((id, self.get(id)?)));
            rules.find(|(_, rule)| rule.matches.matches(&line))
        };
        if line.path().is_some_and(|path| self.is_misspelled(path)) {
            return Err(NoRule::AmbiguousPath);
        }
        if self.match_on_methods
            && method::OVERRIDES
                .iter()
                .any(|name| head.header(name).is_some())
        {
            return Err(NoRule::AmbiguousMethod);
        }
        let lists = self.index.candidates(line.path(), line.host());
        lists
            .into_iter()
            .filter_map(first)
            .min_by_key(|(id, _)| id.0)
            .ok_or(NoRule::NoMatch)
    }

    /// How many headers of a request are looked at to find its rule, if they are there.
    pub fn headers_looked_at(&self) -> usize {
        let looks = [
            self.match_on_paths,
            self.match_on_hosts,
            self.match_on_methods,
        ];
        looks.into_iter().filter(|looks| *looks).count()
    }

    /// Whether some rule, whatever else it goes by, names a segment that the path does not spell
    /// canonically: Envoy would choose another route for it than for the path that is named.
    fn is_misspelled(&self, path: &Path<'_>) -> bool {
        let is_misspelled = |position: usize| {
            let condition = self
                .all
                .get(position)
                .and_then(|rule| rule.matches.path.as_ref());
            condition.is_some_and(|condition| condition.is_misspelled_by(path))
        };
        !path.misspelled().is_empty() && self.index.naming(path).any(is_misspelled)
    }

    /// Whether some rule goes by Envoy's route.
    pub fn go_by_routes(&self) -> bool {
        self.all.iter().any(|rule| rule.matches.route.is_some())
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.all
            .iter()
            .enumerate()
            .map(|(position, rule)| (RuleId(position), rule))
    }

    /// The rule of that name.
    pub fn get(&self, id: RuleId) -> Option<&Rule> {
        self.all.get(id.0)
    }
}
