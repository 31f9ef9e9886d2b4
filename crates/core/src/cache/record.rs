//! What is shared about one token: what the endpoint said, and which worker asks it.
//!
//! In its bucket answers about active and about inactive tokens have room of their own, so that a
//! flood of unknown tokens pushes out no good one, and so have leases.

use super::bucket::{Bucket, Draft, Entry, Kind, Tag};
use super::freshness::SAME_MOMENT;
use super::lease::{self, Holder, Owner};
use crate::time::Time;

/// How many answers of each kind find room in a bucket.
pub(super) const WAYS: usize = 3;

/// What is shared about one token, as one worker sees it.
#[derive(Debug)]
pub struct Record<'a> {
    pub(super) bucket: Bucket<'a>,
    pub(super) tag: Tag,
    pub(super) owner: Owner,
    /// How many leases find room in the bucket.
    pub(super) leases: usize,
}

/// What is to be changed about it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub said: Said<'a>,
    pub lease: LeaseChange,
}

/// What the endpoint is to have said from now on.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// What it said before.
    AsItWas,
    Nothing,
    Answer {
        kind: Kind,
        asked_at: Time,
        /// Word for word.
        words: &'a [u8],
    },
}

/// What becomes of this worker's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseChange {
    AsItWas,
    Taken,
    Ended,
}

impl<'a> Record<'a> {
    /// What the endpoint has said. That is more than one answer at most where something else has
    /// written.
    pub fn answers(&self) -> impl Iterator<Item = Entry<'a>> {
        self.bucket.about(&self.tag, |entry| entry.kind.is_answer())
    }

    /// The newest answer that `read` can make something of.
    pub fn newest<T>(&self, read: impl Fn(&Entry<'_>) -> Option<T>) -> Option<T> {
        let mut newest = None;
        for entry in self.answers() {
            if newest.as_ref().is_none_or(|(time, _)| *time < entry.time)
                && let Some(found) = read(&entry)
            {
                newest = Some((entry.time, found));
            }
        }
        newest.map(|(_, found)| found)
    }

    /// Who has the lease of the token.
    pub fn holder(&self, now: Time) -> Holder {
        let holds = |entry: &Entry<'_>| lease::holds(entry, now);
        match self.bucket.about(&self.tag, holds).next() {
            Some(entry) if entry.content == self.owner => Holder::Ours,
            Some(_) => Holder::Theirs,
            None if self.bucket.entries().filter(holds).count() < self.leases => Holder::Nobody,
            None => Holder::NoRoom,
        }
    }

    /// The whole bucket as it is to be; `None`: as it is.
    pub(super) fn with(&self, change: &Change<'_>, now: Time) -> Option<Vec<u8>> {
        let answer = match change.said {
            Said::AsItWas | Said::Nothing => None,
            Said::Answer {
                kind,
                asked_at,
                words,
            } => Some((kind, asked_at, words)),
        };
        let lease = match change.lease {
            LeaseChange::AsItWas | LeaseChange::Ended => None,
            LeaseChange::Taken => Some((Kind::Lease, now, self.owner.as_slice())),
        };
        let is_new = answer.is_some() || lease.is_some();
        if !is_new && !self.bucket.entries().any(|entry| self.ends(&entry, change)) {
            return None;
        }
        let stays = |entry: &Entry<'_>| {
            let is_over = match entry.kind {
                Kind::Lease => !lease::holds(entry, now),
                // From before the clock was set back: nobody takes it for anything any more.
                Kind::Active | Kind::Inactive => entry.time > now.after(SAME_MOMENT),
            };
            !is_over && !self.ends(entry, change)
        };
        let mut kept: Vec<_> = self.bucket.entries().filter(stays).collect();
        let words = answer.map_or(0, |(_, _, words)| words.len());
        let mut draft = Draft::new(self.bucket.size().saturating_add(words));
        for (kind, time, content) in answer.into_iter().chain(lease) {
            draft.add(kind, &self.tag, time, content);
            make_room(&mut kept, kind, self.room(kind).saturating_sub(1));
        }
        for entry in &kept {
            draft.keep(entry);
        }
        Some(draft.into_bytes())
    }

    /// Whether an entry is not there any more once that is changed.
    fn ends(&self, entry: &Entry<'_>, change: &Change<'_>) -> bool {
        let is_replaced = match entry.kind {
            Kind::Active | Kind::Inactive => !matches!(change.said, Said::AsItWas),
            Kind::Lease => match change.lease {
                LeaseChange::AsItWas => false,
                LeaseChange::Taken => true,
                LeaseChange::Ended => entry.content == self.owner,
            },
        };
        is_replaced && entry.is_about(&self.tag)
    }

    fn room(&self, kind: Kind) -> usize {
        match kind {
            Kind::Active | Kind::Inactive => WAYS,
            Kind::Lease => self.leases,
        }
    }
}

/// Leaves so many entries of a kind, at most. Those that were written first go.
fn make_room(entries: &mut Vec<Entry<'_>>, kind: Kind, room: usize) {
    while entries.iter().filter(|entry| entry.kind == kind).count() > room {
        let own = entries.iter().enumerate().filter(|(_, e)| e.kind == kind);
        let Some((oldest, _)) = own.min_by_key(|(_, entry)| entry.time) else {
            return;
        };
        entries.swap_remove(oldest);
    }
}
