//! Tokens that are refused without asking about them.
//!
//! Input: a line `NOW LEEWAY ISSUER` (seconds; no issuer: any), then a token as in [`token`].
//!
//! Oracle: a JWT read to the letter. Whoever is refused is so for a reason that
//! docs/configuration.md names, and whoever has such a reason is refused.

use std::time::Duration;

use portvakt_core::time::Time;
use portvakt_core::token::jwt::{Precheck, PrecheckError};

use crate::naive::jwt::{self, Hopeless};
use crate::text::{lines, words};
use crate::token::{access_token, token};

pub fn check(input: &[u8]) -> bool {
    let lines = lines(input, 2);
    let words = words(lines[0]);
    let seconds = |at: usize| words.get(at).and_then(|text| text.parse::<u32>().ok());
    let (Some(now), Some(leeway), Some(rest)) = (seconds(0), seconds(1), lines.get(1)) else {
        return false;
    };
    let issuer = words.get(2).copied();
    let token = token(rest);
    let Some(access_token) = access_token(&token) else {
        return false;
    };
    let precheck = Precheck {
        issuer: issuer.map(str::to_owned),
        leeway: Duration::from_secs(leeway.into()),
    };
    let (now, leeway) = (u64::from(now) * 1000, u64::from(leeway) * 1000);
    let found = precheck.check(&access_token, Time::from_millis(now));
    let found = found.map_err(|error| match error {
        PrecheckError::Parts => Hopeless::Parts,
        PrecheckError::Json => Hopeless::Json,
        PrecheckError::Algorithm => Hopeless::Algorithm,
        PrecheckError::Issuer => Hopeless::Issuer,
        PrecheckError::Time => Hopeless::Time,
    });
    // A double leaves something out of a time: what is at the edge within a millisecond may be
    // either, and that of one time has nothing to do with that of the other.
    let about = [now, now.saturating_sub(2), now + 2];
    let times = about.map(|exp| about.map(|nbf| [exp, nbf]));
    let expected = times
        .as_flattened()
        .iter()
        .map(|times| jwt::precheck(&token, issuer, leeway, *times))
        .collect::<Vec<_>>();
    assert!(
        expected.contains(&found),
        "{found:?}, but {:?} is right",
        expected[0]
    );
    true
}
