//! Cookies in a real browser: what it keeps, what a page's script can read of it, what it sends, and
//! what it says of who sent it. `cookies.rs` plays the browser; here there is one.

use super::PASSWORD;
use crate::support::browser::Browser;
use crate::support::front;
use crate::support::server::{Server, Setup, Token};
use serde_json::{Value, json};

/// `fetch` of a page; the status, or `failed` where the browser gives the page no answer.
const FETCH: &str = "const answer = await fetch(a.target, a.how); return answer.status;";

struct Scene {
    server: Server,
    browser: Browser,
    /// The page and the service, as one origin.
    home: String,
    /// The same host on another port: another origin of the same site, with the same cookies.
    neighbour: String,
    /// Another site.
    elsewhere: String,
}

impl Scene {
    fn set() -> Option<Self> {
        let browser = Browser::open()?;
        let server = Setup::new().env("LACRE_TOKEN__LOCATIONS", "cookie").start();
        for name in ["ada", "eve"] {
            server.sign_up(&format!("{name}@example.com"), PASSWORD);
        }
        let (own, other) = (front::before(server.public), front::before(server.public));
        Some(Self {
            server,
            browser,
            home: format!("http://localhost:{own}"),
            neighbour: format!("http://localhost:{other}"),
            elsewhere: format!("http://127.0.0.1:{other}"),
        })
    }

    fn visits(&self, origin: &str) {
        self.browser.visits(&format!("{origin}/page"));
    }

    /// A page's request to its own origin.
    fn fetches(&self, method: &str, target: &str, headers: &Value, body: &Value) -> Value {
        let mut how = json!({"method": method, "headers": headers});
        if !body.is_null() {
            how["headers"]["Content-Type"] = "application/json".into();
            how["body"] = body.to_string().into();
        }
        let arguments = json!({"target": target, "how": how});
        self.browser.runs(FETCH, &arguments)
    }

    /// With the value against forgery, as the page's script reads it.
    fn fetches_as_own(&self, method: &str, target: &str, body: &Value) -> Value {
        let headers = json!({"X-CSRF-TOKEN": self.csrf()});
        self.fetches(method, target, &headers, body)
    }

    fn logs_in(&self) {
        self.visits(&self.home);
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        assert_eq!(self.fetches("POST", "/getToken", &json!({}), &body), 200);
    }

    /// What scripts can read.
    fn readable(&self) -> String {
        let cookies = self.browser.runs("return document.cookie", &Value::Null);
        cookies.as_str().unwrap().to_owned()
    }

    fn csrf(&self) -> String {
        let readable = self.readable();
        let value = readable.strip_prefix("__Host-lacre_csrf=");
        value.expect("no value against forgery").to_owned()
    }

    /// Who the page's own origin says the browser is; `null` for nobody.
    fn who(&self) -> Value {
        self.visits(&self.home);
        let read = "const answer = await fetch('/open'); return (await answer.json()).user;";
        self.browser.runs(read, &Value::Null)["email"].clone()
    }
}

#[test]
fn a_browser_keeps_the_cookies_hides_the_tokens_and_lets_them_go() {
    let Some(scene) = Scene::set() else { return };
    scene.logs_in();
    let mut cookies = scene.browser.cookies();
    cookies.sort_by_key(|cookie| cookie["name"].to_string());
    let kept: Vec<Value> = cookies
        .iter()
        .map(|one| {
            let names = ["name", "httpOnly", "secure", "sameSite", "path", "domain"];
            names.map(|name| one[name].clone()).to_vec().into()
        })
        .collect();
    let cookie = |name: &str, hidden: bool, same_site: &str| {
        let name = format!("__Host-lacre_{name}");
        json!([name, hidden, true, same_site, "/", "localhost"])
    };
    assert_eq!(
        kept,
        [
            cookie("access", true, "Lax"),
            cookie("csrf", false, "Strict"),
            cookie("refresh", true, "Strict"),
        ]
    );
    // A script of the page reads one of the three, and it is no token.
    assert_eq!(scene.csrf().len(), 64);
    assert_eq!(scene.who(), "ada@example.com");

    // The browser sends them along by itself; that alone changes nothing.
    let nothing = &Value::Null;
    for (method, target) in [
        ("POST", "/logout"),
        ("POST", "/refresh"),
        ("DELETE", "/sessions"),
    ] {
        let status = scene.fetches(method, target, &json!({}), nothing);
        assert_eq!(status, 403, "{target}");
    }
    let before = scene.browser.cookies();
    assert_eq!(scene.fetches_as_own("POST", "/refresh", nothing), 200);
    assert_ne!(scene.browser.cookies(), before);
    let proof = json!({"password": PASSWORD});
    assert_eq!(scene.fetches_as_own("POST", "/reauth", &proof), 200);
    let others = "/sessions?except=current";
    assert_eq!(scene.fetches_as_own("DELETE", others, nothing), 200);
    assert_eq!(scene.who(), "ada@example.com");

    assert_eq!(scene.fetches_as_own("POST", "/logout", nothing), 204);
    assert_eq!(scene.browser.cookies(), [Value::Null; 0]);
    assert_eq!(scene.readable(), "");
    assert_eq!(scene.who(), Value::Null);
}

#[test]
fn another_site_moves_nothing_in_a_browser() {
    let Some(scene) = Scene::set() else { return };
    scene.logs_in();
    let to = |target: &str| format!("{}{target}", scene.home);
    let attacker = json!({"email": "eve@example.com", "password": PASSWORD});

    // Another site: the browser keeps the cookies to itself, and says who sent the form.
    scene.visits(&scene.elsewhere);
    let forged = scene.browser.sends_form(&to("/logout"), &json!({}));
    assert_eq!(forged["code"], "no_credentials");
    scene.visits(&scene.elsewhere);
    let forged = scene.browser.sends_form(&to("/login"), &attacker);
    assert_eq!(forged["code"], "csrf_failed");
    assert_eq!(scene.who(), "ada@example.com");

    // A neighbour has the same cookies, its script reads the value against forgery, and the browser
    // still says that it isn't us.
    scene.visits(&scene.neighbour);
    let forged = scene.browser.sends_form(&to("/logout"), &json!({}));
    assert_eq!(forged["code"], "csrf_failed");
    scene.visits(&scene.neighbour);
    let forged = scene.browser.sends_form(&to("/login"), &attacker);
    assert_eq!(forged["code"], "csrf_failed");
    scene.visits(&scene.neighbour);
    let csrf = scene.csrf();
    let how = json!({
        "method": "POST",
        "credentials": "include",
        "headers": {"X-CSRF-TOKEN": csrf},
    });
    let arguments = json!({"target": to("/logout"), "how": how});
    assert_eq!(scene.browser.runs(FETCH, &arguments), "failed");
    let simple = json!({"method": "POST", "credentials": "include", "mode": "no-cors"});
    let arguments = json!({"target": to("/logout"), "how": simple});
    scene.browser.runs(FETCH, &arguments);
    assert_eq!(scene.who(), "ada@example.com");

    // The tokens of the body are no way in: where only cookies are enabled, a header is ignored.
    let token = scene.server.try_get_token("eve@example.com", PASSWORD);
    let token = Token::of(&token).auth;
    scene
        .server
        .call("GET", "/headers", &token)
        .refused(401, "no_credentials");
}
