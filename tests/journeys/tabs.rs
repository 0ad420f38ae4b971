//! The package for TypeScript in Chromium, in three tabs of one origin: one of them refreshes for all.

use super::PASSWORD;
use crate::pages::page;
use crate::support::browser::{Browser, Tab};
use crate::support::front::{self, Front};
use crate::support::server::{Server, Setup};
use crate::support::typescript::Package;
use crate::support::wait::until;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const EMAIL: &str = "ada@example.com";
/// Loads the package once for a page; `options` say how it holds the session.
const OPEN: &str = "const { Lacre } = await import('/script.js'); \
    window.lacre ??= new Lacre(a ?? {}); \
    window.heard ??= []; lacre.subscribe((there) => heard.push(there)); return 'open';";
/// Ten requests at the word of another tab, half of them with a method that changes something.
const TEN: &str = "window.statuses = new Promise((done, failed) => { \
        new BroadcastChannel('go').onmessage = () => { \
            const ask = (_, i) => i % 2 ? lacre.fetch(a + '/me') \
                : lacre.fetch(a + '/sessions?except=current', { method: 'DELETE' }); \
            Promise.all(Array.from({ length: 10 }, ask)).then(done, failed); \
        }; \
    }); return 'waits';";
const GO: &str = "new BroadcastChannel('go').postMessage(0); return 'told';";
const STATUSES: &str = "return (await statuses).map((answer) => answer.status);";

struct Scene {
    server: Server,
    browser: Browser,
    /// Before the service.
    front: Front,
    tabs: Vec<Tab>,
    /// Where the pages are.
    page: String,
    /// Where the service is, for a page.
    service: String,
    options: Value,
}

impl Scene {
    /// Pages of the service's own origin, logged in by cookies, in three tabs.
    fn with_cookies(setup: Setup) -> Option<Self> {
        let (browser, package) = (Browser::open()?, Package::build()?);
        let server = setup.env("LACRE_TOKEN__LOCATIONS", "cookie").start();
        let front = Front::with_script(server.public, &package.bundle());
        let page = format!("http://localhost:{}", front.port);
        Some(Self::logged_in(Self {
            server,
            browser,
            front,
            tabs: Vec::new(),
            service: page.clone(),
            page,
            options: Value::Null,
        }))
    }

    /// Pages of another origin, with tokens in memory.
    fn with_tokens() -> Option<Self> {
        let (browser, package) = (Browser::open()?, Package::build()?);
        // Nobody is behind the pages.
        let pages = Front::with_script("127.0.0.1:1".parse().unwrap(), &package.bundle());
        let page = format!("http://localhost:{}", pages.port);
        let server = Setup::new().env("LACRE_CORS__ORIGINS", &page).start();
        let front = Front::with_script(server.public, "");
        let service = format!("http://127.0.0.1:{}", front.port);
        Some(Self::logged_in(Self {
            server,
            browser,
            front,
            tabs: Vec::new(),
            page,
            options: json!({"url": service, "hold": "tokens"}),
            service,
        }))
    }

    fn logged_in(mut self) -> Self {
        self.server.sign_up(EMAIL, PASSWORD);
        self.tabs.push(self.browser.tab());
        self.opens_page();
        let log_in = "await lacre.logIn(a); return lacre.loggedIn;";
        let who = json!({"email": EMAIL, "password": PASSWORD});
        assert_eq!(self.browser.runs(log_in, &who), true);
        for _ in 0..2 {
            self.tabs.push(self.browser.opens_tab());
            self.opens_page();
        }
        self
    }

    fn opens_page(&self) {
        self.browser.visits(&format!("{}/page", self.page));
        assert_eq!(self.browser.runs(OPEN, &self.options), "open");
    }

    /// What each tab says to this.
    fn all_run(&self, function: &str) -> Vec<Value> {
        let run = |tab| {
            self.browser.goes_to(tab);
            self.browser.runs(function, &json!(self.service))
        };
        self.tabs.iter().map(run).collect()
    }

