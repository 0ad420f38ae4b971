"""The guards before accounts of lacre's own: who has logged in there is let in here, until it ends."""

import pytest

from lacre import Unavailable

from .conftest import PASSWORD, Service, assert_no_verdict
from .frameworks import FRAMEWORKS


@pytest.fixture(params=FRAMEWORKS, ids=lambda one: one.__name__)
def framework(request):
    return request.param


def bearer(token):
    return f"Bearer {token}"


def test_a_log_in_lets_in_everywhere_and_a_log_out_nowhere(framework, accounts):
    app = framework(accounts)
    made = accounts.account(
        f"{framework.__name__}@example.com", "--role", "editor", "--permission", "publish"
    )
    for path in ("/me", "/maybe", "/editors", "/staff", "/publish", "/fresh", "/any", "/async"):
        got = app.get(path, bearer(made["auth"]))
        assert (got.status, got.json["roles"]) == (200, ["editor"]), path
    assert app.get("/both", bearer(made["auth"])).json["missing"] == {"permission": "read"}
    assert app.get("/me", bearer(made["refresh"])).status == 401
    renewed = accounts.posted("/refresh", {"refresh": made["refresh"]})
    assert app.get("/me", bearer(made["auth"])).status == 401
    assert app.get("/me", bearer(renewed["auth"])).status == 200
    assert app.get("/fresh", bearer(renewed["auth"])).json["missing"] == "fresh_login"
    accounts.posted("/logout", token=renewed["auth"])
    for path in ("/me", "/maybe", "/async"):
        assert app.get(path, bearer(renewed["auth"])).status == 401, path


def test_what_an_operator_ends_is_refused_at_the_next_request(framework, accounts):
    app, email = framework(accounts), f"ops-{framework.__name__}@example.com"
    accounts.account(email, "--role", "editor")
    ends = {
        "the session": lambda made: accounts.operator("sessions", "revoke", made["crt"]),
        "all of the user": lambda made: accounts.operator("sessions", "revoke", "--user", email),
        "a change of rights": lambda made: accounts.operator("users", "set", email, "--role", "reader"),
        "a revocation": lambda made: accounts.lacre().revoke(made["refresh"]),
        "the account": lambda made: accounts.operator("users", "disable", email),
    }
    for name, end in ends.items():
        made = accounts.posted("/getToken", {"email": email, "password": PASSWORD})
        assert app.get("/me", bearer(made["auth"])).status == 200, name
        end(made)
        assert app.get("/me", bearer(made["auth"])).status == 401, name


def test_bad_tokens_are_one_answer(framework, accounts):
    app = framework(accounts)
    made = accounts.account(f"bad-{framework.__name__}@example.com")
    head, _, rest = made["auth"].partition(".")
    changed = (made["auth"][:-4] + "AAAA", f"{head}.{rest[::-1]}")
    bad = ["x", "a.b.c", "é", "x" * 9000, made["refresh"], *changed]
    answers = {(got.status, str(got.json)) for got in (app.get("/me", bearer(one)) for one in bad)}
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    assert app.get("/me", bearer(made["auth"])).status == 200


def test_a_service_that_is_down_or_hangs_is_503_and_then_200_again(framework, program, place):
    service = Service(program, place, own_users=False)
    try:
        app = framework(service, LACRE_TIMEOUT=0.5)
        token = bearer(service.account("ada@example.com")["auth"])
        assert app.get("/me", token).status == 200
        service.freeze()
        assert_no_verdict(app.get("/me", token))
        service.thaw()
        assert app.get("/me", token).status == 200
        service.stop()
        assert_no_verdict(app.get("/me", token))
        assert_no_verdict(app.get("/maybe", token))
        assert app.get("/me").status == 401
        service.start()
        assert app.get("/me", token).status == 200
    finally:
        service.stop()


def test_a_unix_socket_works(program, place):
    service = Service(program, place, gateway=f"unix:{place}/gateway.sock", own_users=False)
    try:
        lacre = service.lacre()
        made = service.account("ada@example.com")
        session = lacre.introspect(made["auth"])
        assert (session.username, session.handle) == ("ada@example.com", made["crt"])
        lacre.revoke(made["auth"])
        assert lacre.introspect(made["auth"]) is None
        service.stop()
        with pytest.raises(Unavailable):
            lacre.introspect(made["auth"])
    finally:
        service.stop()


def test_whose_users_are_let_in_is_a_setting(framework, accounts):
    made = bearer(accounts.account(f"whose-{framework.__name__}@example.com")["auth"])
    for users, status in {"accounts": 200, "any": 200, "own": 401}.items():
        assert framework(accounts, LACRE_USERS=users).get("/me", made).status == status, users


def test_credentials_that_are_not_taken_are_503(framework, accounts):
    made = bearer(accounts.account(f"wrong-{framework.__name__}@example.com")["auth"])
    assert_no_verdict(framework(accounts, LACRE_CLIENT_SECRET="wrong").get("/me", made))
    assert_no_verdict(framework(accounts, LACRE_GATEWAY=f"http://{accounts.public}").get("/me", made))
