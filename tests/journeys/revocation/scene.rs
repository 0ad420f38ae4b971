//! The people of the table: three users, their sessions, and how each event is brought about.

use super::event::{Event, Rules, Users, Verdict, Whose};
use super::place::{CSRF_COOKIE, Place};
use crate::journeys::PASSWORD;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Client, Server, Setup, Token};
use crate::support::wait::until;
use lacre::internals::config::Engine;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const NEW_PASSWORD: &str = "wrong horse, right staple";

/// `session.max_per_user`: a scene has two sessions of one user, and one event begins a third.
pub(crate) const CAP: usize = 2;

/// Life of a session under [`Rules::Brief`].
pub(crate) const BRIEF: Duration = Duration::from_secs(4);

/// Lets in accounts, and whom a client of this name vouches for.
const SERVICE: &str = "[service.all]\nclients = [\"shop\", \"desk\"]\n";

/// A server, and back ends that it trusts: sessions begin without the work of a password.
pub(crate) struct House {
    pub(crate) server: Server,
    /// Asks for sessions of accounts.
    shop: Client,
    /// Has users of its own.
    desk: Client,
    /// What noise gets.
    pub(crate) refusal: Answer,
}

impl House {
    pub(crate) fn open(rules: Rules, engine: Engine) -> Self {
        let engine = match engine {
            Engine::Sled => "sled",
            Engine::Memory => "memory",
            Engine::Postgres | Engine::Redis => unreachable!("tests/nodes has its own ends"),
        };
        let brief = matches!(rules, Rules::Brief);
        let (key, value) = match rules {
            Rules::Patient => ("LACRE_REFRESH__GRACE", "5m".to_owned()),
            Rules::Strict => ("LACRE_REFRESH__GRACE", "0s".to_owned()),
            Rules::Brief => (
                "LACRE_SESSION__ABSOLUTE_TTL",
                format!("{}s", BRIEF.as_secs()),
            ),
        };
        let mut setup = Setup::new()
            .gateway(SERVICE)
            .env("LACRE_KEYSTORE__ENGINE", engine)
            .env("LACRE_TOKEN__LOCATIONS", &Place::every_word())
            .env("LACRE_SESSION__MAX_PER_USER", &CAP.to_string())
            .env(key, &value);
        if brief {
            // Access tokens that were to outlive every session would be refused.
            setup = setup.env("LACRE_TOKEN__ACCESS_TTL", &value);
        }
        let server = setup.start();
        Self {
            refusal: refusal_of(&server),
            shop: server.add_client("shop"),
            desk: server.add_vouching("desk"),
            server,
        }
    }

    /// Starts the server again, on the same data.
    pub(crate) fn restart(&mut self) {
        self.server.restart();
        // Each process has an order of its own for the header fields.
        self.refusal = refusal_of(&self.server);
    }

    /// Makes an account; its id.
    fn add_user(&self, arguments: &[&str], password: Option<&str>) -> (String, String) {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let email = format!("user{}@example.com", MADE.fetch_add(1, Ordering::Relaxed));
        let mut words = vec!["users", "add", &email, "--json"];
        words.extend(arguments);
        words.extend(password.map(|_| "--password-stdin"));
        let output = operate(self.server.setup(), &words, password);
        assert!(output.status.success(), "{output:?}");
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        (made["id"].as_str().unwrap().to_owned(), email)
    }

    /// Begins a session of this user.
    pub(crate) fn begin(&self, user: &User, name: &str) -> Held {
        let mut held = Held::of(&self.server.send(&user.request(name)));
        // A back end gets no cookies; a refresh brings what a page needs.
        held.renew(&self.server);
        held
    }

