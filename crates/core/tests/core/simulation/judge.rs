//! Whether a decision is right, by what the endpoint said: read anew here, and not by the core.

use portvakt_core::authorizer::{Decision, Grant, Step};
use portvakt_core::upstream::Edit;

use super::event::{Credentials, Truth};
use super::given::{Given, SAME_MOMENT};
use super::world::{STALE_IF_ERROR, TOKENS, World};

impl World {
    /// These are decided by the rules alone.
    pub(super) fn judge_without_token(path: &str, credentials: Credentials, step: &Step) {
        let Step::Decided(decision, _) = step else {
            panic!("{step:?}");
        };
        let expected = match (path, credentials) {
            ("/open", _) => None,
            ("/none", _) => Some(403),
            (_, Credentials::None) => Some(401),
            _ => Some(400),
        };
        match (decision, expected) {
            (Decision::Forward(Grant::Anonymous), None) => {}
            (Decision::Reject(rejection), Some(status)) => {
                assert_eq!(rejection.response(false).status, status);
            }
            _ => panic!("{path} {credentials:?}: {decision:?}"),
        }
    }

    pub(super) fn decided(
        &mut self,
        worker: usize,
        path: &str,
        token: usize,
        decision: &Decision,
        by: &'static str,
    ) {
        self.judge(worker, path, token, decision, by);
        let what = match decision {
            Decision::Forward(grant) => grant.allowed().name().to_owned(),
            Decision::Reject(rejection) => rejection.response(false).status.to_string(),
            Decision::Shadow(_) | Decision::ServeMetadata => String::new(),
        };
        *self.seen.entry((by, what)).or_default() += 1;
    }

    /// Whether a decision about a request with a token is one that the endpoint's answers allow.
    fn judge(&self, worker: usize, path: &str, token: usize, decision: &Decision, by: &str) {
        let has_word = by != "no word";
        assert!(self.config.is_shared || by != "shared_hit");
        assert!(self.is_out() || by != "stale");
        let now = self.time().as_millis();
        let authorizer = &self.authorizers[worker].authorizer;
        match decision {
            Decision::Forward(grant) => match grant {
                Grant::Anonymous => assert_eq!(path, "/open"),
                Grant::Token(facts) => {
                    let carried = authorizer.edits(Some(facts)).find_map(|edit| match edit {
                        Edit::SetHeader("x-answer", jti) => Some(jti.to_string()),
                        _ => None,
                    });
                    let serial = carried.unwrap();
                    let serial: usize = serial["serial-number-".len()..].parse().unwrap();
                    self.judge_by(serial, worker, path, token, by);
                }
                Grant::FailureMode => {
                    assert!(self.config.failure_mode_allow && !has_word);
                    assert!(self.is_out());
                    assert_ne!(path, "/none");
                    let carries = authorizer.edits(None);
                    assert!(
                        !carries
                            .into_iter()
                            .any(|edit| matches!(edit, Edit::SetHeader(..)))
                    );
                }
                Grant::Preflight => panic!("no preflight was sent"),
            },
            Decision::Reject(rejection) => {
                let response = rejection.response(false);
                let own: Vec<_> = self
                    .given
                    .iter()
                    .filter(|given| given.token == token)
                    .collect();
                let counts = |given: &Given| self.counts(given, by);
                let because = match response.status {
                    // Some answer said so, or its `exp` has come. In an outage that counts for
                    // good: failure mode lets none in of whom that is known.
                    401 => own.iter().any(|given| match given.truth {
                        Truth::Inactive => !has_word || counts(given),
                        Truth::Active { .. } => given.is_over(now),
                    }),
                    403 => {
                        let lacks = |given: &Given| {
                            given.truth != Truth::Inactive && !meets(given.truth, path)
                        };
                        path == "/none" || own.iter().any(|given| lacks(given) && counts(given))
                    }
                    503 => !has_word,
                    _ => false,
                };
                assert!(because, "{path} {token} at {now}: {rejection:?}: {own:?}");
                for to_grpc in [false, true] {
                    let response = rejection.response(to_grpc);
                    let headers = response.headers.iter().map(|(_, value)| *value);
                    for text in headers.chain([response.body.as_str()]) {
                        holds_no_secret(text);
                    }
                }
            }
            Decision::Shadow(_) | Decision::ServeMetadata => panic!("{decision:?}"),
        }
    }

