//! What the upstream is told about the token, and what it must not be told by anyone else.
//!
//! Headers that the filter sets are *managed*: the client's copies are removed from every request
//! before anything is decided. A claim reaches the upstream as it is or not at all: what a header
//! cannot carry unchanged, or could be taken for something else, stays out, as if the claim were
//! absent.

use std::borrow::Cow;

use serde_json::Value;

use crate::claims::ClaimId;
use crate::introspection::response::TokenFacts;

/// A longer value stays out, in bytes: upstreams have limits of their own.
pub(crate) const MAX_VALUE: usize = 16 * 1024;

/// What is told.
#[derive(Debug, Default)]
pub struct Forwarding {
    /// Headers by their lower-case names, each with the claim that it carries.
    pub headers: Vec<(String, ClaimId)>,
    /// The header that carries all claims, as base64url of JSON.
    pub payload_header: Option<String>,
    /// Names in Envoy's filter state, each with the claim that stands there.
    pub filter_state: Vec<(String, ClaimId)>,
    /// The header that the token came in, if the upstream is not to see it.
    pub token_header: Option<String>,
}

/// One change to a request that is let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// A header is removed.
    RemoveHeader(&'a str),
    /// A header is set.
    SetHeader(&'a str, Cow<'a, str>),
    /// Something is put into Envoy's filter state.
    SetFilterState(&'a str, Cow<'a, str>),
}

impl Forwarding {
    /// The managed headers, by their lower-case names.
    pub fn managed(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().map(|(name, _)| name);
        headers.chain(&self.payload_header).map(String::as_str)
    }

    /// What is changed in a request that is let through; with the facts about its token, if it is
    /// for them that it is.
    pub fn edits<'a>(&'a self, facts: Option<&'a TokenFacts>) -> impl Iterator<Item = Edit<'a>> {
        let token = self.token_header.iter();
        let token = token.map(|name| Edit::RemoveHeader(name));
        token.chain(facts.into_iter().flat_map(|facts| self.told(facts)))
    }

    fn told<'a>(&'a self, facts: &'a TokenFacts) -> impl Iterator<Item = Edit<'a>> {
        let text = |id: &ClaimId| facts.claims.get(*id).and_then(text);
        let headers = self.headers.iter();
        let headers = headers.filter_map(move |(name, id)| Some(Edit::SetHeader(name, text(id)?)));
        let payload = self.payload_header.as_deref().zip(facts.payload.as_deref());
        let payload = payload.map(|(name, payload)| Edit::SetHeader(name, payload.into()));
        let states = self.filter_state.iter();
        let states =
            states.filter_map(move |(name, id)| Some(Edit::SetFilterState(name, text(id)?)));
        headers.chain(payload).chain(states)
    }
}

/// A claim as a text: strings, numbers, booleans, and arrays of strings without spaces, joined by
/// a space. `None` if it has no text, or one that would not arrive as it is.
fn text(claim: &Value) -> Option<Cow<'_, str>> {
    let text = match claim {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::Array(items) => Cow::Owned(joined(items)?),
        Value::Null | Value::Object(_) => return None,
    };
    can_stand_in_a_header(&text).then_some(text)
}

fn joined(items: &[Value]) -> Option<String> {
    let is_word = |text: &&str| !text.is_empty() && !text.contains(char::is_whitespace);
    let words = items.iter().map(|item| item.as_str().filter(is_word));
    Some(words.collect::<Option<Vec<_>>>()?.join(" "))
}

/// Whether the text arrives unchanged (RFC 9110 section 5.5): no control characters, no space at
/// its ends, which is taken off on the way, and something at all.
pub(crate) fn can_stand_in_a_header(text: &str) -> bool {
    (1..=MAX_VALUE).contains(&text.len())
        && !text.contains(char::is_control)
        && text.trim().len() == text.len()
}
