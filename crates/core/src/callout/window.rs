//! How many questions about unknown tokens may be out at once.
//!
//! Anybody can ask about tokens that nobody knows, in any number. What they may take of the
//! endpoint is bounded so that it still answers questions about tokens in use in time: the window
//! grows while answers take as long as they must, and shrinks when they take longer, because then
//! questions queue somewhere; much as TCP's congestion window does with its losses (RFC 5681). An
//! endpoint that is far away is soon asked as much as it can take; one that works off one question
//! after the other is asked few at a time.

use std::collections::HashMap;
use std::time::Duration;

use crate::introspection::health::Rank;
use crate::time::Time;
use crate::token::providers::ProviderId;

/// How large the window is at first. Every worker has one, and an endpoint that works off one
/// question after the other must get through all of them well within the timeout.
pub const START: usize = 8;

/// How large it may become: three quarters of the circuit breaker that `envoy.yaml` has, so that
/// there is room for questions about tokens in use.
pub const MAX: usize = 192;

/// After so long without a question nothing is known about the endpoint any more.
const IDLE: Duration = Duration::from_secs(10);

/// What the endpoint needs at least is measured anew after this.
const BASE_HOLDS: Duration = Duration::from_secs(30);

/// Above the threshold it grows by one for so many answers: by a quarter with each round.
const ANSWERS: usize = 4;

/// The bound, and what it adapts by.
#[derive(Debug)]
pub struct Window {
    size: usize,
    /// Up to here it grows with every answer, above it more slowly.
    threshold: usize,
    /// Good answers since it has grown last, above the threshold.
    credit: usize,
    /// Answers to what was asked before it shrank last do not shrink it again.
    shrunk_at: Time,
    /// Of each kind of answers by itself: what one kind takes does not make another look late.
    bases: HashMap<Kind, Base>,
    last_used: Time,
}

/// The least that an answer took lately, and when that was.
#[derive(Clone, Copy, Debug, Default)]
struct Base(Option<(Duration, Time)>);

/// Answers that take about as long. Endpoints refuse junk sooner than they verify a good token, and
/// one that they remember themselves is verified sooner than a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    pub provider: ProviderId,
    pub rank: Rank,
    /// Whether the token is active, by the answer.
    pub is_active: bool,
}

/// A question that was answered, or was not in time.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    pub kind: Kind,
    pub asked_at: Time,
    /// How long the endpoint may take.
    pub timeout: Duration,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: START,
            threshold: MAX,
            credit: 0,
            shrunk_at: Time::from_millis(0),
            bases: HashMap::new(),
            last_used: Time::from_millis(0),
        }
    }
}

impl Window {
    /// How many questions may be out at once.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Another question is to be asked while `in_flight` are out. Whether it may.
    pub fn admits(&mut self, in_flight: usize, now: Time) -> bool {
        let was_set_back = now < self.last_used && now.apart(self.last_used) > BASE_HOLDS;
        if was_set_back || (in_flight == 0 && now.since(self.last_used) > IDLE) {
            *self = Self::default();
        }
        let admits = in_flight < self.size;
        if admits {
            self.last_used = now;
        }
        admits
    }

    /// The endpoint took until now. `in_flight` were out until then. `is_wanted`: more are pending,
    /// so a larger window is of use.
    pub fn answered(&mut self, exchange: Exchange, now: Time, in_flight: usize, is_wanted: bool) {
        let Exchange {
            kind,
            asked_at,
            timeout,
        } = exchange;
        let took = now.since(asked_at);
        // What others have asked may stand before every question of ours: a base that long is none.
        let most = timeout.checked_div(2).unwrap_or_default();
        let base = self.bases.entry(kind).or_default();
        let queued = took.saturating_sub(base.after(took, in_flight, now).min(most));
        if took >= timeout || queued.saturating_mul(4) > timeout {
            // Of one kind some may take long by themselves, such as those that the endpoint has to
            // ask others about: as many as at first are out in any case, while there is time.
            let least = if took > most { 1 } else { START };
            self.shrink(asked_at, least.max(in_flight / 2), now);
        } else if is_wanted {
            self.grow();
        }
    }

