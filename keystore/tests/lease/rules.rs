//! The rules of the protocol, each of which can be taken away, and the faults that may come.

/// The lease, in ticks.
pub(crate) const LEASE: u8 = 2;

/// By how many ticks it is longer once it was lengthened.
pub(crate) const MORE: u8 = 1;

/// Where the session is, and what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// On `PostgreSQL` with a synchronous standby.
    Postgres,
    /// On a cluster of Redis, by a change that isn't written down: a refresh ends the tokens of before.
    Refresh,
    /// On a cluster of Redis, by an end that is written down in the journal first.
    End,
}

impl Case {
    pub(crate) fn is_redis(self) -> bool {
        self != Self::Postgres
    }
}

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
    /// An end is confirmed by the replica, unless the cluster has agreed that it has failed.
    pub(crate) replicated: bool,
    /// An end is confirmed by the disk.
    pub(crate) synced: bool,
    /// An end of which nobody knows whether it was made is an error.
    pub(crate) unknown_fails: bool,
    /// A request reads the lease before it looks at what is kept.
    pub(crate) lease_first: bool,
    /// A read of the store needs a lease as well.
    pub(crate) leased_reads: bool,
    /// What was read is kept only if no end came in meanwhile.
    pub(crate) stamps: bool,
    /// The lease counts from the sending of the poll.
    pub(crate) from_sending: bool,
    /// A poll counts only when its own change is confirmed by the replica, unless the cluster has agreed that that has
    /// failed.
    pub(crate) confirmed_polls: bool,
    /// A poll counts only when those who lead see its server lead, after it was sent.
    pub(crate) agreed: bool,
    /// A replica is left out only when the cluster has agreed that it has failed, not because its primary misses it.
    pub(crate) failed_by_agreement: bool,
    /// A feed that was cut off, or another server, is noticed, and everything is read once more.
    pub(crate) gaps: bool,
    /// A read counts only from the server that the lease is from.
    pub(crate) one_server: bool,
    /// The lease isn't lengthened while a change is under way, which has read the shorter length.
    pub(crate) lengthened_alone: bool,
    /// An end is written down before it is made.
    pub(crate) journal_first: bool,
    /// What is written down is made once more before there is a lease.
    pub(crate) replayed_first: bool,
    /// An end is answered only when its server was seen to lead after it was made.
    pub(crate) ends_by_who_leads: bool,
    /// It is seen to lead by all who vote, not by most.
    pub(crate) all_agree: bool,
    /// The journal is read only when the server that a node has connected to was seen to lead since.
    pub(crate) journal_by_who_leads: bool,
}

impl Rules {
    pub(crate) const fn all() -> Self {
        Self {
            wait: LEASE,
            waits_where_gone: true,
            confirmed_where_gone: true,
            replicated: true,
            synced: true,
            unknown_fails: true,
            lease_first: true,
            leased_reads: true,
            stamps: true,
            from_sending: true,
            confirmed_polls: true,
            agreed: true,
            failed_by_agreement: true,
            gaps: true,
            one_server: true,
            lengthened_alone: true,
            journal_first: true,
            replayed_first: true,
            ends_by_who_leads: true,
            all_agree: true,
            journal_by_who_leads: true,
        }
    }
}

/// What may happen besides, at any moment: most of it goes wrong, once.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // each comes alone
pub(crate) struct Faults {
    /// A second caller ends the session as well, at another node.
    pub(crate) twice: bool,
    /// The node's clock stands still while others go on.
    pub(crate) clock_stops: bool,
    /// The primary dies, and the replica takes over.
    pub(crate) primary_dies: bool,
    /// The replica takes over while the primary is alive and doesn't know it: it was cut off, or stood still.
    pub(crate) two_primaries: bool,
    /// The replica is made to take over, while most see the primary lead.
    pub(crate) by_hand: bool,
    /// The replica is cut off from the primary, or stands still.
    pub(crate) replica_away: bool,
    /// Besides, for so long that the cluster agrees that it has failed.
    pub(crate) replica_fails: bool,
    /// Whoever took over is cut off before anybody has heard of it, and the others see the one of before again.
    pub(crate) claim_lost: bool,
    /// The primary is started again with what is on its disk.
    pub(crate) restart: bool,
    /// The primary is started again with files of before.
    pub(crate) older: bool,
    /// The feed is cut off.
    pub(crate) trimmed: bool,
    /// The lease is lengthened.
    pub(crate) lengthened: bool,
}

impl Faults {
    pub(crate) const fn none() -> Self {
        Self {
            twice: false,
            clock_stops: false,
            primary_dies: false,
            two_primaries: false,
            by_hand: false,
            replica_away: false,
            replica_fails: false,
            claim_lost: false,
            restart: false,
            older: false,
            trimmed: false,
            lengthened: false,
        }
    }
}
