//! Names for those who may be asked about a token.
//!
//! A rule says whom it trusts; who that is, is known further up.

/// Names one provider of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(u8);

/// Some of a configuration's providers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderSet(u32);

/// How many providers a configuration may have.
pub const MAX_PROVIDERS: usize = 32;

impl ProviderId {
    /// The provider at that position; `None` from [`MAX_PROVIDERS`] on.
    pub fn at(position: usize) -> Option<Self> {
        let id = u8::try_from(position).ok()?;
        (position < MAX_PROVIDERS).then_some(Self(id))
    }

    /// Its position.
    pub fn position(self) -> usize {
        self.0.into()
    }

    /// The same, wide enough for a token's key.
    pub(super) fn number(self) -> u128 {
        self.0.into()
    }

    fn bit(self) -> u32 {
        1_u32.checked_shl(self.0.into()).unwrap_or_default()
    }
}

impl ProviderSet {
    /// Whether it has nobody.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The first of them.
    pub fn first(self) -> Option<ProviderId> {
        let position = self.0.trailing_zeros();
        ProviderId::at(usize::try_from(position).ok()?)
    }

    /// How many they are.
    pub fn len(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or(usize::MAX)
    }

    /// All of them, in their order.
    pub fn iter(self) -> impl Iterator<Item = ProviderId> + Clone {
        let all = (0..MAX_PROVIDERS).filter_map(ProviderId::at);
        all.filter(move |id| self.0 & id.bit() != 0)
    }
}

impl FromIterator<ProviderId> for ProviderSet {
    fn from_iter<T: IntoIterator<Item = ProviderId>>(ids: T) -> Self {
        Self(ids.into_iter().fold(0, |bits, id| bits | id.bit()))
    }
}

impl Extend<ProviderId> for ProviderSet {
    fn extend<T: IntoIterator<Item = ProviderId>>(&mut self, ids: T) {
        self.0 |= ids.into_iter().collect::<Self>().0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(positions: &[usize]) -> ProviderSet {
        let ids = positions.iter().copied().filter_map(ProviderId::at);
        ids.collect()
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        for positions in [&[][..], &[0], &[31], &[0, 5, 31]] {
            let set = set(positions);
            let found: Vec<_> = set.iter().map(ProviderId::position).collect();
            assert_eq!(found, positions);
            assert_eq!(set.len(), positions.len());
            assert_eq!(set.is_empty(), positions.is_empty());
            let first = set.first().map(ProviderId::position);
            assert_eq!(first, positions.first().copied());
        }
        assert_eq!(set(&[0, 1]).and(set(&[1, 2])), set(&[1]));
        assert_eq!(ProviderId::at(MAX_PROVIDERS), None);
    }
}
