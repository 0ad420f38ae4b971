"""What needs no lacre to be shown: the answer without one, and what is refused before one is asked."""

import json
import os
import socket
import threading
import time

import pytest

from lacre import Lacre, Misconfigured
from lacre import flask_jwt_extended as jwt
from lacre.configuration import from_settings
from lacre.connections import Address
from lacre.flask_jwt_extended import exceptions

from .conftest import assert_no_verdict, free_port
from .frameworks import FRAMEWORKS


@pytest.fixture(params=FRAMEWORKS, ids=lambda one: one.__name__)
def framework(request):
    return request.param


class Nowhere:
    """A service that isn't there."""

    def __init__(self, gateway):
        names = {"LACRE_GATEWAY": gateway, "LACRE_CLIENT_ID": "a", "LACRE_CLIENT_SECRET": "b"}
        self.settings = {**names, "LACRE_TIMEOUT": 0.5}

    def lacre(self, **changes):
        given = {name.removeprefix("LACRE_").lower(): one for name, one in self.settings.items()}
        return Lacre(**{**given, **changes})


class saying:  # noqa: N801
    """A listener that answers every connection with these bytes and closes it."""

    def __init__(self, answer):
        self.answer = answer

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def serve(self):
        try:
            while True:
                peer, _ = self.socket.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(self.answer)
        except OSError:
            pass

    def __exit__(self, *_):
        self.socket.close()


def test_where_nobody_listens_a_token_is_503_and_none_is_401(framework, place):
    for address in (f"http://127.0.0.1:{free_port()}", f"unix:{place}/none.sock"):
        app = framework(Nowhere(address))
        for path in ("/me", "/maybe", "/editors", "/any", "/async"):
            assert_no_verdict(app.get(path, "Bearer x"))
        assert app.get("/me").status == 401
        assert app.get("/maybe").json == {"user": None, "roles": None}
        assert app.get("/unguarded").status == 200


def whole(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def active(**changes):
    """An answer that lets in, but for what is changed of it; `...` takes a member away."""
    told = {"active": True, "sub": "a", "sid": "b", "client_id": "lacre", "iat": 1, "exp": 2, "roles": []}
    told.update(changes)
    return json.dumps({name: value for name, value in told.items() if value is not ...}).encode()


HOSTILE = [
    # Deeper than a recursion goes, longer than an answer is, a text that is none.
    b"[" * 200_000,
    b'{"active":' * 100_000,
    b" " * (1 << 20) + b"{}",
    b'{"active": \xff}',
    b"null",
    b'"active"',
    b"1" * 5_000,
    active(active=1),
    active(active="true"),
    *(active(**{name: ...}) for name in ("sub", "sid", "client_id", "iat", "exp")),
    *(active(**{name: ["a"]}) for name in ("sub", "sid", "client_id", "iat", "exp", "username", "scope")),
    *(active(iat=number) for number in (float("inf"), float("nan"), "1", True, 1.5, None)),
    # Letter by letter, and name by name, these would be roles.
    *(active(roles=roles) for roles in ("editor", {"editor": 1}, [1], [["editor"]], True)),
]


def test_where_something_else_answers_a_token_is_503(framework):
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"active":"yes"}',
        b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"active":true}',
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"active":true}',
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"noise\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnoise\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 503 No\r\nRetry-After: " + b"9" * 5_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 No\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n",
        *(whole(body) for body in HOSTILE),
    ]
    for answer in answers:
        with saying(answer) as address:
            assert_no_verdict(framework(Nowhere(address)).get("/me", "Bearer x"))


def test_where_nothing_is_answered_a_token_is_503_in_time(framework):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert_no_verdict(
            framework(Nowhere(f"http://127.0.0.1:{silent.getsockname()[1]}")).get("/me", "Bearer x")
        )
        assert time.monotonic() - began < 2


def test_a_setting_of_the_server_in_the_environment_is_none_of_ours(monkeypatch, place):
    monkeypatch.setitem(os.environ, "LACRE_CLIENT_ID", "x")
    monkeypatch.setitem(os.environ, "LACRE_CLIENT_SECRET", "x")
    with pytest.raises(Misconfigured, match="LACRE_CLIENT_ID is missing"):
        from_settings({"LACRE_GATEWAY": "http://127.0.0.1:1"})
    with pytest.raises(Misconfigured, match="LACRE_CLIENT_SECRET is missing"):
        from_settings({"LACRE_CLIENT_ID": "a"})
    named = {"LACRE_CLIENT_ID": "a", "LACRE_CLIENT_SECRET_FILE": place / "secret"}
    with pytest.raises(Misconfigured, match="can't be read"):
        from_settings(named)
    (place / "secret").write_text("b\n")
    assert repr(from_settings(named)) == "Lacre()"


def test_a_guard_without_a_name_is_refused_where_it_stands():
    from lacre.django import session_required as of_django
    from lacre.fastapi import session_required as of_fastapi
    from lacre.flask import session_required as of_flask

    for session_required in (of_django, of_fastapi, of_flask):
        for bad in ({"role": []}, {"role": ""}, {"permission": [""]}, {"permission": []}):
            with pytest.raises(ValueError, match="has a name"):
                session_required(**bad)
        with pytest.raises(TypeError):
            session_required(lambda: None)


def test_addresses_are_read_strictly():
    assert Address.parse("http://127.0.0.1:9091") == Address("http", "127.0.0.1", 9091)
    assert Address.parse("https://lacre.internal/below/") == Address(
        "https", "lacre.internal", None, "/below"
    )
    assert Address.parse("unix:/run/a.sock") == Address("unix", "/run/a.sock", None)
    assert Address.parse("http://[::1]:80").host == "::1"
    bad = [
        "",
        "127.0.0.1:9091",
        "ftp://x",
        "http://",
        "http://u:p@x",
        "http://x?q",
        "http://x:y",
        "unix:a.sock",
        "http://a b",
        "http://a\r\nX: y",
        "http://a/é",
    ]
    for text in bad:
        with pytest.raises(Misconfigured):
            Address.parse(text)


def test_a_setting_that_is_missing_is_named():
    with pytest.raises(Misconfigured, match="credentials"):
        Lacre(gateway="http://127.0.0.1:1", client_id="", client_secret="")
    with pytest.raises(Misconfigured, match="timeout"):
        Lacre(gateway="http://127.0.0.1:1", client_id="a", client_secret="b", timeout=0)
    with pytest.raises(Misconfigured, match="users"):
        Lacre(gateway="http://127.0.0.1:1", client_id="a", client_secret="b", users="all")
    nowhere = Lacre(gateway=None, client_id="a", client_secret="b")
    with pytest.raises(Misconfigured, match="gateway"):
        nowhere.introspect("x")
    with pytest.raises(Misconfigured, match="public"):
        nowhere.get_token("x")


def test_the_guards_names_are_those_of_the_original():
    import flask_jwt_extended as original

    names = {name for name in dir(original) if not name.startswith("_")}
    modules = {"config", "default_callbacks", "internal_utils", "tokens", "typing"}
    assert names - modules - set(dir(jwt)) == set()
    of_original = {name for name in dir(original.JWTManager) if not name.startswith("_")}
    assert of_original - set(dir(jwt.JWTManager)) == set()
    known = {name for name in dir(original.exceptions) if name[0].isupper()}
    assert known - set(dir(exceptions)) == set()
