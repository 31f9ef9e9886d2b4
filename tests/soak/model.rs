//! What may be answered, by what is known of the token and by when: as naive as it can be, and
//! without a look at how the filter does it.

use std::time::Duration;

use crate::fault::Window;
use crate::run::{Millis, Run, TIMEOUT, millis};
use crate::token::{CONSUMERS, Provider, Token};
use crate::traffic::{Credential, Request, Route};

/// When the client sent its request, and when it had the answer.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub sent: Millis,
    pub answered: Millis,
}

/// A token is let in no longer than this after its `exp`: an answer of the endpoint may be on its
/// way.
const EXPIRY: Millis = 1000;

/// Two readings of one clock, and the way between them.
const CLOCKS: Millis = 50;

/// So long after a fault ends, somebody may still be told of it: questions of before are out, and
/// others wait for them.
const RECOVERY: Duration = Duration::from_secs(2);

/// So long after an outage, the filter may still take it for one (docs/configuration.md: "then and
/// for some seconds after").
const LINGERS: Duration = Duration::from_secs(5);

/// The statuses that are right.
pub fn allowed(run: &Run, request: &Request, moment: Moment, faults: &[Window]) -> Vec<u16> {
    match request.route {
        Route::Open => return vec![200],
        Route::Nothing => return vec![403],
        Route::Odd => return vec![400],
        Route::Read | Route::Write | Route::Any | Route::Order | Route::TexasOnly => {}
    }
    let asks = |provider| request.route != Route::TexasOnly || provider == Provider::Texas;
    match &request.credential {
        Credential::None | Credential::OtherScheme => vec![401],
        Credential::Malformed(_) | Credential::Twice(_) => vec![400],
        Credential::Junk(_) => {
            let provider = Provider::Rfc7662;
            let is_known = !asks(provider) || !fails(provider, moment, faults);
            if is_known { vec![401] } else { vec![401, 503] }
        }
        Credential::Token(token) if !asks(token.provider) => vec![401],
        Credential::Token(token) => of_token(run, token, request.route, moment, faults),
    }
}

fn of_token(run: &Run, token: &Token, route: Route, moment: Moment, faults: &[Window]) -> Vec<u16> {
    let (begins, ends) = token.active;
    let mut remembered = run.max_ttl();
    if is_out(token.provider, moment, faults) {
        remembered += run.stale_if_error();
    }
    let last = (ends + millis(remembered) + CLOCKS).min(token.expires_at + EXPIRY);
    let mut statuses = Vec::new();
    if moment.answered >= begins && moment.sent < last {
        statuses.push(if has_what_it_takes(token, route) {
            200
        } else {
            403
        });
    }
    let not_yet = moment.sent < begins + millis(run.inactive_ttl()) + CLOCKS;
    if not_yet || moment.answered >= ends.min(token.expires_at) {
        statuses.push(401);
    }
    if fails(token.provider, moment, faults) {
        statuses.push(503);
    }
    statuses
}

fn has_what_it_takes(token: &Token, route: Route) -> bool {
    let has = |scope| token.scope.split(' ').any(|each| each == scope);
    match route {
        Route::Read => has("api:read"),
        Route::Write => has("api:write"),
        Route::Order => has("api:write") || token.consumer == CONSUMERS[0],
        Route::Any | Route::TexasOnly => true,
        Route::Open | Route::Nothing | Route::Odd => unreachable!("no token is looked at"),
    }
}

/// Whether a question may have come to nothing.
fn fails(provider: Provider, moment: Moment, faults: &[Window]) -> bool {
    let mut faults = faults.iter().filter(|fault| fault.provider == provider);
    faults.any(|fault| overlaps(fault, moment, RECOVERY))
}

/// Whether the endpoint may have been taken to be out.
fn is_out(provider: Provider, moment: Moment, faults: &[Window]) -> bool {
    let mut faults = faults
        .iter()
        .filter(|fault| fault.provider == provider && fault.fault.is_outage());
    faults.any(|fault| overlaps(fault, moment, LINGERS + 2 * TIMEOUT))
}

fn overlaps(fault: &Window, moment: Moment, after: Duration) -> bool {
    let until = fault.until.saturating_add(millis(after));
    fault.from <= moment.answered && moment.sent <= until
}

/// What came back, as far as the model has a word on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Of how long a body the API tells, if it was the API that answered.
    pub received: Option<usize>,
    /// As whom the API knows the client.
    pub client: Option<String>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// Whether there is a `Retry-After`.
    pub says_when: bool,
}

