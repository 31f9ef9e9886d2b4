//! One callout for all requests that wait for the same token.
//!
//! A *flight* is the question about one token on its way: it waits to depart (its callout is not
//! dispatched yet), is under way, and has arrived (answered, its waiters not all told yet). A
//! *waiter* is a paused request. Nothing here knows the host: waiters are numbers with a value.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use super::response::Answer;
use crate::bearer::AccessToken;
use crate::cache::shared::CLAIM_HOLDS;
use crate::digest::{TokenKey, TokenName};
use crate::time::Time;

/// All flights of one root context. `W` is what is remembered for each waiter.
#[derive(Debug)]
pub struct Flights<W> {
    all: HashMap<FlightId, Flight<W>>,
    /// Flights that a new waiter may still join: not answered yet.
    joinable: HashMap<TokenKey, FlightId>,
    by_callout: HashMap<u32, Landing>,
    departures: VecDeque<Departure>,
    /// Flights that let another worker ask first.
    deferred: VecDeque<Departure>,
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
    name: TokenName,
    /// Departs even if nobody waits for it.
    is_renewal: bool,
    waiters: BTreeMap<WaiterId, W>,
    answer: Option<Rc<Answer>>,
}

/// A flight whose callout is to be dispatched.
#[derive(Debug)]
pub struct Departure {
    /// Which one.
    pub id: FlightId,
    /// What is to be asked about.
    pub token: AccessToken,
    /// What the token is called.
    pub name: TokenName,
    /// Whether it was opened for nobody, to renew what is known.
    pub is_renewal: bool,
    /// Since when it lets another worker ask first.
    deferred_since: Option<Time>,
}

/// A flight whose callout was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landing {
    /// Which one.
    pub id: FlightId,
    /// What the token is called.
    pub name: TokenName,
    /// When the callout was dispatched.
    pub asked_at: Time,
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

impl Departure {
    /// Whether another worker may still be let ask first: nobody waits for others for longer than
    /// a claim holds.
    pub fn may_be_held_back(&self, now: Time) -> bool {
        let held_for = |since: Time| now.since(since).max(since.since(now));
        self.deferred_since
            .is_none_or(|since| held_for(since) < CLAIM_HOLDS)
    }
}

