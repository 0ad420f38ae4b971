//! Lives of sessions at random, one request after the other: the server says to each what a model
//! says that knows nothing but generations.

use super::rounds;
use super::stage::{CAP, NAMES, Pick, Stage, USERS, User};
use crate::support::http::{Answer, Request};
use crate::support::server::Token;
use lacre::internals::token::TokenKind;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

#[derive(Debug, Clone)]
enum Move {
    /// A back end asks for the user's session of this name.
    Begin(usize, usize),
    LogIn(usize),
    Refresh(Pick),
    LogOut(Pick, TokenKind),
    EndOne(Pick, Pick),
    EndOthers(Pick),
    EndAll(Pick),
    ChangePassword(usize),
    SetRights(usize),
    Disable(usize),
    Revoke(usize),
    Kill,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let user = || 0..USERS;
    let kind = prop_oneof![Just(TokenKind::Access), Just(TokenKind::Refresh)];
    let one = prop_oneof![
        12 => (user(), 0..NAMES).prop_map(|(user, name)| Move::Begin(user, name)),
        4 => user().prop_map(Move::LogIn),
        20 => Pick::any().prop_map(Move::Refresh),
        4 => (Pick::any(), kind).prop_map(|(pick, kind)| Move::LogOut(pick, kind)),
        4 => (Pick::any(), Pick::any()).prop_map(|(by, target)| Move::EndOne(by, target)),
        2 => Pick::any().prop_map(Move::EndOthers),
        1 => Pick::any().prop_map(Move::EndAll),
        1 => user().prop_map(Move::ChangePassword),
        4 => user().prop_map(Move::SetRights),
        1 => user().prop_map(Move::Disable),
        1 => user().prop_map(Move::Revoke),
        1 => Just(Move::Kill),
    ];
    prop::collection::vec(one, 1..40)
}

struct Session {
    user: usize,
    crt: String,
    name: Option<usize>,
    created_at: String,
    generation: u64,
    access_ended: bool,
    lives: bool,
}

/// What one answer brought.
struct Pair {
    session: usize,
    generation: u64,
    role: usize,
    auth: String,
    refresh: String,
}

const ROLES: [&str; 2] = ["user", "clerk"];

/// The model, and the tokens that it speaks of.
struct Life<'a> {
    stage: &'a mut Stage,
    admin: String,
    users: Vec<User>,
    /// Which of [`ROLES`] each user has.
    roles: [usize; USERS],
    sessions: Vec<Session>,
    pairs: Vec<Pair>,
    asked: usize,
}

impl<'a> Life<'a> {
    fn new(stage: &'a mut Stage) -> Self {
        let admin = stage.admin();
        Self {
            users: stage.users(&admin),
            admin,
            stage,
            roles: [0; USERS],
            sessions: Vec::new(),
            pairs: Vec::new(),
            asked: 0,
        }
    }

    fn send(&mut self, request: &Request) -> Answer {
        self.asked += 1;
        self.stage.server.send(request)
    }

    fn pick(&self, pick: &Pick) -> Option<usize> {
        let sessions: Vec<usize> = self.pairs.iter().map(|pair| pair.session).collect();
        pick.of(&sessions)
    }

    fn is_current(&self, pair: usize) -> bool {
        let pair = &self.pairs[pair];
        let session = &self.sessions[pair.session];
        session.lives && session.generation == pair.generation
    }

    fn access_is_good(&self, pair: usize) -> bool {
        self.is_current(pair) && !self.sessions[self.pairs[pair].session].access_ended
    }

    fn living(&self, user: usize) -> Vec<usize> {
        let all = 0..self.sessions.len();
        all.filter(|at| self.sessions[*at].lives && self.sessions[*at].user == user)
            .collect()
    }

    fn end(&mut self, sessions: &[usize]) {
        for session in sessions {
            self.sessions[*session].lives = false;
        }
    }

    fn gives(&mut self, session: usize, token: Token) {
        let of = &self.sessions[session];
        assert_eq!(token.crt, of.crt);
        self.pairs.push(Pair {
            session,
            generation: of.generation,
            role: self.roles[of.user],
            auth: token.auth,
            refresh: token.refresh.unwrap(),
        });
    }

