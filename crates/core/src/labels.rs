//! Values that metrics know by a name: an enum, the list of its values and their names, written
//! down once, so that no value can be left out.

/// Defines an enum with `ALL` and `name()`.
macro_rules! labelled {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $label:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// All of them, for metrics that are defined ahead.
            pub const ALL: [Self; [$($label),+].len()] = [$(Self::$variant),+];

            /// Its name in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

pub(crate) use labelled;