    /// What the gateway says of a user's access token: to a proxy, and to the client that asked for it.
    pub(crate) fn tries_at_the_gateway(&self, user: &User, token: &str) -> [Verdict; 2] {
        let answer = self.server.ask(&Request::get("/authz/all").bearer(token));
        let asked = Request::post("/oauth2/introspect").form(&[("token", token)]);
        let told = self
            .server
            .ask(&asked.basic(&user.client.id, &user.client.secret));
        let told = told.expect(200).json();
        let let_in = [answer.status == 200, told["active"] == true];
        assert!(let_in[0] || answer.status == 401, "{answer:?}");
        assert!(let_in[1] || told == json!({"active": false}), "{told}");
        let_in.map(|let_in| {
            if let_in {
                Verdict::Stays
            } else {
                Verdict::Noise
            }
        })
    }
}

/// A user, and the client that asks for sessions of it.
#[derive(Debug, Clone)]
pub(crate) struct User {
    client: Client,
    id: String,
    /// Whether the client vouches for it.
    own: bool,
}

impl User {
    fn request(&self, name: &str) -> Request {
        self.by("POST", "/getToken")
            .json(json!({"id": self.id, "user_session": name}))
    }

    /// A request of the client's.
    fn by(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).basic(&self.client.id, &self.client.secret)
    }

    /// What operators call it.
    fn called(&self) -> String {
        if self.own {
            format!("{}/{}", self.client.id, self.id)
        } else {
            self.id.clone()
        }
    }
}

/// What a user holds of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    pub(crate) auth: String,
    pub(crate) refresh: String,
    pub(crate) crt: String,
    pub(crate) csrf: String,
}

impl Held {
    /// From an answer with tokens and cookies.
    pub(crate) fn of(answer: &Answer) -> Self {
        let token = Token::of(answer);
        let cookies = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        let csrf = cookies
            .filter_map(|(_, line)| line.strip_prefix(CSRF_COOKIE)?.strip_prefix('='))
            .find_map(|rest| rest.split(';').next());
        Self {
            auth: token.auth,
            refresh: token.refresh.unwrap(),
            crt: token.crt,
            csrf: csrf.unwrap_or_default().to_owned(),
        }
    }

    /// Takes the tokens of a refresh.
    pub(crate) fn replace_by(&mut self, answer: &Answer) {
        let new = Self::of(answer);
        assert_eq!(new.crt, self.crt);
        *self = new;
    }

    fn renew(&mut self, server: &Server) {
        self.replace_by(&server.call("POST", "/refresh", &self.refresh));
    }
}

/// How an event is brought about.
#[derive(Debug)]
pub(crate) enum Act {
    /// A request, and the status of its answer.
    Ask(Box<Request>, u16),
    /// An operator's command, and its standard input.
    Operate(Vec<String>, Option<&'static str>),
    /// Nothing is done; time passes.
    Wait,
}

/// Three users and their sessions before an event.
pub(crate) struct Scene {
    pub(crate) event: Event,
    user: User,
    another_user: User,
    namesake_user: User,
    own: Held,
    other: Held,
    another: Held,
    namesake: Held,
    stolen: String,
    admin: String,
}

impl Scene {
    pub(crate) fn set(event: Event, house: &House) -> Self {
        let users = if event.happens_to(Users::Accounts) {
            Users::Accounts
        } else {
            Users::OwnBesideOwn
        };
        Self::of(event, users, house)
    }

    pub(crate) fn of(event: Event, users: Users, house: &House) -> Self {
        let has_password = event == Event::PasswordChanged;
        let (id, email) = house.add_user(&[], has_password.then_some(PASSWORD));
        let (another, _) = house.add_user(&[], None);
        // Deleted by one of the events.
        let vouching = (users != Users::Accounts).then(|| house.server.add_vouching("shop"));
        let user = |id: &str, vouching: Option<&Client>| User {
            client: vouching.unwrap_or(&house.shop).clone(),
            id: id.to_owned(),
            own: vouching.is_some(),
        };
        let namesake_user = match users {
            Users::Accounts | Users::OwnBesideOwn => user(&id, Some(&house.desk)),
            Users::OwnBesideAccount => user(&id, None),
        };
        let another_user = user(&another, vouching.as_ref());
        let user = user(&id, vouching.as_ref());
        let mut own = if has_password {
            Held::of(&house.server.try_get_token(&email, PASSWORD))
        } else {
            house.begin(&user, "own")
        };
        let stolen = own.refresh.clone();
        match event {
            Event::SpentAfterGrace => own.renew(&house.server),
            Event::SpentLongAgo => {
                own.renew(&house.server);
                own.renew(&house.server);
            }
            // The oldest is told from the others by whole seconds.
            Event::PushedOut => {
                let begun = seconds();
                until("the next second", || (seconds() > begun).then_some(()));
            }
            _ => {}
        }
        let admin = if event.is_asked_by_admin() {
            let (id, _) = house.add_user(&["--role", "admin"], None);
            let (client, own) = (house.shop.clone(), false);
            house.begin(&User { client, id, own }, "admin").auth
        } else {
            String::new()
        };
        Self {
            event,
            other: house.begin(&user, "other"),
            another: house.begin(&another_user, "another"),
            namesake: house.begin(&namesake_user, "own"),
            own,
            user,
            another_user,
            namesake_user,
            stolen,
            admin,
        }
    }

