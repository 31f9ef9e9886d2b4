//! What goes wrong at the endpoints, in turn, and when it did.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use crate::run::{Millis, Run, millis};
use crate::token::Provider;

/// What an endpoint does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nobody listens.
    Down,
    /// It takes its time; for some longer than anybody waits.
    Slow,
    /// It resets connections in the middle of its answers.
    Resetting,
    /// A 200 that is no introspection response.
    Garbage,
    /// A rate limit.
    TooManyRequests,
    /// An error of its own.
    ServerError,
    /// It refuses the filter itself.
    Forbidden,
    /// Down and up again, many times.
    Flapping,
    /// None of the endpoint's: the machine has so little time that requests are sent late. Then
    /// questions run into their timeouts, and many of them wait for their turn.
    Overload,
}

impl Fault {
    /// All that are made.
    pub const ALL: [Self; 8] = [
        Self::Down,
        Self::Slow,
        Self::Resetting,
        Self::Garbage,
        Self::TooManyRequests,
        Self::ServerError,
        Self::Forbidden,
        Self::Flapping,
    ];

    /// For the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Slow => "slow",
            Self::Resetting => "resetting",
            Self::Garbage => "garbage",
            Self::TooManyRequests => "429",
            Self::ServerError => "503",
            Self::Forbidden => "403",
            Self::Flapping => "flapping",
            Self::Overload => "overload",
        }
    }

    /// Whether known tokens outlive it for `stale_if_error`. Nonsense and refusals are no outage:
    /// a token's content may cause them.
    pub fn is_outage(self) -> bool {
        !matches!(self, Self::Garbage | Self::Forbidden)
    }
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Nothing goes wrong.
    Quiet,
    /// This goes wrong, there.
    Fault(Provider, Fault),
    /// Many tokens are revoked.
    Revocations,
    /// Many tokens expire.
    Expirations,
}

impl Part {
    /// What goes wrong, and where.
    pub fn fault(self) -> Option<(Provider, Fault)> {
        match self {
            Self::Fault(provider, fault) => Some((provider, fault)),
            Self::Quiet | Self::Revocations | Self::Expirations => None,
        }
    }

    /// For the report: what, and where.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Quiet => ("nothing", ""),
            Self::Fault(provider, fault) => (fault.name(), provider.name()),
            Self::Revocations => ("tokens are revoked", ""),
            Self::Expirations => ("tokens expire", ""),
        }
    }
}

/// The parts of a run: each fault at one provider and then at the other, so that each has a while
/// to recover.
pub fn parts() -> Vec<Part> {
    let faults = Fault::ALL.into_iter();
    let mut parts = vec![Part::Quiet];
    parts.extend(faults.flat_map(|fault| Provider::ALL.map(|at| Part::Fault(at, fault))));
    parts.extend([Part::Revocations, Part::Expirations, Part::Quiet]);
    parts
}

/// A fault, while it lasted.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Where.
    pub provider: Provider,
    /// What.
    pub fault: Fault,
    /// From when on, at the earliest.
    pub from: Millis,
    /// Until when at the latest; the end of time, while it lasts.
    pub until: Millis,
}

/// Requests that are sent so late are a sign of overload.
pub const LATE: Duration = Duration::from_millis(500);

/// So long before and after it may be felt: no question waits longer for its turn.
const OVERLOAD: Duration = Duration::from_secs(10);

/// What goes on, for the endpoints, and what went on, for the model.
pub struct Faults {
    texas: watch::Sender<Option<Fault>>,
    rfc7662: watch::Sender<Option<Fault>>,
    windows: Mutex<Vec<Window>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            texas: watch::Sender::new(None),
            rfc7662: watch::Sender::new(None),
            windows: Mutex::default(),
        }
    }
}

impl Faults {
    /// What an endpoint is to do.
    pub fn at(&self, provider: Provider) -> &watch::Sender<Option<Fault>> {
        match provider {
            Provider::Texas => &self.texas,
            Provider::Rfc7662 => &self.rfc7662,
        }
    }

    /// A request was sent late.
    pub fn late(&self, now: Millis) {
        let until = now + millis(OVERLOAD);
        let mut windows = self.windows.lock().unwrap();
        let overload = |window: &&mut Window| window.fault == Fault::Overload;
        let mut last: Vec<_> = windows.iter_mut().rev().filter(overload).take(2).collect();
        if last.first().is_some_and(|last| now <= last.until) {
            for window in &mut last {
                window.until = window.until.max(until);
            }
            return;
        }
        windows.extend(Provider::ALL.map(|provider| Window {
            provider,
            fault: Fault::Overload,
            from: now.saturating_sub(millis(OVERLOAD)),
            until,
        }));
    }

    /// What has gone wrong so far.
    pub fn windows(&self) -> Vec<Window> {
        self.windows.lock().unwrap().clone()
    }

    /// Plays the parts of a run.
    pub async fn play(&self, run: &Run) {
        for (number, part) in run.parts.iter().enumerate() {
            let end = run.due(0) + run.part * u32::try_from(number + 1).unwrap();
            let Some((provider, fault)) = part.fault() else {
                tokio::time::sleep_until(end.into()).await;
                continue;
            };
            self.windows.lock().unwrap().push(Window {
                provider,
                fault,
                from: run.now(),
                until: Millis::MAX,
            });
            if fault == Fault::Flapping {
                self.flap(provider, run, end.into()).await;
            } else {
                self.at(provider).send_replace(Some(fault));
                tokio::time::sleep_until(end.into()).await;
            }
            self.at(provider).send_replace(None);
            let mut windows = self.windows.lock().unwrap();
            let mut ended = windows
                .iter_mut()
                .filter(|window| window.until == Millis::MAX);
            ended.next().unwrap().until = run.now();
        }
    }

    async fn flap(&self, provider: Provider, run: &Run, end: tokio::time::Instant) {
        const SHORTEST: Duration = Duration::from_millis(100);
        let each = (run.part / 20).max(SHORTEST);
        while tokio::time::Instant::now() < end {
            self.at(provider).send_replace(Some(Fault::Down));
            tokio::time::sleep(each).await;
            self.at(provider).send_replace(None);
            tokio::time::sleep(each).await;
        }
    }
}
