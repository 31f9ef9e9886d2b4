//! Time as the core sees it: passed in, never asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Number;

/// A point in time, in milliseconds since the Unix epoch. Arithmetic stops at the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    /// That many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// A `NumericDate` (RFC 7519 section 2): seconds since the epoch, an integer or a float.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float's cast stops at the ends, and fractions of milliseconds do not matter"
    )]
    pub fn from_numeric_date(seconds: &Number) -> Self {
        match (seconds.as_u64(), seconds.as_f64()) {
            (Some(seconds), _) => Self(seconds.saturating_mul(1000)),
            (None, Some(seconds)) => Self((seconds * 1000.0) as u64),
            (None, None) => Self(0),
        }
    }

    /// This much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This much earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How far apart the two are, whichever is the later: a clock may be set back.
    pub fn apart(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// How long ago `earlier` was; nothing if it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

fn millis(duration: Duration) -> u64 {
    // Not `as_millis`, which is of 128 bits.
    let seconds = duration.as_secs().saturating_mul(1000);
    seconds.saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_dates() {
        for (text, millis) in [
            ("0", 0),
            ("1795350566", 1_795_350_566_000),
            ("1795350566.5", 1_795_350_566_500),
            ("-1", 0),
            ("-1.5", 0),
            ("1e300", u64::MAX),
            ("18446744073709551615", u64::MAX),
        ] {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(
                Time::from_numeric_date(&number).as_millis(),
                millis,
                "{text}"
            );
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(Time(u64::MAX).after(second), Time(u64::MAX));
        assert_eq!(Time(1).after(Duration::MAX), Time(u64::MAX));
        assert_eq!(Time(1).before(second), Time(0));
        assert_eq!(Time(1).since(Time(2)), Duration::ZERO);
        assert_eq!(Time(1500).since(Time(500)), second);
    }
}
