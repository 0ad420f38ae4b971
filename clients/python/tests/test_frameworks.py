"""The guards of Flask, FastAPI and Django: the same questions, the same answers, and a real lacre."""

import json
import time

import pytest
from starlette.testclient import WebSocketDenialResponse

from lacre.problem import Problem

from .conftest import assert_no_verdict, free_port
from .frameworks import FRAMEWORKS, DjangoApp, FastApiApp, FlaskApp

INVALID = 'Bearer realm="lacre", error="invalid_token"'
LACKING = 'Bearer realm="lacre", error="insufficient_scope"'


@pytest.fixture(params=FRAMEWORKS, ids=lambda one: one.__name__)
def framework(request):
    return request.param


@pytest.fixture
def app(framework, service):
    return framework(service)


def bearer(token):
    return f"Bearer {token}"


def test_no_token_is_a_challenge_without_a_reason(app):
    for sent in ([], ["Basic eDp5"]):
        got = app.get("/me", *sent)
        assert (got.status, got.headers["www-authenticate"]) == (401, 'Bearer realm="lacre"')
        assert got.headers["content-type"] == "application/problem+json"
        assert got.headers["cache-control"] == "no-store"
        assert got.json["code"] == "no_credentials"
        assert app.get("/maybe", *sent).json == {"user": None, "roles": None}


def test_a_token_lets_in_until_its_session_ends(app, service):
    lacre = service.lacre()
    tokens = lacre.get_token("ada", roles=["editor"], permissions=["publish"])
    for path in ("/me", "/maybe", "/editors", "/staff", "/publish", "/any", "/async"):
        got = app.get(path, bearer(tokens.access))
        assert (got.status, got.json) == (200, {"user": "ada", "roles": ["editor"]}), path
    lacre.revoke(tokens.access)
    for path in ("/me", "/maybe", "/editors", "/any", "/async"):
        got = app.get(path, bearer(tokens.access))
        assert (got.status, got.headers["www-authenticate"]) == (401, INVALID), path
        assert "ada" not in str(got.json)
    assert app.get("/unguarded").json == {"user": None, "roles": None}


def test_every_end_is_seen_at_the_next_request(app, service):
    lacre = service.lacre()
    ends = {
        "its user's sessions": lambda tokens: lacre.end_sessions("eva"),
        "its handle": lambda tokens: lacre.end_session("eva", tokens.handle),
        "its refresh token": lambda tokens: lacre.revoke(tokens.refresh),
        "a refresh": lambda tokens: lacre.refresh(tokens.refresh),
        "an operator": lambda tokens: service.operator("sessions", "revoke", tokens.handle),
        "a change of rights": lambda tokens: lacre.change_user("eva", roles=["reader"]),
    }
    for name, end in ends.items():
        tokens = lacre.get_token("eva")
        assert app.get("/me", bearer(tokens.access)).status == 200, name
        end(tokens)
        assert app.get("/me", bearer(tokens.access)).status == 401, name


def test_what_is_missing_is_said(app, service):
    tokens = service.lacre().get_token("leo", roles=["reader"], permissions=["read"])
    expected = {
        "/editors": ({"role": "editor"}, LACKING),
        "/staff": ({"any_role": ["editor", "admin"]}, LACKING),
        "/publish": ({"permission": "publish"}, LACKING + ', scope="publish"'),
        "/both": ({"permission": "publish"}, LACKING + ', scope="publish"'),
        "/fresh": ("fresh_login", LACKING),
        "/any": ({"role": "editor"}, LACKING),
    }
    for path, (missing, challenge) in expected.items():
        got = app.get(path, bearer(tokens.access))
        assert (got.status, got.json["missing"]) == (403, missing), path
        assert got.headers["www-authenticate"] == challenge


def test_a_fresh_token_is_one_for_which_a_password_was_proven(app, service):
    lacre = service.lacre()
    tokens = lacre.get_token("ada", fresh=True)
    assert app.get("/fresh", bearer(tokens.access)).status == 200
    refreshed = lacre.refresh(tokens.refresh)
    assert app.get("/fresh", bearer(refreshed.access)).status == 403
    assert app.get("/me", bearer(refreshed.access)).status == 200