    /// A session begins, in place of the living one of the same name; beyond the cap the oldest
    /// ends. Of those of one second it may be any: which one is asked of the server.
    fn begins(&mut self, user: usize, name: Option<usize>, answer: &Answer) {
        let token = Token::of(answer);
        let mut before = self.living(user);
        let replaced = before
            .iter()
            .position(|at| name.is_some() && self.sessions[*at].name == name)
            .map(|at| before.remove(at));
        if let Some(replaced) = replaced {
            assert_eq!(self.sessions[replaced].crt, token.crt);
            self.end(&[replaced]);
        }
        let listed: HashMap<String, String> = self
            .stage
            .server
            .sessions(&token.auth)
            .iter()
            .map(|one| ["crt", "created_at"].map(|name| one[name].as_str().unwrap().to_owned()))
            .map(|[crt, created_at]| (crt, created_at))
            .collect();
        let beyond = (before.len() + 1).saturating_sub(CAP);
        let (stay, gone): (Vec<usize>, Vec<usize>) = before
            .iter()
            .partition(|at| listed.contains_key(&self.sessions[**at].crt));
        assert_eq!((gone.len(), listed.len()), (beyond, stay.len() + 1));
        for old in &gone {
            for young in &stay {
                let [old, young] = [old, young].map(|at| &self.sessions[*at].created_at);
                assert!(old <= young, "{old} went and {young} stayed");
            }
        }
        self.end(&gone);
        self.sessions.push(Session {
            user,
            created_at: listed[&token.crt].clone(),
            crt: token.crt.clone(),
            name,
            generation: 1,
            access_ended: false,
            lives: true,
        });
        self.gives(self.sessions.len() - 1, token);
    }

    fn refreshes(&mut self, pair: usize) {
        let request = Request::post("/refresh").bearer(&self.pairs[pair].refresh);
        let answer = self.send(&request);
        let (at, generation) = (self.pairs[pair].session, self.pairs[pair].generation);
        let session = &mut self.sessions[at];
        let behind = session.generation - generation;
        if !session.lives || behind > 1 {
            session.lives = false; // two generations back is theft
            answer.refused(401, "invalid_token");
            return;
        }
        if behind == 0 || session.access_ended {
            session.generation += 1;
            session.access_ended = false;
        }
        self.gives(at, Token::of(&answer));
    }

    /// A request with the access token of this pair that ends these sessions, if it is let in.
    fn ends(&mut self, by: usize, request: Request, status: u16, ended: &[usize]) {
        let good = self.access_is_good(by);
        let answer = self.send(&request.bearer(&self.pairs[by].auth));
        if good {
            if answer.status == 200 {
                assert_eq!(answer.json(), json!({"revoked": ended.len()}));
            }
            answer.expect(status);
            self.end(ended);
        } else {
            answer.refused(401, "invalid_token");
        }
    }

    fn others(&self, than: usize) -> Vec<usize> {
        let than = self.pairs[than].session;
        let mut others = self.living(self.sessions[than].user);
        others.retain(|other| *other != than);
        others
    }

    fn ends_one(&mut self, by: usize, target: usize) {
        let target = &self.sessions[self.pairs[target].session];
        let crt = target.crt.clone();
        let request = Request::delete(&format!("/sessions/{crt}"));
        let user = self.sessions[self.pairs[by].session].user;
        if target.user != user {
            return self.ends(by, request, 404, &[]);
        }
        let mut named = self.living(user);
        named.retain(|at| self.sessions[*at].crt == crt);
        self.ends(by, request, 204, &named);
    }

    fn logs_out(&mut self, pair: usize, kind: TokenKind) {
        if kind == TokenKind::Access {
            let own = self.pairs[pair].session;
            return self.ends(pair, Request::post("/logout"), 204, &[own]);
        }
        let good = self.is_current(pair);
        let answer = self.send(&Request::post("/logout").bearer(&self.pairs[pair].refresh));
        if good {
            answer.expect(204);
            self.end(&[self.pairs[pair].session]);
        } else {
            answer.refused(401, "invalid_token");
        }
    }

    fn logs_in(&mut self, user: usize) {
        let answer = self.send(&self.users[user].logs_in());
        self.begins(user, None, &answer);
    }

    fn is_put(&mut self, user: usize, change: serde_json::Value) {
        let request = self.users[user].is_put(&self.admin, change);
        self.send(&request).expect(200);
    }