impl<W> Default for Flights<W> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            joinable: HashMap::new(),
            by_callout: HashMap::new(),
            departures: VecDeque::new(),
            deferred: VecDeque::new(),
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
        name: TokenName,
        token: AccessToken,
        waiter: WaiterId,
        value: W,
    ) -> Joined {
        let open = self.joinable.get(&name.key).copied();
        let id = open.unwrap_or_else(|| self.open(name, token, false));
        if let Some(flight) = self.all.get_mut(&id) {
            flight.waiters.insert(waiter, value);
        }
        Joined {
            id,
            is_new: open.is_none(),
        }
    }

    /// A token is to be asked about though nobody waits for the answer. Whether that opened a
    /// flight.
    pub fn renew(&mut self, name: TokenName, token: AccessToken) -> bool {
        let is_new = !self.joinable.contains_key(&name.key);
        if is_new {
            self.open(name, token, true);
        }
        is_new
    }

    fn open(&mut self, name: TokenName, token: AccessToken, is_renewal: bool) -> FlightId {
        self.last_id = self.last_id.wrapping_add(1);
        let id = FlightId(self.last_id);
        let flight = Flight {
            name,
            is_renewal,
            waiters: BTreeMap::new(),
            answer: None,
        };
        self.all.insert(id, flight);
        self.joinable.insert(name.key, id);
        self.departures.push_back(Departure {
            id,
            token,
            name,
            is_renewal,
            deferred_since: None,
        });
        id
    }

    /// A request stops waiting: its client is gone. The flight goes on for the others.
    pub fn leave(&mut self, id: FlightId, waiter: WaiterId) {
        if let Some(flight) = self.all.get_mut(&id) {
            flight.waiters.remove(&waiter);
        }
    }

    /// A flight that cannot depart: nobody may join it any more.
    pub fn cancel(&mut self, id: FlightId) {
        self.remove(id);
    }

    /// The next flight whose callout is to be dispatched. One that everybody has left before
    /// that is dropped: nobody wants to know.
    pub fn next_departure(&mut self) -> Option<Departure> {
        while let Some(departure) = self.departures.pop_front() {
            match self.all.get(&departure.id) {
                Some(flight) if flight.waiters.is_empty() && !flight.is_renewal => {
                    self.remove(departure.id);
                }
                Some(_) => return Some(departure),
                None => {}
            }
        }
        None
    }

    /// The flight's callout was dispatched; the host calls it `callout`.
    pub fn departed(&mut self, callout: u32, landing: Landing) {
        self.by_callout.insert(callout, landing);
    }

    /// The flight lets another worker ask first.
    pub fn defer(&mut self, departure: Departure, now: Time) {
        let deferred_since = departure.deferred_since.or(Some(now));
        self.deferred.push_back(Departure {
            deferred_since,
            ..departure
        });
    }

    /// Flights that let another worker ask first, at most `limit`: they have arrived, or depart
    /// after all.
    pub fn take_deferred(&mut self, limit: usize) -> Vec<Departure> {
        let some = self.deferred.len().min(limit);
        self.deferred.drain(..some).collect()
    }

    /// A flight that was deferred departs after all.
    pub fn depart_after_all(&mut self, departure: Departure) {
        self.departures.push_back(departure);
    }

    /// Whether some flights are deferred.
    pub fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Which flight the answer to `callout` is for.
    pub fn landing(&mut self, callout: u32) -> Option<Landing> {
        self.by_callout.remove(&callout)
    }

    /// The flight was answered. Its waiters come out of [`Self::next_batch`].
    pub fn arrived(&mut self, id: FlightId, answer: Answer) {
        if let Some(flight) = self.all.get_mut(&id) {
            flight.answer = Some(Rc::new(answer));
            self.joinable.remove(&flight.name.key);
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
            && self.joinable.get(&flight.name.key) == Some(&id)
        {
            self.joinable.remove(&flight.name.key);
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
    use crate::introspection::response::IntrospectionError;

    fn join(flights: &mut Flights<&'static str>, token: &str, waiter: u32) -> FlightId {
        let name = TokenName::of(token);
        flights
            .join(name, AccessToken::new(token), waiter, "value")
            .id
    }

    const TIMEOUT: Answer = Err(IntrospectionError::Timeout);

    fn depart(flights: &mut Flights<&'static str>, id: FlightId, callout: u32) -> Landing {
        let landing = Landing {
            id,
            name: TokenName::of("any"),
            asked_at: Time::from_millis(1),
        };
        flights.departed(callout, landing);
        landing
    }

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
        let departures: Vec<_> = departures
            .iter()
            .map(|d| (d.id, d.token.expose()))
            .collect();
        assert_eq!(departures, [(a, "a"), (b, "b")]);
        let landing_a = depart(&mut flights, a, 70);
        let landing_b = depart(&mut flights, b, 71);
        assert_eq!(join(&mut flights, "a", 4), a, "joins what is under way");
        assert_eq!(flights.landing(71), Some(landing_b));
        assert_eq!(flights.landing(71), None);
        flights.arrived(b, TIMEOUT);
        assert_eq!(told(&mut flights, 32), [[3]]);
        assert_eq!(flights.landing(70), Some(landing_a));
        flights.arrived(a, TIMEOUT);
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
        flights.arrived(id.unwrap(), TIMEOUT);
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
        depart(&mut flights, id, 7);
        flights.leave(id, 1);
        flights.landing(7);
        flights.arrived(id, TIMEOUT);
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
        depart(&mut flights, id, 7);
        flights.leave(id, 2);
        assert_eq!(join(&mut flights, "a", 3), id, "the callout is still good");
        flights.landing(7);
        flights.arrived(id, TIMEOUT);
        assert_eq!(told(&mut flights, 32), [[3]]);
    }

    #[test]
    fn an_answered_flight_takes_no_more_passengers() {
        let mut flights = Flights::default();
        let first = join(&mut flights, "a", 1);
        flights.next_departure();
        flights.arrived(first, TIMEOUT);
        let second = join(&mut flights, "a", 2);
        assert_ne!(first, second);
        assert_eq!(told(&mut flights, 32), [[1]]);
        assert_eq!(flights.next_departure().map(|d| d.id), Some(second));
    }

    #[test]
    fn a_renewal_departs_with_nobody_on_board() {
        let mut flights = Flights::default();
        let token = || AccessToken::new("a");
        let name = TokenName::of("a");
        assert!(flights.renew(name, token()));
        assert!(!flights.renew(name, token()), "it is on its way already");
        let departure = flights.next_departure().unwrap();
        assert_eq!(departure.name, name);
        depart(&mut flights, departure.id, 7);
        assert_eq!(
            join(&mut flights, "a", 1),
            departure.id,
            "whoever comes may wait for it"
        );
        flights.landing(7);
        flights.arrived(departure.id, TIMEOUT);
        assert_eq!(told(&mut flights, 32), [[1]]);
        assert!(is_empty(&flights));
        assert!(flights.renew(name, token()));
    }

    #[test]
    fn a_deferred_flight_departs_later() {
        let mut flights = Flights::default();
        let id = join(&mut flights, "a", 1);
        let departure = flights.next_departure().unwrap();
        let at = |millis: u64| Time::from_millis(millis.saturating_add(1_000_000));
        assert!(departure.may_be_held_back(at(0)));
        flights.defer(departure, at(0));
        assert!(flights.next_departure().is_none());
        assert!(flights.has_deferred() && !flights.has_work());
        assert_eq!(join(&mut flights, "a", 2), id);
        let deferred = flights.take_deferred(32).pop().unwrap();
        assert!(deferred.may_be_held_back(at(249)));
        flights.defer(deferred, at(249));
        let deferred = flights.take_deferred(32).pop().unwrap();
        assert!(
            !deferred.may_be_held_back(at(250)),
            "held back since it was first"
        );
        assert!(!flights.has_deferred());
        flights.depart_after_all(deferred);
        assert_eq!(flights.next_departure().unwrap().id, id);
    }
}
