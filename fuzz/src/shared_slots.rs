//! What workers share, when something else has written there.
//!
//! Input: lines of what happens, in turn. `publish W T KIND TIME ANSWER`: worker W (with another
//! endpoint than the others) learns of token T; `find W T`; `forget W T`; `lease W T TIME` and `end
//! W T`. And what no worker does: `flip N AT`, `cut N LENGTH`, `add N TEXT`, `write N TEXT`, `copy N
//! M` and `old N` (back to what stood there before), of the Nth and Mth key.
//!
//! Oracle: whatever stands in the buckets, what is found about a token at an endpoint was published
//! about that token for that endpoint, word for word; right after it was published it is what is
//! found, and after it was forgotten nothing is. A lease holds nobody back for longer than it lasts.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use portvakt_core::cache::bucket::{Bucket, Kind, Tag};
use portvakt_core::cache::lease::{Holder, LEASE};
use portvakt_core::cache::record::{Change, LeaseChange, Said};
use portvakt_core::cache::shared::{SharedCache, SharedData};
use portvakt_core::introspection::fingerprint::Fingerprint;
use portvakt_core::time::Time;
use portvakt_core::token::id::TokenDigest;

use crate::text::words;
use crate::token::access_token;

/// Bytes that anybody may write: each key with all values that it has had.
#[derive(Default)]
struct Memory(RefCell<BTreeMap<String, Vec<Vec<u8>>>>);

impl SharedData for Memory {
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        match self.0.borrow().get(key) {
            Some(values) => {
                let value = values.last().cloned().filter(|value| !value.is_empty());
                (value, u32::try_from(values.len()).ok())
            }
            None => (None, None),
        }
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut memory = self.0.borrow_mut();
        let values = memory.entry(key.to_owned()).or_default();
        let current = u32::try_from(values.len()).unwrap();
        if current != 0 && version.is_some_and(|version| version != 0 && version != current) {
            return false;
        }
        values.push(value.to_vec());
        true
    }
}

impl Memory {
    fn key(&self, number: usize) -> Option<String> {
        let memory = self.0.borrow();
        let number = number.checked_rem(memory.len())?;
        memory.keys().nth(number).cloned()
    }

    /// Changes what stands at the key, without a look at versions.
    fn spoil(&self, number: usize, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(key) = self.key(number) {
            let mut value = self.read(&key).0.unwrap_or_default();
            change(&mut value);
            self.write(&key, &value, None);
        }
    }
}

/// What was published: for which worker's endpoint, about which token, when and what.
type Published = BTreeSet<(usize, usize, u64, Vec<u8>)>;

fn fingerprint(worker: usize) -> Fingerprint {
    Fingerprint::of([b"endpoint".as_slice(), &[u8::try_from(worker % 3).unwrap()]])
}

fn digest(token: usize) -> TokenDigest {
    let token = access_token(format!("token{}", token % 8).as_bytes());
    TokenDigest::of(&token.unwrap())
}

pub fn check(input: &[u8]) -> bool {
    let memory = Memory::default();
    let mut published = Published::new();
    for line in input.split(|byte| *byte == b'\n').take(64) {
        step(line, &memory, &mut published);
    }
    for worker in 0..3 {
        for token in 0..8 {
            find(worker, token, &memory, &published);
        }
    }
    // Something was written, so that there was something to find.
    !memory.0.borrow().is_empty()
}

