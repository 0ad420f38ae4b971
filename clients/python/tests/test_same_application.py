"""One application, two libraries: Flask-JWT-Extended and ours. Every answer has to be the same, but for
those that docs/python.md lists.
"""

import re

import pytest

from .apps import cookies, course, series
from .transcripts import ORIGINAL, OURS, Conversation


def both(create_app, talk, service):
    """What was said, with the original and with ours."""
    original = Conversation(create_app(ORIGINAL))
    talk(original)
    ours = Conversation(create_app(OURS, **service.settings))
    talk(ours)
    return original.lines, ours.lines


def talk_to_course(c):
    tokens = {"token": "access", "refresh_token": "refresh"}
    password = {"1": "contraseña-1", "2": "contraseña-2", "3": "contraseña-3"}
    c.ask("GET", "/perfil")
    c.ask("GET", "/perfil", header="Basic eDp5")
    c.ask("GET", "/perfil", header="Bearer")
    c.ask("GET", "/perfil", header="Bearer a b")
    c.ask("GET", "/perfil", header="Bearer noise")
    c.ask("GET", "/perfil", header="Bearer no.is.e")
    c.ask("GET", "/informacion")
    c.ask("GET", "/informacion", header="Bearer noise")
    c.ask("POST", "/login", json={})
    c.ask("POST", "/login", json={"correo": "ada@example.com", "contraseña": "otra"})
    for correo, which in (("ada", "1"), ("eva", "2"), ("leo", "3")):
        body = {"correo": f"{correo}@example.com", "contraseña": password[which]}
        c.ask("POST", "/login", json=body, keep=tokens)
        for path in ("/perfil", "/protegido", "/informacion", "/admin", "/reporte", "/datos-sensibles"):
            c.ask("GET", path, token="access")
        c.ask("GET", "/claims", token="access")
        c.ask("PUT", "/configuracion", token="access")
        c.ask("POST", "/refresh", token="access")
        c.ask("POST", "/refresh", token="refresh", keep=tokens)
        c.ask("GET", "/claims", token="access")
        c.ask("POST", "/refresh", token="refresh", keep=tokens)
        c.ask("GET", "/admin", token="access")
        c.ask("POST", "/reauth", json=body, keep={"token": "fresh"})
        c.ask("PUT", "/configuracion", token="fresh")
        c.ask("GET", "/claims", token="fresh")
        c.ask("OPTIONS", "/perfil")
        c.ask("DELETE", "/logout", token="access")
        c.ask("GET", "/perfil", token="access")
        c.ask("DELETE", "/logout", token="access")
        c.ask("GET", "/perfil", token="fresh")


def test_the_course_on_flask_jwt_extended_runs_on_either_library(service):
    original, ours = both(course.create_app, talk_to_course, service)
    assert len(original) == 76
    assert ours == original


def talk_to_series(c):
    tokens = {"token": "access", "refresh": "refresh"}
    c.ask("GET", "/admin/users")
    c.ask("POST", "/auth", json={"email": "nobody@example.com", "password": "x"})
    c.ask("POST", "/auth", json={"email": "root@example.com", "password": "x"})
    c.ask("GET", "/admin/users", header="Bearer noise")
    people = (("teste", "senha-2"), ("saiu", "senha-3"), ("root", "senha-1"))
    for name, password in people:
        body = {"email": f"{name}@example.com", "password": password}
        c.ask("POST", "/auth", json=body, keep=tokens)
        c.ask("GET", "/admin/users", token="access")
        c.ask("GET", "/admin/users/teste@example.com", token="access")
        c.ask("GET", "/admin/users/x@example.com", token="access")
        c.ask("POST", "/auth/refresh", token="access")
        c.ask("POST", "/auth/refresh", token="refresh", keep=tokens)
        if name != "saiu":
            # Refused after the refresh token was spent: with lacre, the access token has ended too.
            c.ask("GET", "/admin/users", token="access")
    # A token of a user that is there no more.
    c.ask(
        "POST",
        "/auth",
        json={"email": "teste@example.com", "password": "senha-2"},
        keep={"token": "old", "refresh": "older"},
    )
    c.ask("DELETE", "/admin/users/teste@example.com", token="access")
    c.ask("GET", "/admin/users", token="old")
    c.ask("POST", "/auth/refresh", header="Bearer noise")


def test_the_series_on_an_api_of_users_runs_on_either_library(service):
    original, ours = both(series.create_app, talk_to_series, service)
    assert len(original) == 28
    assert ours == original


def talk_to_cookies(c):
    def csrf(kind):
        found = c.client.get_cookie(f"csrf_{kind}_token")
        return {"X-CSRF-TOKEN": found.value if found else "none"}

    c.ask("GET", "/me")
    c.ask("POST", "/me")
    c.ask("POST", "/login")
    c.ask("GET", "/me")
    c.ask("POST", "/me")
    c.ask("POST", "/me", headers={"X-CSRF-TOKEN": "x"})
    c.ask("POST", "/me", headers=csrf("refresh"))
    c.ask("POST", "/me", headers=csrf("access"))
    c.ask("POST", "/fresh", headers=csrf("access"))
    c.ask("POST", "/refresh")
    c.ask("POST", "/refresh", headers=csrf("access"))
    for _ in range(3):
        c.ask("POST", "/refresh", headers=csrf("refresh"))
        c.ask("GET", "/me")
        c.ask("POST", "/fresh", headers=csrf("access"))
    c.ask("GET", "/header")
    token = c.client.get_cookie("access_token_cookie").value
    c.ask("POST", "/logout")
    c.ask("GET", "/me")
    c.kept["token"] = token
    c.ask("GET", "/header", token="token")
    c.ask("POST", "/me", json={"access_token": token})
    c.lines.append(str(c.client.get(f"/me?jwt={token}").get_json()))


def test_tokens_in_cookies_go_on_over_refreshes_on_either_library(service):
    original, ours = both(cookies.create_app, talk_to_cookies, service)
    assert len(original) == 26
    assert ours == original


@pytest.mark.parametrize("library", [ORIGINAL, OURS])
def test_cookies_have_the_same_attributes(library, service):
    settings = service.settings if library == OURS else {}
    c = Conversation(cookies.create_app(library, **settings))

    def shown(answer):
        said = [re.sub("Expires=[^1]*20.*?; ", "", one) for one in answer.headers.getlist("Set-Cookie")]
        lines = [line.partition("; ") for line in said]
        return [(pair.partition("=")[0], bool(pair.partition("=")[2]), rest) for pair, _, rest in lines]

    assert shown(c.ask("POST", "/login")) == [
        ("access_token_cookie", True, "HttpOnly; Path=/; SameSite=Lax"),
        ("csrf_access_token", True, "Path=/; SameSite=Lax"),
        ("refresh_token_cookie", True, "Max-Age=3600; HttpOnly; Path=/; SameSite=Lax"),
        ("csrf_refresh_token", True, "Max-Age=3600; Path=/; SameSite=Lax"),
    ]
    gone = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
    assert [(name, rest) for name, _, rest in shown(c.ask("POST", "/logout"))] == [
        ("access_token_cookie", gone + "HttpOnly; Path=/; SameSite=Lax"),
        ("csrf_access_token", gone + "Path=/; SameSite=Lax"),
        ("refresh_token_cookie", gone + "HttpOnly; Path=/; SameSite=Lax"),
        ("csrf_refresh_token", gone + "Path=/; SameSite=Lax"),
    ]