    /// A request was let through by the word of the answer of this number.
    fn judge_by(&self, serial: usize, worker: usize, path: &str, token: usize, by: &str) {
        let given = &self.given[serial];
        let now = self.time().as_millis();
        let what = format!("{path} {token} at {now} in {worker} ({by}) by {given:?}");
        assert_eq!(given.token, token, "another token's facts: {what}");
        assert!(meets(given.truth, path), "not good for it: {what}");
        // The endpoint's word of just now is good by itself: its clock may go after.
        assert!(
            self.is_fresh(given, by) || !given.is_over(now),
            "expired: {what}"
        );
        assert!(self.counts(given, by), "too old: {what}");
        let newer = self.newer(serial, worker);
        assert!(
            self.is_fresh(given, by) || newer.is_none(),
            "older than {newer:?}: {what}"
        );
    }

    /// An answer that was asked for later than the one of this number, and has taken its place: for
    /// this worker if it was its own, and for all of them if it was there first.
    fn newer(&self, serial: usize, worker: usize) -> Option<&Given> {
        let old = &self.given[serial];
        let is_apart = |new: &Given| new.token != old.token || !new.is_asked_after(old);
        let newer = self.given.iter().enumerate().find(|(number, new)| {
            if is_apart(new) || !new.is_seen {
                return false;
            }
            // When the old one came nothing of the new one may have been there any more: it was not
            // kept, or another that was not has taken its place, or the clock was set back to
            // before it.
            let is_to_come = |then: &Given| new.asked.clock > then.landed.clock + SAME_MOMENT;
            let between = self.given.get(*number..serial).unwrap_or_default();
            let mut between = between.iter().filter(|then| then.token == old.token);
            let is_gone =
                is_to_come(old) || between.any(|then| !then.is_kept() || is_to_come(then));
            if *number < serial {
                let could_tell = self.config.is_shared && old.is_seen;
                !is_gone && (new.worker == worker || could_tell)
            } else {
                new.worker == worker
            }
        });
        newer.map(|(_, new)| new)
    }

    /// Whether an answer is being told to those who waited for it.
    fn is_fresh(&self, given: &Given, by: &str) -> bool {
        by == "answer" && given.landed.at == self.now
    }

    /// Whether an answer is young enough to go by.
    fn counts(&self, given: &Given, by: &str) -> bool {
        let more = match given.truth {
            Truth::Active { .. } if self.is_out() => STALE_IF_ERROR,
            Truth::Active { .. } | Truth::Inactive => 0,
        };
        let now = self.time().as_millis();
        self.is_fresh(given, by) || given.is_younger_than(given.truth.remembered() + more, now)
    }
}

fn holds_no_secret(text: &str) {
    assert!(!text.contains("serial-number"), "{text}");
    for token in TOKENS {
        let parts = token.as_bytes().windows(8);
        let mut parts = parts.map(|part| str::from_utf8(part).unwrap());
        assert!(!parts.any(|part| text.contains(part)), "{text}");
    }
}

/// RFC 6749, section 3.3: a scope is one of the words between spaces.
fn meets(truth: Truth, path: &str) -> bool {
    let has = |wanted: &str| match truth {
        Truth::Active { scope, .. } => scope.split(' ').any(|scope| scope == wanted),
        Truth::Inactive => false,
    };
    match path {
        "/a" => has("a"),
        "/b" => has("b"),
        "/any" => truth != Truth::Inactive,
        _ => false,
    }
}
