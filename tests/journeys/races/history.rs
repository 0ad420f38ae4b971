//! Lives of sessions at random, many requests at once: what was answered is written down with its
//! times, and no answer lets in what an earlier answer had ended.
//!
//! The model is small. An answer is knowledge: that a session has ended, or that one token is noise.
//! Whatever is asked after it was given must not be let in against it. And a session that nobody can
//! have ended is still there when everything is over.

mod ends;
mod played;
mod record;

use super::stage::{NAMES, Pick, Stage, USERS, User};
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::Server;
use ends::{Ends, Nodes};
use lacre::internals::token::TokenKind;
use proptest::prelude::*;
use record::{Record, Scope, Use};
use rustix::process::Signal;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

const THREADS: usize = 4;

/// `keystore.lease` and one per cent of it.
const LEASE: Duration = Duration::from_micros(50_500);

#[derive(Debug, Clone)]
enum Deed {
    /// A back end asks for the user's session of this name.
    Begin(usize, usize),
    Call(Pick),
    List(Pick),
    Refresh(Pick),
    LogOut(Pick, TokenKind),
    EndOne(Pick, Pick),
    /// A session ends at one node while another one stands still that would let it in.
    EndUnheard(Pick),
    EndOthers(Pick),
    EndAll(Pick),
    ChangePassword(usize),
    SetRights(usize),
    Revoke(usize),
}

/// What each thread does, one after the other.
fn schedule() -> impl Strategy<Value = Vec<Vec<Deed>>> {
    let user = || 0..USERS;
    let kind = prop_oneof![Just(TokenKind::Access), Just(TokenKind::Refresh)];
    let one = prop_oneof![
        4 => (user(), 0..NAMES).prop_map(|(user, name)| Deed::Begin(user, name)),
        12 => Pick::any().prop_map(Deed::Call),
        3 => Pick::any().prop_map(Deed::List),
        12 => Pick::any().prop_map(Deed::Refresh),
        1 => (Pick::any(), kind).prop_map(|(pick, kind)| Deed::LogOut(pick, kind)),
        1 => (Pick::any(), Pick::any()).prop_map(|(by, target)| Deed::EndOne(by, target)),
        2 => Pick::any().prop_map(Deed::EndUnheard),
        1 => Pick::any().prop_map(Deed::EndOthers),
        1 => Pick::any().prop_map(Deed::EndAll),
        1 => user().prop_map(Deed::ChangePassword),
        2 => user().prop_map(Deed::SetRights),
        1 => user().prop_map(Deed::Revoke),
    ];
    prop::collection::vec(prop::collection::vec(one, 1..12), THREADS)
}

/// A play: a server, its users, and the record that all threads write.
struct Play<'a> {
    stage: &'a Stage,
    admin: String,
    users: Vec<User>,
    record: Mutex<Record>,
    /// Whose turn it is, of the nodes.
    turn: AtomicUsize,
    /// Held by whoever has a node stand still: two would wait for each other.
    still: Mutex<()>,
}

/// One of the threads.
struct Actor<'a> {
    play: &'a Play<'a>,
}

impl<'a> Play<'a> {
    fn new(stage: &'a Stage) -> Self {
        let admin = stage.admin();
        let users = stage.users(&admin);
        Self {
            stage,
            admin,
            users,
            record: Mutex::default(),
            turn: AtomicUsize::new(0),
            still: Mutex::default(),
        }
    }

    /// The node whose turn it is.
    fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.stage.nodes()
    }

    fn actor(&'a self) -> Actor<'a> {
        Actor { play: self }
    }

    fn plays(&self, schedule: &[Vec<Deed>]) {
        let mut first = self.actor();
        for user in 0..USERS {
            for name in 0..2 {
                first.begins(user, Some(name));
            }
        }
        let start = Barrier::new(schedule.len());
        std::thread::scope(|scope| {
            for deeds in schedule {
                let mut actor = self.actor();
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    for deed in deeds {
                        actor.does(deed);
                    }
                });
            }
        });
    }

    fn nodes(&self) -> Nodes {
        let count = self.stage.nodes();
        let lease = if count > 1 { LEASE } else { Duration::ZERO };
        Nodes { count, lease }
    }

    /// When everything is over: whoever nobody can have ended is in, and everything that was ended is
    /// noise.
    fn is_over(&self) -> usize {
        let mut actor = self.actor();
        let spared = self.record.lock().unwrap().spared();
        for session in &spared {
            let pair = self.record.lock().unwrap().newest(*session);
            let child = actor.refreshes(pair);
            let child = child.unwrap_or_else(|| panic!("session {session} was logged out"));
            assert!(actor.calls(child), "session {session} has lost its access");
        }
        let ends = Ends::of(&self.record.lock().unwrap(), self.nodes());
        for (pair, kind) in ends.noise() {
            match kind {
                TokenKind::Access => {
                    actor.calls(pair);
                }
                TokenKind::Refresh => {
                    actor.refreshes(pair);
                }
            }
        }
        spared.len()
    }
}

