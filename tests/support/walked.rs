//! Enums that a test walks from end to end.

/// Defines an enum with the list of all its cases, so that none can be left out of a walk.
macro_rules! walked {
    ($(#[$about:meta])* $name:ident { $($(#[$case_about:meta])* $case:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$case_about])* $case),+
        }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$case),+];
        }
    };
}

pub(crate) use walked;
