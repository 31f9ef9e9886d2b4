//! Whom to ask about a token.
//!
//! Input: a line of words `NAME=ISSUER` (several of one name: all of them are its issuers; no
//! issuer: it has none), which are the providers; a line with the names of those that the rule
//! trusts (none: all); then a token as in [`token`].
//!
//! Oracle: of the trusted ones the one that has the token's `iss`, read as JSON to the letter, else
//! the one without issuers, else nobody; the same when it is asked again, and never one that the
//! rule does not trust. Where two are right, the configuration must have been refused.

use std::collections::BTreeMap;

use portvakt_core::authorizer::Step;
use portvakt_core::config::{Vm, parse};
use portvakt_core::testing::head::FakeHead;
use portvakt_core::testing::shared_data::FakeData;
use portvakt_core::time::Time;
use serde_json::{Value, json};

use crate::naive::b64token::is_b64token;
use crate::naive::jwt;
use crate::text::{lines, words};
use crate::token::token;

pub fn check(input: &[u8]) -> bool {
    let lines = lines(input, 3);
    let [named, trusted, rest] = lines.as_slice() else {
        return false;
    };
    let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for word in words(named) {
        let (name, issuer) = word.split_once('=').unwrap_or((word, ""));
        let issuers = providers.entry(name).or_default();
        if !issuer.is_empty() {
            issuers.push(issuer);
        }
    }
    let trusted = words(trusted);
    let token = token(rest);
    if !is_b64token(&token) || token.len() > 8192 {
        return false;
    }
    let Ok(configured) = parse(
        config(&providers, &trusted).to_string().as_bytes(),
        &Vm {
            env: |_: &str| None,
            has_id: false,
        },
    ) else {
        return false;
    };

    let authorizer = configured.authorizer;
    let authorization = [b"Bearer ".as_slice(), &token].concat();
    let head = FakeHead::of(&[
        (":method", b"GET"),
        (":path", b"/"),
        ("authorization", &authorization),
    ]);
    let data = FakeData::default();
    let select = || match authorizer.on_request(&head, &head, &data, || Time::from_millis(1)) {
        Step::Introspect(used, _) => {
            let provider = authorizer.providers().get(used.provider()).unwrap();
            Some(provider.config().name.clone())
        }
        Step::Decided(..) => None,
        Step::Known { .. } => panic!("nothing is known yet"),
    };
    let expected = expected(&providers, &trusted, &token);
    assert_eq!(select().as_deref(), expected);
    assert_eq!(select().as_deref(), expected, "asked again");
    true
}

fn config(providers: &BTreeMap<&str, Vec<&str>>, trusted: &[&str]) -> Value {
    let provider = |issuers: &Vec<&str>| {
        let mut provider = json!({ "cluster": "c", "endpoint": "http://e/" });
        if !issuers.is_empty() {
            provider["issuers"] = json!(issuers);
        }
        provider
    };
    let named = providers.iter();
    let named: BTreeMap<_, _> = named
        .map(|(name, issuers)| (*name, provider(issuers)))
        .collect();
    let mut rule = json!({ "match": {}, "require": {} });
    if !trusted.is_empty() {
        rule["providers"] = json!(trusted);
    }
    json!({ "providers": named, "rules": [rule] })
}

fn expected<'a>(
    providers: &BTreeMap<&'a str, Vec<&str>>,
    trusted: &[&str],
    token: &[u8],
) -> Option<&'a str> {
    let asked = || {
        let all = providers.iter();
        all.filter(|(name, _)| trusted.is_empty() || trusted.contains(name))
    };
    let only = |found: Vec<&'a str>| {
        assert!(found.len() <= 1, "{found:?} were taken, and all are right");
        found.first().copied()
    };

    let issuer = jwt::issuer(token);
    let has_it = |issuers: &[&str]| issuer.as_deref().is_some_and(|iss| issuers.contains(&iss));
    let holders = asked()
        .filter(|(_, issuers)| has_it(issuers))
        .map(|(name, _)| *name);
    let others = asked()
        .filter(|(_, issuers)| issuers.is_empty())
        .map(|(name, _)| *name);
    only(holders.collect()).or_else(|| only(others.collect()))
}
