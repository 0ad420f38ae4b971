"""What `lacre.flask_jwt_extended` does otherwise than the original, and what only it can."""

import time
from datetime import timedelta

import pytest
from flask import Flask, jsonify

from lacre import flask_jwt_extended as jwt
from lacre.flask_jwt_extended import exceptions

from .transcripts import Conversation


def make_app(service, **settings):
    app = Flask("app")
    app.config.update({**service.settings, **settings})
    manager = jwt.JWTManager(app)

    @app.post("/login/<user>")
    def login(user):
        access = jwt.create_access_token(user, fresh=True, additional_claims={"plan": "gold"})
        return jsonify(access=access, refresh=jwt.create_refresh_token(user))

    @app.post("/refresh")
    @jwt.jwt_required(refresh=True)
    def refresh():
        user = jwt.get_jwt_identity()
        return jsonify(access=jwt.create_access_token(user), refresh=jwt.create_refresh_token(user))

    @app.post("/refresh-as-before")
    @jwt.jwt_required(refresh=True)
    def refresh_as_before():
        return jsonify(access=jwt.create_access_token(jwt.get_jwt_identity()))

    @app.post("/refresh/<plan>")
    @jwt.jwt_required(refresh=True)
    def upgrade(plan):
        user = jwt.get_jwt_identity()
        access = jwt.create_access_token(user, additional_claims={"plan": plan})
        return jsonify(access=access, refresh=jwt.create_refresh_token(user))

    @app.get("/me")
    @jwt.jwt_required()
    def me():
        return jsonify(user=jwt.get_jwt_identity(), plan=jwt.get_jwt().get("plan"))

    @app.delete("/logout")
    @jwt.jwt_required(verify_type=False)
    def logout():
        jwt.end_session()
        return "", 204

    return app, manager


def talking(service, **settings):
    app, _ = make_app(service, **settings)
    c = Conversation(app)
    c.keep = {"access": "access", "refresh": "refresh"}
    return c


def test_logging_out_ends_the_session_without_a_blocklist(service):
    for which in ("access", "refresh"):
        c = talking(service)
        c.ask("POST", "/login/ada", keep=c.keep)
        assert c.ask("GET", "/me", token="access").json == {"user": "ada", "plan": "gold"}
        assert c.ask("DELETE", "/logout", token=which).status_code == 204
        assert c.ask("GET", "/me", token="access").status_code == 401
        assert c.ask("POST", "/refresh", token="refresh").status_code == 401


def test_both_tokens_of_a_login_are_of_one_session(service):
    c = talking(service)
    c.ask("POST", "/login/one-session", keep=c.keep)
    assert len(service.lacre().sessions("one-session")) == 1
    c.ask("POST", "/refresh", token="refresh", keep=c.keep)
    assert len(service.lacre().sessions("one-session")) == 1
    headers = jwt.get_unverified_jwt_headers(c.kept["access"])
    assert headers["kid"] == service.lacre().sessions("one-session")[0]["crt"]


def test_a_refresh_ends_the_access_token_of_before_and_keeps_the_claims(service):
    c = talking(service)
    c.ask("POST", "/login/eva", keep=c.keep)
    first = c.kept["access"]
    c.ask("POST", "/refresh", token="refresh", keep=c.keep)
    assert c.ask("GET", "/me", token=first).status_code == 401
    assert c.ask("GET", "/me", token="access").json == {"user": "eva", "plan": "gold"}


def test_other_claims_at_a_refresh_are_another_session_in_the_place_of_the_first(service):
    c = talking(service)
    c.ask("POST", "/login/upgraded", keep=c.keep)
    (before,) = service.lacre().sessions("upgraded")
    c.ask("POST", "/refresh/platinum", token="refresh", keep=c.keep)
    assert c.ask("GET", "/me", token="access").json["plan"] == "platinum"
    (after,) = service.lacre().sessions("upgraded")
    assert after["crt"] != before["crt"]
    c.ask("POST", "/refresh", token="refresh", keep=c.keep)
    assert c.ask("GET", "/me", token="access").json["plan"] == "platinum"


