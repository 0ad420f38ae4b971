//! What ends what: every event, and each token that was good before it, in every place where it may
//! stand, on every engine. `docs/revocation.md` has the same table.

pub(crate) mod event;
pub(crate) mod place;
pub(crate) mod scene;

use crate::support::generated;
use crate::support::http::Request;
use event::{Event, KINDS, Rules, Users, Verdict, Whose};
use lacre::internals::config::Engine;
use lacre::internals::token::TokenKind;
use place::Place;
use scene::{BRIEF, Held, House, Scene};
use std::time::{Duration, Instant};

/// What was found, and what wasn't as the table says.
#[derive(Default)]
struct Walk {
    wrong: Vec<String>,
    cells: usize,
    noise: Vec<Held>,
}

impl Walk {
    fn of(rules: Rules, engine: Engine) {
        let mut house = House::open(rules, engine);
        let mut walk = Self::default();
        for event in Event::ALL.iter().filter(|event| event.rules() == rules) {
            let users = Users::ALL.iter();
            for users in users.filter(|users| event.happens_to(**users)) {
                walk.event(*event, *users, &house);
            }
        }
        assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n"));
        assert!(walk.cells >= Whose::ALL.len() * 7, "{}", walk.cells);
        if engine == Engine::Sled {
            house.server.kill9();
            house.restart();
            for held in &walk.noise {
                let back = Place::Header.tries_access(&house, &held.auth);
                assert_eq!(back, Verdict::Noise, "{} is back", held.crt);
            }
        }
        println!("{rules:?}, {engine:?}: {} cells", walk.cells);
    }

    fn event(&mut self, event: Event, users: Users, house: &House) {
        let mut scene = Scene::of(event, users, house);
        let given = scene.happens(house);
        // An access token that is tried changes nothing; a refresh token may end access tokens.
        for kind in KINDS {
            for whose in Whose::ALL {
                let held = scene.held(*whose).clone();
                for place in Place::ALL {
                    let found = found(
                        event,
                        *whose,
                        kind,
                        *place,
                        &mut scene,
                        given.as_ref(),
                        house,
                    );
                    let Some(found) = found else { continue };
                    self.cells += 1;
                    let due = event.verdict(*whose, kind);
                    if found != due {
                        self.wrong.push(format!(
                            "{event:?} of {users:?}: {whose:?} {kind:?} in {place:?}: {found:?}, is due: {due:?}"
                        ));
                    }
                }
                if kind == TokenKind::Access {
                    self.gateway(event, users, *whose, &mut scene, house);
                }
                if event.verdict(*whose, TokenKind::Access) == Verdict::Noise {
                    self.noise.push(held);
                }
            }
        }
        if event.brings_rights() {
            let token = scene.held(Whose::Own).auth.clone();
            let answer = house.server.ask(&Request::get("/authz/all").bearer(&token));
            assert_eq!(
                answer.expect(200).header("remote-groups"),
                Some("clerk"),
                "{event:?}"
            );
        }
        if let Some(mut given) = given {
            assert_eq!(
                Place::Header.tries_access(house, &given.auth),
                Verdict::Stays
            );
            let current = given.auth.clone();
            let found = Place::Header.tries_refresh(house, &mut given, &current);
            assert_eq!(found, Some(Verdict::Stays), "{event:?} gave a bad token");
        }
    }
}

impl Walk {
    /// The same at the gateway, where proxies and back ends ask.
    fn gateway(
        &mut self,
        event: Event,
        users: Users,
        whose: Whose,
        scene: &mut Scene,
        house: &House,
    ) {
        // Who was deleted can't ask; and what is alive expires before it has been asked about twice.
        if event == Event::ClientDeleted || event == Event::Expired {
            return;
        }
        let token = scene.held(whose).auth.clone();
        let due = event.verdict(whose, TokenKind::Access);
        for found in house.tries_at_the_gateway(scene.user_of(whose), &token) {
            self.cells += 1;
            if found != due {
                self.wrong.push(format!(
                    "{event:?} of {users:?}: {whose:?} at the gateway: {found:?}, is due: {due:?}"
                ));
            }
        }
    }
}

/// What the server says of one token in one place; `None` where it can't stand there.
fn found(
    event: Event,
    whose: Whose,
    kind: TokenKind,
    place: Place,
    scene: &mut Scene,
    given: Option<&Held>,
    house: &House,
) -> Option<Verdict> {
    let given = given.filter(|given| given.crt == scene.held(whose).crt);
    let look = |scene: &mut Scene| {
        let held = scene.held(whose);
        match kind {
            TokenKind::Access => Some(place.tries_access(house, &held.auth)),
            TokenKind::Refresh => {
                let current = given.unwrap_or(held).auth.clone();
                place.tries_refresh(house, held, &current)
            }
        }
    };
    if event != Event::Expired || whose == Whose::Own {
        return look(scene);
    }
    // All sessions of this server expire soon: what counts is what was seen of one well before.
    crate::support::wait::until("a look at a session in time", || {
        let begun = Instant::now();
        scene.begin_again(whose, house);
        let verdict = look(scene);
        (begun.elapsed() + Duration::from_secs(1) < BRIEF).then_some(verdict)
    })
}

#[test]
fn every_event_ends_what_the_table_says() {
    for rules in Rules::ALL {
        Walk::of(*rules, Engine::Sled);
    }
}

#[test]
fn every_event_ends_the_same_in_memory() {
    for rules in Rules::ALL {
        Walk::of(*rules, Engine::Memory);
    }
}

/// A row for each event that can happen to these users.
fn rows(users: Users) -> String {
    let user = if users == Users::Accounts {
        "users'"
    } else {
        "users' of the client"
    };
    let head = [
        "Event",
        "The session's access",
        "refresh",
        "The user's other sessions' access",
        "refresh",
        &format!("Other {user} access"),
        "refresh",
        "Of somebody else of the same id, access",
        "refresh",
        "Proof",
    ];
    let events = Event::ALL.iter().filter(|event| event.happens_to(users));
    let rows = events.map(|event| {
        let mut row = vec![event.text().to_owned()];
        for whose in Whose::ALL {
            for kind in KINDS {
                row.push(match event.verdict(*whose, kind) {
                    Verdict::Noise => "**refused**".to_owned(),
                    Verdict::Stays => "stays".to_owned(),
                    Verdict::Repeats => "repeats".to_owned(),
                });
            }
        }
        let proofs: Vec<String> = event
            .proofs()
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        row.push(proofs.join(" "));
        row
    });
    generated::table(&head, rows)
}

#[test]
fn the_page_of_what_ends_what_is_the_table() {
    let page = "docs/revocation.md";
    generated::part(page, "events", &rows(Users::Accounts));
    generated::part(page, "events of own users", &rows(Users::OwnBesideOwn));
}

/// The page of the configuration is held to the program; so no place is left out here.
#[test]
fn every_place_of_a_token_is_tried() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, key) = page.split_once("### `token.locations`").unwrap();
    let takes = key
        .lines()
        .find(|line| line.starts_with("- takes: "))
        .unwrap();
    let mut words: Vec<&str> = takes.split('`').skip(1).step_by(2).collect();
    let mut tried: Vec<&str> = Place::ALL.iter().map(|place| place.word()).collect();
    words.sort_unstable();
    tried.sort_unstable();
    assert_eq!(tried, words);
}
