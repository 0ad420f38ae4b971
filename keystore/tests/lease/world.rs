//! The state that is searched. Times are kept relative to now and cut off where they stop to matter, so that the
//! number of states is finite without a horizon.

/// One of the two servers of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Server {
    Primary,
    Replica,
}

pub(crate) const SERVERS: [Server; 2] = [Server::Primary, Server::Replica];

/// Up to where a feed goes, or somebody knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Feed {
    /// Nothing has ended.
    Start,
    /// The end is in it.
    End,
    /// It was cut off behind that.
    Cut,
}

/// What a server holds, or a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    /// The session's record is there.
    pub(crate) record: bool,
    pub(crate) feed: Feed,
}

/// Before anything has happened.
pub(crate) const BEFORE: Held = Held {
    record: true,
    feed: Feed::Start,
};

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
    /// The two who vote see the primary as failed. The replica still follows it, where it can.
    Failed,
    /// The replica serves, and nobody else has heard of it.
    Serves,
    /// Of the two who vote, one has heard of it: with itself, most see it lead.
    Heard,
    /// Both have.
    Announced,
}

/// What has become of the replica, as the primary sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    Follows,
    /// It doesn't confirm anything.
    Away,
    /// Besides, the cluster has agreed that it has failed.
    Failed,
}

/// A poll on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(crate) struct Poll {
    /// Ticks since its sending, no more than the longest lease.
    pub(crate) age: u8,
    pub(crate) served: Option<Served>,
    /// The replica has what was written by it.
    pub(crate) copied: bool,
    /// The server has said, behind it, that it is confirmed and that it leads.
    pub(crate) confirmed: bool,
    /// Most have said, after it was sent, that they see its server lead.
    pub(crate) agreed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Served {
    /// For how many ticks the lease is.
    pub(crate) lease: u8,
    pub(crate) feed: Feed,
    pub(crate) history: History,
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
        /// The server that the lease is from.
        history: History,
        answer: Option<(bool, History)>,
    },
}

/// Where a node is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Nowhere,
    /// It knows where the feed is, and not yet what was before. `journal`: whether the end was written down, once it has
    /// read that.
    Arriving {
        to: Server,
        history: History,
        journal: Option<bool>,
    },
    /// It polls.
    There {
        to: Server,
        history: History,
    },
}

/// A process that guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) place: Place,
    /// Up to where it knows the feed.
    pub(crate) cursor: Feed,
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
    /// It has written the end down; `again` where it had before.
    Written {
        again: bool,
    },
    /// The change was made there.
    Made {
        longer: u8,
        at: Server,
        history: History,
        found_nothing: bool,
        /// The replica has it.
        copied: bool,
    },
    /// In the wrong order: it is confirmed, and not written down yet.
    Confirmed {
        left: u8,
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
    /// What is on the primary's disk.
    pub(crate) disk: Held,
    pub(crate) primary_alive: bool,
    /// The primary has learnt that it doesn't lead any more.
    pub(crate) primary_knows: bool,
    pub(crate) restarted: bool,
    pub(crate) takeover: Takeover,
    /// Those who haven't heard that the replica leads see the primary lead.
    pub(crate) unnoticed: bool,
    pub(crate) link: Link,
    pub(crate) node: Node,
    pub(crate) callers: [Caller; 2],
    pub(crate) asked_again: bool,
    /// Whether each caller has written the end down.
    pub(crate) journal: [bool; 2],
    /// By how many ticks the lease was lengthened.
    pub(crate) longer: u8,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            primary: BEFORE,
            replica: BEFORE,
            disk: BEFORE,
            primary_alive: true,
            primary_knows: false,
            restarted: false,
            takeover: Takeover::None,
            unnoticed: false,
            link: Link::Follows,
            node: Node {
                place: Place::There {
                    to: Server::Primary,
                    history: History::First,
                },
                cursor: Feed::Start,
                lease: 0,
                keeps: false,
                poll: None,
                request: Request::None,
            },
            callers: [Caller::Idle; 2],
            asked_again: false,
            journal: [false; 2],
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
        match server {
            Server::Primary => self.primary_alive && !self.primary_knows,
            Server::Replica => self.takeover >= Takeover::Serves,
        }
    }

    /// Whether most of those who lead see this one lead, itself among them, or all of them.
    pub(crate) fn is_seen(&self, server: Server, all: bool) -> bool {
        match server {
            Server::Primary => match self.takeover {
                Takeover::None => true,
                Takeover::Serves => self.unnoticed,
                Takeover::Heard => self.unnoticed && !all,
                Takeover::Failed | Takeover::Announced => false,
            },
            Server::Replica if all => self.takeover >= Takeover::Announced,
            Server::Replica => self.takeover >= Takeover::Heard,
        }
    }

    pub(crate) fn history(&self, server: Server) -> History {
        match server {
            Server::Replica => History::Promoted,
            Server::Primary if self.restarted => History::Restarted,
            Server::Primary => History::First,
        }
    }

    /// Whether what was asked at this server can still be answered on the same connection.
    pub(crate) fn connected(&self, to: Server, history: History) -> bool {
        self.serves(to) && self.history(to) == history
    }

    pub(crate) fn answered(&self) -> bool {
        self.callers.contains(&Caller::Answered)
    }

    /// What a server that answers nobody any more holds makes no difference.
    pub(crate) fn tidy(&mut self) {
        if !self.serves(Server::Primary) {
            self.primary = BEFORE;
            self.disk = BEFORE;
            self.unnoticed = false;
            if self.takeover >= Takeover::Serves {
                self.link = Link::Follows;
            }
        }
    }
}

impl Held {
    /// The session ends here. Where it has already, that is told all the same.
    pub(crate) fn end(&mut self) {
        if self.record || self.feed == Feed::Start {
            self.feed = Feed::End;
        }
        self.record = false;
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
