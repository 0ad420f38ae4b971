//! What the answers of a record say has ended, and since when.

use super::record::{Entry, Record, Scope, Use};
use lacre::internals::token::TokenKind;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Nodes of one store. The answer of an end is knowledge about all of them; a refusal, or a listing, is knowledge about
/// others only when their lease is over, since the end that it shows may not have been answered yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nodes {
    pub(super) count: usize,
    /// The lease and one per cent of it.
    pub(super) lease: Duration,
}

/// The earliest answer by which a session has ended, or one token is noise, as known about each node.
#[derive(Default)]
pub(super) struct Ends {
    nodes: Nodes,
    sessions: Known<usize>,
    tokens: Known<(usize, TokenKind)>,
    /// The session of each pair.
    pairs: Vec<usize>,
}

/// By node.
type Known<K> = HashMap<(usize, K), Instant>;

/// About which nodes an answer is knowledge at once.
#[derive(Clone, Copy)]
enum About {
    All,
    One(usize),
    None,
}

impl Nodes {
    fn learn<K: Eq + Copy + std::hash::Hash>(
        self,
        known: &mut Known<K>,
        key: K,
        at: Instant,
        about: About,
    ) {
        for node in 0..self.count {
            let at_once = match about {
                About::All => true,
                About::One(one) => one == node,
                About::None => false,
            };
            let at = if at_once { at } else { at + self.lease };
            let since = known.entry((node, key)).or_insert(at);
            *since = at.min(*since);
        }
    }
}

impl Ends {
    pub(super) fn of(record: &Record, nodes: Nodes) -> Self {
        let mut ends = Self {
            nodes,
            pairs: record.sessions_of_pairs(),
            ..Self::default()
        };
        for entry in &record.entries {
            if entry.accepted {
                ends.learns_from_success(record, entry);
            } else if !entry.unknown {
                ends.learns_from_refusal(entry);
            }
        }
        ends
    }

    /// What is refused once stays refused. A refresh token is refused only where its session has
    /// ended, or ends by its use; the store says so, and what a node keeps of the session it may use for a lease.
    fn learns_from_refusal(&mut self, entry: &Entry) {
        match entry.used {
            Some((pair, Use::Access)) => {
                let (token, about) = ((pair, TokenKind::Access), About::One(entry.node));
                self.nodes
                    .learn(&mut self.tokens, token, entry.answered, about);
            }
            Some((pair, Use::Refresh)) => {
                let session = self.pairs[pair];
                self.nodes
                    .learn(&mut self.sessions, session, entry.answered, About::None);
            }
            Some((_, Use::LogOutByRefresh)) | None => {}
        }
    }

    fn learns_from_success(&mut self, record: &Record, entry: &Entry) {
        if let (Some((pair, Use::Refresh)), Some(_)) = (entry.used, entry.child) {
            self.passes(record, pair, entry.answered);
        }
        // What was there for certain when the request came in.
        let there = |given: usize| record.entries[given].answered < entry.asked;
        let lease = self.nodes.lease;
        for (at, session) in record.sessions.iter().enumerate() {
            let of_listed_user = |(pair, _): (usize, Use)| record.user_of(pair) == session.user;
            let unlisted = entry.listed.as_ref().is_some_and(|listed| {
                entry.used.is_some_and(of_listed_user) && !listed.contains(&session.crt)
            });
            let ended = match &entry.scope {
                Scope::Nothing | Scope::AccessOf(_) => unlisted,
                Scope::Begun(user, name) => {
                    name.is_some() && *user == session.user && *name == session.name
                }
                Scope::Session(ended) => *ended == at,
                Scope::Handle(crt) => *crt == session.crt,
                // One that took the place of the other has its handle, and stays.
                Scope::OthersOf(user, but) => {
                    *user == session.user && record.sessions[*but].crt != session.crt
                }
                Scope::AllOf(user) => *user == session.user,
            };
            if ended && there(session.begun) {
                // A listing is of others' changes within a lease, as is what it shows.
                let listed_late = record.entries[session.begun].answered + lease >= entry.asked;
                let about = if !unlisted {
                    About::All
                } else if listed_late && !lease.is_zero() {
                    continue;
                } else {
                    About::None
                };
                self.nodes
                    .learn(&mut self.sessions, at, entry.answered, about);
            }
        }
        if let Scope::AccessOf(user) = entry.scope {
            for (at, pair) in record.pairs.iter().enumerate() {
                if record.user_of(at) == user && there(pair.given) {
                    let token = (at, TokenKind::Access);
                    self.nodes
                        .learn(&mut self.tokens, token, entry.answered, About::All);
                }
            }
        }
    }

