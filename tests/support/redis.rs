//! Real servers of Redis, as the tests of the keystore start them.

#[path = "../../keystore/tests/keystore/redis/server.rs"]
#[allow(dead_code)] // each suite uses its part
mod server;

/// Nodes have their database beside a server.
mod beside {
    pub(crate) struct Beside;

    impl Beside {
        pub(crate) fn is_available() -> bool {
            true
        }

        pub(crate) fn of(_port: u16) -> Self {
            Self
        }
    }
}

pub(crate) use server::{
    Cluster, Place, SETTINGS_OF_A_CLUSTER, Server, copied, free_port, is_available,
};
