//! When anything kept the endpoint from answering.

/// For how long after an outage it may still be taken for one: some seconds, and the time of two
/// questions.
const LINGERS: u64 = 5_000 + 2 * 1_000;

/// From when to when, in milliseconds by the clock of then.
#[derive(Default)]
pub(super) struct Outages(Vec<(u64, u64)>);

impl Outages {
    /// There is one at that time.
    pub(super) fn note(&mut self, now: u64) {
        match self.0.last_mut() {
            Some((_, to)) if *to == now || *to + 1 == now => *to = now,
            _ => self.0.push((now, now)),
        }
    }

    /// Whether there was one not long before, or after: a clock that was set back shows that time
    /// once more.
    pub(super) fn were_lately(&self, now: u64) -> bool {
        let mut outages = self.0.iter();
        outages.any(|(from, to)| from.saturating_sub(LINGERS) <= now && now <= to + LINGERS)
    }
}
