//! What is to be answered to whom.

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A good token that is known.
    Known,
    /// A good token that nobody has sent before.
    New,
    /// An active token without the scope, that nobody has sent before.
    Weak,
    /// A token that never was one.
    Junk,
    /// No token where one is needed.
    Missing,
    /// No token where none is needed.
    Open,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Known,
        Self::New,
        Self::Weak,
        Self::Junk,
        Self::Missing,
        Self::Open,
    ];

    /// What the API knows such a request by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::New => "new",
            Self::Weak => "weak",
            Self::Junk => "junk",
            Self::Missing => "missing",
            Self::Open => "open",
        }
    }

    /// The only right answer while all is well.
    pub fn expected(self) -> u16 {
        match self {
            Self::Known | Self::New | Self::Open => 200,
            Self::Weak => 403,
            Self::Junk | Self::Missing => 401,
        }
    }
}

/// The header with the kind's name.
pub const KIND: &str = "x-kind";

/// Whom a fault leaves alone. All others may be answered with 503 while it lasts, and with nothing else but the right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spares {
    /// All.
    Everybody,
    /// Who needs no introspection: a known token counts.
    Known,
    /// Likewise, and who is refused before anybody is asked who cannot be: by the first of two.
    RefusedBefore,
    /// Who has no token.
    TokenLess,
    /// Nobody: the filter itself is gone for a while.
    Nobody,
}

impl Spares {
    /// Whether this kind of request may be answered so, though it is not the answer that is due.
    pub fn excuses(self, kind: Kind, status: u16) -> bool {
        match (self, kind) {
            (Self::Everybody, _) => false,
            // Envoy answers 504 to who waited in a VM that died, after its `stream_idle_timeout`.
            (Self::Nobody, _) => matches!(status, 503 | 504),
            _ if status != 503 => false,
            (_, Kind::Missing | Kind::Open) => false,
            (Self::TokenLess, _) => true,
            (Self::Known, kind) => kind != Kind::Known,
            (Self::RefusedBefore, kind) => !matches!(kind, Kind::Known | Kind::Junk),
        }
    }
}