    /// Ten requests of each tab at one moment; what was answered.
    fn thirty_requests(&self) -> Vec<Value> {
        assert_eq!(self.all_run(TEN), ["waits", "waits", "waits"]);
        self.browser.runs(GO, &Value::Null);
        // The one that tells the others isn't told by itself: another channel of its page is.
        let answers = self.all_run(STATUSES);
        let each = answers.iter().map(|all| all.as_array().unwrap().clone());
        each.flatten().collect()
    }

    /// The access tokens are refused from now on.
    fn ends_access_tokens(&self, permission: &str) {
        let words = ["users", "set", EMAIL, "--permission", permission];
        self.server.operator(&words);
    }

    fn refreshes(&self) -> usize {
        self.front.count("POST /refresh")
    }

    fn sessions(&self) -> usize {
        let listed = self.server.operator(&["keystore", "list", "--json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed["sessions"].as_array().unwrap().len()
    }

    fn makes_one_refresh_a_round(&self) {
        let before = self.sessions();
        for round in 1..=3 {
            self.ends_access_tokens(&format!("round:{round}"));
            assert_eq!(self.thirty_requests(), vec![json!(200); 30]);
            assert_eq!(self.refreshes(), round);
        }
        assert_eq!(self.sessions(), before);
    }
}

#[test]
fn three_tabs_with_ten_refused_requests_each_refresh_once() {
    let Some(scene) = Scene::with_cookies(Setup::new()) else {
        return;
    };
    scene.makes_one_refresh_a_round();
}

#[test]
fn three_tabs_whose_cookie_has_expired_refresh_once() {
    let setup = Setup::new().env("LACRE_TOKEN__ACCESS_TTL", "8s");
    let Some(scene) = Scene::with_cookies(setup) else {
        return;
    };
    // The browser has let go of the cookie by then.
    std::thread::sleep(Duration::from_millis(8_100));
    let before = scene.refreshes();
    assert_eq!(scene.thirty_requests(), vec![json!(200); 30]);
    assert_eq!(scene.refreshes(), before + 1);
}

#[test]
fn three_tabs_of_another_origin_hold_one_session_in_memory() {
    let Some(scene) = Scene::with_tokens() else {
        return;
    };
    scene.makes_one_refresh_a_round();
    let kept = "return [localStorage.length, sessionStorage.length, document.cookie];";
    assert_eq!(scene.all_run(kept), vec![json!([0, 0, ""]); 3]);
    // A page that is loaded anew is told by the others.
    scene.opens_page();
    let who = "return (await lacre.call('GET /me')).email;";
    assert_eq!(scene.browser.runs(who, &Value::Null), EMAIL);
    // The last one takes the session along.
    for tab in &scene.tabs[..2] {
        scene.browser.closes(tab);
    }
    scene.browser.goes_to(&scene.tabs[2]);
    scene.opens_page();
    let asked = "return [(await lacre.fetch(a + '/me')).status, lacre.loggedIn];";
    let alone = scene.browser.runs(asked, &json!(scene.service));
    assert_eq!(alone, json!([401, false]));
}

fn a_log_out_is_heard(scene: &Scene) {
    scene.browser.goes_to(&scene.tabs[1]);
    let out = "await lacre.logOut(); return lacre.loggedIn;";
    assert_eq!(scene.browser.runs(out, &Value::Null), false);
    let asked = "const { status } = await lacre.fetch(a + '/me'); return [status, heard.at(-1), lacre.loggedIn];";
    let said = scene.all_run(asked);
    assert_eq!(said, vec![json!([401, false, false]); 3]);
    assert_eq!((scene.refreshes(), scene.sessions()), (0, 0));
    scene.browser.goes_to(&scene.tabs[2]);
    let who = json!({"email": EMAIL, "password": PASSWORD});
    let log_in = "await lacre.logIn(a); return heard.at(-1);";
    assert_eq!(scene.browser.runs(log_in, &who), true);
    let said = scene.all_run(asked);
    assert_eq!(said, vec![json!([200, true, true]); 3]);
}

#[test]
fn a_log_out_in_one_tab_is_one_in_all() {
    let Some(scene) = Scene::with_cookies(Setup::new()) else {
        return;
    };
    a_log_out_is_heard(&scene);
}

#[test]
fn a_log_out_in_one_tab_of_another_origin_is_one_in_all() {
    let Some(scene) = Scene::with_tokens() else {
        return;
    };
    a_log_out_is_heard(&scene);
}

#[test]
fn a_session_that_was_revoked_leaves_no_cookie_in_any_tab() {
    let Some(scene) = Scene::with_cookies(Setup::new()) else {
        return;
    };
    scene
        .server
        .operator(&["sessions", "revoke", "--user", EMAIL]);
    assert_eq!(scene.thirty_requests(), vec![json!(401); 30]);
    // No tab tries again what another was refused.
    assert_eq!(scene.refreshes(), 1);
    assert_eq!(scene.browser.cookies(), [Value::Null; 0]);
    assert_eq!(
        scene.all_run("return lacre.loggedIn;"),
        vec![json!(false); 3]
    );
}

#[test]
fn a_tab_that_is_closed_while_it_refreshes_stops_no_other() {
    let Some(scene) = Scene::with_cookies(Setup::new()) else {
        return;
    };
    scene.ends_access_tokens("a");
    scene.front.hold_refreshes(true);
    scene.browser.goes_to(&scene.tabs[0]);
    let begins = "lacre.fetch(a + '/me'); return 'asked';";
    scene.browser.runs(begins, &json!(scene.service));
    until("the refresh", || (scene.refreshes() == 1).then_some(()));
    scene.browser.goes_to(&scene.tabs[1]);
    let waits =
        "window.answered = lacre.fetch(a + '/me').then((answer) => answer.status); return 'waits';";
    scene.browser.runs(waits, &json!(scene.service));
    scene.browser.closes(&scene.tabs[0]);
    scene.front.hold_refreshes(false);
    scene.browser.goes_to(&scene.tabs[1]);
    assert_eq!(
        scene.browser.runs("return await answered;", &Value::Null),
        200
    );
    assert_eq!(scene.sessions(), 1);
}

/// An application behind one proxy with the service: `/till` is its own and guarded, all else is the service's.
const TILL: &str = "import { request } from 'node:http'; import express from 'express'; \
    import { Gateway, guard, session } from 'lacre/express'; \
    const { URL_OF_GATEWAY: url, ID: clientId, SECRET: clientSecret, SERVICE, PORT } = process.env; \
    const gateway = new Gateway({ url, clientId, clientSecret }); \
    const app = express(); \
    app.all('/till', guard(gateway, { locations: ['cookie'] }), (asked, answer) => { \
        answer.send(session(asked).username); \
    }); \
    app.use((asked, answer) => { \
        const { method, headers, originalUrl: path } = asked; \
        const [host, port] = SERVICE.split(':'); \
        asked.pipe(request({ host, port, method, path, headers }, (from) => { \
            answer.writeHead(from.statusCode, from.headers); \
            from.pipe(answer); \
        })); \
    }); \
    app.listen(PORT, '127.0.0.1');";

#[test]
fn a_page_calls_a_back_end_in_node_by_its_cookies_and_no_other_page_does() {
    let (Some(browser), Some(package)) = (Browser::open(), Package::build()) else {
        return;
    };
    package.publishes();
    let setup = Setup::new().env("LACRE_TOKEN__LOCATIONS", "cookie");
    let server = setup.env("LACRE_GATEWAY__LISTEN", "127.0.0.1:0").start();
    server.sign_up(EMAIL, PASSWORD);
    let client = server.add_client("till");
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let environment = [
        ("URL_OF_GATEWAY", format!("http://{}", server.gateway())),
        ("ID", client.id),
        ("SECRET", client.secret),
        ("SERVICE", server.public.to_string()),
        ("PORT", free.port().to_string()),
    ];
    let _application = package.runs_script(TILL, &environment);
    until("the application", || TcpStream::connect(free).ok());
    let front = Front::with_script(free, &package.bundle());
    let other = front::before(free);
    browser.visits(&format!("http://localhost:{}/page", front.port));
    browser.runs(OPEN, &Value::Null);
    let who = json!({"email": EMAIL, "password": PASSWORD});
    browser.runs("await lacre.logIn(a);", &who);
    let post = "const answer = await lacre.fetch('/till', { method: 'POST', body: 'x' }); \
        return [answer.status, await answer.text()];";
    assert_eq!(browser.runs(post, &Value::Null), json!([200, EMAIL]));
    let words = ["users", "set", EMAIL, "--permission", "till:open"];
    server.operator(&words);
    assert_eq!(browser.runs(post, &Value::Null), json!([200, EMAIL]));
    assert_eq!(front.count("POST /refresh"), 1);
    let bare = "return (await fetch('/till', { method: 'POST' })).status;";
    assert_eq!(browser.runs(bare, &Value::Null), 403);
    // A neighbour of another port has the same cookies, and reads the value against forgery.
    browser.visits(&format!("http://localhost:{other}/page"));
    let forged = browser.sends_form(&format!("http://localhost:{}/till", front.port), &json!({}));
    assert_eq!(forged["code"], "csrf_failed");
    browser.visits(&format!("http://localhost:{}/page", front.port));
    browser.runs(OPEN, &Value::Null);
    server.operator(&["sessions", "revoke", "--user", EMAIL]);
    let status = "return [(await lacre.fetch('/till')).status, lacre.loggedIn, document.cookie];";
    assert_eq!(browser.runs(status, &Value::Null), json!([401, false, ""]));
}

/// What stands in a fence of docs/typescript.md behind this beginning.
fn fenced(begin: &str) -> String {
    let page = std::fs::read_to_string(page::root().join("docs/typescript.md")).unwrap();
    let (_, rest) = page.split_once(begin).unwrap();
    rest.split("```").next().unwrap().to_owned()
}

#[test]
fn the_page_of_the_documentation_says_what_it_promises() {
    let (Some(browser), Some(package)) = (Browser::open(), Package::build()) else {
        return;
    };
    let server = Setup::new().env("LACRE_TOKEN__LOCATIONS", "cookie").start();
    let script = fenced("<!-- file: page.js -->\n```js\n");
    let front = Front::with_script(server.public, &package.bundle_with(&script));
    browser.visits(&format!("http://localhost:{}/page", front.port));
    let run = "const said = document.createElement('pre'); said.id = 'said'; document.body.append(said); \
        await import('/script.js'); return said.textContent;";
    let promised = fenced("`http://localhost:3000` says\n\n```text\n");
    assert_eq!(browser.runs(run, &Value::Null), promised);
}

#[test]
fn a_page_is_told_why_its_cookies_are_not_kept() {
    let (Some(browser), Some(package)) = (Browser::open(), Package::build()) else {
        return;
    };
    let server = Server::start(); // with tokens in headers alone
    server.sign_up(EMAIL, PASSWORD);
    let front = Front::with_script(server.public, &package.bundle());
    browser.visits(&format!("http://localhost:{}/page", front.port));
    browser.runs(OPEN, &Value::Null);
    let log_in = "return await lacre.logIn(a).catch((error) => error.code);";
    let who = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(browser.runs(log_in, &who), "cookies_not_kept");
    let elsewhere = front::before(server.public);
    let other = "const { Lacre } = await import('/script.js'); \
        try { new Lacre({ url: a }); } catch (error) { return error.name; }";
    let url = json!(format!("http://localhost:{elsewhere}"));
    assert_eq!(browser.runs(other, &url), "TypeError");
}
