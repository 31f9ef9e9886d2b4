//! What the upstream is told of a token.
//!
//! Input: a line of words, `NAME=CLAIM` for a header, `state:NAME=CLAIM` for filter state, `payload`
//! and `remove` (the header that the token came in); the rest is the endpoint's answer.
//!
//! Oracle: each header is the claim at that place of the answer, byte for byte for texts, and is
//! there if and only if docs/configuration.md says that the claim fits; all claims in one header
//! are the answer's members byte for byte, and no other change is made.

use std::borrow::Cow;

use portvakt_core::introspection::response::{Reply, ResponseReader};
use portvakt_core::token::facts::Introspection;
use portvakt_core::upstream::{Edit, Forwarding, Omission};

use crate::answers::reader;
use crate::naive::answer::{self, Answer, Settings};
use crate::naive::claim::{self, Value};
use crate::text::{lines, words};

pub fn check(input: &[u8]) -> bool {
    let lines = lines(input, 2);
    let words = words(lines[0]);
    let body = lines.get(1).copied().unwrap_or_default();
    let named = |prefix: &'static str| {
        let pairs = words
            .iter()
            .filter_map(move |word| word.strip_prefix(prefix)?.split_once('='));
        pairs
            .filter(|(name, _)| !name.contains(':'))
            .collect::<Vec<_>>()
    };
    let (headers, states) = (named(""), named("state:"));
    let settings = Settings {
        claims: headers
            .iter()
            .chain(&states)
            .map(|(_, claim)| (*claim).to_owned())
            .collect(),
        payload: words.contains(&"payload"),
        ..Settings::default()
    };
    let Some((reader, ids)) = reader(&settings) else {
        return false;
    };
    let Answer::Active(expected) = answer::read(&settings, body) else {
        return false;
    };
    let facts = match parse(&reader, body) {
        Some(Introspection::Active(facts)) => facts,
        other => panic!("{other:?}, but it is active"),
    };

    let pairs = |names: &[(&str, &str)], from: usize| {
        let names = names.iter().map(|(name, _)| (*name).to_owned());
        names.zip(ids[from..].iter().copied()).collect::<Vec<_>>()
    };
    let forwarding = Forwarding {
        headers: pairs(&headers, 0),
        filter_state: pairs(&states, headers.len()),
        payload_header: settings.payload.then(|| "x-payload".to_owned()),
        token_header: words
            .contains(&"remove")
            .then(|| "authorization".to_owned()),
    };
    let mut managed: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    managed.extend(settings.payload.then_some("x-payload"));
    assert_eq!(forwarding.managed().collect::<Vec<_>>(), managed);

    let mut edits = forwarding.edits(Some(&facts));
    if words.contains(&"remove") {
        assert_eq!(edits.next(), Some(Edit::RemoveHeader("authorization")));
    }
    let mut claims = expected.claims.iter();
    for (name, _) in &headers {
        if let Some(claim) = claims.next().unwrap() {
            check_edit(edits.next().as_ref(), claim::value(claim), |text| {
                Edit::SetHeader(name, text)
            });
        }
    }
    if settings.payload {
        let edit = match &expected.payload {
            Some(payload) => Edit::SetHeader("x-payload", payload.into()),
            None => Edit::LeaveOut(Omission::TooLong),
        };
        assert_eq!(edits.next(), Some(edit));
    }
    for (name, _) in &states {
        if let Some(claim) = claims.next().unwrap() {
            check_edit(edits.next().as_ref(), claim::value(claim), |text| {
                Edit::SetFilterState(name, text)
            });
        }
    }
    assert_eq!(edits.next(), None);
    // Whoever is not let in for a token has nothing of one.
    let nobodys = forwarding
        .edits(None)
        .all(|edit| matches!(edit, Edit::RemoveHeader(_)));
    assert!(nobodys);
    true
}

fn parse(reader: &ResponseReader, body: &[u8]) -> Option<Introspection> {
    let reply = Reply {
        status: Some(200),
        from_upstream: true,
        body: Some(body),
    };
    reader.parse(reply).answer.ok()
}

fn check_edit<'a>(found: Option<&Edit<'a>>, value: Value, edit: impl Fn(Cow<'a, str>) -> Edit<'a>) {
    let expected = match value {
        Value::Text(text) => edit(text.into()),
        Value::TooLong => Edit::LeaveOut(Omission::TooLong),
        Value::None => Edit::LeaveOut(Omission::NoText),
        Value::Number(number) => {
            let Some(Edit::SetHeader(_, text) | Edit::SetFilterState(_, text)) = found else {
                panic!("{found:?}, but it is {number}");
            };
            // In whatever digits: the same double.
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()));
            edit(text.clone())
        }
    };
    assert_eq!(found, Some(&expected));
}
