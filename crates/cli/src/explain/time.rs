//! Points in time as they are typed.

use std::time::SystemTime;

use portvakt_core::time::Time;

/// RFC 3339, or seconds since 1970.
pub(crate) fn parse(text: &str) -> Result<Time, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Time::from_millis(seconds.saturating_mul(1000)));
    }
    match humantime::parse_rfc3339_weak(text) {
        Ok(time) => Ok(time.into()),
        Err(_) => Err("no time like `2026-01-31T12:00:00Z`, or seconds since 1970".to_owned()),
    }
}

pub(crate) fn now() -> Time {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1795000000", Some(1_795_000_000_000)),
            ("2026-11-18T11:06:40Z", Some(1_795_000_000_000)),
            ("2026-11-18 11:06:40", Some(1_795_000_000_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-1", None),
            ("yesterday", None),
            ("", None),
        ] {
            let found = parse(text).ok().map(Time::as_millis);
            assert_eq!(found, expected, "{text}");
        }
    }
}