    pub(crate) fn held(&mut self, whose: Whose) -> &mut Held {
        match whose {
            Whose::Own => &mut self.own,
            Whose::Other => &mut self.other,
            Whose::Another => &mut self.another,
            Whose::Namesake => &mut self.namesake,
        }
    }

    /// What operators call the user whose sessions the event is about.
    pub(crate) fn user(&self) -> String {
        self.user.called()
    }

    /// Whose a session is.
    pub(crate) fn user_of(&self, whose: Whose) -> &User {
        match whose {
            Whose::Own | Whose::Other => &self.user,
            Whose::Another => &self.another_user,
            Whose::Namesake => &self.namesake_user,
        }
    }

    /// Begins the session anew, where it is not the one that the event is about.
    pub(crate) fn begin_again(&mut self, whose: Whose, house: &House) {
        let name = match whose {
            Whose::Own | Whose::Namesake => "own",
            Whose::Other => "other",
            Whose::Another => "another",
        };
        *self.held(whose) = house.begin(self.user_of(whose), name);
    }

    /// What has to be done for the event.
    pub(crate) fn act(&self) -> Act {
        let ask = |request: Request, status| Act::Ask(Box::new(request), status);
        let operate = |words: &[&str], input| {
            Act::Operate(words.iter().map(|&word| word.to_owned()).collect(), input)
        };
        let own = |method: &str, target: &str| Request::new(method, target).bearer(&self.own.auth);
        let (user, owner) = (&self.user.called(), &self.user);
        let client = |method: &str, rest: &str| {
            owner.by(method, &format!("/client/users/{}{rest}", owner.id))
        };
        let admin = |method: &str, rest: &str| {
            Request::new(method, &format!("/admin/users/{user}{rest}")).bearer(&self.admin)
        };
        match self.event {
            Event::Refreshed => ask(Request::post("/refresh").bearer(&self.own.refresh), 200),
            Event::SpentAfterGrace | Event::SpentLongAgo => {
                ask(Request::post("/refresh").bearer(&self.stolen), 401)
            }
            Event::LoggedOut => ask(own("POST", "/logout"), 204),
            Event::LoggedOutByRefresh => {
                ask(Request::post("/logout").bearer(&self.own.refresh), 204)
            }
            Event::EndedItself => ask(own("DELETE", &format!("/sessions/{}", self.own.crt)), 204),
            Event::EndedAnother => {
                ask(own("DELETE", &format!("/sessions/{}", self.other.crt)), 204)
            }
            Event::EndedAllButItself => ask(own("DELETE", "/sessions?except=current"), 200),
            Event::EndedAll => ask(own("DELETE", "/sessions"), 200),
            Event::Expired => Act::Wait,
            Event::PushedOut => ask(owner.request("one more"), 200),
            Event::Replaced => ask(owner.request("own"), 200),
            Event::PasswordChanged => {
                let body = json!({"current": PASSWORD, "new": NEW_PASSWORD});
                ask(own("PUT", "/me/password").json(body), 204)
            }
            Event::PasswordSet => operate(
                &["users", "set-password", user, "--password-stdin"],
                Some(NEW_PASSWORD),
            ),
            Event::PasswordPut => ask(
                admin("PUT", "").json(json!({"password": NEW_PASSWORD})),
                200,
            ),
            Event::Disabled => operate(&["users", "disable", user], None),
            Event::PutInactive => ask(admin("PUT", "").json(json!({"active": false})), 200),
            Event::Deleted => operate(&["users", "delete", user], None),
            Event::DeletedOverHttp => ask(admin("DELETE", ""), 204),
            Event::RightsSet => operate(&["users", "set", user, "--role", "clerk"], None),
            Event::RightsPut => ask(admin("PUT", "").json(json!({"roles": ["clerk"]})), 200),
            Event::HandleRevoked => operate(&["sessions", "revoke", &self.own.crt], None),
            Event::UserRevoked => operate(&["sessions", "revoke", "--user", user], None),
            Event::UserSessionsDeleted => ask(admin("DELETE", "/sessions"), 200),
            Event::AllRevoked => operate(&["sessions", "revoke", "--all"], None),
            Event::ClientEndedOne => {
                let target = format!("/sessions/{}", self.own.crt);
                ask(client("DELETE", &target), 204)
            }
            Event::ClientEndedOthers => {
                let target = format!("/sessions?except={}", self.own.crt);
                ask(client("DELETE", &target), 200)
            }
            Event::ClientEndedAll => ask(client("DELETE", "/sessions"), 200),
            Event::ClientTold => ask(client("PUT", "").json(json!({"roles": ["clerk"]})), 200),
            Event::ClientRevoked => {
                operate(&["sessions", "revoke", "--client", &owner.client.id], None)
            }
            Event::ClientDeleted => operate(&["clients", "delete", &owner.client.id], None),
        }
    }