    /// A refresh with this pair was answered: its access token and those before it are noise, and so
    /// are the refresh tokens before it.
    fn passes(&mut self, record: &Record, pair: usize, at: Instant) {
        let (nodes, access) = (self.nodes, (pair, TokenKind::Access));
        nodes.learn(&mut self.tokens, access, at, About::All);
        let mut before = record.pairs[pair].parent;
        while let Some(pair) = before {
            for kind in [TokenKind::Access, TokenKind::Refresh] {
                nodes.learn(&mut self.tokens, (pair, kind), at, About::All);
            }
            before = record.pairs[pair].parent;
        }
    }

    /// Since when this token is noise at this node, as far as the answers say.
    fn since(&self, node: usize, pair: usize, kind: TokenKind) -> Option<Instant> {
        let session = self.sessions.get(&(node, self.pairs[pair]));
        let token = self.tokens.get(&(node, (pair, kind)));
        session.into_iter().chain(token).min().copied()
    }

    /// Every token that is known to be noise, those of ended sessions first: to use a refresh token
    /// that was spent in a session that lives ends the session.
    pub(super) fn noise(&self) -> Vec<(usize, TokenKind)> {
        let mut noise = Vec::new();
        for pair in 0..self.pairs.len() {
            for kind in [TokenKind::Access, TokenKind::Refresh] {
                if self.since(0, pair, kind).is_some() {
                    noise.push((pair, kind));
                }
            }
        }
        noise.sort_by_key(|(pair, _)| !self.sessions.contains_key(&(0, self.pairs[*pair])));
        noise
    }

    /// Demands that nothing was let in that had ended before it was asked for; how many such
    /// requests there were.
    pub(super) fn check(&self, record: &Record) -> usize {
        let mut late = 0;
        for entry in &record.entries {
            let Some((pair, used)) = entry.used else {
                continue;
            };
            let kind = match used {
                Use::Access => TokenKind::Access,
                Use::Refresh | Use::LogOutByRefresh => TokenKind::Refresh,
            };
            if self
                .since(entry.node, pair, kind)
                .is_some_and(|since| since < entry.asked)
            {
                late += 1;
                assert!(!entry.accepted, "let in after its end: {entry:?}");
            }
            self.check_list(record, entry);
        }
        late
    }

    /// No list shows a session that had ended before it was asked for.
    fn check_list(&self, record: &Record, entry: &Entry) {
        for crt in entry.listed.iter().flatten() {
            let mut named = record.sessions.iter().enumerate();
            let Some((_, told)) = named.find(|(_, session)| session.crt == *crt) else {
                continue; // one that its user was not told of, for the account changed meanwhile
            };
            let alive = record.sessions.iter().enumerate().any(|(at, session)| {
                let begun = record.entries[session.begun].asked < entry.answered;
                let since = self.sessions.get(&(entry.node, at));
                let ended = since.is_some_and(|since| *since < entry.asked);
                session.crt == *crt && begun && !ended
            });
            // The same under the name of one that was told of before.
            let untold = record.entries.iter().any(|other| {
                let same = matches!(other.scope, Scope::Begun(user, name)
                    if user == told.user && name.is_some() && name == told.name);
                same && !other.accepted
                    && other.asked < entry.answered
                    && entry.asked < other.answered
            });
            assert!(alive || untold, "an ended session is listed: {entry:?}");
        }
    }

    /// The access tokens of ended sessions.
    pub(super) fn access_of_ended(&self, record: &Record) -> Vec<String> {
        let all = 0..self.pairs.len();
        all.filter(|pair| self.sessions.contains_key(&(0, self.pairs[*pair])))
            .map(|pair| record.token(pair, TokenKind::Access).to_owned())
            .collect()
    }
}
