//! How facts about a token were come by.

use crate::labels::labelled;

labelled! {
    /// How facts about a token were come by.
    pub enum Lookup {
        /// This worker knew.
        Hit = "hit",
        /// Another worker had shared them.
        SharedHit = "shared_hit",
        /// They are past their time, but the endpoint cannot be asked.
        Stale = "stale",
        /// The endpoint is asked.
        Miss = "miss",
        /// The endpoint is being asked already.
        Coalesced = "coalesced",
    }
}