    /// Brings the event about; the tokens that it gave, where it did.
    pub(crate) fn happens(&mut self, house: &House) -> Option<Held> {
        match self.act() {
            Act::Ask(request, status) => {
                let answer = house.server.send(&request).expect(status);
                (answer.status == 200 && answer.json()["auth"].is_string())
                    .then(|| Held::of(&answer))
            }
            Act::Operate(words, input) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let output = operate(house.server.setup(), &words, input);
                assert!(output.status.success(), "{words:?}: {output:?}");
                None
            }
            Act::Wait => {
                let token = &self.own.auth;
                until("the session expires", || {
                    let answer = house.server.call("GET", "/sessions", token);
                    (answer.status != 200).then_some(())
                });
                None
            }
        }
    }
}

impl Event {
    fn is_asked_by_admin(self) -> bool {
        matches!(
            self,
            Self::PasswordPut
                | Self::PutInactive
                | Self::DeletedOverHttp
                | Self::RightsPut
                | Self::UserSessionsDeleted
        )
    }

    /// Whether it changes what the user may do.
    pub(crate) fn brings_rights(self) -> bool {
        matches!(self, Self::RightsSet | Self::RightsPut | Self::ClientTold)
    }
}

impl Act {
    /// Does it against a server that may die meanwhile; whether it was answered.
    pub(crate) fn tries(self, server: SocketAddr, setup: &Setup) -> bool {
        match self {
            Self::Ask(request, status) => Connection::open(server)
                .and_then(|mut connection| connection.send(&request))
                // A server that dies may not answer, but it never answers anything else.
                .is_ok_and(|answer| answer.expect(status).status == status),
            Self::Operate(words, input) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                operate(setup, &words, input).status.success()
            }
            Self::Wait => true,
        }
    }
}

fn refusal_of(server: &Server) -> Answer {
    let refusal = server.call("GET", "/headers", "noise");
    refusal.refused(401, "invalid_token");
    refusal.without_id()
}

/// Runs an operator's command, without a demand on how it ends.
fn operate(setup: &Setup, words: &[&str], input: Option<&str>) -> Output {
    let mut child = setup
        .lacre(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that fails early doesn't read it.
    let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// The time as the server reads it.
#[allow(clippy::disallowed_methods)] // the wall clock is the server's own
fn seconds() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.unwrap().as_secs()
}
