//! One HTTP stream as its host knows it, and what became of it.

use std::collections::BTreeMap;

/// Names and values, in order.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A request on its way.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub headers: Headers,
    pub trailers: Headers,
    pub properties: BTreeMap<String, Vec<u8>>,
    /// What the filter told access logs.
    pub filter_state: BTreeMap<String, Vec<u8>>,
    pub fate: Option<Fate>,
}

/// What became of a request. The first counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes to the upstream, with the headers that it has then.
    LetThrough,
    /// The filter has answered it.
    Answered {
        status: u32,
        headers: Headers,
        body: Vec<u8>,
    },
}

impl Stream {
    /// It came with these headers.
    pub fn new(headers: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        let id = ("request.id".to_owned(), b"b0e2e1d8".to_vec());
        Self {
            headers: headers.iter().map(own).collect(),
            properties: BTreeMap::from([id]),
            ..Self::default()
        }
    }

    pub fn ends(&mut self, fate: Fate) {
        self.fate.get_or_insert(fate);
    }

    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_slice())
    }
}
