//! What the upstream is told about the token, and what it must not be told by anyone else.
//!
//! Headers that the filter sets are *managed*: the client's copies are not there for any decision,
//! and are replaced or removed whatever it is. A claim reaches the upstream as it is or not at all:
//! what a header cannot carry unchanged, or could be taken for something else, stays out, as if the
//! claim were absent.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::json;
use crate::labels::labelled;
use crate::token::claims::ClaimId;
use crate::token::facts::TokenFacts;

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
    /// Nothing: a claim that is there stays out.
    LeaveOut(Omission),
}

labelled! {
    /// Why a claim stays out.
    pub enum Omission {
        /// It is too long.
        TooLong = "too_long",
        /// It has no text, or one that would not arrive as it is.
        NoText = "no_text",
    }
}

impl Forwarding {
    /// The managed headers, by their lower-case names.
    pub fn managed(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().map(|(name, _)| name);
        headers.chain(&self.payload_header).map(String::as_str)
    }

    /// Whether it changes request headers.
    pub fn changes_headers(&self) -> bool {
        self.token_header.is_some() || self.managed().next().is_some()
    }

    /// What is changed in a request that is let through; with the facts about its token, if it is
    /// for them that it is.
    pub fn edits<'a>(&'a self, facts: Option<&'a TokenFacts>) -> impl Iterator<Item = Edit<'a>> {
        let token = self.token_header.iter();
        let token = token.map(|name| Edit::RemoveHeader(name));
        token.chain(facts.into_iter().flat_map(|facts| self.given(facts)))
    }

    fn given<'a>(&'a self, facts: &'a TokenFacts) -> impl Iterator<Item = Edit<'a>> {
        // Everything that there is must be taken out here, and be given.
        let Self {
            headers,
            payload_header,
            filter_state,
            token_header: _,
        } = self;
        let edit = |id: &ClaimId, edit: &dyn Fn(Cow<'a, str>) -> Edit<'a>| {
            let claim = facts.claims.get(*id)?;
            Some(text(claim).map_or_else(Edit::LeaveOut, edit))
        };
        let headers = headers.iter();
        let headers =
            headers.filter_map(move |(name, id)| edit(id, &|text| Edit::SetHeader(name, text)));
        // There always is one, unless it is too long.
        let payload = payload_header.as_deref().map(|name| match &facts.payload {
            Some(payload) => Edit::SetHeader(name, payload.into()),
            None => Edit::LeaveOut(Omission::TooLong),
        });
        let states = filter_state.iter();
        let states =
            states.filter_map(move |(name, id)| edit(id, &|text| Edit::SetFilterState(name, text)));
        headers.chain(payload).chain(states)
    }
}

/// A claim as a text: strings, numbers, booleans, and arrays of strings without spaces, joined by
/// a space. Otherwise why it has none that would arrive as it is.
fn text(claim: &Value) -> Result<Cow<'_, str>, Omission> {
    let text = match claim {
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        Value::Number(number) => number_text(number).map(Cow::Owned),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Array(items) => joined(items).map(Cow::Owned),
        Value::Null | Value::Object(_) => None,
    };
    match text {
        Some(text) if text.len() > MAX_VALUE => Err(Omission::TooLong),
        Some(text) if can_stand_in_a_header(&text) => Ok(text),
        Some(_) | None => Err(Omission::NoText),
    }
}

/// A whole number is written as one. Beyond 2⁵³ a float is not exact, and may have been read from
/// another number.
fn number_text(number: &Number) -> Option<String> {
    match json::integer(number) {
        Some(integer) => Some(integer.to_string()),
        None => json::exact(number).map(|_| number.to_string()),
    }
}

fn joined(items: &[Value]) -> Option<String> {
    let is_word = |text: &&str| !text.is_empty() && !text.contains(char::is_whitespace);
    let words = items.iter().map(|item| item.as_str().filter(is_word));
    Some(words.collect::<Option<Vec<_>>>()?.join(" "))
}

/// Whether the text arrives unchanged (RFC 9110 section 5.5): no control characters, no space at
/// its ends, which is taken off on the way, and something at all.
pub(crate) fn can_stand_in_a_header(text: &str) -> bool {
    if !(1..=MAX_VALUE).contains(&text.len()) {
        return false;
    }
    let octets = text.as_bytes();
    if octets.iter().all(|b| matches!(b, b' '..=b'~')) {
        // As nearly all are, and it is looked at for every request.
        return octets.first() != Some(&b' ') && octets.last() != Some(&b' ');
    }
    !text.contains(char::is_control) && text.trim().len() == text.len()
}

#[cfg(test)]
mod tests;
