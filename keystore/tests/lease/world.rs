//! The state that is searched. Times are kept relative to now and cut off where they stop to matter, so that the
//! number of states is finite without a horizon.

/// One of the two servers of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Server {
    Primary,
    Replica,
}

pub(crate) const SERVERS: [Server; 2] = [Server::Primary, Server::Replica];

/// What a server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(crate) struct Held {
    pub(crate) alive: bool,
    /// The session's record is there.
    pub(crate) record: bool,
    /// Its end is in the feed.
    pub(crate) end: bool,
    /// The feed was cut off behind it.
    pub(crate) trimmed: bool,
}

/// A history of a server: the primary's before a restart, its after it, the replica's once it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum History {
    First,
    Restarted,
    Promoted,
}

/// How far the replica has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Takeover {
    None,
    /// A majority has voted: there is a new epoch.
    Voted,
    /// The replica serves.
    Serves,
    /// Everybody can learn that it leads.
    Announced,
}

/// A poll on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Poll {
    /// Ticks since its sending, no more than the longest lease.
    pub(crate) age: u8,
    pub(crate) to: Server,
    pub(crate) served: Option<Served>,
    /// What a majority said about the leader after the poll was sent.
    pub(crate) evidence: Option<Evidence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Served {
    /// For how many ticks the lease is.
    pub(crate) lease: u8,
    pub(crate) brings_end: bool,
    pub(crate) trimmed: bool,
    pub(crate) history: History,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Evidence {
    pub(crate) new_epoch: bool,
    pub(crate) names_replica: bool,
}

/// A guarded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    None,
    /// `late`: it began after an end had been answered, and must not be let in.
    Begun {
        late: bool,
    },
    /// It has read the lease.
    Leased {
        late: bool,
        history: History,
    },
    /// In the wrong order: it has looked at what is kept, and hasn't read the lease.
    Found {
        late: bool,
    },
    /// It asks the store.
    Reading {
        late: bool,
        from: Server,
        /// An end has come in since it asked.
        overtaken: bool,
        history: History,
        answer: Option<(bool, History)>,
    },
}

/// A process that guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) to: Server,
    /// The history that its lease is from.
    pub(crate) history: History,
    pub(crate) knows_new_epoch: bool,
    /// Ticks that are left of its lease.
    pub(crate) lease: u8,
    /// It keeps the session's key.
    pub(crate) keeps: bool,
    pub(crate) poll: Option<Poll>,
    pub(crate) request: Request,
}

/// Somebody who ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    Idle,
    /// It has read for how many ticks longer it has to wait, and has changed nothing yet.
    UnderWay {
        longer: u8,
    },
    /// The change was made there.
    Made {
        longer: u8,
        at: Server,
        history: History,
        found_nothing: bool,
    },
    /// It is confirmed.
    Waits {
        left: u8,
    },
    Answered,
    /// 503.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(crate) struct World {
    pub(crate) primary: Held,
    pub(crate) replica: Held,
    /// What is on the primary's disk: the record, the end.
    pub(crate) disk: (bool, bool),
    pub(crate) takeover: Takeover,
    /// The primary has learnt that it doesn't lead any more.
    pub(crate) primary_knows: bool,
    pub(crate) restarted: bool,
    pub(crate) node: Node,
    pub(crate) callers: [Caller; 2],
    pub(crate) asked_again: bool,
    /// By how many ticks the lease was lengthened.
    pub(crate) longer: u8,
}

impl World {
    pub(crate) fn new() -> Self {
        let held = Held {
            alive: true,
            record: true,
            end: false,
            trimmed: false,
        };
        Self {
            primary: held,
            replica: held,
            disk: (true, false),
            takeover: Takeover::None,
            primary_knows: false,
            restarted: false,
            node: Node {
                to: Server::Primary,
                history: History::First,
                knows_new_epoch: false,
                lease: 0,
                keeps: false,
                poll: None,
                request: Request::None,
            },
            callers: [Caller::Idle; 2],
            asked_again: false,
            longer: 0,
        }
    }

    pub(crate) fn held(&self, server: Server) -> Held {
        match server {
            Server::Primary => self.primary,
            Server::Replica => self.replica,
        }
    }

    pub(crate) fn held_mut(&mut self, server: Server) -> &mut Held {
        match server {
            Server::Primary => &mut self.primary,
            Server::Replica => &mut self.replica,
        }
    }

    /// Whether a server takes changes and answers reads.
    pub(crate) fn serves(&self, server: Server) -> bool {
        let taken_over = self.takeover >= Takeover::Serves;
        match server {
            Server::Primary => self.primary.alive && !(taken_over && self.primary_knows),
            Server::Replica => taken_over,
        }
    }

    pub(crate) fn history(&self, server: Server) -> History {
        match server {
            Server::Replica => History::Promoted,
            Server::Primary if self.restarted => History::Restarted,
            Server::Primary => History::First,
        }
    }

    pub(crate) fn answered(&self) -> bool {
        self.callers.contains(&Caller::Answered)
    }
}

impl Node {
    /// An end came in, or something may have been missed.
    pub(crate) fn forget(&mut self) {
        self.keeps = false;
        if let Request::Reading { overtaken, .. } = &mut self.request {
            *overtaken = true;
        }
    }
}
