//! What was asked and what was answered, and when.

use crate::support::http::Answer;
use crate::support::server::Token;
use lacre::internals::token::TokenKind;
use std::collections::BTreeSet;
use std::time::Instant;

use super::super::stage::CAP;

/// What a token was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Access,
    Refresh,
    /// A refresh token that was just spent is refused here, and is good for a refresh all the same.
    LogOutByRefresh,
}

/// What a request ends, if it is let in.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    Nothing,
    /// Whatever has the name before, and what is beyond the cap.
    Begun(usize, Option<usize>),
    Session(usize),
    Handle(String),
    /// Of this user, all but this session.
    OthersOf(usize, usize),
    AllOf(usize),
    /// The access tokens of this user.
    AccessOf(usize),
}

#[derive(Debug)]
pub(super) struct Entry {
    /// The node that was asked.
    pub(super) node: usize,
    pub(super) asked: Instant,
    pub(super) answered: Instant,
    pub(super) used: Option<(usize, Use)>,
    pub(super) accepted: bool,
    /// Whether nobody knows what was done of it: it is no refusal, and may have ended what it would.
    pub(super) unknown: bool,
    pub(super) scope: Scope,
    /// The pair that it brought.
    pub(super) child: Option<usize>,
    /// The handles of the user's sessions.
    pub(super) listed: Option<BTreeSet<String>>,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) user: usize,
    pub(super) name: Option<usize>,
    pub(super) crt: String,
    /// The entry that began it.
    pub(super) begun: usize,
}

/// The tokens of one answer.
pub(super) struct Pair {
    pub(super) session: usize,
    /// The pair whose refresh token brought it.
    pub(super) parent: Option<usize>,
    /// The entry that brought it.
    pub(super) given: usize,
    auth: String,
    refresh: String,
}

#[derive(Default)]
pub(super) struct Record {
    pub(super) entries: Vec<Entry>,
    pub(super) sessions: Vec<Session>,
    pub(super) pairs: Vec<Pair>,
}

impl Record {
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn answers(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn begun(
        &mut self,
        entry: Entry,
        answer: &Answer,
        user: usize,
        name: Option<usize>,
    ) -> Option<usize> {
        if !entry.accepted {
            answer.refused(401, "invalid_credentials");
            self.add(entry);
            return None;
        }
        let token = Token::of(answer);
        self.sessions.push(Session {
            user,
            name,
            crt: token.crt.clone(),
            begun: self.entries.len(),
        });
        Some(self.gives(entry, token, self.sessions.len() - 1, None))
    }

    pub(super) fn refreshed(
        &mut self,
        entry: Entry,
        answer: &Answer,
        parent: usize,
    ) -> Option<usize> {
        if !entry.accepted {
            answer.refused(401, "invalid_token");
            self.add(entry);
            return None;
        }
        let (token, session) = (Token::of(answer), self.pairs[parent].session);
        assert_eq!(token.crt, self.sessions[session].crt);
        Some(self.gives(entry, token, session, Some(parent)))
    }

    fn gives(
        &mut self,
        entry: Entry,
        token: Token,
        session: usize,
        parent: Option<usize>,
    ) -> usize {
        let pair = self.pairs.len();
        self.pairs.push(Pair {
            session,
            parent,
            given: self.entries.len(),
            auth: token.auth,
            refresh: token.refresh.unwrap(),
        });
        self.add(Entry {
            child: Some(pair),
            ..entry
        });
        pair
    }

    pub(super) fn sessions_of_pairs(&self) -> Vec<usize> {
        self.pairs.iter().map(|pair| pair.session).collect()
    }

    pub(super) fn token(&self, pair: usize, kind: TokenKind) -> &str {
        match kind {
            TokenKind::Access => &self.pairs[pair].auth,
            TokenKind::Refresh => &self.pairs[pair].refresh,
        }
    }

    pub(super) fn session_of(&self, pair: usize) -> usize {
        self.pairs[pair].session
    }

    pub(super) fn user_of(&self, pair: usize) -> usize {
        self.sessions[self.session_of(pair)].user
    }

    pub(super) fn crt_of(&self, pair: usize) -> &str {
        &self.sessions[self.session_of(pair)].crt
    }

    /// The pair of a session that was asked for last.
    pub(super) fn newest(&self, session: usize) -> usize {
        let of_session = self.pairs.iter().enumerate();
        of_session
            .filter(|(_, pair)| pair.session == session)
            .max_by_key(|(_, pair)| self.entries[pair.given].asked)
            .map(|(at, _)| at)
            .unwrap()
    }

    /// Sessions that nothing can have ended, and whose newest refresh token is good for certain:
    /// neither what was asked ends them, whether it was let in or not, nor the cap, nor a refresh
    /// token that was perhaps spent.
    pub(super) fn spared(&self) -> Vec<usize> {
        let all = 0..self.sessions.len();
        all.filter(|session| {
            let newest = self.meanwhile(self.newest(*session), None);
            newest < 2 && !self.may_have_ended(*session)
        })
        .collect()
    }

    fn may_have_ended(&self, session: usize) -> bool {
        let Session {
            user,
            name,
            crt,
            begun,
        } = &self.sessions[session];
        let mut begins = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            let ends = match &entry.scope {
                Scope::Nothing | Scope::AccessOf(_) => false,
                Scope::Begun(whose, _) if whose != user => false,
                Scope::Begun(_, named) => {
                    begins += 1;
                    at != *begun && named.is_some() && named == name
                }
                Scope::Session(ended) => *ended == session,
                Scope::Handle(ended) => ended == crt,
                Scope::OthersOf(whose, but) => whose == user && *but != session,
                Scope::AllOf(whose) => whose == user,
            };
            if ends {
                return true;
            }
        }
        begins > CAP || self.may_be_theft(session)
    }

    /// The refreshes of a session.
    fn refreshes(&self, session: usize) -> impl Iterator<Item = (&Entry, usize)> {
        self.entries
            .iter()
            .filter_map(move |entry| match entry.used {
                Some((pair, Use::Refresh)) if self.pairs[pair].session == session => {
                    Some((entry, pair))
                }
                _ => None,
            })
    }

    /// How many other refreshes of its session were under way or done between the asking for this
    /// pair and its use, or now: by as many generations at most is the pair behind.
    fn meanwhile(&self, pair: usize, used: Option<&Entry>) -> usize {
        let given = &self.entries[self.pairs[pair].given];
        self.refreshes(self.pairs[pair].session)
            .filter(|(other, _)| {
                !std::ptr::eq(*other, given)
                    && used.is_none_or(|used| {
                        !std::ptr::eq(*other, used) && other.asked < used.answered
                    })
                    && other.answered > given.asked
            })
            .count()
    }

    /// Whether a refresh token may have been two generations behind when it was used.
    fn may_be_theft(&self, session: usize) -> bool {
        self.refreshes(session)
            .any(|(used, pair)| self.meanwhile(pair, Some(used)) >= 2)
    }
}
