//! Clients whose one token becomes good or bad in the midst of their requests.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::gateway::{Gateway, until};
use crate::load::{Load, PACE, http1};

/// Sends one token again and again until it is judged.
pub struct Holder {
    answers: Arc<Mutex<Vec<Answered>>>,
    is_over: Arc<AtomicBool>,
    client: JoinSet<()>,
}

struct Answered {
    began: Instant,
    ended: Instant,
    status: Result<u16, String>,
}

/// When a token's turn comes, not to be known more finely, and what is due before and after it.
#[derive(Clone, Debug)]
pub struct Turn {
    pub when: Range<Instant>,
    pub due: [u16; 2],
}

impl Turn {
    /// What it was to be answered; nothing certain in between.
    fn expects(&self, answered: &Answered) -> Option<u16> {
        let [before, after] = self.due;
        if answered.ended <= self.when.start {
            Some(before)
        } else if answered.began >= self.when.end {
            Some(after)
        } else {
            None
        }
    }
}

impl Holder {
    pub fn start(gateway: &Gateway, token: String) -> Self {
        let (answers, is_over) = <(Arc<Mutex<Vec<_>>>, Arc<AtomicBool>)>::default();
        let (record, ends) = (Arc::clone(&answers), Arc::clone(&is_over));
        let url = format!("http://{}/api/x", gateway.address);
        let mut client = JoinSet::new();
        client.spawn(async move {
            let http = http1();
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                let request = http.get(&url).bearer_auth(&token);
                let response = request.timeout(Duration::from_secs(15)).send().await;
                let status = response.map(|response| response.status().as_u16());
                record.lock().unwrap().push(Answered {
                    began,
                    ended: Instant::now(),
                    status: status.map_err(|error| format!("{error:?}")),
                });
                tokio::time::sleep(PACE).await;
            }
        });
        Self {
            answers,
            is_over,
            client,
        }
    }

    /// Waits until it has been answered so often again.
    pub async fn answers(&self, more: usize) {
        let so_far = || self.answers.lock().unwrap().len();
        let before = so_far();
        until("the token is answered", async || so_far() >= before + more).await;
    }

    /// Ends it, and adds what was wrong to what was wrong with other traffic. How often it was told
    /// what was due before, and after.
    pub async fn judge(mut self, load: &Load, turn: &Turn) -> [usize; 2] {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(client) = self.client.join_next().await {
            client.unwrap();
        }
        let mut told = [0, 0];
        let mut tally = load.tally();
        for answered in self.answers.lock().unwrap().iter() {
            tally.requests += 1;
            let expected = turn.expects(answered);
            let is_due = |due| expected.is_none_or(|expected| expected == due);
            match &answered.status {
                Err(why) => tally.lost.push(format!("a token that turns: {why}")),
                Ok(status) if turn.due.contains(status) && is_due(*status) => {
                    // Where both are the same, the time tells.
                    let is_after = answered.began >= turn.when.end;
                    told[usize::from(is_after)] += 1;
                }
                Ok(status) => {
                    let late = turn.when.end.saturating_duration_since(answered.began);
                    let what = format!("a token that turns: {status}, not {expected:?}, {late:?}");
                    tally.wrong.push(what);
                }
            }
        }
        if told.contains(&0) {
            tally
                .wrong
                .push(format!("a token that turns: told {told:?} times"));
        }
        told
    }
}
