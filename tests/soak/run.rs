//! What a run is: how much, how fast, and the times that everything else follows from.

use std::time::{Duration, Instant, SystemTime};

use crate::fault::{Part, parts};

/// All times of a run are milliseconds since 1970, as the filter has them, read from one clock.
pub type Millis = u64;

/// A run, which the same seed makes again: tokens, requests and their order; not what the machine
/// is busy with in between.
#[derive(Debug, Clone)]
pub struct Run {
    /// What all random choices come from.
    pub seed: u64,
    /// How many requests are sent.
    pub requests: u64,
    /// How many tokens there are.
    pub tokens: u64,
    /// Requests in a second, at most.
    pub rate: u64,
    /// When it began.
    pub began: Millis,
    /// What happens in its course.
    pub parts: Vec<Part>,
    /// How long each of them lasts.
    pub part: Duration,
    clock: Instant,
}

/// Requests for each token there is.
const REQUESTS_PER_TOKEN: u64 = 20;

impl Run {
    /// A run that begins now.
    pub fn new(seed: u64, requests: u64, rate: u64) -> Self {
        let parts = parts();
        let count = u32::try_from(parts.len()).unwrap();
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let whole = Duration::from_millis(requests * 1000 / rate);
        Self {
            seed,
            requests,
            tokens: (requests / REQUESTS_PER_TOKEN).max(100),
            rate,
            began: u64::try_from(began.unwrap().as_millis()).unwrap(),
            parts,
            part: whole / count,
            clock: Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Millis {
        self.began + millis(self.clock.elapsed())
    }

    /// How long it is to last.
    pub fn whole(&self) -> Duration {
        Duration::from_millis(self.requests * 1000 / self.rate)
    }

    /// When the part begins that is the only one of its kind.
    pub fn beginning(&self, part: Part) -> Millis {
        let number = self.parts.iter().position(|each| *each == part);
        self.began + millis(self.part) * u64::try_from(number.unwrap()).unwrap()
    }

    /// Which part that time is in, by number.
    pub fn part_at(&self, time: Millis) -> usize {
        let number = (time - self.began) / millis(self.part);
        usize::try_from(number).unwrap().min(self.parts.len() - 1)
    }

    /// When that request is due, counted from the beginning.
    pub fn due(&self, request: u64) -> Instant {
        self.clock + Duration::from_micros(request * 1_000_000 / self.rate)
    }

    /// Random choices that belong to the `number`th of a kind of things, whenever they are made.
    pub fn random(&self, kind: u64, number: u64) -> fastrand::Rng {
        let mixed = self.seed ^ kind.rotate_left(56) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = fastrand::Rng::with_seed(mixed);
        // Neighbouring seeds give neighbouring first numbers.
        random.u64(..);
        random
    }

    /// `cache.max_entries`: fewer than there are tokens, so that some are forgotten.
    pub fn max_entries(&self) -> u64 {
        (self.tokens / 5).max(20)
    }

    /// `cache.max_ttl`: ends within each part.
    pub fn max_ttl(&self) -> Duration {
        whole_millis(self.part.mul_f64(0.45))
    }

    /// `cache.inactive_ttl`.
    pub fn inactive_ttl(&self) -> Duration {
        whole_millis(self.part.mul_f64(0.1))
    }

    /// `cache.stale_if_error`: an outage is longer than what is remembered without, but known
    /// tokens outlive it.
    pub fn stale_if_error(&self) -> Duration {
        whole_millis(self.part.mul_f64(1.2))
    }
}

/// `introspection.timeout`.
pub const TIMEOUT: Duration = Duration::from_secs(1);

fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(millis(duration))
}

/// As a number.
pub fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap()
}
