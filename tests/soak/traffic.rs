//! The requests: what each is, follows from its number.

use std::time::Duration;

use crate::api::NUMBER;
use crate::run::Run;
use crate::token::{Provider, Token};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Anybody may.
    Open,
    /// A scope.
    Read,
    /// Another scope.
    Write,
    /// Any token.
    Any,
    /// A scope or a claim.
    Order,
    /// The word of one provider.
    TexasOnly,
    /// No rule.
    Nothing,
    /// A path that could be read in two ways.
    Odd,
}

/// What a client shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token.
    Token(Box<Token>),
    /// A token that nobody has ever issued, another each time.
    Junk(String),
    /// Nothing.
    None,
    /// Another scheme.
    OtherScheme,
    /// What is no token.
    Malformed(usize),
    /// Two tokens.
    Twice(Box<Token>),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which one.
    pub number: u64,
    /// What for.
    pub route: Route,
    /// How.
    pub method: &'static str,
    /// Whether its token is one of a few that are always in use.
    pub is_in_use: bool,
    /// With which credentials.
    pub credential: Credential,
    /// How long its body is.
    pub body: usize,
    /// The client leaves after so long, if it has no answer by then.
    pub leaves_after: Option<Duration>,
}

/// So many requests of a hundred are with one of a few tokens, which are always in use.
const OFTEN: u8 = 70;
/// One token of so many is one of those few.
const FEW: u64 = 50;

/// What is no token. The longest is over `token.max_length`.
pub fn malformed(kind: usize) -> String {
    match kind {
        0 => "Bearer a b".to_owned(),
        1 => "Bearer a,b".to_owned(),
        2 => "Bearer \"a\"".to_owned(),
        _ => format!("Bearer {}", "x".repeat(9000)),
    }
}

impl Request {
    /// The `number`th of a run.
    pub fn of(run: &Run, number: u64) -> Self {
        let mut random = run.random(2, number);
        let route = match random.u8(..100) {
            0..4 => Route::Open,
            4..50 => Route::Read,
            50..70 => Route::Write,
            70..80 => Route::Any,
            80..90 => Route::Order,
            90..96 => Route::TexasOnly,
            96..98 => Route::Nothing,
            _ => Route::Odd,
        };
        let method = match (route, random.u8(..10)) {
            (Route::Write, 7..) => "PUT",
            (Route::Write, _) | (Route::Order | Route::Any, 0..3) => "POST",
            (Route::Read, 0) => "HEAD",
            _ => "GET",
        };
        let body = match (method, random.u8(..100)) {
            ("GET" | "HEAD", _) => 0,
            // More than Envoy keeps for a request that waits.
            (_, 0..3) => 100_000,
            _ => random.usize(..2000),
        };
        let leaves_after =
            (random.u8(..100) < 3).then(|| Duration::from_micros(random.u64(..10_000)));
        let is_in_use = random.u8(..100) < OFTEN;
        let few = (run.tokens / FEW).max(1);
        let of = if is_in_use { few } else { run.tokens };
        let token = Box::new(Token::of(run, random.u64(..of)));
        let credential = match random.u8(..100) {
            0..2 => Credential::None,
            2 => Credential::OtherScheme,
            3..5 => Credential::Malformed(random.usize(..4)),
            5 => Credential::Twice(token),
            6..8 => Credential::Junk(format!("junk.{number:x}.{:x}", random.u64(..))),
            _ => Credential::Token(token),
        };
        Self {
            number,
            route,
            method,
            is_in_use,
            credential,
            body,
            leaves_after,
        }
    }

    /// Where it goes.
    pub fn path(&self) -> String {
        let number = self.number;
        match self.route {
            Route::Open => "/open".to_owned(),
            Route::Read | Route::Write => format!("/api/{number}?a=b"),
            Route::Any => "/any/x".to_owned(),
            Route::Order => format!("/orders/{number}"),
            Route::TexasOnly => "/texas".to_owned(),
            Route::Nothing => format!("/nothing/{number}"),
            Route::Odd => "/api/x;y=z".to_owned(),
        }
    }

    /// Its header fields, but for what belongs to the protocol.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        const AUTHORIZATION: &str = "authorization";
        let bearer = |token: &str| (AUTHORIZATION, format!("Bearer {token}"));
        let mut fields = match &self.credential {
            Credential::Token(token) => vec![bearer(&token.text())],
            Credential::Junk(text) => vec![bearer(text)],
            Credential::None => vec![],
            Credential::OtherScheme => vec![(AUTHORIZATION, "Basic YTpi".to_owned())],
            Credential::Malformed(kind) => vec![(AUTHORIZATION, malformed(*kind))],
            Credential::Twice(token) => vec![bearer(&token.text()), bearer("another")],
        };
        fields.push((NUMBER, self.number.to_string()));
        // The filter's own, which no client may set.
        fields.push((crate::api::CLIENT, "somebody else".to_owned()));
        if self.body > 0 {
            fields.push(("content-length", self.body.to_string()));
        }
        fields
    }

    /// Whether an endpoint may have to be asked first.
    pub fn asks(&self) -> bool {
        let is_token = matches!(self.credential, Credential::Token(_) | Credential::Junk(_));
        is_token && !matches!(self.route, Route::Open | Route::Nothing | Route::Odd)
    }

    /// The same in a report.
    pub fn kind(&self) -> &'static str {
        use crate::token::Fate;
        match (&self.credential, self.route) {
            (_, Route::Open) => "no token needed",
            (_, Route::Nothing) => "no rule",
            (_, Route::Odd) => "ambiguous path",
            (Credential::None, _) => "no credentials",
            (Credential::OtherScheme, _) => "another scheme",
            (Credential::Malformed(_), _) => "malformed",
            (Credential::Twice(_), _) => "two tokens",
            (Credential::Junk(_), _) => "token of nobody",
            (Credential::Token(token), Route::TexasOnly) if token.provider != Provider::Texas => {
                "token of another provider"
            }
            (Credential::Token(token), _) => match token.fate {
                Fate::Good if self.is_in_use => "good token in use",
                Fate::Good => "good token",
                Fate::Expiring => "token that expires",
                Fate::Revoked => "token that is revoked",
                Fate::Granted => "token that is granted later",
                Fate::Inactive => "inactive token",
            },
        }
    }
}