/// What is wrong about an answer, if anything. `arrivals`: how often the API got the request.
pub fn judge(
    run: &Run,
    request: &Request,
    answer: &Answer,
    moment: Moment,
    arrivals: u8,
    faults: &[Window],
) -> Result<(), String> {
    let allowed = allowed(run, request, moment, faults);
    if !allowed.contains(&answer.status) {
        return Err(format!("{} is none of {allowed:?}", answer.status));
    }
    let passed = answer.status == 200;
    if arrivals != u8::from(passed) {
        return Err(format!(
            "{}, and the API got it {arrivals} times",
            answer.status
        ));
    }
    if answer.received != passed.then_some(request.body) {
        return Err(format!(
            "the API got {:?} bytes of the body",
            answer.received
        ));
    }
    let client = match &request.credential {
        Credential::Token(token) if passed && request.route != Route::Open => {
            Some(token.client_id())
        }
        _ => None,
    };
    if answer.client != client {
        return Err(format!("the API takes it for {:?}", answer.client));
    }
    let found = answer.challenge.as_deref();
    if !challenges(request, answer.status).fits(found) {
        return Err(format!("{}, with the challenge {found:?}", answer.status));
    }
    if answer.says_when != (answer.status == 503) {
        return Err(format!(
            "{}: Retry-After: {}",
            answer.status, answer.says_when
        ));
    }
    Ok(())
}