    fn moves(&mut self, one: &Move) {
        match one {
            Move::Begin(user, name) => {
                let request = self.stage.begins(&self.users[*user], *name);
                let answer = self.send(&request);
                self.begins(*user, Some(*name), &answer);
            }
            Move::LogIn(user) => self.logs_in(*user),
            Move::ChangePassword(user) => {
                self.logs_in(*user);
                let by = self.pairs.len() - 1;
                let request = User::changes_password(&self.pairs[by].auth);
                self.send(&request).expect(204);
                self.end(&self.others(by));
            }
            Move::SetRights(user) => {
                self.roles[*user] = 1 - self.roles[*user];
                self.is_put(*user, json!({"roles": [ROLES[self.roles[*user]]]}));
                for at in self.living(*user) {
                    self.sessions[at].access_ended = true;
                }
            }
            Move::Disable(user) => {
                self.is_put(*user, json!({"active": false}));
                self.is_put(*user, json!({"active": true}));
                self.end(&self.living(*user));
            }
            Move::Revoke(user) => {
                let request = self.users[*user].is_revoked(&self.admin);
                let ended = self.living(*user);
                let answer = self.send(&request).expect(200);
                assert_eq!(answer.json(), json!({"revoked": ended.len()}));
                self.end(&ended);
            }
            Move::Kill => {
                self.stage.server.kill9();
                self.stage.server.restart();
            }
            Move::Refresh(pick) => {
                if let Some(pair) = self.pick(pick) {
                    self.refreshes(pair);
                }
            }
            Move::LogOut(pick, kind) => {
                if let Some(pair) = self.pick(pick) {
                    self.logs_out(pair, *kind);
                }
            }
            Move::EndOne(by, target) => {
                if let (Some(by), Some(target)) = (self.pick(by), self.pick(target)) {
                    self.ends_one(by, target);
                }
            }
            Move::EndOthers(pick) => {
                if let Some(by) = self.pick(pick) {
                    let request = Request::delete("/sessions?except=current");
                    self.ends(by, request, 200, &self.others(by));
                }
            }
            Move::EndAll(pick) => {
                if let Some(by) = self.pick(pick) {
                    let user = self.sessions[self.pairs[by].session].user;
                    self.ends(by, Request::delete("/sessions"), 200, &self.living(user));
                }
            }
        }
    }

    /// The access token of this pair is let in, with its rights, or refused, as the model says.
    fn is_as_due(&mut self, pair: usize) {
        let answer = self.send(&Request::get("/open").bearer(&self.pairs[pair].auth));
        if self.access_is_good(pair) {
            let user = &answer.expect(200).json()["user"];
            assert_eq!(user["roles"], json!([ROLES[self.pairs[pair].role]]));
        } else {
            answer.refused(401, "invalid_token");
        }
    }

    fn newest(&self) -> Vec<usize> {
        let newest = (0..self.sessions.len())
            .filter_map(|at| self.pairs.iter().rposition(|pair| pair.session == at));
        newest.collect()
    }

    fn plays(&mut self, moves: &[Move]) {
        for one in moves {
            self.moves(one);
            for pair in self.newest() {
                self.is_as_due(pair);
            }
        }
        for pair in 0..self.pairs.len() {
            self.is_as_due(pair);
            if !self.sessions[self.pairs[pair].session].lives {
                self.refreshes(pair);
            }
        }
        // And whoever should still be in is.
        for pair in self.newest() {
            if self.sessions[self.pairs[pair].session].lives {
                self.refreshes(pair);
            }
        }
    }
}

#[test]
fn every_life_goes_as_the_model_says() {
    let cases = u32::try_from(rounds(8, 500)).unwrap();
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let stage = RefCell::new(Stage::open());
    let (asked, sessions) = (Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new(config).run(&moves(), |moves| {
        let mut stage = stage.borrow_mut();
        let mut life = Life::new(&mut stage);
        life.plays(&moves);
        asked.set(asked.get() + life.asked);
        sessions.set(sessions.get() + life.sessions.len());
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (asked, sessions) = (asked.get(), sessions.get());
    println!("{cases} lives of {sessions} sessions, {asked} answers as the model says");
    assert!(sessions > 10 && asked > 200, "{sessions}, {asked}");
}