def test_a_spent_refresh_token_is_good_for_the_grace_and_then_a_theft(program, place):
    from .conftest import Service

    service = Service(program, place, REFRESH__GRACE="1s")
    try:
        c = talking(service)
        c.ask("POST", "/login/ada", keep=c.keep)
        # A client that goes on as with the original, which returned no other refresh token.
        only_access = {"access": "access"}
        assert c.ask("POST", "/refresh-as-before", token="refresh", keep=only_access).status_code == 200
        assert c.ask("POST", "/refresh-as-before", token="refresh", keep=only_access).status_code == 200
        assert c.ask("GET", "/me", token="access").status_code == 200
        time.sleep(1.5)
        assert c.ask("POST", "/refresh-as-before", token="refresh").json == {"msg": "Token has been revoked"}
        assert c.ask("GET", "/me", token="access").json == {"msg": "Token has expired"}
    finally:
        service.stop()


def test_an_account_of_lacre_is_nobody_here_whatever_its_id(service):
    # With the id of one of the application's own users.
    account = service.account("root@example.com", "--id", "ada", "--role", "admin")
    c = talking(service, LACRE_USERS="any")
    assert c.ask("GET", "/me", token=account["auth"]).status_code == 401
    assert c.ask("POST", "/refresh", token=account["refresh"]).status_code == 401


def test_which_loader_answers_an_ended_token_is_a_setting(service):
    for setting, text in (("expired", "Token has expired"), ("revoked", "Token has been revoked")):
        c = talking(service, LACRE_INACTIVE_TOKEN=setting)
        c.ask("POST", "/login/ada", keep=c.keep)
        c.ask("DELETE", "/logout", token="access")
        answer = c.ask("GET", "/me", token="access")
        assert (answer.status_code, answer.json) == (401, {"msg": text})
    with pytest.raises(RuntimeError):
        talking(service, LACRE_INACTIVE_TOKEN="never")


def test_a_refresh_token_at_a_view_for_access_tokens_is_refused_and_not_spent(service):
    c = talking(service)
    c.ask("POST", "/login/ada", keep=c.keep)
    assert c.ask("GET", "/me", token="refresh").status_code == 401
    assert c.ask("POST", "/refresh", token="access").json == {"msg": "Only refresh tokens are allowed"}
    assert c.ask("POST", "/refresh", token="refresh").status_code == 200


def test_a_service_that_is_down_is_503_whatever_is_asked(own_service):
    c = talking(own_service)
    c.ask("POST", "/login/ada", keep=c.keep)
    own_service.stop()
    asked = [("GET", "/me", "access"), ("POST", "/refresh", "refresh"), ("DELETE", "/logout", "access")]
    for method, path, token in [*asked, ("POST", "/login/ada", None)]:
        answer = c.ask(method, path, token=token)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1"), path
    assert c.ask("GET", "/me").status_code == 401
    own_service.start()
    assert c.ask("GET", "/me", token="access").status_code == 200
    assert c.ask("POST", "/refresh", token="refresh").status_code == 200


def test_a_shorter_life_is_kept_to_and_a_longer_one_has_no_effect(service):
    app, _ = make_app(service, JWT_ACCESS_TOKEN_EXPIRES=timedelta(days=3))
    with app.test_request_context():
        usual = jwt.decode_token(jwt.create_access_token("ada"))
        assert usual["exp"] - usual["iat"] <= 900
        short = jwt.decode_token(jwt.create_access_token("ada", expires_delta=timedelta(seconds=60)))
        assert short["exp"] - short["iat"] == 60
        gone = jwt.create_access_token("ada", expires_delta=timedelta(seconds=1))
    c = Conversation(app)
    time.sleep(1.1)
    assert c.ask("GET", "/me", token=gone).json == {"msg": "Token has expired"}
    c = talking(service, JWT_ACCESS_TOKEN_EXPIRES=4)
    c.ask("POST", "/login/ada", keep=c.keep)
    time.sleep(4.1)
    assert c.ask("GET", "/me", token="access").status_code == 401
    assert c.ask("POST", "/refresh", token="refresh", keep=c.keep).status_code == 200
    assert c.ask("GET", "/me", token="access").status_code == 200


