//! Values that metrics know by a name: an enum, the list of its values and their names, written
//! down once, so that no value can be left out and no two share a name.

/// Defines an enum with `ALL` and `name()`.
macro_rules! labelled {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $label:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        const _: () = assert!($crate::labels::are_distinct(&[$($label),+]), "a label twice");

        impl $name {
            /// All of them, for metrics that are defined ahead.
            pub const ALL: [Self; [$($label),+].len()] = [$(Self::$variant),+];

            /// Its place among all of them.
            pub fn position(self) -> usize {
                self as usize
            }

            /// Its name in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

pub(crate) use labelled;

/// Whether no two labels are the same, for the compiler to know.
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs when it is compiled, where iterators do not yet"
)]
pub(crate) const fn are_distinct(labels: &[&str]) -> bool {
    let mut one = 0;
    while one < labels.len() {
        let mut other = one + 1;
        while other < labels.len() {
            if are_equal(labels[one].as_bytes(), labels[other].as_bytes()) {
                return false;
            }
            other += 1;
        }
        one += 1;
    }
    true
}

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs when it is compiled, where iterators do not yet"
)]
const fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
