//! What a host call comes to, by proxy-wasm's numbers.

/// Defines the enum, and the list of its failures.
macro_rules! statuses {
    ($ok:ident = $zero:literal, $($failure:ident = $number:literal,)+) => {
        /// A call's result.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(i32)]
        pub enum Status {
            $ok = $zero,
            $($failure = $number,)+
        }

        impl Status {
            /// All that are no success.
            pub const FAILURES: &[Self] = &[$(Self::$failure),+];
        }
    };
}

statuses! {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    BadExpression = 5,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    ResultMismatch = 9,
    InternalFailure = 10,
    BrokenConnection = 11,
    Unimplemented = 12,
}
