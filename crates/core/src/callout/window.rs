//! How many questions about unknown tokens may be out at once.
//!
//! Anybody can ask about tokens that nobody knows, in any number. What they may take of the
//! endpoint is bounded so that it still answers questions about tokens in use in time: the window
//! grows while answers take as long as they must, and shrinks when they take longer, because then
//! questions queue somewhere; much as TCP's congestion window does with its losses (RFC 5681). An
//! endpoint that is far away is soon asked as much as it can take; one that works off one question
//! after the other is asked few at a time.

use std::time::Duration;

use crate::time::Time;

/// How large the window is at first. Every worker has one, and an endpoint that works off one
/// question after the other must get through all of them well within the timeout. From the second
/// round of answers it doubles with each, so that little is lost where more would do.
pub const START: usize = 4;

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
    /// So many answers more, and what an answer takes is known well enough to grow: what other
    /// workers asked at once may stand before the first of ours.
    unproven: usize,
    /// Answers to what was asked before it shrank last do not shrink it again.
    shrunk_at: Time,
    /// The least that an answer took lately, and when that was.
    base: Option<(Duration, Time)>,
    last_used: Time,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: START,
            threshold: MAX,
            credit: 0,
            unproven: START,
            shrunk_at: Time::from_millis(0),
            base: None,
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

    /// The endpoint took so long for what was asked at `asked_at`, of `timeout` that it may take.
    /// `in_flight` were out until now. `is_wanted`: more are pending, so a larger window is of use.
    pub fn answered(
        &mut self,
        asked_at: Time,
        now: Time,
        timeout: Duration,
        in_flight: usize,
        is_wanted: bool,
    ) {
        let took = now.since(asked_at);
        // What others have asked may stand before every question of ours: a base that long is none.
        let most = timeout.checked_div(2).unwrap_or_default();
        let base = self.base(took, in_flight, now);
        let over = |base| took.saturating_sub(base);
        if took >= timeout || over(base.min(most)).saturating_mul(4) > timeout {
            self.shrink(asked_at, in_flight / 2, now);
        } else if is_wanted && over(base).saturating_mul(16) <= timeout {
            self.grow();
        }
    }

    /// Envoy could not dispatch a callout while `in_flight` were out: the circuit breaker is full.
    pub fn refused(&mut self, in_flight: usize, now: Time) {
        let three_quarters = in_flight.saturating_sub(in_flight.div_ceil(4));
        self.shrink(now, three_quarters, now);
    }

    /// The least that an answer took. It may become more only while one question is out, or what
    /// queues would count as the way.
    fn base(&mut self, took: Duration, in_flight: usize, now: Time) -> Duration {
        let may_rise = |since| in_flight <= 1 && now.since(since) > BASE_HOLDS;
        let (least, _) = *self.base.insert(match self.base {
            Some((least, since)) if least <= took && !may_rise(since) => (least, since),
            _ => (took, now),
        });
        least
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
        if let Some(left) = self.unproven.checked_sub(1) {
            self.unproven = left;
            return;
        }
        self.credit = self.credit.saturating_add(1);
        if self.size < self.threshold || self.credit >= ANSWERS {
            self.size = self.size.saturating_add(1).min(MAX);
            self.credit = 0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    /// How an endpoint works.
    #[derive(Clone, Copy, Debug)]
    enum Endpoint {
        /// So far away, and takes any number at once.
        Far(u64),
        /// Takes so long for each, one after the other.
        Serial(u64),
    }

    /// What so many workers see that ask `questions` questions each, as many at a time as their
    /// windows allow, in steps of a millisecond.
    #[derive(Debug, Default)]
    struct Seen {
        /// How long all took.
        in_all: u64,
        /// How long a question about a token in use would wait for those before it, in the first
        /// second and later.
        first_wait: u64,
        later_wait: u64,
    }

    fn run(endpoint: Endpoint, workers: usize, questions: usize) -> Seen {
        let mut all: Vec<_> = (0..workers)
            .map(|_| (Window::default(), VecDeque::<(u64, u64)>::new(), 0))
            .collect();
        let mut seen = Seen::default();
        let start = 1_000_000;
        let (mut busy_until, mut now) = (start, start);
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
                    window.answered(from, to, TIMEOUT, out.len() + 1, *asked < questions);
                }
                while *asked < questions && window.admits(out.len(), Time::from_millis(now)) {
                    let ends = match endpoint {
                        Endpoint::Far(millis) => now + millis,
                        Endpoint::Serial(millis) => {
                            busy_until = busy_until.max(now) + millis;
                            busy_until
                        }
                    };
                    // Envoy gives up a question that takes longer, but the endpoint does not.
                    out.push_back((now, ends.min(now + 1000)));
                    *asked += 1;
                }
            }
            let wait = busy_until.saturating_sub(now);
            let longest = if now < start + 1_000 {
                &mut seen.first_wait
            } else {
                &mut seen.later_wait
            };
            *longest = wait.max(*longest);
            now += 1;
        }
        seen.in_all = now - start;
        seen
    }

    #[test]
    fn it_fits_the_endpoint() {
        for (endpoint, workers, questions, in_all, first_wait, later_wait) in [
            // 5,000 tokens at once, 100 ms away: 192 at a time are 2.6 s, and the window has to grow.
            (Endpoint::Far(100), 1, 5_000, 3_300, 0, 0),
            (Endpoint::Far(100), 4, 1_250, 1_400, 0, 0),
            (Endpoint::Far(1), 1, 5_000, 500, 0, 0),
            (Endpoint::Far(700), 1, 1_000, 7_800, 0, 0),
            // One after the other: the endpoint is busy all the time, and nobody queues for long.
            (Endpoint::Serial(50), 1, 400, 20_100, 250, 250),
            (Endpoint::Serial(50), 2, 200, 20_200, 450, 600),
            (Endpoint::Serial(50), 4, 100, 20_200, 800, 700),
            // For minutes: what queues does not come to count as the way.
            (Endpoint::Serial(50), 1, 4_000, 200_100, 250, 250),
            (Endpoint::Serial(10), 1, 2_000, 20_100, 150, 150),
            (Endpoint::Serial(10), 8, 250, 20_200, 450, 550),
            (Endpoint::Serial(300), 1, 40, 12_500, 1_200, 900),
        ] {
            let seen = run(endpoint, workers, questions);
            let what = format!("{endpoint:?}, {workers} workers: {seen:?}");
            assert!(seen.in_all <= in_all, "{what}");
            assert!(seen.first_wait <= first_wait, "{what}");
            assert!(seen.later_wait <= later_wait, "{what}");
        }
    }

    #[test]
    fn it_shrinks_once_for_what_was_out_together_and_forgets_when_idle() {
        let at = |millis: u64| Time::from_millis(1_000_000 + millis);
        let mut window = Window::default();
        assert!(window.admits(START - 1, at(0)) && !window.admits(START, at(0)));
        for _ in 0..START {
            window.answered(at(0), at(100), TIMEOUT, START, true);
        }
        assert_eq!(
            window.size(),
            START,
            "what an answer takes is not known yet"
        );
        for _ in 0..4 {
            window.answered(at(0), at(100), TIMEOUT, START, true);
        }
        assert_eq!(window.size(), 8, "by one with each answer");
        window.answered(at(0), at(201), TIMEOUT, 8, true);
        assert_eq!(window.size(), 8, "twice as long: they begin to queue");
        for n in 0..20 {
            window.answered(at(0), at(400 + n), TIMEOUT, 8, true);
        }
        assert_eq!(window.size(), 4, "they wait 300 ms somewhere");
        window.answered(at(401), at(501), TIMEOUT, 4, false);
        assert_eq!(window.size(), 4, "nobody waits");
        window.answered(at(401), at(1_401), TIMEOUT, 4, true);
        assert_eq!(window.size(), 2, "half of what was out");
        window.refused(0, at(1_701));
        assert_eq!(window.size(), 1, "never none");
        assert!(!window.admits(1, at(30_000)), "one is still out");
        assert!(window.admits(0, at(30_000)));
        assert_eq!(window.size(), START);
        for _ in 0..START + 4 {
            window.answered(at(30_000), at(30_100), TIMEOUT, START, true);
        }
        window.refused(8, at(30_101));
        assert_eq!(window.size(), 6, "three quarters of what was out");
        let before = Time::from_millis(1_000);
        assert!(!window.admits(START, before), "the clock was set back");
        assert_eq!(window.size(), START);
        assert!(window.admits(START - 1, before));
        window.answered(before, before.after(TIMEOUT), TIMEOUT, START, true);
        assert_eq!(window.size(), START / 2);
    }
}
