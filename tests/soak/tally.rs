//! What is counted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::run::Millis;
use crate::token::Provider;

/// Counted by all clients at once.
#[derive(Default)]
pub struct Tally {
    done: AtomicU64,
    counts: Mutex<Counts>,
}

/// What was counted.
#[derive(Default, Clone)]
pub struct Counts {
    /// Answers by part of the run, kind of request and status.
    pub answers: BTreeMap<(usize, &'static str, u16), u64>,
    /// How long answers took, by part of the run, in microseconds.
    pub micros: BTreeMap<usize, Vec<u32>>,
    /// Clients that left.
    pub left: BTreeMap<usize, u64>,
    /// Requests without an answer, by part.
    pub lost: BTreeMap<usize, u64>,
    /// Wrong answers, by part.
    pub wrong: BTreeMap<usize, u64>,
    /// When which provider's tokens were answered with 503.
    pub unavailable: Vec<(Provider, Millis)>,
    /// The first of what is wrong or lost, in words.
    pub words: Vec<String>,
}

/// So many of what is wrong are told.
const TOLD: usize = 30;

impl Tally {
    /// How many requests have come to something.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap().clone()
    }

    /// A right answer, and a wrong one too.
    pub fn answer(&self, part: usize, kind: &'static str, status: u16, took: Duration) {
        let mut counts = self.counts.lock().unwrap();
        *counts.answers.entry((part, kind, status)).or_default() += 1;
        let micros = u32::try_from(took.as_micros()).unwrap();
        counts.micros.entry(part).or_default().push(micros);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A 503 about a token of that provider.
    pub fn unavailable(&self, provider: Provider, at: Millis) {
        self.counts.lock().unwrap().unavailable.push((provider, at));
    }

    /// What is wrong about an answer.
    pub fn wrong(&self, part: usize, words: String) {
        let mut counts = self.counts.lock().unwrap();
        *counts.wrong.entry(part).or_default() += 1;
        counts.tell(words);
    }

    /// A client that left.
    pub fn left(&self, part: usize) {
        *self.counts.lock().unwrap().left.entry(part).or_default() += 1;
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A client that waited in vain.
    pub fn lost(&self, part: usize, words: String) {
        let mut counts = self.counts.lock().unwrap();
        *counts.lost.entry(part).or_default() += 1;
        counts.tell(words);
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    fn tell(&mut self, words: String) {
        if self.words.len() < TOLD {
            self.words.push(words);
        }
    }

    /// Answers with that status.
    pub fn with_status(&self, status: u16) -> u64 {
        self.sum(|_, _, found| found == status)
    }

    /// Answers to that kind of request.
    pub fn of_kind(&self, kind: &str) -> u64 {
        self.sum(|_, found, _| found == kind)
    }

    /// Answers to that kind of request with that status.
    pub fn of_kind_and_status(&self, kind: &str, status: u16) -> u64 {
        self.sum(|_, of, with| of == kind && with == status)
    }

    /// Answers in that part with that status.
    pub fn in_part(&self, part: usize, status: u16) -> u64 {
        self.sum(|of, _, with| of == part && with == status)
    }

    /// Answers in that part to that kind of request.
    pub fn of(&self, part: usize, kind: &str) -> u64 {
        self.sum(|of, found, _| of == part && found == kind)
    }

    /// Answers in that part to that kind of request with that status.
    pub fn with(&self, part: usize, kind: &str, status: u16) -> u64 {
        self.sum(|of, found, with| of == part && found == kind && with == status)
    }

    fn sum(&self, is_meant: impl Fn(usize, &str, u16) -> bool) -> u64 {
        let answers = self.answers.iter();
        let meant = answers.filter(|((part, kind, status), _)| is_meant(*part, kind, *status));
        meant.map(|(_, count)| count).sum()
    }
}
