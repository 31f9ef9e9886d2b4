//! One callout for all requests that wait for the same token.
//!
//! A *flight* is the question about one token on its way: it waits to depart (its callout is not
//! dispatched yet), is under way, and has arrived (answered, its waiters not all told yet). A
//! *waiter* is a paused request. Nothing here knows the host: waiters are numbers with a value.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use super::response::Answer;
use crate::bearer::AccessToken;
use crate::digest::TokenDigest;

/// All flights of one root context. `W` is what is remembered for each waiter.
#[derive(Debug)]
pub struct Flights<W> {
    all: HashMap<FlightId, Flight<W>>,
    /// Flights that a new waiter may still join: not answered yet.
    joinable: HashMap<TokenDigest, FlightId>,
    by_callout: HashMap<u32, FlightId>,
    departures: VecDeque<(FlightId, AccessToken)>,
    arrivals: VecDeque<FlightId>,
    last_id: u64,
}

/// Names a flight; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlightId(u64);

/// The number of a waiter, the host's own for the request.
pub type WaiterId = u32;

#[derive(Debug)]
struct Flight<W> {
    digest: TokenDigest,
    waiters: BTreeMap<WaiterId, W>,
    answer: Option<Rc<Answer>>,
}

/// The flight that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Which one.
    pub id: FlightId,
    /// Whether this request opened it: then it is to be dispatched.
    pub is_new: bool,
}

/// Some of the waiters of one flight, and what they are to be told.
#[derive(Debug)]
pub struct Batch<W> {
    /// The waiters, each once.
    pub waiters: Vec<(WaiterId, W)>,
    /// What the callout came to.
    pub answer: Rc<Answer>,
}

impl<W> Default for Flights<W> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            joinable: HashMap::new(),
            by_callout: HashMap::new(),
            departures: VecDeque::new(),
            arrivals: VecDeque::new(),
            last_id: 0,
        }
    }
}

impl<W> Flights<W> {
    /// A request begins to wait for the word about `token`. The first one for a token opens a
    /// flight, the others join it.
    pub fn join(
        &mut self,
        digest: TokenDigest,
        token: AccessToken,
        waiter: WaiterId,
        value: W,
    ) -> Joined {
        let open = self.joinable.get(&digest).copied();
        let id = open.unwrap_or_else(|| self.open(digest, token));
        if let Some(flight) = self.all.get_mut(&id) {
            flight.waiters.insert(waiter, value);
        }
        Joined {
            id,
            is_new: open.is_none(),
        }
    }

    fn open(&mut self, digest: TokenDigest, token: AccessToken) -> FlightId {
        self.last_id = self.last_id.wrapping_add(1);
        let id = FlightId(self.last_id);
        let flight = Flight {
            digest,
            waiters: BTreeMap::new(),
            answer: None,
        };
        self.all.insert(id, flight);
        self.joinable.insert(digest, id);
        self.departures.push_back((id, token));
        id
    }

    /// A request stops waiting: its client is gone. The flight goes on for the others.
    pub fn leave(&mut self, id: FlightId, waiter: WaiterId) {
        if let Some(flight) = self.all.get_mut(&id) {
            flight.waiters.remove(&waiter);
        }
    }

    /// The next flight whose callout is to be dispatched. One that everybody has left before
    /// that is dropped: nobody wants to know.
    pub fn next_departure(&mut self) -> Option<(FlightId, AccessToken)> {
        while let Some((id, token)) = self.departures.pop_front() {
            match self.all.get(&id) {
                Some(flight) if flight.waiters.is_empty() => self.remove(id),
                Some(_) => return Some((id, token)),
                None => {}
            }
        }
        None
    }

    /// The flight's callout was dispatched; the host calls it `callout`.
    pub fn departed(&mut self, id: FlightId, callout: u32) {
        self.by_callout.insert(callout, id);
    }

    /// Which flight the answer to `callout` is for.
    pub fn landing(&mut self, callout: u32) -> Option<FlightId> {
        self.by_callout.remove(&callout)
    }

    /// The flight was answered. Its waiters come out of [`Self::next_batch`].
    pub fn arrived(&mut self, id: FlightId, answer: Answer) {
        if let Some(flight) = self.all.get_mut(&id) {
            flight.answer = Some(Rc::new(answer));
            self.joinable.remove(&flight.digest);
            self.arrivals.push_back(id);
        }
    }

    /// At most `limit` waiters that can be told something now; `None` if there are none.
    pub fn next_batch(&mut self, limit: usize) -> Option<Batch<W>> {
        while let Some(id) = self.arrivals.front().copied() {
            if let Some(batch) = self.take_waiters(id, limit) {
                return Some(batch);
            }
            self.arrivals.pop_front();
            self.remove(id);
        }
        None
    }

    fn take_waiters(&mut self, id: FlightId, limit: usize) -> Option<Batch<W>> {
        let flight = self.all.get_mut(&id)?;
        let answer = Rc::clone(flight.answer.as_ref()?);
        let take = || flight.waiters.pop_first();
        let waiters: Vec<_> = std::iter::from_fn(take).take(limit).collect();
        (!waiters.is_empty()).then_some(Batch { waiters, answer })
    }