def test_a_claim_may_have_any_name_and_an_identity_be_a_number(service):
    app, _ = make_app(service, JWT_IDENTITY_CLAIM="who")
    claims = {
        "role": "admin",
        "id": [1],
        "fresh": "yes",
        "roles": ["b", "a"],
        "jwt_extended": 1,
        "email": "ada@example.com",
        "x": None,
    }
    with app.test_request_context():
        told = jwt.decode_token(jwt.create_access_token(7, additional_claims=claims))
        assert {name: told[name] for name in claims} == claims
        assert told["who"] == 7
        assert told["sub"] == "7"
        for identity in (None, True, 1.5, b"x", ["x"]):
            with pytest.raises(TypeError):
                jwt.create_access_token(identity)


def test_roles_and_permissions_are_known_to_lacre_too(service):
    app, _ = make_app(service)
    claims = {"roles": ["editor"], "permissions": ["b", "a"]}
    with app.test_request_context():
        token = jwt.create_access_token("ada", additional_claims=claims)
        told = jwt.decode_token(token)
        assert (told["roles"], told["permissions"]) == (["editor"], ["a", "b"])
    session = service.lacre().introspect(token)
    assert session.has_role("editor")
    assert session.has_permission("a", "b")


def test_freshness_for_a_while(service):
    app, _ = make_app(service)

    @app.get("/fresh")
    @jwt.jwt_required(fresh=True)
    def fresh():
        return "fresh"

    with app.test_request_context():
        token = jwt.create_access_token("ada", fresh=timedelta(seconds=4))
    c = Conversation(app)
    # Long enough that a slow machine asks in time.
    assert c.ask("GET", "/fresh", token=token).status_code == 200
    time.sleep(5)
    assert c.ask("GET", "/fresh", token=token).json == {"msg": "Fresh token required"}


def test_what_can_be_read_of_a_token(service):
    app, _ = make_app(service)
    with app.test_request_context():
        access, refresh = jwt.create_access_token("ada"), jwt.create_refresh_token("ada")
        assert jwt.get_jti(access) == jwt.decode_token(access)["jti"]
        with pytest.raises(exceptions.ExpiredTokenError):
            jwt.decode_token(refresh)
        for noise in ("", "x", "a.b.c", "a.b.c.d.e", access + ".x", "é" + access, access + "\n", "x" * 9000):
            with pytest.raises(exceptions.JWTDecodeError):
                jwt.decode_token(noise)
        with pytest.raises(RuntimeError, match="jwt_required"):
            jwt.get_jwt()
        assert jwt.get_csrf_token(access) != jwt.get_csrf_token(refresh)
        with pytest.raises(exceptions.CSRFError):
            jwt.decode_token(access, csrf_value="x")
        assert jwt.decode_token(access, csrf_value=jwt.get_csrf_token(access))["sub"] == "ada"


def test_the_loaders_of_users_and_of_a_blocklist_are_asked(service):
    app, manager = make_app(service)
    users, blocked = {"ada": "Ada"}, set()
    manager.user_lookup_loader(lambda _header, data: users.get(data["sub"]))
    manager.token_in_blocklist_loader(lambda _header, data: data["jti"] in blocked)

    @app.get("/name")
    @jwt.jwt_required()
    def name():
        return jsonify(name=str(jwt.current_user), same=jwt.get_current_user() == "Ada")

    c = Conversation(app)
    with app.test_request_context():
        ada, eva = jwt.create_access_token("ada"), jwt.create_access_token("eva")
        jti = jwt.get_jti(ada)
    assert c.ask("GET", "/name", token=ada).json == {"name": "Ada", "same": True}
    assert c.ask("GET", "/name", token=eva).json == {"msg": "Error loading the user eva"}
    blocked.add(jti)
    assert c.ask("GET", "/name", token=ada).json == {"msg": "Token has been revoked"}


def test_a_setting_without_effect_is_said(service, caplog):
    make_app(service, JWT_DECODE_AUDIENCE="x", JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=1))
    assert "JWT_DECODE_AUDIENCE, JWT_REFRESH_TOKEN_EXPIRES" in caplog.text
    with pytest.raises(TypeError):
        jwt.jwt_required(lambda: None)