/// What is said of the challenge (docs/configuration.md, "Answers").
enum Challenge {
    /// There is none.
    None,
    /// One without `error`.
    Plain,
    /// One with this `error`.
    Error(&'static str),
}

impl Challenge {
    fn fits(&self, found: Option<&str>) -> bool {
        match (self, found) {
            (Self::None, found) => found.is_none(),
            (Self::Plain | Self::Error(_), None) => false,
            (Self::Plain, Some(found)) => !found.contains("error="),
            (Self::Error(error), Some(found)) => found.contains(&format!("error=\"{error}\"")),
        }
    }
}

fn challenges(request: &Request, status: u16) -> Challenge {
    match (status, request.route, &request.credential) {
        (401, _, Credential::None | Credential::OtherScheme) => Challenge::Plain,
        (401, ..) => Challenge::Error("invalid_token"),
        (400, route, _) if route != Route::Odd => Challenge::Error("invalid_request"),
        (403, route, _) if route != Route::Nothing => Challenge::Error("insufficient_scope"),
        _ => Challenge::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::token::Fate;

    /// Parts of ten seconds: `max_ttl` is 4.5 s, `inactive_ttl` 1 s, `stale_if_error` 12 s.
    fn run() -> Run {
        Run::new(1, 200_000, 1000)
    }

    const EVER: i64 = 1_000_000;

    fn at(run: &Run, offset: i64) -> Millis {
        run.began.saturating_add_signed(offset)
    }

    /// A token of Texas with `api:read` that is active between these two, and the request for it.
    fn request(run: &Run, route: Route, active: (i64, i64), expires_at: i64) -> Request {
        Request {
            number: 0,
            route,
            method: "POST",
            is_in_use: false,
            credential: Credential::Token(Box::new(Token {
                index: 7,
                provider: Provider::Texas,
                fate: Fate::Good,
                active: (at(run, active.0), at(run, active.1)),
                expires_at: at(run, expires_at),
                scope: "api:read other",
                consumer: CONSUMERS[1],
            })),
            body: 3,
            leaves_after: None,
        }
    }

    #[test]
    fn what_may_be_answered() {
        let run = run();
        let fault = |provider, fault, from, until| Window {
            provider,
            fault,
            from: at(&run, from),
            until: at(&run, until),
        };
        let none: &[Window] = &[];
        let down = &[fault(Provider::Texas, Fault::Down, 12_000, 15_000)][..];
        let garbage = &[fault(Provider::Texas, Fault::Garbage, 12_000, 15_000)][..];
        let elsewhere = &[fault(Provider::Rfc7662, Fault::Down, 12_000, 15_000)][..];
        let good = (-EVER, EVER, EVER);
        let revoked = (-EVER, 10_000, EVER);
        let expires = (-EVER, 10_000, 10_000);
        let granted = (10_000, EVER, EVER);
        let never = (-EVER, -EVER, EVER);
        for (route, (from, until, exp), sent, answered, faults, expected) in [
            (Route::Read, good, 0, 10, none, &[200][..]),
            (Route::Write, good, 0, 10, none, &[403]),
            (Route::Order, good, 0, 10, none, &[403]),
            (Route::Any, good, 0, 10, none, &[200]),
            (Route::Open, never, 0, 10, none, &[200]),
            (Route::Nothing, good, 0, 10, none, &[403]),
            (Route::Odd, good, 0, 10, none, &[400]),
            (Route::Read, never, 0, 10, none, &[401]),
            // Revoked: no longer than it is remembered, and in an outage for longer.
            (Route::Read, revoked, 9_000, 9_999, none, &[200]),
            (Route::Read, revoked, 9_000, 10_000, none, &[200, 401]),
            (Route::Read, revoked, 14_549, 14_560, none, &[200, 401]),
            (Route::Read, revoked, 14_550, 14_560, none, &[401]),
            (Route::Write, revoked, 14_549, 14_560, none, &[403, 401]),
            (Route::Read, revoked, 14_550, 14_560, elsewhere, &[401]),
            (Route::Read, revoked, 14_550, 14_560, garbage, &[401, 503]),
            (Route::Read, revoked, 14_550, 14_560, down, &[200, 401, 503]),
            (Route::Read, revoked, 17_001, 17_002, down, &[200, 401]),
            (Route::Read, revoked, 22_000, 22_002, down, &[200, 401]),
            (Route::Read, revoked, 22_001, 22_002, down, &[401]),
            // Expired: never, but for what is on its way.
            (Route::Read, expires, 9_000, 9_999, none, &[200]),
            (Route::Read, expires, 10_999, 11_000, none, &[200, 401]),
            (Route::Read, expires, 11_000, 11_000, none, &[401]),
            (Route::Read, expires, 13_000, 13_001, down, &[401, 503]),
            // Not yet active: as long as that is remembered.
            (Route::Read, granted, 9_000, 9_999, none, &[401]),
            (Route::Read, granted, 9_000, 10_000, none, &[200, 401]),
            (Route::Read, granted, 11_049, 11_060, none, &[200, 401]),
            (Route::Read, granted, 11_050, 11_060, none, &[200]),
            // Faults.
            (Route::Read, good, 11_000, 11_999, down, &[200]),
            (Route::Read, good, 11_000, 12_000, down, &[200, 503]),
            (Route::Read, good, 17_000, 17_010, down, &[200, 503]),
            (Route::Read, good, 17_001, 17_010, down, &[200]),
            (Route::Read, good, 13_000, 13_010, elsewhere, &[200]),
        ] {
            let request = request(&run, route, (from, until), exp);
            let moment = Moment {
                sent: at(&run, sent),
                answered: at(&run, answered),
            };
            let found = allowed(&run, &request, moment, faults);
            assert_eq!(
                found, expected,
                "{route:?} {sent} {answered} {from} {until} {faults:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_about_an_answer() {
        let run = run();
        let passed = || Answer {
            status: 200,
            received: Some(3),
            client: Some("client-7".to_owned()),
            challenge: None,
            says_when: false,
        };
        let refused = |status, challenge: &str| Answer {
            status,
            challenge: (!challenge.is_empty()).then(|| challenge.to_owned()),
            ..Answer::default()
        };
        let scope = r#"Bearer realm="soak", error="insufficient_scope", scope="api:write""#;
        let token = r#"Bearer realm="soak", error="invalid_token""#;
        for (route, answer, arrivals, is_right) in [
            (Route::Read, passed(), 1, true),
            (Route::Write, passed(), 1, false),
            (Route::Read, passed(), 2, false),
            (Route::Read, passed(), 0, false),
            (
                Route::Read,
                Answer {
                    received: Some(2),
                    ..passed()
                },
                1,
                false,
            ),
            (
                Route::Read,
                Answer {
                    received: None,
                    ..passed()
                },
                1,
                false,
            ),
            (
                Route::Read,
                Answer {
                    client: None,
                    ..passed()
                },
                1,
                false,
            ),
            (
                Route::Open,
                Answer {
                    client: None,
                    ..passed()
                },
                1,
                true,
            ),
            (Route::Open, passed(), 1, false),
            (
                Route::Read,
                Answer {
                    client: Some("client-8".to_owned()),
                    ..passed()
                },
                1,
                false,
            ),
            (Route::Write, refused(403, scope), 0, true),
            (Route::Write, refused(403, scope), 1, false),
            (Route::Write, refused(403, token), 0, false),
            (Route::Write, refused(403, ""), 0, false),
            (Route::Write, refused(401, token), 0, false),
            (Route::Nothing, refused(403, ""), 0, true),
            (
                Route::Read,
                Answer {
                    says_when: true,
                    ..refused(503, "")
                },
                0,
                false,
            ),
        ] {
            let request = request(&run, route, (-EVER, EVER), EVER);
            let moment = Moment {
                sent: at(&run, 0),
                answered: at(&run, 1),
            };
            let found = judge(&run, &request, &answer, moment, arrivals, &[]);
            assert_eq!(found.is_ok(), is_right, "{route:?} {answer:?}: {found:?}");
        }
    }
}