def test_bad_tokens_are_one_answer(app, service):
    tokens = service.lacre().get_token("ada")
    head, _, rest = tokens.access.partition(".")
    bad = [
        "x",
        tokens.refresh,
        tokens.access[:-4] + "AAAA",
        f"{head}.{rest[::-1]}",
        "é",
        "x" * 9000,
        "a.b.c",
    ]
    answers = {(got.status, str(got.json)) for got in (app.get("/me", bearer(one)) for one in bad)}
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_two_tokens_and_none_after_the_scheme_are_malformed(app, service):
    token = bearer(service.lacre().get_token("ada").access)
    for sent in ([token, token], ["Bearer"], ["Bearer "]):
        got = app.get("/me", *sent)
        assert (got.status, got.json["code"]) == (400, "invalid_request"), sent
    assert app.get("/me", token.replace("Bearer ", "bearer   ")).status == 200


def test_accounts_and_users_of_the_clients_own_are_told_apart(framework, service):
    made = bearer(service.account(f"{framework.__name__}@example.com", "--role", "editor")["auth"])
    own = bearer(service.lacre().get_token("ada", roles=["editor"]).access)
    for users, expected in {"own": (401, 200), "accounts": (200, 401), "any": (200, 200)}.items():
        app = framework(service, LACRE_USERS=users)
        assert (app.get("/editors", made).status, app.get("/editors", own).status) == expected, users
    # Its own users aren't what another client takes for its own.
    other = json.loads(service.operator("clients", "add", framework.__name__, "--own-users", "--json"))
    names = {"LACRE_CLIENT_ID": other["id"], "LACRE_CLIENT_SECRET": other["secret"]}
    for users in ("own", "any"):
        assert framework(service, LACRE_USERS=users, **names).get("/editors", own).status == 401


def test_a_service_that_is_down_is_503_and_up_again_200(framework, own_service):
    app = framework(own_service)
    token = bearer(own_service.lacre().get_token("ada").access)
    assert app.get("/me", token).status == 200
    own_service.stop()
    for path in ("/me", "/maybe", "/editors"):
        assert_no_verdict(app.get(path, token))
    # Nobody has to be asked about no token at all.
    assert app.get("/me").status == 401
    own_service.start()
    assert app.get("/me", token).status == 200


def test_a_service_that_hangs_is_503_in_time(framework, own_service):
    app = framework(own_service, LACRE_TIMEOUT=0.5)
    token = bearer(own_service.lacre().get_token("ada").access)
    assert app.get("/me", token).status == 200
    own_service.freeze()
    began = time.monotonic()
    assert_no_verdict(app.get("/me", token))
    assert time.monotonic() - began < 2
    own_service.thaw()
    assert app.get("/me", token).status == 200


def test_a_problem_prints_nothing_that_was_sent(service):
    token = service.lacre().get_token("ada").access
    app = FlaskApp(service, LACRE_CLIENT_SECRET="wrong")
    assert token not in str(app.get("/me", bearer(token)).json)
    assert token[:20] not in repr(service.lacre().get_token("ada"))
    assert service.client_secret not in repr(service.lacre())
    assert "503" in str(Problem("service_unreachable"))


def test_what_is_not_lacre_or_does_not_know_us_is_503(framework, service):
    token = bearer(service.lacre().get_token("ada").access)
    assert_no_verdict(framework(service, LACRE_CLIENT_SECRET="wrong").get("/me", token))
    assert_no_verdict(framework(service, LACRE_GATEWAY=f"http://{service.public}").get("/me", token))
    assert_no_verdict(framework(service, LACRE_GATEWAY=f"http://127.0.0.1:{free_port()}").get("/me", token))


def test_django_takes_a_post_with_a_token_and_without_its_own_csrf_proof(service):
    app = DjangoApp(service)
    token = bearer(service.lacre().get_token("ada").access)
    assert app.send("POST", "/class", token).status == 200
    assert app.send("POST", "/class").status == 401
    # An optional guard may act on Django's own cookies, so its proof is demanded.
    assert app.send("POST", "/maybe", token).status == 403


def test_fastapi_guards_the_handshake_of_a_websocket(service):
    app = FastApiApp(service)
    tokens = service.lacre().get_token("ada")
    with app.client.websocket_connect("/socket", headers={"Authorization": bearer(tokens.access)}) as socket:
        assert socket.receive_text() == "ada"
    service.lacre().revoke(tokens.access)
    for headers in ({}, {"Authorization": bearer(tokens.access)}):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            app.client.websocket_connect("/socket", headers=headers),
        ):
            pass
        assert refused.value.status_code == 401