    fn remove(&mut self, id: FlightId) {
        if let Some(flight) = self.all.remove(&id)
            && self.joinable.get(&flight.digest) == Some(&id)
        {
            self.joinable.remove(&flight.digest);
        }
    }

    /// Whether something is to be dispatched, or somebody to be told something.
    pub fn has_work(&self) -> bool {
        !self.departures.is_empty() || !self.arrivals.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspection::response::Introspection;

    fn join(flights: &mut Flights<&'static str>, token: &str, waiter: u32) -> FlightId {
        let token = AccessToken::new(token);
        flights
            .join(TokenDigest::of(&token), token, waiter, "value")
            .id
    }

    const INACTIVE: Answer = Ok(Introspection::Inactive);

    fn told(flights: &mut Flights<&'static str>, limit: usize) -> Vec<Vec<u32>> {
        std::iter::from_fn(|| flights.next_batch(limit))
            .map(|batch| batch.waiters.into_iter().map(|(id, _)| id).collect())
            .collect()
    }

    fn is_empty(flights: &Flights<&'static str>) -> bool {
        flights.all.is_empty()
            && flights.joinable.is_empty()
            && flights.by_callout.is_empty()
            && flights.departures.is_empty()
            && flights.arrivals.is_empty()
    }

    #[test]
    fn one_departure_for_a_token() {
        let mut flights = Flights::default();
        let a = join(&mut flights, "a", 1);
        assert_eq!(join(&mut flights, "a", 2), a);
        let b = join(&mut flights, "b", 3);
        assert_ne!(a, b);
        let departures: Vec<_> = std::iter::from_fn(|| flights.next_departure()).collect();
        let departures: Vec<_> = departures.iter().map(|(id, t)| (*id, t.expose())).collect();
        assert_eq!(departures, [(a, "a"), (b, "b")]);
        flights.departed(a, 70);
        flights.departed(b, 71);
        assert_eq!(join(&mut flights, "a", 4), a, "joins what is under way");
        assert_eq!(flights.landing(71), Some(b));
        assert_eq!(flights.landing(71), None);
        flights.arrived(b, INACTIVE);
        assert_eq!(told(&mut flights, 32), [[3]]);
        assert_eq!(flights.landing(70), Some(a));
        flights.arrived(a, INACTIVE);
        assert_eq!(told(&mut flights, 32), [[1, 2, 4]]);
        assert!(is_empty(&flights));
    }

    #[test]
    fn batches_are_bounded_and_nobody_is_told_twice() {
        let mut flights = Flights::default();
        let mut id = None;
        for waiter in 0..70 {
            id = Some(join(&mut flights, "a", waiter));
        }
        assert!(flights.next_batch(32).is_none(), "not answered yet");
        flights.next_departure();
        flights.arrived(id.unwrap(), INACTIVE);
        let batches = told(&mut flights, 32);
        assert_eq!(
            batches.iter().map(Vec::len).collect::<Vec<_>>(),
            [32, 32, 6]
        );
        assert_eq!(batches.concat(), (0..70).collect::<Vec<_>>());
        assert!(is_empty(&flights));
    }

    #[test]
    fn whoever_leaves_is_not_told_and_the_others_are() {
        let mut flights = Flights::default();
        let id = join(&mut flights, "a", 1);
        join(&mut flights, "a", 2);
        join(&mut flights, "a", 3);
        flights.next_departure();
        flights.departed(id, 7);
        flights.leave(id, 1);
        flights.landing(7);
        flights.arrived(id, INACTIVE);
        flights.leave(id, 3);
        assert_eq!(told(&mut flights, 32), [[2]]);
        flights.leave(id, 2);
        assert!(is_empty(&flights));
    }

    #[test]
    fn a_flight_that_all_left_survives_only_if_under_way() {
        let mut flights = Flights::default();
        let id = join(&mut flights, "a", 1);
        flights.leave(id, 1);
        assert!(flights.next_departure().is_none());
        assert!(is_empty(&flights));

        let id = join(&mut flights, "a", 2);
        flights.next_departure();
        flights.departed(id, 7);
        flights.leave(id, 2);
        assert_eq!(join(&mut flights, "a", 3), id, "the callout is still good");
        flights.landing(7);
        flights.arrived(id, INACTIVE);
        assert_eq!(told(&mut flights, 32), [[3]]);
    }

    #[test]
    fn an_answered_flight_takes_no_more_passengers() {
        let mut flights = Flights::default();
        let first = join(&mut flights, "a", 1);
        flights.next_departure();
        flights.arrived(first, INACTIVE);
        let second = join(&mut flights, "a", 2);
        assert_ne!(first, second);
        assert_eq!(told(&mut flights, 32), [[1]]);
        assert_eq!(flights.next_departure().map(|(id, _)| id), Some(second));
    }
}
