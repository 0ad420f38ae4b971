//! The rules of the protocol, each of which can be taken away, and the faults that may come.

/// The lease, in ticks.
pub(crate) const LEASE: u8 = 2;

/// By how many ticks it is longer once it was lengthened.
pub(crate) const MORE: u8 = 1;

/// What the protocol demands.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is taken away alone
pub(crate) struct Rules {
    /// For how many ticks a confirmed end waits for its answer, by the shorter length.
    pub(crate) wait: u8,
    /// An end that finds nothing waits as well.
    pub(crate) waits_where_gone: bool,
    /// An end that finds nothing is confirmed as one that finds something is.
    pub(crate) confirmed_where_gone: bool,
    /// An end is confirmed by the replica.
    pub(crate) replicated: bool,
    /// An end is confirmed by the disk.
    pub(crate) synced: bool,
    /// A request reads the lease before it looks at what is kept.
    pub(crate) lease_first: bool,
    /// What was read is kept only if no end came in meanwhile.
    pub(crate) stamps: bool,
    /// The lease counts from the sending of the poll.
    pub(crate) from_sending: bool,
    /// A poll counts only with evidence, younger than its sending, that its server still leads.
    pub(crate) evidence: bool,
    /// A new leader is adopted when it is known who that is.
    pub(crate) claimed: bool,
    /// A feed that was cut off, or another server, is noticed, and everything is read once more.
    pub(crate) gaps: bool,
    /// A read counts only from the server that the lease is from.
    pub(crate) one_server: bool,
    /// The lease isn't lengthened while a change is under way, which has read the shorter length.
    pub(crate) lengthened_alone: bool,
}

impl Rules {
    pub(crate) const fn all() -> Self {
        Self {
            wait: LEASE,
            waits_where_gone: true,
            confirmed_where_gone: true,
            replicated: true,
            synced: true,
            lease_first: true,
            stamps: true,
            from_sending: true,
            evidence: true,
            claimed: true,
            gaps: true,
            one_server: true,
            lengthened_alone: true,
        }
    }
}

/// What may go wrong, at any moment, once.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each comes alone
pub(crate) struct Faults {
    /// The node's clock stands still while others go on.
    pub(crate) clock_stops: bool,
    /// The primary dies, and the replica takes over.
    pub(crate) primary_dies: bool,
    /// The replica takes over while the primary is alive and doesn't know it.
    pub(crate) two_primaries: bool,
    /// The primary is started again with what is on its disk.
    pub(crate) restart: bool,
    /// The feed is cut off.
    pub(crate) trimmed: bool,
    /// The lease is lengthened.
    pub(crate) lengthened: bool,
}

impl Faults {
    pub(crate) const fn none() -> Self {
        Self {
            clock_stops: false,
            primary_dies: false,
            two_primaries: false,
            restart: false,
            trimmed: false,
            lengthened: false,
        }
    }
}
