//! Forms that no page of the console sent, and cookies that its log-in didn't set.

use super::*;

const ACCESS: &str = "__Host-lacre_console";

#[test]
fn a_form_that_no_page_of_the_console_sent_changes_nothing() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let mut other = scene.administrator();
    let (own, foreign) = (
        mark_of(&ops.gets("/console/")),
        mark_of(&other.gets("/console/")),
    );
    let mut stranger = Browser::at(&scene.server);
    let of_log_in = mark_of(&stranger.gets("/console/login"));
    let crt = scene.ada.crt.clone();
    let end = |browser: &mut Browser<'_>, mark: &str| {
        browser.posts("/console/session/end", &[("form", mark), ("handle", &crt)])
    };

    // Without the page's mark, or with another one.
    let cut = &own[..own.len() - 1];
    for wrong in ["", cut, &foreign, &of_log_in, &"A".repeat(64)] {
        let answer = end(&mut ops, wrong).expect(403);
        says(&answer, "Nothing was done");
    }
    ops.posts("/console/session/end", &[("handle", &crt)])
        .expect(403);

    // With it, where the browser doesn't say that the page sent it.
    for site in ["cross-site", "same-site", "none"] {
        ops.site = Some(site);
        end(&mut ops, &own).expect(403);
    }
    ops.site = None;
    end(&mut ops, &own).expect(403);
    for origin in [
        "null",
        "http://evil.test",
        "https://evil.test",
        "http://lacre.test",
        "https://lacre.test:444",
    ] {
        let request = Request::post("/console/session/end").header("Origin", origin);
        ops.sends(request.form(&[("form", &own), ("handle", &crt)]))
            .expect(403);
    }
    scene.server.accepts(&scene.ada.auth);
    let log = scene.server.written();
    let denied = |code: &str| {
        let code = format!("code={code}");
        let lines = log
            .lines()
            .filter(|line| line.contains("event=access_denied") && line.contains(&code));
        lines.count()
    };
    assert_eq!((denied("csrf_forged"), denied("csrf_other_site")), (6, 9));

    // An older browser says it by `Origin`.
    let request = Request::post("/console/session/end").header("Origin", "https://lacre.test");
    let ended = ops.sends(request.form(&[("form", &own), ("handle", &crt)]));
    assert_eq!(ended.status, 303, "{ended:?}");
    scene.server.refuses(&scene.ada.auth);
}

#[test]
fn nobody_is_logged_in_by_another_site() {
    let scene = Scene::set();
    let mut victim = Browser::at(&scene.server);
    let mut attacker = Browser::at(&scene.server);
    let attackers = mark_of(&attacker.gets("/console/login"));
    let own = mark_of(&victim.gets("/console/login"));
    let log_in = |mark: &str| {
        [
            ("form", mark.to_owned()),
            ("user", OPS.to_owned()),
            ("password", PASSWORD.to_owned()),
        ]
    };
    let send = |browser: &mut Browser<'_>, mark: &str| {
        let fields = log_in(mark);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        browser.posts("/console/login", &fields)
    };
    // A form of the attacker's own browser, and no form at all.
    for mark in [attackers.as_str(), ""] {
        let answer = send(&mut victim, mark).expect(403);
        says(&answer, "The form was too old");
    }
    for site in ["cross-site", "same-site", "none"] {
        victim.site = Some(site);
        send(&mut victim, &own).expect(403);
    }
    victim.site = Some("same-origin");
    assert!(is_sent_away(&victim.gets("/console/")));
    assert_eq!(scene.sessions_of("ops"), 0);
    assert_eq!(send(&mut victim, &own).status, 303);
    assert_eq!(victim.gets("/console/").status, 200);
}

#[test]
fn only_a_cookie_of_the_consoles_own_log_in_opens_a_page() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let good = ops.cookies[ACCESS].clone();
    let other = scene.administrator();
    let others = other.cookies[ACCESS].clone();
    let (token, mark) = good.rsplit_once('.').unwrap();
    let (_, others_mark) = others.rsplit_once('.').unwrap();
    let api = scene.server.get_token(OPS, PASSWORD);
    // What the public listener gives an administrator is a good token there, and opens no page here.
    scene
        .server
        .call("GET", "/admin/users", &api.auth)
        .expect(200);
    let form = mark_of(&ops.gets("/console/"));
    let mut browser = Browser::at(&scene.server);
    for wrong in [
        api.auth.clone(),
        format!("{}.{mark}", api.auth),
        format!("{}.{form}", api.auth),
        format!("{token}.{others_mark}"),
        format!("{token}.{form}"),
        format!("{token}."),
        token.to_owned(),
        "x".to_owned(),
        format!(".{mark}"),
        ops.cookies["__Host-lacre_console_refresh"].clone(),
    ] {
        browser.cookies.insert(ACCESS.to_owned(), wrong.clone());
        assert!(is_sent_away(&browser.gets("/console/")), "{wrong}");
    }
    // Two of one name are none.
    let request =
        Request::get("/console/").header("Cookie", &format!("{ACCESS}={good}; {ACCESS}={good}"));
    assert!(is_sent_away(&Browser::at(&scene.server).sends(request)));
    // No header carries it.
    let request = Request::get("/console/").bearer(token);
    assert!(is_sent_away(&Browser::at(&scene.server).sends(request)));
    browser.cookies.insert(ACCESS.to_owned(), good);
    assert_eq!(browser.gets("/console/").status, 200);
}

#[test]
fn no_password_is_asked_for_where_others_could_read_it() {
    let scene = Scene::set();
    let mut far = Browser::at(&scene.server);
    far.site = None;
    let page = far.gets("/console/login").expect(403);
    assert!(!page.text().contains("<form"));
    says(&page, "ssh -L");
}

#[test]
fn a_log_in_leads_back_to_the_page_and_to_no_other_place() {
    let scene = Scene::set();
    let mut ops = Browser::at(&scene.server);
    let sent_away = ops.gets("/console/user?id=a%2Fb&after=1");
    assert_eq!(
        location(&sent_away),
        "/console/login?next=%2Fconsole%2Fuser%3Fid%3Da%252Fb%26after%3D1"
    );
    let page = ops.gets(location(&sent_away)).expect(200);
    says(
        &page,
        r#"name="next" value="/console/user?id=a%2Fb&amp;after=1""#,
    );
    for (next, leads_to) in [
        ("/console/users?q=a", "/console/users?q=a"),
        ("//evil.test/", "/console/"),
        ("https://evil.test/console/", "/console/"),
        ("/console/\\evil.test", "/console/"),
        ("/console/../livez", "/console/"),
    ] {
        let mut browser = Browser::at(&scene.server);
        let fields = [("user", OPS), ("password", PASSWORD), ("next", next)];
        let entered = browser.fills_in("/console/login", "/console/login", &fields);
        assert_eq!(
            (entered.status, location(&entered)),
            (303, leads_to),
            "{next}"
        );
        let query = serde_urlencoded::to_string([("next", next)]).unwrap();
        let again = browser.gets(&format!("/console/login?{query}"));
        assert_eq!(location(&again), leads_to, "who is in is led on");
    }
}
