//! Answers of introspection endpoints, of both APIs.
//!
//! Input: a line of settings, `status=404`, `status=none` (it broke off), `local` (Envoy answered),
//! `issuer=…`, `claim=…`, `payload`, for Texas `outage=…`, for RFC 7662 `inactive=404`; the rest is
//! the body.
//!
//! Oracle: the body read as JSON to the letter. A token is active only if that is an object with
//! one boolean `active` that is true, and what is kept of it (scopes, `exp`, binding, claims, all
//! claims in one header) is what stands there. Everything else comes to the same as well, and no
//! digit of the body is in what operators are told.

use std::time::Duration;

use portvakt_core::introspection::IntrospectionConfig;
use portvakt_core::introspection::api::{Api, rfc7662::Rfc7662, texas::Texas};
use portvakt_core::introspection::error::{IntrospectionError, Unreachable};
use portvakt_core::introspection::request::{Endpoint, ExtraFields};
use portvakt_core::introspection::response::{Reply, ResponseReader};
use portvakt_core::time::Time;
use portvakt_core::token::binding::Binding;
use portvakt_core::token::claims::{ClaimId, ClaimPath, WantedClaims};
use portvakt_core::token::facts::{Introspection, TokenFacts};

use crate::naive::answer::{self, Answer, Facts, Settings};
use crate::naive::cnf;
use crate::text::{lines, words};

pub fn check_texas(input: &[u8]) -> bool {
    check(input, |words| answer::Api::Texas {
        outage_errors: values(words, "outage="),
    })
}

pub fn check_rfc7662(input: &[u8]) -> bool {
    check(input, |words| answer::Api::Rfc7662 {
        inactive_statuses: values(words, "inactive=")
            .iter()
            .filter_map(|s| s.parse().ok())
            .collect(),
    })
}

fn values(words: &[&str], key: &str) -> Vec<String> {
    let found = words.iter().filter_map(|word| word.strip_prefix(key));
    found.map(str::to_owned).collect()
}

fn check(input: &[u8], api: fn(&[&str]) -> answer::Api) -> bool {
    let lines = lines(input, 2);
    let words = words(lines[0]);
    let body = lines.get(1).copied().unwrap_or_default();
    let status = match values(&words, "status=").first() {
        None => Some(200),
        Some(text) => text.parse().ok(),
    };
    let from_upstream = !words.contains(&"local");
    let settings = Settings {
        api: api(&words),
        issuers: values(&words, "issuer="),
        claims: values(&words, "claim="),
        payload: words.contains(&"payload"),
    };
    let Some((reader, ids)) = reader(&settings) else {
        return false;
    };

    let reply = Reply {
        status,
        from_upstream,
        body: Some(body),
    };
    let reading = reader.parse(reply);
    let expected = answer::answer(&settings, status, from_upstream, body);
    match (&reading.answer, &expected) {
        (Ok(Introspection::Active(facts)), Answer::Active(expected)) => {
            check_facts(facts, &ids, expected);
            // What others read anew says the same.
            let again = reader.parse_body(reading.words);
            assert_eq!(again.ok(), reading.answer.as_ref().ok().cloned());
        }
        (Ok(Introspection::Inactive), Answer::Inactive) => {
            assert_eq!(
                reader.parse_body(reading.words).ok(),
                Some(Introspection::Inactive)
            );
        }
        (Err(error), expected) if kind(error) == *expected => {
            check_words(error, reader, &settings, status);
        }
        (found, _) => panic!("{found:?}, but {expected:?} is right"),
    }
    true
}

fn kind(error: &IntrospectionError) -> Answer {
    match error {
        IntrospectionError::Timeout => Answer::Timeout,
        IntrospectionError::Unreachable(_) => Answer::Outage,
        IntrospectionError::Status(_) => Answer::Status,
        IntrospectionError::Malformed(_) => Answer::Malformed,
        IntrospectionError::Misconfigured(_) => Answer::Misconfigured,
        IntrospectionError::NotDispatched | IntrospectionError::Busy => unreachable!(),
    }
}

/// The core's reader for these settings; `None`: some claim has no name.
pub fn reader(settings: &Settings) -> Option<(ResponseReader, Vec<ClaimId>)> {
    let mut claims = WantedClaims::default();
    let mut ids = Vec::new();
    for path in &settings.claims {
        ids.push(claims.want(ClaimPath::parse(path).ok()?));
    }
    let api = match &settings.api {
        answer::Api::Texas { outage_errors } => Api::Texas(Texas {
            outage_errors: outage_errors.clone(),
            ..Texas::default()
        }),
        answer::Api::Rfc7662 { inactive_statuses } => Api::Rfc7662(Rfc7662 {
            inactive_statuses: inactive_statuses.clone(),
            ..Rfc7662::default()
        }),
    };
    let reader = ResponseReader {
        api,
        issuers: settings.issuers.clone(),
        claims,
        keeps_payload: settings.payload,
    };
    Some((reader, ids))
}

pub fn check_facts(facts: &TokenFacts, ids: &[ClaimId], expected: &Facts) {
    let scopes = format!("GrantedScopes({:?})", expected.scopes);
    assert_eq!(format!("{:?}", facts.scopes), scopes);
    let expires_at = facts.expires_at.map(Time::as_millis);
    match (expires_at, expected.expires_at) {
        (None, None) => {}
        (Some(one), Some(other)) if answer::is_about(one, other) => {}
        _ => panic!("exp {expires_at:?}, but {:?} is right", expected.expires_at),
    }
    let binding = expected.binding.as_ref().map(|cnf| {
        let certificate = cnf::certificate(cnf);
        certificate.map_or(Binding::Unprovable, Binding::Certificate)
    });
    assert_eq!(facts.binding, binding);
    for (id, expected) in ids.iter().zip(&expected.claims) {
        let is_same = match (facts.claims.get(*id), expected) {
            (None, None) => true,
            (Some(found), Some(expected)) => expected.is(found),
            _ => false,
        };
        assert!(
            is_same,
            "{:?}, but {expected:?} is right",
            facts.claims.get(*id)
        );
    }
    assert_eq!(facts.payload, expected.payload);
}

/// What an operator is told has no digit in it but ours, so that it has no text of the answer that
/// has one. (What has none may be in our own words, or a registered error code.)
fn check_words(
    error: &IntrospectionError,
    response: ResponseReader,
    settings: &Settings,
    status: Option<u16>,
) {
    let config = IntrospectionConfig {
        name: "p".to_owned(),
        key: "k".to_owned(),
        cluster: "c".to_owned(),
        endpoint: Endpoint::parse("http://e/").unwrap(),
        response,
        headers: ExtraFields::default(),
        parameters: ExtraFields::default(),
        timeout: Duration::from_secs(1),
    };
    let ours = match (error, &settings.api) {
        (
            IntrospectionError::Unreachable(Unreachable::Outage(beginning)),
            answer::Api::Texas { outage_errors },
        ) if outage_errors.contains(beginning) => {
            // As `Debug` has it, and as text.
            vec![
                format!("{beginning:?}"),
                beginning.escape_debug().to_string(),
            ]
        }
        _ => vec!["UTF-8".to_owned(), status.unwrap_or_default().to_string()],
    };
    let told = format!("{} {error:?}", config.explain(error));
    let hide = |rest: String, own: &String| rest.replace(own.as_str(), "");
    let rest = ours.iter().fold(told.clone(), hide);
    assert!(!rest.contains(|c: char| c.is_ascii_digit()), "{told}");
}
