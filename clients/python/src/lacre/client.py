"""lacre, as a back end asks it: about tokens, for tokens, and to end sessions."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

from .connections import Answer, Pool
from .errors import LacreError, Misconfigured, Refused, Unavailable
from .session import ACCOUNTS, Session, seconds, text

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a session: what `POST /getToken` and `POST /refresh` answer. Prints neither."""

    access: str
    refresh: str | None
    #: The session's handle.
    handle: str
    #: Seconds.
    expires_in: int
    refresh_expires_in: int | None

    def __repr__(self) -> str:
        return f"Tokens(handle={self.handle[:8]!r}…)"


class Lacre:
    """A back end's way to lacre.

    `gateway` is lacre's gateway listener (`gateway.listen`): `http://127.0.0.1:9091`, or
    `unix:/run/lacre/gateway.sock`. `url` is its public listener, needed to begin, refresh and list
    sessions. The credentials are those that `lacre clients add` prints.

    `users` says whose users are let in. An id means something only together with who gave it: an
    account of lacre could have the id of one of this back end's own users. `"accounts"`: those of lacre
    alone; `"own"`: this client's own alone; `"any"`: all whom lacre lets in, and the application tells
    them apart by `Session.client_id`.

    Nothing that lacre says is kept: each call asks. Connections are kept, at most `connections` of
    each listener; threads may share one `Lacre`, and a forked process opens connections of its own.
    """

    def __init__(
        self,
        *,
        gateway: str | None,
        client_id: str,
        client_secret: str,
        url: str | None = None,
        users: str = "accounts",
        timeout: float = 2.0,
        connections: int = 16,
    ) -> None:
        if not client_id or not client_secret:
            raise Misconfigured("the credentials that `lacre clients add` prints are missing")
        if timeout <= 0:
            raise Misconfigured("the timeout is a number of seconds above 0")
        if users not in ("accounts", "own", "any"):
            raise Misconfigured('users are "accounts", "own" or "any"')
        self._client_id = client_id
        self._users = users
        self._gateway = Pool(gateway, timeout, connections) if gateway else None
        self._public = Pool(url, timeout, connections) if url else None
        # RFC 6749 §2.3.1: each half is form-encoded first.
        pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
        self._basic = "Basic " + b64encode(pair.encode()).decode()

    def __repr__(self) -> str:
        return "Lacre()"

    def introspect(self, token: str, *, users: str | None = None) -> Session | None:
        """The live session of an access token of these `users`, and `None` for every other text.

        Raises `Unavailable` where lacre gives no verdict.
        """
        told = self.introspection(token)
        if told is None:
            return None
        session = Session.read(told, token)
        users = users or self._users
        owner = {"accounts": ACCOUNTS, "own": self._client_id}.get(users, session.client_id)
        if session.client_id != owner:
            _log.warning('a session of other users than "%s" was refused', users)
            return None
        return session

    def introspection(self, token: str) -> dict[str, Any] | None:
        """What lacre tells of a live access token (RFC 7662 §2.2), and `None` for every other text.

        Raises `Unavailable` where lacre gives no verdict.
        """
        answer = self._form("/oauth2/introspect", token)
        if answer.status == 400 and _object(answer).get("error") == "invalid_request":
            # Too long to be a token.
            return None
        if answer.status != 200:
            raise self._no_verdict(answer)
        told = _object(answer)
        active = told.get("active")
        if active is True:
            return told
        if active is False:
            return None
        raise Unavailable("what answers isn't lacre's gateway")

    def revoke(self, token: str) -> None:
        """Ends the session of this access or refresh token. Returns for any text, known or not.

        When it returns, both tokens of the session are refused everywhere. Raises `Unavailable` where
        that isn't known: the session may be alive.
        """
        answer = self._form("/oauth2/revoke", token)
        if answer.status != 200:
            raise self._no_verdict(answer)

    def get_token(
        self,
        user: str,
        *,
        user_session: str | None = None,
        email: str | None = None,
        name: str | None = None,
        roles: Sequence[str] | None = None,
        permissions: Sequence[str] | None = None,
        fresh: bool | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> Tokens:
        """Begins a session for a user of this back end's own (`lacre clients add NAME --own-users`).

        Another request with the same `user_session` replaces the session of that name: its tokens
        end. `fresh`: a password was proven just now. Raises `Refused` where lacre doesn't give one.
        """
        sent: dict[str, Any] = {
            "id": user,
            "user_session": user_session,
            "email": email,
            "name": name,
            "roles": None if roles is None else list(roles),
            "permissions": None if permissions is None else list(permissions),
            "fresh": fresh,
            "claims": dict(claims) if claims else None,
        }
        told = self._json("POST", "/getToken", {k: v for k, v in sent.items() if v is not None})
        return _tokens(told)

    def refresh(self, token: str) -> Tokens:
        """New tokens for a refresh token, which is spent by that: keep the one that comes back.

        Raises `Refused` for a token that is no good.
        """
        body = json.dumps({"refresh": token}).encode()
        # A repeated one within `refresh.grace` brings the same generation.
        answer = self._ask_public("POST", "/refresh", {}, body, repeatable=True)
        return _tokens(_good(answer))

    def sessions(self, user: str) -> list[dict[str, Any]]:
        """The live sessions of a user of this back end's own."""
        path = f"/client/users/{quote(user, safe='')}/sessions"
        answer = self._ask_public("GET", path, self._sender(), None, repeatable=True)
        if answer.status != 200:
            _good(answer)
        found = _read(answer)
        if not isinstance(found, list):
            raise Unavailable("lacre's answer has no list of sessions")
        return found

    def end_session(self, user: str, handle: str) -> None:
        """Ends one session of a user of this back end's own. One that has ended is fine.

        Another answer than lacre's 204 is no end: whatever answers 404 there may be something else.
        """
        if not user or not handle:
            raise ValueError("a user and a handle are needed")
        path = f"/client/users/{quote(user, safe='')}/sessions/{quote(handle, safe='')}"
        _good(self._ask_public("DELETE", path, self._sender(), None, repeatable=True))

    def end_sessions(self, user: str, *, spare: str | None = None) -> None:
        """Ends all sessions of a user of this back end's own, but for the handle `spare`."""
        path = f"/client/users/{quote(user, safe='')}/sessions"
        if spare is not None:
            path += f"?except={quote(spare, safe='')}"
        _good(self._ask_public("DELETE", path, self._sender(), None, repeatable=True))

    def change_user(self, user: str, **changes: Any) -> None:
        """Says anew who a user is (`roles`, `permissions`, `email`, `name`), for all its sessions.

        Earlier access tokens end; a refresh brings the new ones.
        """
        self._json("PUT", f"/client/users/{quote(user, safe='')}", changes)

    def close(self) -> None:
        """Closes the connections that are kept."""
        for pool in (self._gateway, self._public):
            if pool is not None:
                pool.close()

    def _form(self, path: str, token: str) -> Answer:
        if self._gateway is None:
            raise Misconfigured("the address of lacre's gateway listener is missing")
        headers = {
            "Authorization": self._basic,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode({"token": token}).encode()
        # Asking twice, and ending what has ended, change nothing.
        return self._gateway.exchange("POST", path, headers, body, repeatable=True)

    def _json(self, method: str, path: str, sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
        body = None if sent is None else json.dumps(sent).encode()
        # A repeated log-in would begin a second session that nobody knows.
        repeatable = method != "POST"
        return _good(self._ask_public(method, path, self._sender(), body, repeatable=repeatable))

    def _sender(self) -> dict[str, str]:
        return {"Authorization": self._basic}

    def _ask_public(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        repeatable: bool,
    ) -> Answer:
        if self._public is None:
            raise Misconfigured("the address of lacre's public listener is missing")
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self._public.exchange(method, path, headers, body, repeatable=repeatable)

    def _no_verdict(self, answer: Answer) -> LacreError:
        if answer.status == 401:
            return Unavailable("lacre doesn't take this back end's credentials", 1)
        return Unavailable(f"lacre gave no verdict ({answer.status})", answer.retry_after)


def _object(answer: Answer) -> dict[str, Any]:
    told = _read(answer)
    if not isinstance(told, dict):
        raise Unavailable("what answers isn't lacre")
    return told


def _read(answer: Answer) -> Any:
    """The JSON of an answer; `None` where it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _good(answer: Answer) -> dict[str, Any]:
    """The body of a success. Raises `Unavailable` for 5xx and 429, and `Refused` for the rest."""
    if answer.status == 204:
        return {}
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable(f"lacre can't answer now ({answer.status})", answer.retry_after)
    told = _object(answer)
    if answer.status not in (200, 201):
        raise Refused(answer.status, told)
    return told


def _tokens(told: Mapping[str, Any]) -> Tokens:
    try:
        lasts, refresh = told.get("refresh_expires_in"), told.get("refresh")
        return Tokens(
            access=text(told["auth"]),
            refresh=None if refresh is None else text(refresh),
            handle=text(told["crt"]),
            expires_in=seconds(told["expires_in"]),
            refresh_expires_in=None if lasts is None else seconds(lasts),
        )
    except (KeyError, TypeError):
        raise Unavailable("lacre's answer lacks the tokens") from None
