//! How facts about a token were come by, for metrics.

/// How facts were come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// This worker knew.
    Hit,
    /// Another worker had shared them.
    SharedHit,
    /// They are past their time, but the endpoint cannot be asked.
    Stale,
    /// The endpoint is asked.
    Miss,
    /// The endpoint is being asked already.
    Coalesced,
}

impl Lookup {
    /// All of them, for metrics that are defined ahead.
    pub const ALL: [Self; 5] = [
        Self::Hit,
        Self::SharedHit,
        Self::Stale,
        Self::Miss,
        Self::Coalesced,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::SharedHit => "shared_hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
        }
    }
}