    /// Envoy could not dispatch a callout while `in_flight` were out: the circuit breaker is full.
    pub fn refused(&mut self, in_flight: usize, now: Time) {
        let three_quarters = in_flight.saturating_sub(in_flight.div_ceil(4));
        self.shrink(now, three_quarters, now);
    }

    fn shrink(&mut self, asked_at: Time, size: usize, now: Time) {
        if asked_at >= self.shrunk_at {
            self.size = size.clamp(1, self.size);
            self.threshold = self.size;
            self.credit = 0;
            self.shrunk_at = now;
        }
    }

    fn grow(&mut self) {
        self.credit = self.credit.saturating_add(1);
        if self.size < self.threshold || self.credit >= ANSWERS {
            self.size = self.size.saturating_add(1).min(MAX);
            self.credit = 0;
        }
    }
}

impl Base {
    /// The least that an answer took, this one among them. It may become more only while one
    /// question is out, or what queues would count as the way.
    fn after(&mut self, took: Duration, in_flight: usize, now: Time) -> Duration {
        let may_rise = |since| in_flight <= 1 && now.since(since) > BASE_HOLDS;
        let (least, _) = *self.0.insert(match self.0 {
            Some((least, since)) if least <= took && !may_rise(since) => (least, since),
            _ => (took, now),
        });
        least
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn exchange(asked_at: Time) -> Exchange {
        let kind = Kind {
            provider: ProviderId::at(0).unwrap(),
            rank: Rank::First,
            is_active: false,
        };
        Exchange {
            kind,
            asked_at,
            timeout: TIMEOUT,
        }
    }

    /// How an endpoint works.
    #[derive(Clone, Copy, Debug)]
    enum Endpoint {
        /// So far away, and takes any number at once.
        Far(u64),
        /// Takes so long for each, one after the other.
        Serial(u64),
    }

    /// So many workers ask `questions` questions each, as many at a time as their windows allow, in
    /// steps of a millisecond. How long all took, and the longest that one took after the first
    /// half.
    fn run(endpoint: Endpoint, workers: usize, questions: usize) -> (u64, u64) {
        let mut all: Vec<_> = (0..workers)
            .map(|_| (Window::default(), VecDeque::<(u64, u64)>::new(), 0))
            .collect();
        let (mut busy_until, mut slowest) = (0, 0);
        let start = 1_000_000;
        let mut now = start;
        while all
            .iter()
            .any(|(_, out, asked)| *asked < questions || !out.is_empty())
        {
            for (window, out, asked) in &mut all {
                while let Some((asked_at, _)) =
                    out.front().copied().filter(|(_, ends)| *ends <= now)
                {
                    out.pop_front();
                    let (from, to) = (Time::from_millis(asked_at), Time::from_millis(now));
                    window.answered(exchange(from), to, out.len() + 1, *asked < questions);
                    if *asked > questions / 2 {
                        slowest = slowest.max(now - asked_at);
                    }
                }
                while *asked < questions && window.admits(out.len(), Time::from_millis(now)) {
                    let ends = match endpoint {
                        Endpoint::Far(millis) => now + millis,
                        Endpoint::Serial(millis) => busy_until.max(now) + millis,
                    };
                    busy_until = ends;
                    // Envoy gives up a question that takes longer, but the endpoint does not.
                    out.push_back((now, ends.min(now + 1000)));
                    *asked += 1;
                }
            }
            now += 1;
        }
        (now - start, slowest)
    }

    #[test]
    fn it_fits_the_endpoint() {
        for (endpoint, workers, questions, most_in_all, most_for_one) in [
            // 5,000 tokens at once, 100 ms away: 192 at a time are 2.6 s, and the window has to grow.
            (Endpoint::Far(100), 1, 5_000, 3_200, 100),
            (Endpoint::Far(100), 4, 1_250, 1_200, 100),
            (Endpoint::Far(1), 1, 5_000, 500, 1),
            (Endpoint::Far(700), 1, 1_000, 6_400, 700),
            // One after the other: the endpoint is busy all the time, and nobody queues for long.
            (Endpoint::Serial(50), 1, 400, 20_100, 650),
            (Endpoint::Serial(50), 2, 200, 20_200, 800),
            (Endpoint::Serial(50), 4, 100, 20_200, 900),
            // For minutes: what queues does not come to count as the way.
            (Endpoint::Serial(50), 1, 4_000, 200_100, 650),
            (Endpoint::Serial(10), 1, 2_000, 20_100, 650),
            (Endpoint::Serial(300), 1, 40, 12_500, 1_000),
        ] {
            let (in_all, for_one) = run(endpoint, workers, questions);
            let what = format!("{endpoint:?}, {workers} workers");
            assert!(in_all <= most_in_all, "{what}: {in_all} ms");
            assert!(for_one <= most_for_one, "{what}: {for_one} ms for one");
        }
    }

    /// Of answers by turns: quick ones of one kind, and those about new good tokens.
    #[test]
    fn quick_answers_make_none_of_another_kind_late() {
        use Rank::{First, Renewal};
        let kind = |provider, rank, is_active| Kind {
            provider: ProviderId::at(provider).unwrap(),
            rank,
            is_active,
        };
        let good_kind = kind(0, First, true);
        for (quick_kind, quick, good, shrinks_to) in [
            // Junk is refused at once.
            (kind(0, First, false), 1, 300, None),
            (kind(0, First, false), 300, 300, None),
            (kind(0, First, false), 1, 1_000, Some(1)),
            // The endpoint remembers a token in use.
            (kind(0, Renewal, true), 5, 300, None),
            (kind(0, Renewal, true), 5, 1_000, Some(1)),
            // Another provider of the same cluster.
            (kind(1, First, true), 5, 300, None),
            // The endpoint remembers some new ones: perhaps others queue, perhaps they take longer.
            (good_kind, 5, 300, Some(START)),
            (good_kind, 5, 600, Some(1)),
        ] {
            let mut window = Window::default();
            let mut shrunk_to = None;
            for n in 0..10 {
                let asked_at = Time::from_millis(1_000_000 + 2_000 * n);
                for (kind, took) in [(quick_kind, quick), (good_kind, good)] {
                    let exchange = Exchange {
                        kind,
                        ..exchange(asked_at)
                    };
                    let now = asked_at.after(Duration::from_millis(took));
                    let before = window.size();
                    window.answered(exchange, now, 2, true);
                    if window.size() < before {
                        shrunk_to = Some(window.size());
                    }
                }
            }
            let what = format!("{quick_kind:?}, {quick} ms, {good} ms");
            assert_eq!(shrunk_to, shrinks_to, "{what}");
        }
    }

    #[test]
    fn it_shrinks_once_for_what_was_out_together_and_forgets_when_idle() {
        let at = |millis: u64| Time::from_millis(1_000_000 + millis);
        let mut window = Window::default();
        assert!(window.admits(START - 1, at(0)) && !window.admits(START, at(0)));
        window.answered(exchange(at(0)), at(100), START, true);
        assert_eq!(window.size(), START + 1);
        for n in 0..20 {
            window.answered(exchange(at(0)), at(400 + n), START, true);
        }
        assert_eq!(window.size(), START, "they wait 300 ms somewhere");
        window.answered(exchange(at(401)), at(1_001), START, true);
        assert_eq!(window.size(), START / 2, "they wait 500 ms somewhere");
        window.answered(exchange(at(1_002)), at(1_102), 16, false);
        assert_eq!(window.size(), START / 2, "nobody waits");
        window.answered(exchange(at(1_002)), at(2_002), 4, true);
        assert_eq!(window.size(), 2, "half of what was out");
        window.refused(0, at(2_302));
        assert_eq!(window.size(), 1, "never none");
        assert!(!window.admits(1, at(30_000)), "one is still out");
        assert!(window.admits(0, at(30_000)));
        assert_eq!(window.size(), START);
        window.refused(4, at(30_001));
        assert_eq!(window.size(), 3);
        let before = Time::from_millis(1_000);
        assert!(window.admits(3, before), "the clock was set back");
        window.answered(exchange(before), before.after(TIMEOUT), 4, true);
        assert_eq!(window.size(), 2);
    }
}