impl Actor<'_> {
    /// Sends a request and writes down what was answered. `used` is the token that it carries, and
    /// `scope` what it ends if it is let in.
    fn asks(&mut self, request: &Request, used: Option<(usize, Use)>, scope: Scope) -> Answered {
        let play = self.play;
        // A connection of its own: on a busy machine one that waits for its turn would be cut off.
        let send = |node: usize| play.stage.node(node).send(request);
        self.asks_at(play.turn(), send, used, scope)
    }

    /// The same at this node, sent by that.
    fn asks_at(
        &mut self,
        node: usize,
        mut send: impl FnMut(usize) -> Answer,
        used: Option<(usize, Use)>,
        scope: Scope,
    ) -> Answered {
        let asked = Instant::now();
        let stage = self.play.stage;
        let entry = |accepted, scope| record::Entry {
            node,
            asked,
            answered: Instant::now(),
            used,
            accepted: accepted == Accepted::Yes,
            unknown: accepted == Accepted::Unknown,
            scope,
            child: None,
            listed: None,
        };
        let mut answer;
        loop {
            answer = send(node);
            if answer.status != 503 || stage.nodes() == 1 {
                break;
            }
            // A busy machine takes a node's lease. What it did of the request is unknown: it counts as one more that may
            // have been made.
            let unknown = entry(Accepted::Unknown, scope.clone());
            self.play.record.lock().unwrap().add(unknown);
        }
        let accepted = match answer.status {
            // 404 is another user's session: the caller was let in.
            200 | 204 | 404 => Accepted::Yes,
            401 => Accepted::No,
            status => panic!("{status}: {answer:?}"),
        };
        Answered {
            entry: entry(accepted, scope),
            answer,
        }
    }

    fn writes(&self, answered: Answered) -> bool {
        let accepted = answered.entry.accepted;
        self.play.record.lock().unwrap().add(answered.entry);
        accepted
    }

    fn pick(&self, pick: &Pick) -> Option<usize> {
        let record = self.play.record.lock().unwrap();
        pick.of(&record.sessions_of_pairs())
    }

    fn token(&self, pair: usize, kind: TokenKind) -> String {
        let record = self.play.record.lock().unwrap();
        record.token(pair, kind).to_owned()
    }

    /// With the access token of this pair.
    fn uses(&mut self, pair: usize, request: Request, scope: Scope) -> Answered {
        let request = request.bearer(&self.token(pair, TokenKind::Access));
        self.asks(&request, Some((pair, Use::Access)), scope)
    }

    /// The pair of a new session; none where the account was changed meanwhile.
    fn begins(&mut self, user: usize, name: Option<usize>) -> Option<usize> {
        let play = self.play;
        let request = match name {
            Some(name) => play.stage.begins(&play.users[user], name),
            None => play.users[user].logs_in(),
        };
        let answered = self.asks(&request, None, Scope::Begun(user, name));
        let mut record = play.record.lock().unwrap();
        record.begun(answered.entry, &answered.answer, user, name)
    }

    fn calls(&mut self, pair: usize) -> bool {
        let answered = self.uses(pair, Request::get("/headers"), Scope::Nothing);
        self.writes(answered)
    }

    /// The pair that a refresh brings.
    fn refreshes(&mut self, pair: usize) -> Option<usize> {
        let token = self.token(pair, TokenKind::Refresh);
        let request = Request::post("/refresh").bearer(&token);
        let answered = self.asks(&request, Some((pair, Use::Refresh)), Scope::Nothing);
        let mut record = self.play.record.lock().unwrap();
        record.refreshed(answered.entry, &answered.answer, pair)
    }

    fn lists(&mut self, pair: usize) {
        let mut answered = self.uses(pair, Request::get("/sessions"), Scope::Nothing);
        if answered.entry.accepted {
            let list = answered.answer.json();
            let list = list.as_array().unwrap().iter();
            let crts = list.map(|one| one["crt"].as_str().unwrap().to_owned());
            answered.entry.listed = Some(crts.collect());
        }
        self.writes(answered);
    }

    fn logs_out(&mut self, pair: usize, kind: TokenKind) {
        let session = self.play.record.lock().unwrap().session_of(pair);
        let used = match kind {
            TokenKind::Access => Use::Access,
            TokenKind::Refresh => Use::LogOutByRefresh,
        };
        let request = Request::post("/logout").bearer(&self.token(pair, kind));
        let answered = self.asks(&request, Some((pair, used)), Scope::Session(session));
        self.writes(answered);
    }

    fn ends_one(&mut self, by: usize, target: usize) {
        let (crt, same_user) = {
            let record = self.play.record.lock().unwrap();
            let same = record.user_of(by) == record.user_of(target);
            (record.crt_of(target).to_owned(), same)
        };
        let request = Request::delete(&format!("/sessions/{crt}"));
        let scope = if same_user {
            Scope::Handle(crt)
        } else {
            Scope::Nothing
        };
        let answered = self.uses(by, request, scope);
        self.writes(answered);
    }

    /// The node that stands still hears of nothing, and goes on with what it knew: when its lease is over by then, it asks
    /// before it lets anybody in. Where there is one node, the session just ends.
    fn ends_unheard(&mut self, pair: usize) {
        let (play, stage) = (self.play, self.play.stage);
        let _alone = play.still.lock().unwrap();
        let (still, at) = (play.turn(), play.turn());
        let call = Request::get("/headers").bearer(&self.token(pair, TokenKind::Access));
        let used = Some((pair, Use::Access));
        let node = stage.node(still);
        let mut kept = Connection::open(node.public).unwrap();
        // It knows the token from now on, where it is good.
        let known = self.asks_at(still, |_| kept.send(&call).unwrap(), used, Scope::Nothing);
        if !self.writes(known) {
            return;
        }
        let stopped = (still != at).then(|| Still::of(node));
        let crt = self.play.record.lock().unwrap().crt_of(pair).to_owned();
        let end = Request::delete(&format!("/sessions/{crt}"));
        let end = end.bearer(&self.token(pair, TokenKind::Access));
        let send = |at: usize| stage.node(at).send(&end);
        let ended = self.asks_at(at, send, used, Scope::Handle(crt));
        self.writes(ended);
        let mut stopped = stopped;
        let send = |still: usize| {
            // What was sent lies there when it goes on.
            let written = kept.write(&call.bytes());
            drop(stopped.take());
            let answer = written.and_then(|()| kept.answer(false));
            // One that was cut off meanwhile has said nothing.
            answer.unwrap_or_else(|_| stage.node(still).send(&call))
        };
        let called = self.asks_at(still, send, used, Scope::Nothing);
        self.writes(called);
    }

    fn changes_password(&mut self, user: usize) {
        let Some(pair) = self.begins(user, None) else {
            return;
        };
        let token = self.token(pair, TokenKind::Access);
        let scope = Scope::OthersOf(user, self.play.record.lock().unwrap().session_of(pair));
        let request = User::changes_password(&token);
        let mut answered = self.asks(&request, Some((pair, Use::Access)), scope);
        if answered.answer.status == 401 && answered.answer.json()["code"] == "invalid_credentials"
        {
            // The token was let in; another change of the password came between its proof and this.
            answered.entry.accepted = true;
            answered.entry.scope = Scope::Nothing;
        } else if answered.answer.status == 401 {
            answered.answer.refused(401, "invalid_token");
        }
        self.writes(answered);
    }

    fn does(&mut self, deed: &Deed) {
        let play = self.play;
        match deed {
            Deed::Begin(user, name) => {
                self.begins(*user, Some(*name));
            }
            Deed::ChangePassword(user) => self.changes_password(*user),
            Deed::SetRights(user) => {
                let request = play.users[*user].is_put(&play.admin, json!({"roles": ["clerk"]}));
                let answered = self.asks(&request, None, Scope::AccessOf(*user));
                assert!(self.writes(answered), "an administrator was refused");
            }
            Deed::Revoke(user) => {
                let request = play.users[*user].is_revoked(&play.admin);
                let answered = self.asks(&request, None, Scope::AllOf(*user));
                assert!(self.writes(answered), "an administrator was refused");
            }
            Deed::EndOne(by, target) => {
                if let (Some(by), Some(target)) = (self.pick(by), self.pick(target)) {
                    self.ends_one(by, target);
                }
            }
            Deed::Call(pick)
            | Deed::List(pick)
            | Deed::Refresh(pick)
            | Deed::EndUnheard(pick)
            | Deed::LogOut(pick, _)
            | Deed::EndOthers(pick)
            | Deed::EndAll(pick) => {
                if let Some(pair) = self.pick(pick) {
                    self.does_with(deed, pair);
                }
            }
        }
    }

    fn does_with(&mut self, deed: &Deed, pair: usize) {
        let (user, session) = {
            let record = self.play.record.lock().unwrap();
            (record.user_of(pair), record.session_of(pair))
        };
        match deed {
            Deed::List(_) => self.lists(pair),
            Deed::Refresh(_) => {
                self.refreshes(pair);
            }
            Deed::EndUnheard(_) => self.ends_unheard(pair),
            Deed::LogOut(_, kind) => self.logs_out(pair, *kind),
            Deed::EndOthers(_) => {
                let request = Request::delete("/sessions?except=current");
                let answered = self.uses(pair, request, Scope::OthersOf(user, session));
                self.writes(answered);
            }
            Deed::EndAll(_) => {
                let answered = self.uses(pair, Request::delete("/sessions"), Scope::AllOf(user));
                self.writes(answered);
            }
            _ => {
                self.calls(pair);
            }
        }
    }
}

/// A node that stands still for as long as the value lives.
struct Still<'n>(&'n Server);

impl<'n> Still<'n> {
    fn of(node: &'n Server) -> Self {
        node.signal(Signal::STOP);
        Self(node)
    }
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Yes,
    No,
    Unknown,
}

/// An answer that is not written down yet.
struct Answered {
    entry: record::Entry,
    answer: Answer,
}
