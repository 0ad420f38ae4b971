use super::*;
use crate::telemetry::tests::Captured;

const HANDLE: &str = "Zk3aPq9xLmN0bV7cRt5yUw";

fn user() -> UserId<'static> {
    UserId::new("u-1")
}

fn session() -> MaskedHandle {
    MaskedHandle::of(HANDLE)
}

/// Level, target and fields of the one line that `event` becomes.
fn line(event: &Event<'_>, origin: &Origin) -> String {
    let captured = Captured::with_filter(None);
    event.record_to(captured.logger(), origin);
    captured.line()
}

#[test]
fn every_event_has_its_fixed_fields() {
    let nowhere = Origin::default();
    let by = &Actor::Admin("root".to_owned());
    let client = &Actor::Client("client_a".to_owned());
    for (event, expected) in [
        (
            Event::LoginSucceeded {
                user: user(),
                by: client,
            },
            "INFO lacre::audit event=login_succeeded user=u-1 by=client client=client_a",
        ),
        (
            Event::LoginFailed {
                code: "invalid_credentials",
                user: None,
                client: None,
            },
            "WARN lacre::audit event=login_failed code=invalid_credentials",
        ),
        (
            Event::LoginFailed {
                code: "account_disabled",
                user: Some(user()),
                client: Some(UserId::new("client_a")),
            },
            "WARN lacre::audit event=login_failed user=u-1 client=client_a code=account_disabled",
        ),
        (
            Event::TokenRefused {
                code: "expired",
                session: Some(session()),
            },
            "WARN lacre::audit event=token_refused code=expired session=Zk3aPq9x…",
        ),
        (
            Event::AccessDenied {
                code: "role",
                user: user(),
                session: session(),
            },
            "WARN lacre::audit event=access_denied user=u-1 session=Zk3aPq9x… code=role",
        ),
        (
            Event::RefusalsDropped { count: 7 },
            "WARN lacre::audit event=refusals_dropped dropped=7",
        ),
        (
            Event::SignupRefused {
                code: "rate_limited",
            },
            "WARN lacre::audit event=signup_refused code=rate_limited",
        ),
        (
            Event::SessionStarted {
                user: user(),
                session: session(),
                by: &Actor::Owner,
            },
            "INFO lacre::audit event=session_started user=u-1 session=Zk3aPq9x… by=owner",
        ),
        (
            Event::SessionEnded {
                user: user(),
                session: session(),
                cause: Cause::Expired,
                by: &Actor::Lacre,
            },
            "INFO lacre::audit event=session_ended user=u-1 session=Zk3aPq9x… cause=expired by=lacre",
        ),
        (
            Event::AccountChanged {
                user: user(),
                change: Change::Rights,
                by,
            },
            "INFO lacre::audit event=account_changed user=u-1 change=rights by=admin admin=root",
        ),
        (
            Event::OperatorActed {
                action: "keys_rotated",
                client: None,
                by: &Actor::Operator,
            },
            "INFO lacre::audit event=operator_acted action=keys_rotated by=operator",
        ),
    ] {
        assert_eq!(line(&event, &nowhere), expected);
    }
}

#[test]
fn where_it_came_from_stands_last() {
    let origin = Origin {
        request_id: Some("r-1".to_owned()),
        address: Some([192, 0, 2, 7].into()),
    };
    let (user, by) = (user(), &Actor::Owner);
    let written = line(&Event::LoginSucceeded { user, by }, &origin);
    assert!(
        written.ends_with(" request_id=r-1 address=192.0.2.7"),
        "{written}"
    );
}

#[test]
fn theft_stands_out() {
    let event = Event::SessionEnded {
        user: user(),
        session: session(),
        cause: Cause::RefreshReused,
        by: &Actor::Lacre,
    };
    assert!(line(&event, &Origin::default()).starts_with("WARN "));
}

#[test]
fn a_handle_is_cut_on_the_way_in() {
    for (handle, shown) in [
        (HANDLE, "Zk3aPq9x…"),
        ("abcdef", "abc…"),
        ("a", "…"),
        ("", "…"),
    ] {
        let masked = MaskedHandle::of(handle);
        assert_eq!(masked.to_string(), shown);
        assert_eq!(format!("{masked:?}"), shown);
    }
}

#[test]
fn what_looks_like_a_token_is_masked_and_what_is_long_is_cut() {
    let token = "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyJ9.secret";
    assert_eq!(UserId::new(token).to_string(), "masked");
    assert_eq!(format!("{:?}", UserId::new(token)), "masked");
    assert_eq!(UserId::new(&"é".repeat(281)).to_string(), "é".repeat(280));
    assert_eq!(UserId::new("client_a/eyJh.b.c").to_string(), "masked");
}

#[test]
fn an_id_cannot_forge_a_second_event() {
    let user = UserId::new("x\nINFO lacre::audit event=login_succeeded user=admin");
    let written = line(
        &Event::LoginFailed {
            code: "x",
            user: Some(user),
            client: None,
        },
        &Origin::default(),
    );
    assert_eq!(
        written,
        r#"WARN lacre::audit event=login_failed user="x\nINFO lacre::audit event=login_succeeded user=admin" code=x"#
    );
}