fn step(line: &[u8], memory: &Memory, published: &mut Published) {
    // What is written stands behind the words, and need not be a text.
    let mut parts = line.splitn(6, |byte| *byte == b' ');
    let mut head = Vec::new();
    head.extend(parts.by_ref().take(5));
    let content = parts.next().unwrap_or_default();
    let number = |at: usize| -> usize {
        let text = head.get(at).copied().unwrap_or_default();
        str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    };
    let (one, other) = (number(1), number(2));
    let (worker, token) = (one % 3, other % 8);
    let cache = SharedCache::new(fingerprint(worker), 1, u64::try_from(one).unwrap());
    let change = |said, lease| {
        let (token, change) = (digest(token), Change { said, lease });
        cache.update(memory, &token, Time::from_millis(0), |_| ((), change));
    };
    match head.first().copied().unwrap_or_default() {
        b"publish" => {
            let time = u64::try_from(number(4)).unwrap();
            let kind = if head.get(3) == Some(&b"inactive".as_slice()) {
                Kind::Inactive
            } else {
                Kind::Active
            };
            let said = Said::Answer {
                kind,
                asked_at: Time::from_millis(time),
                words: content,
            };
            change(said, LeaseChange::AsItWas);
            published.insert((worker, token, time, content.to_vec()));
            let found = find(worker, token, memory, published);
            assert_eq!(
                found,
                Some((time, content.to_vec())),
                "right after it was published"
            );
        }
        b"find" => {
            find(worker, token, memory, published);
        }
        b"forget" => {
            change(Said::Nothing, LeaseChange::AsItWas);
            assert_eq!(
                find(worker, token, memory, published),
                None,
                "after it was forgotten"
            );
        }
        b"lease" => {
            // Not at the end of time, where nothing is later.
            let now = u64::try_from(number(3)).unwrap() % (1 << 60);
            let now = Time::from_millis(now);
            if take(&cache, memory, token, now) == Holder::Theirs {
                let after = now.after(LEASE).after(LEASE);
                assert_ne!(take(&cache, memory, token, after), Holder::Theirs);
            }
        }
        b"end" => change(Said::AsItWas, LeaseChange::Ended),
        b"flip" => memory.spoil(one, |value| {
            if let Some(at) = other.checked_rem(value.len()) {
                value[at] ^= 1 << (number(3) % 8);
            }
        }),
        b"cut" => memory.spoil(one, |value| value.truncate(other)),
        b"add" => memory.spoil(one, |value| value.extend_from_slice(content)),
        b"write" => memory.spoil(one, |value| *value = content.to_vec()),
        b"copy" => {
            let from = memory.key(other).and_then(|key| memory.read(&key).0);
            memory.spoil(one, |value| *value = from.unwrap_or_default());
        }
        b"old" => {
            let key = memory.key(one);
            let old = key.and_then(|key| {
                let memory = memory.0.borrow();
                let values = &memory[&key];
                values
                    .get(values.len().checked_sub(2 + other % 4)?)
                    .cloned()
            });
            memory.spoil(one, |value| *value = old.unwrap_or_default());
        }
        _ => {
            // As bytes of a bucket they are about nobody.
            let tag = Tag::new(&fingerprint(0), &digest(0));
            assert_eq!(Bucket::read(line).about(&tag, |_| true).next(), None);
            let _ = words(line);
        }
    }
}

/// Who had the lease; whoever asks has it if nobody had.
fn take(cache: &SharedCache, memory: &Memory, token: usize, now: Time) -> Holder {
    let taken = cache.update(memory, &digest(token), now, |record| {
        let holder = record.holder(now);
        let lease = match holder {
            Holder::Nobody => LeaseChange::Taken,
            Holder::Ours | Holder::Theirs | Holder::NoRoom => LeaseChange::AsItWas,
        };
        let said = Said::AsItWas;
        (holder, Change { said, lease })
    });
    taken.0
}

fn find(
    worker: usize,
    token: usize,
    memory: &Memory,
    published: &Published,
) -> Option<(u64, Vec<u8>)> {
    let cache = SharedCache::new(fingerprint(worker), 1, 0);
    let found = cache.find(memory, &digest(token), |record| {
        record.newest(|answer| Some((answer.time.as_millis(), answer.content.to_vec())))
    });
    if let Some((time, answer)) = &found {
        let is_known = published.contains(&(worker, token, *time, answer.clone()));
        assert!(is_known, "{answer:?} was never said about it");
    }
    found
}
