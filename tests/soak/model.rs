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
    match &request.credential {
        Credential::None | Credential::OtherScheme => vec![401],
        Credential::Malformed(_) | Credential::Twice(_) => vec![400],
        Credential::Junk(_) if request.route == Route::TexasOnly => vec![401],
        Credential::Junk(_) if fails(Provider::Rfc7662, moment, faults) => vec![401, 503],
        Credential::Junk(_) => vec![401],
        Credential::Token(token)
            if request.route == Route::TexasOnly && token.provider != Provider::Texas =>
        {
            vec![401]
        }
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
    let challenge = challenge(request, answer.status);
    let found = answer.challenge.as_deref();
    let is_right = match challenge {
        None => found.is_none(),
        Some(None) => found.is_some_and(|found| !found.contains("error=")),
        Some(Some(error)) => {
            found.is_some_and(|found| found.contains(&format!("error=\"{error}\"")))
        }
    };
    if !is_right {
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

/// Whether there is a challenge, and with which `error`.
fn challenge(request: &Request, status: u16) -> Option<Option<&'static str>> {
    match (status, request.route) {
        (401, _) => Some(match request.credential {
            Credential::None | Credential::OtherScheme => None,
            _ => Some("invalid_token"),
        }),
        (400, Route::Odd) | (403, Route::Nothing) => None,
        (400, _) => Some(Some("invalid_request")),
        (403, _) => Some(Some("insufficient_scope")),
        _ => None,
    }
}
